"""What a step takes at least, for many layouts of one structure at once: no played step beats this bound.

It is a chain of tasks of the step's graph, each of which waits for the one before, at the durations that
the step is played with. No chain is longer than the longest, and that is what an engine plays.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.inputs.scenario import Scenario
from clustersim.schedules.program import Kind, Position, Program, TaskType
from clustersim.schedules.registry import traits_of
from clustersim.simulation.step.data_parallel import gathers, has_no_replicas
from clustersim.simulation.step.step import passes_played
from clustersim.simulation.step.task_prices import TaskPrices
from clustersim.studies.layouts.shares import StageTimes, longest_shares, turns_of

SLACK = 1e-9  # of a bound: sums in another order round otherwise
BESIDE = {TaskType.FORWARD: TaskType.FORWARD_BESIDE, TaskType.BACKWARD: TaskType.BACKWARD_BESIDE}
EDGES = {TaskType.FORWARD: Position.FIRST, TaskType.BACKWARD: Position.LAST}


def step_bound(prices: TaskPrices, micro_batches: Floats) -> Floats:
    """Seconds [points] that a step takes at least.

    Where stages wait for a common norm: before stage s starts, a micro-batch has gone forward through the stages before
    it; s then runs all its passes, and from its last one a gradient goes back to the first stage, which reduces its
    gradients, meets the others and updates: max over s of head + work + tail, and what follows. Where they don't, a
    step is as long as the longest share of a device (`shares.py`, with one chunk a stage; else its work), and what
    follows it. Where the pipeline holds the model more than once, no way is counted: micro-batches enter at both ends.
    """
    chains = Chains(prices, micro_batches)
    stages = range(prices.program.stages)
    updated = [chains.updated(stage) for stage in stages]
    if not meets(prices.scenario, len(stages)):
        around = [chains.before(stage) + chains.reduced(stage) + updated[stage] for stage in stages]
        shares = np.array(chains.shares()) + around
        return np.asarray(np.max(shares, axis=0) * (1.0 - SLACK))
    passes = np.array([chains.work(stage) for stage in stages])
    if is_one_way(prices.program):
        links = [chains.onward(stage) + chains.back(stage) for stage in stages[:-1]]
        passes = passes + np.cumsum([chains.before(0), *links], axis=0)
    whole = passes.max(axis=0) + chains.reduced(0) + chains.meeting + np.max(updated, axis=0)
    return np.asarray(whole * (1.0 - SLACK))


def meets(scenario: Scenario, stages: int) -> bool:
    """Whether all stages of a pipeline wait for each other before they update."""
    schedule = scenario.resolved_layout.schedule
    return stages > 1 and scenario.stack.synchronous_optimizer and not traits_of(schedule).post_validates


def is_one_way(program: Program) -> bool:
    """Whether chunk c of stage s is virtual stage c p + s, so that all micro-batches pass stages in that order."""
    placement = program.placement
    return bool((placement.virtual.ravel() == np.arange(placement.virtual.size)).all())


def turns_apart(program: Program, run: frozenset[TaskType]) -> bool:
    """Whether a pipeline has one chunk a stage, whose passes run one after the other, so that it has shares."""
    alone = TaskType.FORWARD_BESIDE not in run
    return program.stages > 1 and program.placement.chunks == 1 and is_one_way(program) and alone


@dataclass(frozen=True)
class Chains:
    """The links of a step's chains: seconds [points] each."""

    prices: TaskPrices
    micro_batches: Floats  # [points] that a replica runs
    _known: dict[int, Floats] = field(default_factory=dict)
    _figures: dict[Hashable, Floats] = field(default_factory=dict)

    def seconds(self, operation: TaskType, stage: int, chunk: int = 0, position: Position = Position.STEADY) -> Floats:
        """What one kind of task takes."""
        parts = self.prices.parts(Kind(operation, stage, chunk, position))
        if id(parts) not in self._known:
            self._known[id(parts)] = sum(parts.values(), self.none)
        return self._known[id(parts)]

    @cached_property
    def none(self) -> Floats:
        """No time."""
        return np.zeros(self.prices.points)

    @cached_property
    def run(self) -> frozenset[TaskType]:
        """The kinds of passes that may run."""
        return passes_played(self.prices.scenario.resolved_layout)

    @property
    def apart(self) -> bool:
        """Whether the schedule may run the gradients of weights as passes of their own."""
        return TaskType.WEIGHT_GRADIENT in self.run

    def shares(self) -> list[Floats]:
        """What each device is busy with at least from its first pass to its last one, or waits for meanwhile."""
        program, stages = self.prices.program, range(self.prices.program.stages)
        work = [self.work(stage) for stage in stages]
        if not turns_apart(program, self.run):
            return work
        blocking = self.prices.scenario.stack.blocking_transfers
        turns = turns_of(self.prices.scenario.resolved_layout.schedule, program.stages, self.micro_batches)
        gradient = np.array([self._gradient(stage) for stage in stages])
        both = np.array([self._backward(stage, 0) for stage in stages])  # [stages, steady and last, points]
        onward = [self.seconds(TaskType.SEND_ACTIVATION, stage) for stage in stages]
        onward[-1] = self.none
        steady, first = (
            np.array([self.seconds(TaskType.FORWARD, stage, 0, at) for stage in stages])
            for at in (Position.STEADY, Position.FIRST)
        )
        passes = StageTimes(
            busy=np.array(work),
            forward=np.minimum(steady, first),
            gradient=gradient,
            weight=np.maximum(0.0, both[:, 1] - gradient),
            weight_between=np.maximum(0.0, both[:, 0] - gradient),
            onward=np.array(onward),
            back=np.array([self.seconds(TaskType.SEND_GRADIENT, stage) if stage else self.none for stage in stages]),
            filling=first + (turns.before - 1) * steady + turns.before * np.array(onward) * blocking,
        )
        return list(longest_shares(passes, turns))

    def _gradient(self, stage: int) -> Floats:
        """The pass that hands a gradient on, at least."""
        if not self.apart:
            return self._shorter(TaskType.BACKWARD, stage)
        return np.minimum(self._least(TaskType.INPUT_GRADIENT, stage), self._least(TaskType.BACKWARD, stage))

    def _backward(self, stage: int, chunk: int) -> tuple[Floats, Floats]:
        """Both gradients of one micro-batch at least: in between, and where they are the last ones.

        Where they are passes of their own, the shorter of both ways to go backward; either pass may end the step.
        """
        if not self.apart:
            whole = self.seconds(TaskType.BACKWARD, stage, chunk, Position.LAST)
            return self._steady(TaskType.BACKWARD, stage, chunk), whole
        ways = ((TaskType.BACKWARD,), (TaskType.INPUT_GRADIENT, TaskType.WEIGHT_GRADIENT))
        steady = [sum((self._steady(each, stage, chunk) for each in way), self.none) for way in ways]
        last = [sum((self._least(each, stage, chunk) for each in way), self.none) for way in ways]
        return np.minimum(*steady), np.minimum(*last)

    def _least(self, operation: TaskType, stage: int, chunk: int = 0) -> Floats:
        """One pass over gradients, wherever it stands."""
        last = self.seconds(operation, stage, chunk, Position.LAST)
        return np.minimum(self._steady(operation, stage, chunk), last)

    def work(self, stage: int) -> Floats:
        """All passes of a stage; and its messages but the last, where they hold its compute stream."""
        return self._once("work", stage, self._work)

    def _once(self, what: str, stage: int, figure: Callable[[int], Floats]) -> Floats:
        """A figure of a stage, worked out once for stages that hold the same behind and before the same links."""
        held = tuple(id(self.prices.stages[virtual[stage]]) for virtual in self.prices.program.placement.cells)
        key = (what, held, stage == 0, stage == self.prices.program.stages - 1, *self._links[stage])
        if key not in self._figures:
            self._figures[key] = figure(stage)
        return self._figures[key]

    @cached_property
    def _links(self) -> list[tuple[bytes, bytes]]:
        """What messages to the next stage and to the one before take, of every stage, to be compared."""
        sent = [seconds.tobytes() for seconds in self.prices.transfers]  # of the boundary behind each stage
        return list(zip(sent, [sent[-1], *sent[:-1]], strict=True))

    def _work(self, stage: int) -> Floats:
        program = self.prices.program
        chunks, cells = range(program.placement.chunks), program.placement.virtual.size
        done = sum((self.passes(stage, chunk) for chunk in chunks), self.none)
        if not self.prices.scenario.stack.blocking_transfers or program.stages == 1 or not is_one_way(program):
            return done
        for chunk in chunks:
            virtual = chunk * program.stages + stage
            if virtual != cells - 1:
                done = done + self.micro_batches * self.seconds(TaskType.SEND_ACTIVATION, stage, chunk)
            if virtual != 0:
                sent = self.micro_batches - (chunk == 0)  # the last one is part of the way back
                done = done + sent * self.seconds(TaskType.SEND_GRADIENT, stage, chunk)
        return done

    def passes(self, stage: int, chunk: int) -> Floats:
        """All passes of one chunk: of the micro-batches of its route."""
        count = self.micro_batches / self.prices.program.placement.copies
        first = self.seconds(TaskType.FORWARD, stage, chunk, Position.FIRST)
        steady, last = self._backward(stage, chunk)
        forward = self._steady(TaskType.FORWARD, stage, chunk)
        if self.apart:  # the first one may run beside another, too
            first = np.minimum(first, forward)
        return first + last + (count - 1.0) * (forward + steady)

    def onward(self, stage: int) -> Floats:
        """One forward pass of a stage's first chunk, and its message to the next."""
        return self._shorter(TaskType.FORWARD, stage) + self.seconds(TaskType.SEND_ACTIVATION, stage)

    def back(self, stage: int) -> Floats:
        """A message back from the next stage, and the backward pass of a stage's first chunk that it lets start."""
        return self.seconds(TaskType.SEND_GRADIENT, stage + 1) + self._shorter(TaskType.BACKWARD, stage)

    def _shorter(self, operation: TaskType, stage: int) -> Floats:
        return np.minimum(self.seconds(operation, stage, 0, EDGES[operation]), self._steady(operation, stage))

    def _steady(self, operation: TaskType, stage: int, chunk: int = 0) -> Floats:
        """A pass between the first and the last one: alone, or beside another where that is shorter."""
        alone = self.seconds(operation, stage, chunk)
        if TaskType.FORWARD_BESIDE not in self.run or operation not in BESIDE:
            return alone
        return np.minimum(alone, self.seconds(BESIDE[operation], stage, chunk))

    def before(self, stage: int) -> Floats:
        """What a stage's first forward pass waits for."""
        first = gathers(self.prices.scenario.resolved_layout) == "before"
        return self.seconds(TaskType.GATHER_PARAMETERS, stage) if first else self.none

    def reduced(self, stage: int) -> Floats:
        """The reduction of a stage's first chunk, whose backward pass is its last, where an order is sure to end so."""
        layout, placement = self.prices.scenario.resolved_layout, self.prices.program.placement
        unsure = self.apart and (traits_of(layout.schedule).planned or placement.chunks > 1)
        if unsure or has_no_replicas(layout):
            return self.none
        return self.seconds(TaskType.REDUCE_GRADIENTS, stage)

    @property
    def meeting(self) -> Floats:
        """What all stages wait for together."""
        norm = self.seconds(TaskType.GRADIENT_NORM, 0)
        if self.prices.scenario.model.tied_embeddings and self.prices.program.placement.ends_apart():
            return norm + self.seconds(TaskType.SYNC_EMBEDDINGS, 0)
        return norm

    def updated(self, stage: int) -> Floats:
        """A stage's optimizer, and the gathers that follow it."""
        return self._once("updated", stage, self._updated)

    def _updated(self, stage: int) -> Floats:
        chunks = self.prices.program.placement.chunks if gathers(self.prices.scenario.resolved_layout) == "after" else 0
        gathered = [self.seconds(TaskType.GATHER_PARAMETERS, stage, chunk) for chunk in range(chunks)]
        return sum(gathered, self.seconds(TaskType.OPTIMIZER, stage))
