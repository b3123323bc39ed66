"""The task graph of a whole step: what waits for what, which streams run it, which durations it takes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from clustersim.engines import makespan, play
from clustersim.engines.graph import NO_BARRIER
from clustersim.schedules import Kind, Position, Program, TaskType, build_program

PLAIN: dict[str, Any] = {
    "blocking_transfers": False,
    "gather": "none",
    "reduce": False,
    "tied_embeddings": False,
    "synchronous_optimizer": False,
}
FULL: dict[str, Any] = {
    "blocking_transfers": False,
    "gather": "after",
    "reduce": True,
    "tied_embeddings": True,
    "synchronous_optimizer": True,
}


def tasks_of(program: Program, operation: TaskType, stage: int | None = None, chunk: int | None = None) -> list[int]:
    return [
        task
        for task, row in enumerate(program.graph.kind)
        if program.kinds[row].operation is operation
        and stage in (None, program.kinds[row].stage)
        and chunk in (None, program.kinds[row].chunk)
    ]


def waits(program: Program, task: int) -> list[tuple[TaskType, int, int]]:
    """(operation, stage, micro-batch) of what a task waits for."""
    return [
        (program.kinds[program.graph.kind[on]].operation, int(program.stage[on]), int(program.micro_batch[on]))
        for on in program.graph.dependencies_of(task)
    ]


@pytest.mark.parametrize("blocking", [False, True])
def test_passes_wait_for_what_comes_to_them(blocking: bool) -> None:
    program = build_program("1f1b", 3, 4, **PLAIN | {"blocking_transfers": blocking})
    for stage in range(3):
        for i, task in enumerate(tasks_of(program, TaskType.FORWARD, stage)):
            assert program.micro_batch[task] == i
            assert waits(program, task) == ([(TaskType.SEND_ACTIVATION, stage - 1, i)] if stage else [])
        for i, task in enumerate(tasks_of(program, TaskType.BACKWARD, stage)):
            came = (TaskType.FORWARD, 2, i) if stage == 2 else (TaskType.SEND_GRADIENT, stage + 1, i)
            assert waits(program, task) == [came]
        for operation, of in (
            (TaskType.SEND_ACTIVATION, TaskType.FORWARD),
            (TaskType.SEND_GRADIENT, TaskType.BACKWARD),
        ):
            for task in tasks_of(program, operation, stage):
                assert waits(program, task) == [(of, stage, program.micro_batch[task])]
                assert program.graph.dependencies_of(task).tolist() == [task - 1]


def test_transfers_hold_the_compute_stream_or_have_a_channel_each_way() -> None:
    blocking = build_program("1f1b", 3, 4, **PLAIN | {"blocking_transfers": True})
    assert set(blocking.graph.stream.tolist()) == set(blocking.compute_streams)
    overlapped = build_program("1f1b", 3, 4, **PLAIN)
    channels = {
        (operation, stage): {int(overlapped.graph.stream[task]) for task in tasks_of(overlapped, operation, stage)}
        for operation in (TaskType.SEND_ACTIVATION, TaskType.SEND_GRADIENT)
        for stage in range(3)
    }
    used = [stream for streams in channels.values() for stream in streams]
    assert len(used) == len(set(used)) == 4  # two stages send on, two send back, each on a channel of its own
    assert not set(used) & set(overlapped.compute_streams)
    durations = [[1.0] for _ in blocking.kinds]
    assert blocking.kinds == overlapped.kinds
    assert makespan(blocking.graph, durations)[0] > makespan(overlapped.graph, durations)[0]


def test_one_stage_sends_nothing() -> None:
    for schedule, chunks in (("1f1b", 1), ("interleaved-1f1b", 3)):
        program = build_program(schedule, 1, 4, chunks, **FULL)
        operations = {kind.operation for kind in program.kinds}
        assert not operations & {TaskType.SEND_ACTIVATION, TaskType.SEND_GRADIENT}
        assert not operations & {TaskType.SYNC_EMBEDDINGS, TaskType.GRADIENT_NORM}
        assert len(tasks_of(program, TaskType.FORWARD)) == 4 * chunks


def test_interleaved_chunks_hand_on_from_the_last_stage_to_the_first() -> None:
    program = build_program("interleaved-1f1b", 2, 4, 2, **PLAIN)
    sends = Counter((program.kinds[row].operation, *program.kinds[row][1:3]) for row in program.graph.kind.tolist())
    assert sends[TaskType.SEND_ACTIVATION, 1, 0] == 4
    assert sends[TaskType.SEND_ACTIVATION, 1, 1] == 0
    assert sends[TaskType.SEND_GRADIENT, 0, 1] == 4
    assert sends[TaskType.SEND_GRADIENT, 0, 0] == 0
    for task in tasks_of(program, TaskType.FORWARD, 0, 1):
        assert waits(program, task) == [(TaskType.SEND_ACTIVATION, 1, program.micro_batch[task])]


@pytest.mark.parametrize(
    ("schedule", "m", "v"), [("gpipe", 5, 1), ("1f1b", 6, 1), ("interleaved-1f1b", 6, 2), ("1f1b", 1, 1)]
)
def test_the_first_forward_and_the_last_backward_of_a_chunk_are_kinds_apart(schedule: str, m: int, v: int) -> None:
    program = build_program(schedule, 3, m, v, **PLAIN)
    count = Counter(program.kinds[row] for row in program.graph.kind.tolist())
    assert set(count) == set(program.kinds)  # no row of durations for what doesn't occur
    for stage in range(3):
        for chunk in range(v):
            assert count[Kind(TaskType.FORWARD, stage, chunk, Position.FIRST)] == 1
            assert count[Kind(TaskType.FORWARD, stage, chunk)] == m - 1
            assert count[Kind(TaskType.BACKWARD, stage, chunk, Position.LAST)] == 1
            assert count[Kind(TaskType.BACKWARD, stage, chunk)] == m - 1
            positions = [
                program.kinds[program.graph.kind[task]].position
                for task in tasks_of(program, TaskType.FORWARD, stage, chunk)
            ]
            assert positions[0] is Position.FIRST
            positions = [
                program.kinds[program.graph.kind[task]].position
                for task in tasks_of(program, TaskType.BACKWARD, stage, chunk)
            ]
            assert positions[-1] is Position.LAST


def test_gradients_are_reduced_chunk_by_chunk_after_the_last_backward_pass() -> None:
    program = build_program("interleaved-1f1b", 2, 4, 3, **PLAIN | {"reduce": True})
    assert program.graph.barriers == 1
    for stage in range(2):
        reductions = tasks_of(program, TaskType.REDUCE_GRADIENTS, stage)
        assert [program.kinds[program.graph.kind[task]].chunk for task in reductions] == [2, 1, 0]  # as they end
        assert len({int(program.graph.stream[task]) for task in reductions}) == 1
        for task in reductions:
            chunk = program.kinds[program.graph.kind[task]].chunk
            last = tasks_of(program, TaskType.BACKWARD, stage, chunk)[-1]
            assert program.graph.dependencies_of(task).tolist() == [last]
            assert program.graph.barrier[task] == 0
        (optimizer,) = tasks_of(program, TaskType.OPTIMIZER, stage)
        assert program.graph.dependencies_of(optimizer).tolist() == [reductions[-1]]
        assert program.graph.stream[optimizer] == program.compute_streams[stage]


def test_the_tail_of_a_step_with_everything() -> None:
    program = build_program("1f1b", 3, 4, **FULL)
    reductions = [tasks_of(program, TaskType.REDUCE_GRADIENTS, stage)[0] for stage in range(3)]
    (sync,) = tasks_of(program, TaskType.SYNC_EMBEDDINGS)
    (norm,) = tasks_of(program, TaskType.GRADIENT_NORM)
    assert program.graph.dependencies_of(sync).tolist() == [reductions[0], reductions[2]]
    assert program.graph.dependencies_of(norm).tolist() == [reductions[1], sync]
    assert {int(program.stage[task]) for task in (sync, norm)} == {0}
    assert {int(program.graph.stream[task]) for task in (sync, norm)} == {int(program.graph.stream[reductions[0]])}
    for stage in range(3):
        (optimizer,) = tasks_of(program, TaskType.OPTIMIZER, stage)
        (gather,) = tasks_of(program, TaskType.GATHER_PARAMETERS, stage)
        assert program.graph.dependencies_of(optimizer).tolist() == [norm]
        assert program.graph.dependencies_of(gather).tolist() == [optimizer]
        assert program.graph.barrier[gather] == 0
    meeting = np.flatnonzero(program.graph.barrier != NO_BARRIER)
    assert len(meeting) == 6


def test_without_reduction_the_tail_waits_for_the_last_backward_passes() -> None:
    program = build_program("1f1b", 3, 4, **PLAIN | {"tied_embeddings": True})
    last = [tasks_of(program, TaskType.BACKWARD, stage)[-1] for stage in range(3)]
    (sync,) = tasks_of(program, TaskType.SYNC_EMBEDDINGS)
    assert program.graph.dependencies_of(sync).tolist() == sorted([last[0], last[2]])
    optimizers = [tasks_of(program, TaskType.OPTIMIZER, stage)[0] for stage in range(3)]
    assert [program.graph.dependencies_of(task).tolist() for task in optimizers] == [[sync], [last[1]], [sync]]
    assert program.graph.barriers == 0


def test_parameters_gathered_before_hold_up_the_first_forward_pass_of_their_chunk() -> None:
    program = build_program("interleaved-1f1b", 2, 4, 2, **PLAIN | {"gather": "before"})
    durations = np.array([[5.0 if kind.operation is TaskType.GATHER_PARAMETERS else 1.0] for kind in program.kinds])
    timeline = play(program.graph, durations)
    for stage in range(2):
        gathers = tasks_of(program, TaskType.GATHER_PARAMETERS, stage)
        assert [program.kinds[program.graph.kind[task]].chunk for task in gathers] == [0, 1]
        assert timeline.start[gathers, 0].tolist() == [0.0, 5.0]
        assert (program.graph.barrier[gathers] == 0).all()
        for chunk, gather in enumerate(gathers):
            first, *others = tasks_of(program, TaskType.FORWARD, stage, chunk)
            assert gather in program.graph.dependencies_of(first)
            assert timeline.start[first, 0] >= timeline.end[gather, 0]
            assert not any(gather in program.graph.dependencies_of(task) for task in others)


def test_replicas_meet_at_reductions_and_gathers() -> None:
    program = build_program("1f1b", 2, 4, **FULL)
    durations = np.ones((program.graph.kinds, 3))
    durations[:, 1] = 2.0  # a slow replica
    alone = makespan(program.graph, durations)
    together = makespan(program.graph, durations, np.zeros((1, 3), dtype=np.int64))
    assert alone[0] < together[0] <= alone[1] == together[1]
    assert (makespan(program.graph, np.ones((program.graph.kinds, 3)), [[0, 0, 0]]) == alone[0]).all()


def test_programs_are_kept_but_not_without_end() -> None:
    assert build_program("1f1b", 2, 4, **PLAIN) is build_program("1f1b", 2, 4, **PLAIN)
    assert build_program.cache_info().maxsize == 64


def test_tasks_grow_linearly_and_stand_in_topological_order() -> None:
    for p, m, v, schedule in [(4, 8, 1, "1f1b"), (4, 16, 1, "gpipe"), (4, 8, 3, "interleaved-1f1b")]:
        program = build_program(schedule, p, m, v, **FULL)
        passes, sends = 2 * m * p * v, 2 * m * (p * v - 1)
        assert program.graph.tasks == passes + sends + 2 * p * v + 2 + p
        assert program.graph.late_dependency() is None
        assert (program.graph.kinds, len(program.stage)) == (len(program.kinds), program.graph.tasks)
        assert (program.stages, program.micro_batches, program.virtual_stages) == (p, m, v)
