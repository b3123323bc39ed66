"""What a layout takes and holds at least, for many layouts at once: no played step beats these bounds.

A bound on time is a chain of tasks of the step's graph, each of which waits for the one before, at the durations that
the step is played with. No chain is longer than the longest, and that is what an engine plays.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.inputs.scenario import Scenario
from clustersim.schedules.program import Kind, Position, Program, TaskType
from clustersim.schedules.registry import find_schedule, traits_of
from clustersim.simulation.memory.holdings import (
    ShardedStates,
    bytes_after_passes,
    fullest_moment,
    moving_parts,
    resident_parts,
    sharding_of,
)
from clustersim.simulation.segment.stages import Stage
from clustersim.simulation.step.data_parallel import gathers, has_no_replicas
from clustersim.simulation.step.side_by_side import Columns
from clustersim.simulation.step.step import passes_played
from clustersim.simulation.step.task_prices import TaskPrices

SLACK = 1e-9  # of a bound: sums in another order round otherwise
BESIDE = {TaskType.FORWARD: TaskType.FORWARD_BESIDE, TaskType.BACKWARD: TaskType.BACKWARD_BESIDE}
EDGES = {TaskType.FORWARD: Position.FIRST, TaskType.BACKWARD: Position.LAST}


def step_bound(prices: TaskPrices, micro_batches: Floats) -> Floats:
    """Seconds [points] that a step takes at least.

    Where stages wait for a common norm: before stage s starts, a micro-batch has gone forward through the stages before
    it; s then runs all its passes, and from its last one a gradient goes back to the first stage, which reduces its
    gradients, meets the others and updates: max over s of head + work + tail, and what follows. Where they don't, a
    step is as long as the longest share of a device: max over s of its work and what follows it.
    """
    chains = Chains(prices, micro_batches)
    stages = range(prices.program.stages)
    stack, layout = prices.scenario.stack, prices.scenario.resolved_layout
    work, updated = [chains.work(stage) for stage in stages], [chains.updated(stage) for stage in stages]
    if len(stages) == 1 or not stack.synchronous_optimizer or traits_of(layout.schedule).post_validates:
        shares = [work[stage] + chains.reduced(stage) + updated[stage] for stage in stages]
        return np.asarray(np.max(shares, axis=0) * (1.0 - SLACK))
    ways = np.cumsum([chains.none, *(chains.onward(stage) + chains.back(stage) for stage in stages[:-1])], axis=0)
    passes = np.max(work + ways, axis=0)
    whole = chains.before + passes + chains.reduced(0) + chains.meeting + np.max(updated, axis=0)
    return np.asarray(whole * (1.0 - SLACK))


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
        chunks, last = range(program.placement.chunks), program.stages * program.placement.chunks - 1
        done = sum((self.passes(stage, chunk) for chunk in chunks), self.none)
        if not self.prices.scenario.stack.blocking_transfers or program.stages == 1:
            return done
        for chunk in chunks:
            virtual = chunk * program.stages + stage
            if virtual != last:
                done = done + self.micro_batches * self.seconds(TaskType.SEND_ACTIVATION, stage, chunk)
            if virtual != 0:
                sent = self.micro_batches - (chunk == 0)  # the last one is part of the way back
                done = done + sent * self.seconds(TaskType.SEND_GRADIENT, stage, chunk)
        return done

    def passes(self, stage: int, chunk: int) -> Floats:
        """All passes of one chunk; with weight gradients apart, the shorter of both ways to go backward."""
        if self.apart:
            held = self.prices.stages[int(self.prices.program.placement.virtual[chunk, stage])].passes
            both = held[TaskType.INPUT_GRADIENT].seconds + held[TaskType.WEIGHT_GRADIENT].seconds
            backward = np.minimum(held[TaskType.BACKWARD].seconds, both)
            return np.asarray(self.micro_batches * (held[TaskType.FORWARD].seconds + backward))
        steady = self._steady(TaskType.FORWARD, stage, chunk) + self._steady(TaskType.BACKWARD, stage, chunk)
        edges = [self.seconds(operation, stage, chunk, position) for operation, position in EDGES.items()]
        return sum(edges, (self.micro_batches - 1.0) * steady)

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
        if TaskType.FORWARD_BESIDE not in self.run:
            return alone
        return np.minimum(alone, self.seconds(BESIDE[operation], stage, chunk))

    @property
    def before(self) -> Floats:
        """What the first forward pass waits for."""
        first = gathers(self.prices.scenario.resolved_layout) == "before"
        return self.seconds(TaskType.GATHER_PARAMETERS, 0) if first else self.none

    def reduced(self, stage: int) -> Floats:
        """The reduction of a stage's first chunk, whose backward pass is its last."""
        if self.apart or has_no_replicas(self.prices.scenario.resolved_layout):
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


def memory_bound(columns: Columns, stages: Sequence[Stage], program: Program, micro_batches: Floats) -> Floats:
    """Bytes [points] that the fullest device holds at least."""
    scenario = columns.scenario
    once, often = (sharding_of(scenario, columns.sizes, count) for count in (1, 2))
    several = _held(scenario, stages, program, micro_batches, often)
    # A single micro-batch's gradients may be cut as they come, or be none while it runs forward.
    if (once.kind, once.frees_gradients) == (often.kind, often.frees_gradients):
        return several
    return np.where(micro_batches == 1.0, _held(scenario, stages, program, micro_batches, once), several)


def _held(
    scenario: Scenario, stages: Sequence[Stage], program: Program, micro_batches: Floats, sharding: ShardedStates
) -> Floats:
    """With one chunk a device all that it holds when most micro-batches are in flight.

    With several, what a pass keeps of the leanest chunk for each in flight, beside what stays all step.
    """
    apart = TaskType.WEIGHT_GRADIENT in passes_played(scenario.resolved_layout)
    schedule = find_schedule(
        "1f1b" if apart else scenario.resolved_layout.schedule
    )  # what they keep for weights comes on top
    counts, chunks = np.maximum(1.0, micro_batches).astype(np.int64), program.placement.chunks
    flying = schedule.in_flight(np.arange(program.stages)[:, None], program.stages, counts, chunks)  # [stages, points]
    most, seen = np.zeros(len(micro_batches)), set()
    for stage, virtual in enumerate(program.placement.virtual.T.tolist()):
        held = [stages[number] for number in virtual]
        key = tuple(map(id, held))
        if key in seen:  # an earlier stage of the same chunks has no fewer micro-batches in flight
            continue
        seen.add(key)
        resident = resident_parts(held, sharding, scenario.stack)
        if chunks == 1:
            moving = moving_parts(held, flying[stage], sharding, scenario.stack)
        else:
            kept = np.min([chunk.activation_bytes for chunk in held], axis=0) * flying[stage]
            moving = {"activations": kept, "fragmentation": scenario.stack.fragmentation * kept}
        nothing = np.zeros(len(micro_batches))
        after = nothing + bytes_after_passes(held, sharding, scenario.stack)
        there, taken = ({part: nothing + size for part, size in some.items()} for some in (resident, moving))
        parts = fullest_moment(there, taken, after, sharding)
        most = np.maximum(most, sum(parts.values(), nothing))
    return most * (1.0 - SLACK)
