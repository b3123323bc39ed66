"""How long a stage's share of a step is at least, in a pipeline of one chunk a stage, for many layouts at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from clustersim.engines.graph import Floats, Ints
from clustersim.schedules.registry import find_schedule


class Turns(NamedTuple):
    """StageTimes around a stage's turning points, [stages, points] each."""

    before: Ints  # forward passes before its first gradient, at most
    behind: Ints  # weight gradients after its last input gradient, at most
    owed: Ints  # and at least


class StageTimes(NamedTuple):
    """Seconds [stages, points] of what stages do."""

    busy: Floats  # all passes, and the messages that hold the compute stream but the last
    forward: Floats  # one forward pass, at least
    gradient: Floats  # one input gradient, at least (or both gradients, where they are one pass)
    weight: Floats  # one weight gradient beyond that, at least
    weight_between: Floats  # the same as `busy` counts it before the last micro-batch
    onward: Floats  # a message to the next stage
    back: Floats  # a message to the one before
    filling: Floats  # the forward passes before the first gradient, at most, and their messages, as `busy` counts them


def turns_of(schedule: str, stages: int, micro_batches: Floats) -> Turns:
    """Of a schedule with one chunk a stage; where its order isn't fixed, as much as its activations in flight allow.

    All that runs forward before a stage's first gradient is alive then, and all that waits for its weight gradient
    after the last input gradient.
    """
    found, stage = find_schedule(schedule), np.arange(stages)[:, np.newaxis]
    counts = np.maximum(1.0, micro_batches).astype(np.int64)
    alive = found.in_flight(stage, stages, counts, 1)
    ahead, late = found.traits.warm_up, found.traits.put_off
    before = alive if ahead is None else np.minimum(ahead(stage, stages), counts)
    behind = alive if late is None else np.minimum(late(stage, stages), counts)
    return Turns(before, behind, np.ones_like(behind) if late is None else behind)


def longest_shares(passes: StageTimes, turns: Turns) -> Floats:
    """Seconds [stages, points] from the start of a stage's first forward pass to the end of its passes, at least.

    The most of three chains. It runs all its passes. Or: a micro-batch goes forward through the stages behind it and
    back, before its first gradient can start; then come all of its passes but the forward ones that stood before. Or: a
    micro-batch goes on to stage j, which runs all its passes but the weight gradients that it puts off; from its last
    input gradient one goes back, and the weight gradients follow that the stage itself has put off. With equal stages,
    free links and ZB-H1's order the last one is m (F + B + W) + (p - 1)(F + B - W) for the first stage, as Qi et al.
    2023, arXiv 2401.10241, table 2, have it. The chains hold for every order with these turns, for a stage's first task
    comes before all of a later stage's, and its last input gradient after all of theirs.
    """
    links = passes.forward[:-1] + passes.onward[:-1] + passes.back[1:] + passes.gradient[:-1]
    way = np.concatenate([np.zeros_like(passes.busy[:1]), np.cumsum(links, axis=0)])
    turned = way[-1] - way + passes.forward[-1] + passes.gradient[-1] - passes.gradient
    filled = turned + passes.busy - passes.filling
    reached = passes.busy - turns.behind * passes.weight_between + way
    latest = np.maximum.accumulate(reached[::-1], axis=0)[::-1]
    drained = latest[1:] - way[:-1] + (turns.owed * passes.weight)[:-1]
    shares: Floats = np.maximum(passes.busy, filled)
    shares[:-1] = np.maximum(shares[:-1], drained)
    return shares
