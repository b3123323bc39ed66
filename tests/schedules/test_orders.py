"""The orders of passes against their papers' formulas, played with equal stages and free links."""

from __future__ import annotations

import numpy as np
import pytest

from clustersim.engines import Timeline, play
from clustersim.errors import DeadlockError, InfeasibleError
from clustersim.schedules import (
    Program,
    TaskType,
    bubble_lower_bound,
    build_program,
    in_flight,
    schedule_names,
    step_lower_bound,
)
from clustersim.schedules.passes import Passes
from clustersim.schedules.placement import by_turns
from clustersim.schedules.registry import SCHEDULES, find_schedule
from clustersim.schedules.schedule import PASSES, Order

SIZES = [  # schedule, stages, micro-batches, virtual stages
    *(("gpipe", p, m, 1) for p, m in [(1, 1), (1, 5), (2, 1), (4, 4), (4, 9), (7, 3)]),
    *(("1f1b", p, m, 1) for p, m in [(1, 1), (1, 5), (2, 1), (2, 2), (4, 4), (4, 16), (5, 7), (8, 3), (8, 64)]),
    *(
        ("interleaved-1f1b", p, m, v)
        for p, m, v in [
            (1, 3, 4),
            (2, 2, 2),
            (2, 6, 3),
            (4, 4, 2),
            (4, 8, 2),
            (4, 12, 5),
            (8, 16, 3),
            (6, 6, 2),
        ]
    ),
]
ALL = pytest.mark.parametrize(("schedule", "p", "m", "v"), SIZES)


def bare_program(schedule: str, p: int, m: int, v: int, blocking_transfers: bool = False) -> Program:
    """Passes and transfers alone (and an optimizer task that takes no time in these tests)."""
    return build_program(
        schedule,
        p,
        m,
        v,
        blocking_transfers=blocking_transfers,
        gather="none",
        reduce=False,
        tied_embeddings=False,
        synchronous_optimizer=False,
    )


def play_equal(program: Program, forward: float, backward: float) -> Timeline:
    seconds = {TaskType.FORWARD: forward, TaskType.BACKWARD: backward}
    return play(program.graph, [[seconds.get(kind.operation, 0.0)] for kind in program.kinds])


@ALL
@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize(("f", "b"), [(1.0, 2.0), (3.0, 3.0), (5.0, 1.0)])
def test_equal_stages_take_exactly_the_papers_time(
    schedule: str, p: int, m: int, v: int, blocking: bool, f: float, b: float
) -> None:
    """m(f+b) + (p-1)(f+b)/v with f, b of a device; v = 1: (m+p-1)(f+b)."""
    timeline = play_equal(bare_program(schedule, p, m, v, blocking), f, b)  # f, b of a chunk
    assert timeline.makespan[0] == m * v * (f + b) + (p - 1) * (f + b)
    assert timeline.makespan[0] == m * v * (f + b) + bubble_lower_bound(schedule, v * f, v * b, p, v)
    assert timeline.makespan[0] == step_lower_bound([f] * (p * v), [b] * (p * v), p, m)


@ALL
def test_in_flight_is_what_a_played_step_shows(schedule: str, p: int, m: int, v: int) -> None:
    program = bare_program(schedule, p, m, v)
    timeline = play_equal(program, 1.0, 2.0)
    expected = in_flight(schedule, p, m, v)
    operation = np.array([kind.operation for kind in program.kinds])[program.graph.kind]
    for stage in range(p):
        forward = (program.stage == stage) & (operation == TaskType.FORWARD)
        backward = (program.stage == stage) & (operation == TaskType.BACKWARD)
        born, freed = timeline.start[forward, 0], timeline.end[backward, 0]
        alive = [(born <= moment).sum() - (freed <= moment).sum() for moment in born]
        assert max(alive) == expected[stage]


@ALL
def test_every_chunk_and_micro_batch_runs_once_each_way(schedule: str, p: int, m: int, v: int) -> None:
    everything = {(operation, chunk, i) for operation in range(2) for chunk in range(v) for i in range(m)}
    for order in find_schedule(schedule).order(p, m, v):
        passes = list(zip(*(row.tolist() for row in order), strict=True))
        assert len(passes) == len(everything)
        assert set(passes) == everything


def test_gpipe_turns_back_at_the_last_micro_batch() -> None:
    order = SCHEDULES["gpipe"].order(2, 3, 1)[1]
    assert [PASSES[operation].name[0] for operation in order.operation] == ["F"] * 3 + ["B"] * 3
    assert order.micro_batch.tolist() == [0, 1, 2, 2, 1, 0]


def test_1f1b_warms_up_with_as_many_passes_as_stages_follow() -> None:
    orders = SCHEDULES["1f1b"].order(4, 8, 1)
    assert [order.operation.tolist().index(1) for order in orders] == [4, 3, 2, 1]
    assert orders[2].operation.tolist() == [0, *[0, 1] * 7, 1][:16]
    assert orders[2].operation.sum() == 8


def test_interleaved_takes_the_warm_up_and_order_of_megatron() -> None:
    """p = 4, v = 2, m = 8: (p - s - 1) 2 + (v - 1) p passes, then one forward before the first backward."""
    orders = SCHEDULES["interleaved-1f1b"].order(4, 8, 2)
    assert [order.operation.tolist().index(1) for order in orders] == [11, 9, 7, 5]
    forward = orders[0].operation == 0
    assert orders[0].chunk[forward].tolist() == [0] * 4 + [1] * 4 + [0] * 4 + [1] * 4
    assert orders[0].micro_batch[forward].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7]
    assert orders[0].chunk[~forward].tolist() == [1] * 4 + [0] * 4 + [1] * 4 + [0] * 4
    assert orders[0].micro_batch[~forward].tolist() == orders[0].micro_batch[forward].tolist()


def test_in_flight_takes_arrays_of_layouts() -> None:
    stages, micro_batches = np.array([[4], [8]]), np.array([2, 8, 32])
    assert SCHEDULES["gpipe"].in_flight(0, stages, micro_batches, 1).tolist() == [[2, 8, 32]] * 2
    assert SCHEDULES["1f1b"].in_flight(0, stages, micro_batches, 1).tolist() == [[2, 4, 4], [2, 8, 8]]
    assert SCHEDULES["1f1b"].in_flight(stages - 1, stages, micro_batches, 1).tolist() == [[1, 1, 1], [1, 1, 1]]
    interleaved = SCHEDULES["interleaved-1f1b"].in_flight
    chunks = np.array([1, 2, 4])
    assert interleaved(0, 8, 64, chunks).tolist() == [8, 8 * 2 + 7, 8 * 4 + 7]  # pv (1 + (p-1)/(pv))
    assert interleaved(0, 8, 8, chunks).tolist() == [8, 16, 32]


def test_bubbles_take_arrays_of_layouts() -> None:
    stages = np.array([1, 2, 8])
    assert bubble_lower_bound("gpipe", 1, 2.0, stages).tolist() == [0.0, 3.0, 21.0]
    assert bubble_lower_bound("1f1b", [1.0, 2.0, 3.0], 2.0, stages).tolist() == [0.0, 4.0, 35.0]
    assert bubble_lower_bound("interleaved-1f1b", 1.0, 2.0, 8, [[1], [2], [3]]).tolist() == [[21.0], [10.5], [7.0]]


def test_what_a_schedule_cannot_take_is_refused_with_the_remedy() -> None:
    with pytest.raises(InfeasibleError, match=r"schedule chimera is not simulated; accepted: gpipe, 1f1b, interleaved"):
        bare_program("chimera", 4, 8, 1)
    with pytest.raises(
        InfeasibleError, match=r"1f1b runs one virtual stage a device, not 2\. With 2: interleaved-1f1b, zb-v$"
    ):
        bare_program("1f1b", 4, 8, 2)
    with pytest.raises(
        InfeasibleError, match=r"gpipe runs one virtual stage a device, not 3\. With 3: interleaved-1f1b$"
    ):
        bare_program("gpipe", 4, 8, 3)
    with pytest.raises(
        InfeasibleError, match="10 micro-batches a replica are no multiple of 4, as interleaving needs; 8 or 12"
    ):
        bare_program("interleaved-1f1b", 4, 10, 2)
    with pytest.raises(
        InfeasibleError, match="3 micro-batches a replica are no multiple of 4, as interleaving needs; 4 would do"
    ):
        bare_program("interleaved-1f1b", 4, 3, 2)
    with pytest.raises(
        InfeasibleError, match=r"interleaved-1f1b runs 2 or more virtual stages a device, not 1. With 1:"
    ):
        bare_program("interleaved-1f1b", 4, 8, 1)
    for sizes in [(0, 8, 1), (4, 0, 1), (4, 8, 0)]:
        with pytest.raises(InfeasibleError, match="at least one stage, micro-batch and chunk"):
            bare_program("1f1b", *sizes)
    assert schedule_names == (
        "gpipe",
        "1f1b",
        "interleaved-1f1b",
        "zb-h1",
        "zb-1p",
        "zb-2p",
        "zb-v",
        "dualpipe",
    )


def test_orders_that_wait_for_each_other_are_refused() -> None:
    backward_first = Order(np.array([1, 0]), np.array([0, 0]), np.array([0, 0]))
    forward_first = Order(np.array([0, 1]), np.array([0, 0]), np.array([0, 0]))
    with pytest.raises(DeadlockError, match=r"stages \[0, 1\] wait for each other"):
        Passes([backward_first, forward_first], by_turns(2), 1).emitted()
