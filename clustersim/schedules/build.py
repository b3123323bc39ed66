"""From a schedule's order of passes to the task graph of a whole training step.

A step can't deadlock, blocking transfers or not: a transfer stands right behind its pass and never waits for the
receiver, so every task waits for earlier ones only. The graph is the proof: its tasks stand in topological order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np

from clustersim.engines.graph import NO_BARRIER, Ints
from clustersim.errors import InfeasibleError
from clustersim.schedules.draft import DATA, Draft
from clustersim.schedules.passes import Passes
from clustersim.schedules.program import Kind, Operation, Position, Program
from clustersim.schedules.registry import find_schedule

Gather = Literal["none", "before", "after"]

STEADY, EDGE, SEND = range(3)  # what a row of durations is for: most passes, the first or last of a chunk, its transfer


@lru_cache(maxsize=64)
def build_program(
    schedule: str,
    stages: int,
    micro_batches: int,
    virtual_stages: int = 1,
    *,
    blocking_transfers: bool,
    gather: Gather,
    reduce: bool,
    tied_embeddings: bool,
    synchronous_optimizer: bool,
) -> Program:
    """The task graph of one training step; the same arguments return the same program, of which 64 are kept.

    `blocking_transfers`: messages to other stages hold the sender's compute stream; else every stage has a channel in
    each direction. `gather`: parameters are gathered from the data-parallel replicas, before the first forward pass of
    each chunk or after the optimizer. `reduce`: gradients are reduced among them, after the last backward pass of each
    chunk. `tied_embeddings`: first and last stage sum the gradients of a shared embedding. `synchronous_optimizer`:
    every stage's optimizer waits for the gradient norm of all.
    Raises InfeasibleError for a schedule that isn't simulated or sizes that it can't take.
    """
    if min(stages, micro_batches, virtual_stages) < 1:
        raise InfeasibleError(
            f"a step needs at least one stage, micro-batch and chunk; got {stages}, {micro_batches}, {virtual_stages}"
        )
    orders = find_schedule(schedule).order(stages, micro_batches, virtual_stages)
    passes = Passes(orders, stages, micro_batches, virtual_stages)
    draft = Draft(stages)
    gathers = [
        draft.add_data_task(_kind(Operation.GATHER_PARAMETERS, virtual, stages), (), DATA)
        for virtual in range(passes.virtual_stages if gather == "before" else 0)
    ]
    task = _add_passes(draft, passes, blocking_transfers)
    if gathers:
        draft.wait(np.array([task[passes.first], gathers]))
    ready = _add_reductions(draft, passes, task) if reduce else [int(task[queue[-1]]) for queue in passes.by_stage]
    if tied_embeddings and stages > 1:
        ready[0] = ready[-1] = draft.add_data_task(Kind(Operation.SYNC_EMBEDDINGS, 0), (ready[0], ready[-1]))
    if synchronous_optimizer and stages > 1:
        ready = [draft.add_data_task(Kind(Operation.GRADIENT_NORM, 0), ready)] * stages
    for stage in range(stages):
        updated = draft.add_compute_task(Kind(Operation.OPTIMIZER, stage), (ready[stage],))
        for chunk in range(virtual_stages if gather == "after" else 0):
            draft.add_data_task(Kind(Operation.GATHER_PARAMETERS, stage, chunk), (updated,), DATA)
    return draft.program(micro_batches, virtual_stages)


def _kind(operation: Operation, virtual: int, stages: int, position: Position = Position.STEADY) -> Kind:
    return Kind(operation, virtual % stages, virtual // stages, position)


def _add_passes(draft: Draft, passes: Passes, blocking_transfers: bool) -> Ints:
    """Append all passes, each followed by its transfer if it has one; returns the task of each pass, `[passes]`."""
    emitted = passes.emitted()
    crosses = passes.crosses(emitted)
    own = draft.tasks + np.arange(len(emitted)) + np.cumsum(crosses) - crosses  # [emitted] task of each pass
    task, arrival = np.empty((2, len(emitted)), dtype=np.int64)  # [passes] its task; its transfer, or itself
    task[emitted], arrival[emitted] = own, own + crosses

    both = np.repeat(emitted, 1 + crosses)  # a pass, and once more for its transfer
    sends = np.zeros(len(both), dtype=np.bool_)
    sends[(own + 1 - draft.tasks)[crosses == 1]] = True
    operation, virtual = passes.operation(both), passes.virtual_stage(both)
    stream = virtual % passes.stages
    if not blocking_transfers:
        stream = np.where(sends, (2 + operation) * passes.stages + stream, stream)
    edge = np.zeros(len(emitted), dtype=np.bool_)
    edge[passes.first] = edge[passes.last] = True
    kind = _kind_rows(draft, passes)[operation, virtual, np.where(sends, SEND, np.where(edge[both], EDGE, STEADY))]
    draft.extend(np.array([kind, stream, both % passes.micro_batches, np.full(len(both), NO_BARRIER)]))

    waits = np.flatnonzero(passes.awaited >= 0)
    draft.wait(np.array([task[waits], arrival[passes.awaited[waits]]]))
    draft.wait(np.array([own[crosses == 1] + 1, own[crosses == 1]]))
    return task


def _kind_rows(draft: Draft, passes: Passes) -> Ints:
    """Rows of the duration table, `[operations, virtual stages, STEADY | EDGE | SEND]`, for what occurs."""
    stages, virtual_stages = passes.stages, passes.virtual_stages
    rows = np.full((2, virtual_stages, 3), -1)
    sides = (
        (Operation.FORWARD, Position.FIRST, Operation.SEND_ACTIVATION, range(virtual_stages - 1)),
        (Operation.BACKWARD, Position.LAST, Operation.SEND_GRADIENT, range(1, virtual_stages)),
    )
    for side, (operation, edge, send, senders) in enumerate(sides):
        for virtual in range(virtual_stages):
            rows[side, virtual, EDGE] = draft.row(_kind(operation, virtual, stages, edge))
            if passes.micro_batches > 1:
                rows[side, virtual, STEADY] = draft.row(_kind(operation, virtual, stages))
        for virtual in senders if stages > 1 else ():
            rows[side, virtual, SEND] = draft.row(_kind(send, virtual, stages))
    return rows


def _add_reductions(draft: Draft, passes: Passes, task: Ints) -> list[int]:
    """Append the reduction of every chunk, in the order in which a stage ends its chunks; `[stages]` the last one."""
    ready = []
    for stage in range(passes.stages):
        chunks = range(stage, passes.virtual_stages, passes.stages)
        for virtual in sorted(chunks, key=lambda virtual: int(passes.last_turn[virtual])):
            kind = _kind(Operation.REDUCE_GRADIENTS, virtual, passes.stages)
            reduced = draft.add_data_task(kind, (int(task[passes.last[virtual]]),), DATA)
        ready.append(reduced)
    return ready
