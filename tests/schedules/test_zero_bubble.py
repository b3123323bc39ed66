"""Zero-bubble schedules against their papers: bubbles, memory, and what waits for what."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustersim.engines import Timeline, play
from clustersim.errors import InfeasibleError
from clustersim.schedules import Position, Program, TaskType, bubble_lower_bound, build_program, in_flight
from clustersim.schedules.program import BACKWARDS, FORWARDS
from clustersim.schedules.registry import find_schedule
from clustersim.schedules.schedule import FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, Ratios

FORMULA_SIZES = [(1, 3), (2, 2), (2, 5), (4, 4), (4, 8), (8, 8), (8, 20)]


def bare(schedule: str, p: int, m: int, v: int = 1, ratios: Ratios | None = None) -> Program:
    """Passes and transfers alone, no stage waiting for all (and an optimizer task that takes no time)."""
    return build_program(
        schedule,
        p,
        m,
        v,
        blocking_transfers=False,
        gather="none",
        reduce=False,
        tied_embeddings=False,
        synchronous_optimizer=False,
        ratios=ratios,
    )


def played(program: Program, f: float, b: float, w: float, transfer: float = 0.0) -> Timeline:
    """The step with equal stages; `b` of the input gradient."""
    seconds = {
        TaskType.FORWARD: f,
        TaskType.BACKWARD: b + w,
        TaskType.INPUT_GRADIENT: b,
        TaskType.WEIGHT_GRADIENT: w,
        TaskType.FORWARD_BESIDE: f,
        TaskType.BACKWARD_BESIDE: b + w,
        TaskType.SEND_ACTIVATION: transfer,
        TaskType.SEND_GRADIENT: transfer,
    }
    return play(program.graph, [[seconds.get(kind.operation, 0.0)] for kind in program.kinds])


def longest_share(program: Program, timeline: Timeline, ends_meet: bool = False) -> float:
    """Seconds of the device that takes longest: what the papers call the cost of a schedule.

    `ends_meet`: first and last device wait for each other in the end.
    """
    devices = [program.stage == stage for stage in range(program.stages)]
    ends = [float(timeline.end[device].max()) for device in devices]
    if ends_meet:
        ends[0] = ends[-1] = max(ends[0], ends[-1])
    return max(end - float(timeline.start[device].min()) for end, device in zip(ends, devices, strict=True))


def most_alive(program: Program, timeline: Timeline, kept: float = 1.0) -> list[float]:
    """Of every device, the most activations at once; `kept`: what is left after the input gradient."""
    operation = np.array([kind.operation for kind in program.kinds])[program.graph.kind]
    change = {
        **dict.fromkeys(FORWARDS, (1.0, 0.0)),
        **dict.fromkeys(BACKWARDS, (0.0, -1.0)),
        TaskType.INPUT_GRADIENT: (0.0, kept - 1.0),
        TaskType.WEIGHT_GRADIENT: (0.0, -kept),
    }
    most = []
    for stage in range(program.stages):
        alive, peak = 0.0, 0.0
        for task in np.flatnonzero(program.graph.stream == program.compute_streams[stage]):  # in order
            born, freed = change.get(operation[task], (0.0, 0.0))
            alive += born
            peak = max(peak, alive)
            alive += freed
        assert alive == pytest.approx(0.0)
        most.append(peak)
    return most


@pytest.mark.parametrize(("p", "m"), FORMULA_SIZES)
@pytest.mark.parametrize(("f", "b", "w"), [(1.0, 1.0, 1.0), (3.0, 2.0, 1.0), (2.0, 3.0, 1.0), (4.0, 4.0, 3.0)])
def test_zb_h1_idles_exactly_as_long_as_the_paper_says(p: int, m: int, f: float, b: float, w: float) -> None:
    """(p-1)(F + B - W) on the first device, the domain being m >= p and W <= F, B."""
    program = bare("zb-h1", p, m)
    timeline = played(program, f, b, w)
    bubble = bubble_lower_bound("zb-h1", f, b + w, p, 1, w)
    assert bubble == (p - 1) * (f + b - w)
    assert longest_share(program, timeline) == m * (f + b + w) + bubble
    assert most_alive(program, timeline) == in_flight("zb-h1", p, m).tolist() == [min(p, m)] * p


def test_zb_h1_matches_the_papers_table_of_bubbles() -> None:
    """Rates of table 5 from the times of table 9, both recalled: 1F1B, ZB-H1 at the fewest micro-batches."""
    for p, m, f, b, w, transfer, published in [
        (8, 24, 18.522, 18.086, 9.337, 0.601, 0.1585),
        (8, 24, 29.718, 29.444, 19.927, 0.527, 0.1323),
        (16, 48, 11.347, 11.248, 8.132, 0.377, 0.1397),
        (32, 96, 10.419, 10.207, 7.715, 0.408, 0.1421),
    ]:
        program = bare("zb-h1", p, m)
        cost = longest_share(program, played(program, f, b, w, transfer))
        assert (cost - m * (f + b + w)) / cost == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize(
    ("p", "m", "times", "kept", "one_p", "two_p"),
    [
        (8, 24, (18.522, 18.086, 9.337, 0.601), 0.37, 0.1585, 0.0433),
        (8, 32, (18.522, 18.086, 9.337, 0.601), 0.37, 0.1242, 0.0039),
        (8, 24, (29.718, 29.444, 19.927, 0.527), 0.40, 0.1323, 0.0029),
        (8, 64, (29.718, 29.444, 19.927, 0.527), 0.40, 0.0554, 0.0010),
        (16, 48, (11.347, 11.248, 8.132, 0.377), 0.44, 0.1397, 0.0066),
        (32, 96, (10.419, 10.207, 7.715, 0.408), 0.44, 0.1421, 0.0038),
    ],
)
def test_automatic_schedules_come_within_the_papers_table(
    p: int, m: int, times: tuple[float, float, float, float], kept: float, one_p: float, two_p: float
) -> None:
    """Bubble rates of table 5 from the times of table 9 (both recalled, of runs of other sizes m alike), M_W / M_B =
    32 / (34 + 5 a s / h) of table 1. Planned on ratios rounded as `simulation` rounds them.
    """
    f, b, w, transfer = times
    unit = (f + b + w) / 200
    eighths = math.ceil(8 * kept)
    ratios = Ratios(*((round(each / unit),) for each in times[:3]), (eighths,), round(transfer / unit))
    for schedule, published, limit in (("zb-1p", one_p, p), ("zb-2p", two_p, 2 * p)):
        program = bare(schedule, p, m, ratios=ratios)
        timeline = played(program, f, b, w, transfer)
        cost = longest_share(program, timeline)
        assert (cost - m * (f + b + w)) / cost <= published + 0.002
        assert max(most_alive(program, timeline, kept=eighths / 8)) <= limit


@settings(max_examples=60, deadline=None)
@given(
    schedule=st.sampled_from(["zb-1p", "zb-2p", "zb-v"]),
    p=st.integers(1, 5),
    m=st.integers(1, 12),
    passes=st.tuples(*[st.integers(1, 9)] * 3),
    transfer=st.integers(0, 4),
    eighths=st.integers(1, 8),
)
def test_automatic_schedules_keep_their_memory_limit(
    schedule: str, p: int, m: int, passes: tuple[int, int, int], transfer: int, eighths: int
) -> None:
    forward, input_gradient, weight_gradient = passes
    ratios = Ratios((forward,), (input_gradient,), (weight_gradient,), (eighths,), transfer)
    chunks = 2 if schedule == "zb-v" else 1
    program = bare(schedule, p, m, chunks, ratios)
    alive = most_alive(program, played(program, 1.0, 1.0, 1.0), kept=eighths / 8)
    assert (alive <= in_flight(schedule, p, m, chunks)).all()


@pytest.mark.parametrize("schedule", ["zb-1p", "zb-2p"])
def test_equal_passes_reach_the_bound(schedule: str) -> None:
    for p, m in [(2, 3), (4, 8), (4, 20), (8, 16), (8, 40)]:
        program = bare(schedule, p, m)
        cost = longest_share(program, played(program, 1.0, 1.0, 1.0))
        assert cost == 3 * m + bubble_lower_bound(schedule, 1.0, 2.0, p, 1, 1.0)


def test_plans_follow_the_ratios_and_are_kept() -> None:
    uneven = Ratios((1, 3), (1, 3), (1, 3), (8, 8), 0)
    assert bare("zb-2p", 2, 8, ratios=uneven) is bare("zb-2p", 2, 8, ratios=uneven)
    assert bare("zb-2p", 2, 8) is not bare("zb-2p", 2, 8, ratios=uneven)
    long_forward = Ratios((3,), (4,), (2,), (8,), 1)
    costs = {}
    for planned in (None, long_forward):
        program = bare("zb-2p", 4, 12, ratios=planned)
        costs[planned] = longest_share(program, played(program, 3.0, 4.0, 2.0, 1.0))
    assert costs[long_forward] < costs[None]  # planned on what it is played with


@pytest.mark.parametrize(
    ("p", "m"), [(1, 3), (2, 3), (2, 9), (3, 6), (4, 7), (4, 30), (8, 15), (8, 64), (16, 31), (32, 63)]
)
def test_zb_v_has_no_bubble_where_passes_are_equal(p: int, m: int) -> None:
    program = bare("zb-v", p, m, 2)
    timeline = played(program, 1.0, 1.0, 1.0)
    assert longest_share(program, timeline) == 6 * m + bubble_lower_bound("zb-v", 2.0, 4.0, p, 2, 2.0) == 6 * m
    assert max(most_alive(program, timeline)) <= 2 * p


@pytest.mark.parametrize(("p", "m"), [(2, 4), (4, 8), (4, 14), (8, 16), (8, 20), (16, 60)])
@pytest.mark.parametrize(("f", "b", "w"), [(1.0, 1.0, 1.0), (2.0, 2.0, 1.0), (3.0, 3.0, 2.0)])
def test_dualpipe_idles_exactly_as_long_as_the_paper_says(p: int, m: int, f: float, b: float, w: float) -> None:
    """(PP/2 - 1)(F&B + B - 3W) with B of both gradients, and PP + 1 activations on every device."""
    program = bare("dualpipe", p, m)
    timeline = played(program, f, b, w)
    bubble = bubble_lower_bound("dualpipe", f, b + w, p, 1, w)
    assert bubble == (p / 2 - 1) * (f + b + w + b + w - 3 * w)
    assert timeline.makespan[0] == m * (f + b + w) + bubble
    assert most_alive(program, timeline) == in_flight("dualpipe", p, m).tolist() == [p + 1] * p


def test_dualpipe_holds_the_model_twice_and_sends_both_ways() -> None:
    program = bare("dualpipe", 4, 8)
    assert program.placement.virtual.tolist() == [[0, 1, 2, 3], [3, 2, 1, 0]]
    assert program.placement.copies == 2
    for chunk, numbers in ((0, range(4)), (1, range(4, 8))):
        of_chunk = np.array([kind.chunk == chunk for kind in program.kinds])[program.graph.kind]
        passes = of_chunk & (program.graph.stream < 4) & (program.micro_batch >= 0)
        assert set(program.micro_batch[passes].tolist()) == set(numbers)
    senders = {
        (kind.operation, kind.chunk): {k.stage for k in program.kinds if k[:1] == kind[:1] and k.chunk == kind.chunk}
        for kind in program.kinds
        if kind.operation in (TaskType.SEND_ACTIVATION, TaskType.SEND_GRADIENT)
    }
    assert senders[TaskType.SEND_ACTIVATION, 0] == senders[TaskType.SEND_GRADIENT, 1] == {0, 1, 2}
    assert senders[TaskType.SEND_GRADIENT, 0] == senders[TaskType.SEND_ACTIVATION, 1] == {1, 2, 3}


def test_two_passes_beside_each_other_start_and_end_as_one() -> None:
    """Both inputs have to be there, and no result leaves before both are done."""
    program = bare("dualpipe", 4, 8)
    timeline = played(program, 1.0, 1.0, 1.0, transfer=0.25)
    operation = [program.kinds[row].operation for row in program.graph.kind]
    pairs = 0
    for stage in range(4):
        tasks = np.flatnonzero(program.graph.stream == program.compute_streams[stage]).tolist()
        for one, other in itertools.pairwise(tasks):
            if operation[one] is TaskType.FORWARD_BESIDE:
                pairs += 1
                assert operation[other] is TaskType.BACKWARD_BESIDE
                assert timeline.start[other, 0] == timeline.end[one, 0]
                waiting = set(program.graph.dependencies_of(one).tolist())
                assert set(program.graph.dependencies_of(other).tolist()) <= waiting
                followers = program.graph.waiting[program.graph.dependencies == one]
                assert len(followers) == 0
    assert pairs == 4 * 3  # of 8 forward passes each, 5 run alone: FFFF.WF at the ends, FFFFF in the middle
    assert set(operation) & {TaskType.FORWARD, TaskType.BACKWARD, TaskType.WEIGHT_GRADIENT}


@pytest.mark.parametrize(
    ("schedule", "v", "passes"), [("zb-h1", 1, 3), ("zb-1p", 1, 3), ("zb-2p", 1, 3), ("zb-v", 2, 6)]
)
def test_every_pass_runs_once_and_weight_gradients_come_last(schedule: str, v: int, passes: int) -> None:
    for order in find_schedule(schedule).order(4, 9, v):
        place = {key: at for at, key in enumerate(zip(*(row.tolist() for row in order), strict=True))}
        assert len(place) == 9 * passes
        for chunk in range(v):
            for i in range(9):
                assert place[FORWARD, chunk, i] < place[INPUT_GRADIENT, chunk, i] < place[WEIGHT_GRADIENT, chunk, i]


def test_gradients_of_both_copies_are_reduced_together() -> None:
    program = build_program(
        "dualpipe",
        4,
        8,
        blocking_transfers=True,
        gather="after",
        reduce=True,
        tied_embeddings=True,
        synchronous_optimizer=True,
    )
    operation = [program.kinds[row].operation for row in program.graph.kind]
    assert TaskType.SYNC_EMBEDDINGS not in operation  # both ends of the model are on both ends of the pipeline
    reductions = [task for task, what in enumerate(operation) if what is TaskType.REDUCE_GRADIENTS]
    assert len(reductions) == 8
    for task in reductions:
        kind = program.kinds[program.graph.kind[task]]
        held = {(kind.stage, kind.chunk), (3 - kind.stage, 1 - kind.chunk)}
        ends = [program.kinds[program.graph.kind[on]] for on in program.graph.dependencies_of(task)]
        assert {(end.stage, end.chunk) for end in ends} == held
        assert {end.position for end in ends} == {Position.LAST}


def test_a_v_keeps_both_ends_of_the_model_on_one_device() -> None:
    cells = find_schedule("zb-v").placement(3, 2)
    assert cells.virtual.tolist() == [[0, 1, 2], [5, 4, 3]]
    assert not cells.ends_apart()
    assert cells.backwards.tolist() == [0, 1]
    before, after = cells.links
    assert before.tolist() == [-1, 0, 1, 4, 5, 2]
    assert after.tolist() == [1, 2, 5, -1, 3, 4]
    assert find_schedule("1f1b").placement(3, 1).ends_apart()
    program = bare("zb-v", 3, 6, 2)
    sends = [kind for kind in program.kinds if kind.operation is TaskType.SEND_ACTIVATION]
    assert {(kind.stage, kind.chunk) for kind in sends} == {(0, 0), (1, 0), (1, 1), (2, 1)}  # none where the V turns


def test_what_zero_bubble_schedules_cannot_take_is_refused_with_the_remedy() -> None:
    with pytest.raises(InfeasibleError, match=r"zb-v runs 2 virtual stages a device, not 1. With 1: gpipe, 1f1b"):
        bare("zb-v", 4, 8)
    with pytest.raises(
        InfeasibleError, match="5 stages are no multiple of 2, as dualpipe pairs stages from both ends; 4 or 6 would do"
    ):
        bare("dualpipe", 5, 20)
    with pytest.raises(
        InfeasibleError, match=r"6 micro-batches a replica are no multiple of 2 from 8 on, as .*; 8 would do"
    ):
        bare("dualpipe", 4, 6)
    with pytest.raises(
        InfeasibleError, match=r"9 micro-batches a replica are no multiple of 2 from 8 on, as .*; 8 or 10 would do"
    ):
        bare("dualpipe", 4, 9)
    with pytest.raises(InfeasibleError, match="dualpipe runs one virtual stage a device, not 2"):
        bare("dualpipe", 4, 8, 2)
    for schedule in ("zb-h1", "zb-1p", "zb-2p"):
        with pytest.raises(InfeasibleError, match=f"{schedule} runs one virtual stage a device"):
            bare(schedule, 4, 8, 2)


def test_in_flight_and_bubbles_take_arrays_of_layouts() -> None:
    stages, micro_batches = np.array([[4], [8]]), np.array([2, 8, 32])
    counts = {name: find_schedule(name).in_flight(0, stages, micro_batches, 1).tolist() for name in ("zb-1p", "zb-2p")}
    assert counts == {"zb-1p": [[2, 4, 4], [2, 8, 8]], "zb-2p": [[2, 8, 8], [2, 8, 16]]}
    assert find_schedule("zb-v").in_flight(0, stages, micro_batches, 2).tolist() == [[4, 8, 8], [4, 16, 16]]
    assert find_schedule("dualpipe").in_flight(0, stages, micro_batches, 1).tolist() == [[5] * 3, [9] * 3]
    assert bubble_lower_bound("zb-h1", [1.0, 2.0], 2.0, [[2], [4]], 1, 1.0).tolist() == [[1.0, 2.0], [3.0, 6.0]]
    assert bubble_lower_bound("dualpipe", 1.0, 2.0, [2, 4, 16], 1, 1.0).tolist() == [0.0, 2.0, 14.0]
    assert bubble_lower_bound("zb-2p", [1.0, 2.0], 2.0, 4).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("times", [(3, 3, 4), (4, 3, 1), (2, 3, 3), (5, 6, 6)])
def test_zb_1p_is_never_longer_than_zb_h1(times: tuple[int, int, int]) -> None:
    """Also where weight gradients take longest, which no gap is long enough for; and where both ends meet at last."""
    f, b, w = times
    for p, m in [(4, 8), (8, 20), (8, 32)]:
        handmade = played(bare("zb-h1", p, m), f, b, w)
        for ends_meet in (False, True):
            ratios = Ratios((f,), (b,), (w,), (4,), 0, ends_meet)
            program = bare("zb-1p", p, m, ratios=ratios)
            timeline = played(program, f, b, w)
            assert longest_share(program, timeline, ends_meet) <= longest_share(
                bare("zb-h1", p, m), handmade, ends_meet
            )
            assert max(most_alive(program, timeline, kept=0.5)) <= p
