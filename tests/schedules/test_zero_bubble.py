"""Zero-bubble schedules against their papers: bubbles, memory, and what waits for what."""

from __future__ import annotations

import numpy as np
import pytest

from clustersim.engines import Timeline, play
from clustersim.schedules import Operation, Program, bubble_lower_bound, build_program, in_flight
from clustersim.schedules.program import BACKWARDS, FORWARDS
from clustersim.schedules.registry import find_schedule
from clustersim.schedules.schedule import Ratios

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
        Operation.FORWARD: f,
        Operation.BACKWARD: b + w,
        Operation.INPUT_GRADIENT: b,
        Operation.WEIGHT_GRADIENT: w,
        Operation.FORWARD_BESIDE: f,
        Operation.BACKWARD_BESIDE: b + w,
        Operation.SEND_ACTIVATION: transfer,
        Operation.SEND_GRADIENT: transfer,
    }
    return play(program.graph, [[seconds.get(kind.operation, 0.0)] for kind in program.kinds])


def longest_share(program: Program, timeline: Timeline) -> float:
    """Seconds of the device that takes longest: what the papers call the cost of a schedule."""
    devices = range(program.stages)
    return max(
        float(timeline.end[program.stage == s].max() - timeline.start[program.stage == s].min()) for s in devices
    )


def most_alive(program: Program, timeline: Timeline, kept: float = 1.0) -> list[float]:
    """Of every device, the most activations at once; `kept`: what is left after the input gradient."""
    operation = np.array([kind.operation for kind in program.kinds])[program.graph.kind]
    change = {
        **dict.fromkeys(FORWARDS, (1.0, 0.0)),
        **dict.fromkeys(BACKWARDS, (0.0, -1.0)),
        Operation.INPUT_GRADIENT: (0.0, kept - 1.0),
        Operation.WEIGHT_GRADIENT: (0.0, -kept),
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


def test_weight_gradients_follow_their_input_gradients() -> None:
    for order in find_schedule("zb-h1").order(4, 9, 1):
        place = {key: at for at, key in enumerate(zip(*(row.tolist() for row in order), strict=True))}
        assert len(place) == 27
        for i in range(9):
            assert place[0, 0, i] < place[2, 0, i] < place[3, 0, i]
