"""From a schedule's order of passes to the task graph of a whole training step.

A step can't deadlock, blocking transfers or not: a transfer stands right behind its pass and never waits for the
receiver, so every task waits for earlier ones only. The graph is the proof: its tasks stand in topological order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clustersim.engines.graph import NO_BARRIER, Ints
from clustersim.errors import InfeasibleError
from clustersim.schedules.draft import DATA, Draft
from clustersim.schedules.passes import NOBODY, SIDES, Passes
from clustersim.schedules.program import Kind, Position, Program, TaskType
from clustersim.schedules.registry import orders_of, place_chunks
from clustersim.schedules.schedule import PASSES, Ratios
from clustersim.schedules.sizes import check_sizes

Gather = Literal["none", "before", "after"]

STEADY, EDGE, SEND = range(3)  # what a row of durations is for: most passes, the first or last of a chunk, its transfer
SENDS = (TaskType.SEND_ACTIVATION, TaskType.SEND_GRADIENT)
EDGES = (Position.FIRST, Position.LAST, Position.LAST)  # of each side


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
    ratios: Ratios | None = None,
    beside: bool = False,
) -> Program:
    """The task graph of one training step; the same arguments return the same program, of which 64 are kept.

    `blocking_transfers`: messages to other stages hold the sender's compute stream; else every stage has a channel in
    each direction. `gather`: parameters are gathered from the data-parallel replicas, before the first forward pass of
    each chunk or after the optimizer. `reduce`: gradients are reduced among them, after the last backward pass of each
    chunk. `tied_embeddings`: first and last stage sum the gradients of a shared embedding. `synchronous_optimizer`:
    every stage's optimizer waits for the gradient norm of all. `ratios`: what an automatic schedule is planned on.
    `beside`: in steady passes a stage runs forward beside backward, where the schedule can.
    Raises InfeasibleError for a schedule that isn't simulated or sizes that it can't take.
    """
    if min(stages, micro_batches, virtual_stages) < 1:
        raise InfeasibleError(
            f"a step needs at least one stage, micro-batch and chunk; got {stages}, {micro_batches}, {virtual_stages}"
        )
    check_sizes(schedule, stages, virtual_stages, micro_batches)
    placement = place_chunks(schedule, stages, virtual_stages)
    orders = orders_of(schedule, stages, micro_batches, virtual_stages, ratios, beside=beside)
    passes = Passes(orders, placement, micro_batches)
    draft = Draft(stages)
    gathers = [
        draft.add_data_task(_kind(TaskType.GATHER_PARAMETERS, cell, stages), (), DATA)
        for cell in range(passes.cells if gather == "before" else 0)
    ]
    task = _add_passes(draft, passes, blocking_transfers)
    if gathers:
        draft.wait(np.array([task[passes.first], gathers]))
    ready = _add_reductions(draft, passes, task) if reduce else [int(task[queue[-1]]) for queue in passes.by_stage]
    if tied_embeddings and placement.ends_apart():
        ready[0] = ready[-1] = draft.add_data_task(Kind(TaskType.SYNC_EMBEDDINGS, 0), (ready[0], ready[-1]))
    if synchronous_optimizer and stages > 1:
        ready = [draft.add_data_task(Kind(TaskType.GRADIENT_NORM, 0), ready)] * stages
    for stage in range(stages):
        updated = draft.add_compute_task(Kind(TaskType.OPTIMIZER, stage), (ready[stage],))
        for chunk in range(placement.chunks if gather == "after" else 0):
            draft.add_data_task(Kind(TaskType.GATHER_PARAMETERS, stage, chunk), (updated,), DATA)
    return draft.program(micro_batches, placement)


def _kind(operation: TaskType, cell: int, stages: int, position: Position = Position.STEADY) -> Kind:
    return Kind(operation, cell % stages, cell // stages, position)


def _add_passes(draft: Draft, passes: Passes, blocking_transfers: bool) -> Ints:
    """Append all passes, each followed by its transfer if it has one; returns the task of each pass, `[passes]`.

    Two passes beside each other are followed by the transfers of both.
    """
    emitted = passes.emitted()
    sending = emitted[passes.crosses(emitted) == 1]
    place = np.zeros(len(passes.operation), dtype=np.int64)  # [passes] among those emitted
    place[emitted] = np.arange(len(emitted))
    both = np.concatenate([emitted, sending])  # passes, then once more for their transfers
    after = np.concatenate([2 * place[emitted], 2 * place[passes.ended_by[sending]] + 1])
    order = np.argsort(after, kind="stable")
    own = np.empty(len(both), dtype=np.int64)  # [both] its task
    own[order] = draft.tasks + np.arange(len(both))

    task = np.full(len(passes.operation), NOBODY)  # [passes]
    task[emitted] = own[: len(emitted)]
    arrival = task[passes.ended_by]  # [passes] the transfer, or what ends the pass
    arrival[sending] = sent = own[len(emitted) :]

    sends = order >= len(emitted)
    draft.extend(_rows(draft, passes, both[order], sends, blocking_transfers))
    for awaited in (passes.awaited,) if passes.beside is passes.awaited else (passes.awaited, passes.beside):
        waits = emitted[awaited[emitted] != NOBODY]
        draft.wait(np.array([task[waits], arrival[awaited[waits]]]))
    draft.wait(np.array([sent, task[passes.ended_by[sending]]]))
    return task


def _rows(draft: Draft, passes: Passes, both: Ints, sends: NDArray[np.bool_], blocking_transfers: bool) -> Ints:
    """`[4, tasks]` kind, stream, micro-batch and barrier of passes and, where `sends`, of their transfers."""
    cell, operation = passes.cell[both], passes.operation[both]
    stream = cell % passes.stages
    if not blocking_transfers:
        direction = SIDES[operation] ^ passes.placement.backwards[cell // passes.stages]
        stream = np.where(sends, (2 + direction) * passes.stages + stream, stream)
    edge = np.zeros(len(passes.operation), dtype=np.bool_)
    edge[passes.first] = edge[passes.last] = True
    what = np.where(sends, SEND, np.where(edge[both], EDGE, STEADY))
    rows = (operation * passes.cells + cell) * 3 + what
    kind = _kinds(draft, passes, rows)[rows]
    return np.array([kind, stream, passes.micro_batch[both], np.full(len(both), NO_BARRIER)])


def _kinds(draft: Draft, passes: Passes, rows: Ints) -> Ints:
    """Rows of the duration table, for every (operation, cell, STEADY | EDGE | SEND) that occurs."""
    kinds = np.full(len(PASSES) * passes.cells * 3, NOBODY)
    for row in np.flatnonzero(np.bincount(rows)).tolist():
        at, what = divmod(row, 3)
        operation, cell = divmod(at, passes.cells)
        side = int(SIDES[operation])
        if what == SEND:
            kinds[row] = draft.row(_kind(SENDS[side], cell, passes.stages))
        else:
            position = EDGES[side] if what == EDGE else Position.STEADY
            kinds[row] = draft.row(_kind(PASSES[operation], cell, passes.stages, position))
    return kinds


def _add_reductions(draft: Draft, passes: Passes, task: Ints) -> list[int]:
    """Append the reduction of every chunk, in the order in which a stage ends its chunks; `[stages]` the last one.

    Where the pipeline holds the model more than once, all copies of a virtual stage are reduced together.
    """
    virtual = passes.placement.virtual.ravel()  # [cells]
    ended = task[passes.last]  # [cells]
    ready = []
    for stage in range(passes.stages):
        cells = range(stage, passes.cells, passes.stages)
        for cell in sorted(cells, key=lambda cell: int(passes.turn[passes.last[cell]])):
            copies = ended[virtual == virtual[cell]].tolist()
            reduced = draft.add_data_task(_kind(TaskType.REDUCE_GRADIENTS, cell, passes.stages), copies, DATA)
        ready.append(reduced)
    return ready
