"""What devices hold at the peak of a step, for many points at once.

A device runs its passes in an order that is fixed before any duration is known, and a pass takes and gives back bytes
when it starts and ends (`memory_timeline.py` says which). So how many activations of each chunk are alive together is
counted once a program; a state in which no more of anything is alive than in another is no peak, whatever its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from clustersim.engines.graph import Floats, Ints
from clustersim.inputs.scenario import Scenario
from clustersim.schedules.program import BACKWARDS, FORWARDS, Program, TaskType
from clustersim.simulation.device_tasks import device_tasks
from clustersim.simulation.memory.error import memory_spread
from clustersim.simulation.memory.holdings import (
    ShardedStates,
    bytes_after_passes,
    fullest_moment,
    held_by,
    holdings,
    kept_all_step,
    may_peak_after_passes,
    offloaded_activations,
    sharding_of,
)
from clustersim.simulation.results import MemoryReport
from clustersim.simulation.segment.stages import Stage
from clustersim.workload.sizes import Sizes

FLYING, FORWARD, BACKWARD, LATER = range(4)  # kept for backward; running forward; backward; for weights' gradients
STARTS = dict.fromkeys(FORWARDS, (1, 1, 0, 0)) | dict.fromkeys(BACKWARDS, (0, 0, 1, 0))
ENDS = dict.fromkeys(FORWARDS, (0, -1, 0, 0)) | dict.fromkeys(BACKWARDS, (-1, 0, -1, 0))
ENDS |= {TaskType.INPUT_GRADIENT: (-1, 0, -1, 1), TaskType.WEIGHT_GRADIENT: (0, 0, 0, -1)}
NOTHING = (0, 0, 0, 0)
MOST_NUMBERS = 2**62  # that an integer tells apart


class States(NamedTuple):
    """The states of all devices that may be a peak, device by device, each in the order of time."""

    bounds: Ints  # [stages + 1] where each device's states start
    alive: Floats  # [contents, 4, states, 1] how many micro-batches are in each way alive on chunks that hold the same


def memory_reports(
    program: Program, stages: Sequence[Stage], scenario: Scenario, sizes: Sizes, points: int
) -> list[MemoryReport]:
    """What every pipeline stage holds when it holds most, for every point; `sizes` may differ from point to point."""
    distinct = list({id(stage): stage for stage in stages}.values())  # virtual stages that hold the same are one object
    place = {id(stage): row for row, stage in enumerate(distinct)}
    contents = tuple(place[id(stage)] for stage in stages)
    bounds, alive = states_of(program, contents)
    held = _resident(program, distinct, contents, scenario, sizes, points)  # {part: [stages, points]}
    moving = _moving(distinct, alive, scenario, points)  # {part: [states, points]}
    states_a_stage = np.diff(bounds)
    total = sum(moving.values(), np.repeat(sum(held.values()), states_a_stage, axis=0))
    peaks = np.array(
        [low + total[low:high].argmax(axis=0) for low, high in pairwise(bounds.tolist())]
    )  # [stages, points]
    moved = {part: np.take_along_axis(bytes_, peaks, axis=0) for part, bytes_ in moving.items()}
    sharding = sharding_of(scenario, sizes, program.micro_batches, program.placement.copies)
    held = fullest_moment(held, moved, _after_passes(program, stages, scenario, sharding, points), sharding)
    by_point = np.array(list(held.values())).transpose(2, 1, 0).tolist()  # [points, stages, parts]
    usable = (np.zeros(points) + scenario.cluster.accelerator.memory.usable_bytes).tolist()
    names = tuple(held)
    spread = memory_spread(scenario.stack.name, experts=scenario.model.moe is not None)
    return [MemoryReport(names, by_stage, most, spread) for by_stage, most in zip(by_point, usable, strict=True)]


def _after_passes(
    program: Program, stages: Sequence[Stage], scenario: Scenario, sharding: ShardedStates, points: int
) -> Floats:
    """Bytes [stages, points] that stand beside the states once passes have ended."""
    if not may_peak_after_passes(sharding, scenario.stack):
        return np.zeros((program.stages, points))
    chunks = [[stages[number] for number in virtual] for virtual in program.placement.virtual.T.tolist()]
    return np.array([bytes_after_passes(held, sharding, scenario.stack) + np.zeros(points) for held in chunks])


def _resident(
    program: Program,
    distinct: Sequence[Stage],
    contents: Sequence[int],
    scenario: Scenario,
    sizes: Sizes,
    points: int,
) -> dict[str, Floats]:
    """Bytes [stages, points] that stay all step, by part."""
    each = np.array([holdings(stage) for stage in distinct])
    held = held_by(each[np.array(contents)[program.placement.virtual]])  # of [chunks, stages]
    sharding = sharding_of(scenario, sizes, program.micro_batches, program.placement.copies)
    nothing = np.zeros((program.stages, points))
    return {part: nothing + bytes_ for part, bytes_ in kept_all_step(held, sharding, scenario.stack).items()}


def _moving(distinct: Sequence[Stage], alive: Floats, scenario: Scenario, points: int) -> dict[str, Floats]:
    """Bytes [states, points] that passes have taken, by part."""
    activations, embedding, working, logits, later = np.zeros((5, alive.shape[2], points))
    for stage, count in zip(distinct, alive, strict=True):
        kept = offloaded_activations(stage, scenario.resolved_layout.offload)
        activations += count[FLYING] * kept.staying + (count[FORWARD] + count[BACKWARD]) * kept.passing
        embedding += count[FLYING] * stage.embedding_bytes
        working += count[BACKWARD] * stage.working_bytes
        logits += count[FLYING] * stage.logit_bytes
        later += count[LATER] * stage.weight_input_bytes
    parts = {"activations": activations, "embedding": embedding, "working": working, "logits": logits}
    parts |= {"weight_gradient_inputs": later}
    return parts | {"fragmentation": scenario.stack.fragmentation * activations}


@lru_cache(maxsize=64)
def states_of(program: Program, contents: tuple[int, ...]) -> States:
    """The states of a program's devices that may be a peak, counted once.

    `contents`: a number for what each virtual stage holds. Chunks that hold the same are counted together, for their
    bytes are: of many chunks few are distinct.
    """
    graph, cells, each = program.graph, program.placement.cells, max(contents) + 1
    changes = np.zeros((graph.kinds, 2, each, 4), dtype=np.int64)  # at start and end of each kind
    for row, kind in enumerate(program.kinds):
        held = contents[cells[kind.chunk][kind.stage]]
        changes[row, 0, held] = STARTS.get(kind.operation, NOTHING)
        changes[row, 1, held] = ENDS.get(kind.operation, NOTHING)
    by_device = []
    for device in device_tasks(program):
        kinds = graph.kind[device.compute]
        counts = np.cumsum(changes[kinds].reshape(2 * len(kinds), -1), axis=0)[::2]  # after starts, which take only
        by_device.append(_largest(counts).reshape(-1, each, 4))
    alive = np.concatenate(by_device).transpose(1, 2, 0)[..., np.newaxis]
    return States(np.cumsum([0, *map(len, by_device)]), alive.astype(np.float64))


def _largest(counts: Ints) -> Ints:
    """The rows [states, counts] that no other row reaches in every count, in the order in which they come first."""
    met = counts[:, counts.any(axis=0)]
    numbers = _numbers(met)
    order = np.argsort(numbers, kind="stable")
    firsts = order[np.diff(numbers[order], prepend=-1) > 0]  # of each number
    firsts = firsts[np.argsort(-met[firsts].sum(axis=1), kind="stable")]
    left, kept = met[firsts].astype(np.int32), []
    while len(left):  # the row with the largest sum is reached by none
        kept.append(int(firsts[0]))
        above = (left > left[0]).any(axis=1)
        left, firsts = left[above], firsts[above]
    return counts[sorted(kept)]


def _numbers(rows: Ints) -> Ints:
    """[rows] a number for each row [rows, counts], the same for those that are equal."""
    numbers, size = np.zeros(len(rows), dtype=np.int64), 1
    for column in rows.T:
        values = int(column.max(initial=0)) + 1
        if size * values > MOST_NUMBERS:  # number anew what there is
            found, numbers = np.unique(numbers, return_inverse=True)
            size = len(found)
        numbers, size = numbers * values + column, size * values
    return numbers
