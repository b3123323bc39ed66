"""Steps of drawn schedules, sizes and durations: engines agree, bounds hold, faster parts never slow a step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clustersim.engines import array, play, reference
from clustersim.schedules import Program, TaskType, build_program, schedule_names, step_lower_bound
from clustersim.schedules.placement import by_turns
from clustersim.schedules.program import BACKWARDS, COMPUTE_PASSES, FORWARDS
from clustersim.schedules.registry import traits_of
from clustersim.schedules.schedule import Ratios


class Step(NamedTuple):
    program: Program
    durations: np.ndarray  # [kinds, columns] seconds
    groups: np.ndarray | None


@st.composite
def steps(draw: st.DrawFn) -> Step:
    schedule = draw(st.sampled_from(schedule_names))
    traits = traits_of(schedule)
    stages = draw(st.sampled_from([size for size in range(1, 5) if traits.stages.take(size)]))
    chunks = draw(st.sampled_from([size for size in range(1, 4) if size in traits.chunks]))
    counts = traits.micro_batches(stages)
    micro_batches = draw(st.sampled_from([size for size in range(1, counts.least + 7) if counts.take(size)]))
    unit = st.integers(1, 9)
    ratios = Ratios(*((draw(unit),) for _ in range(3)), (draw(st.integers(1, 8)),), draw(st.integers(0, 3)))
    program = build_program(
        schedule,
        stages,
        micro_batches,
        chunks,
        blocking_transfers=draw(st.booleans()),
        gather=draw(st.sampled_from(["none", "before", "after"])),
        reduce=draw(st.booleans()),
        tied_embeddings=draw(st.booleans()),
        synchronous_optimizer=draw(st.booleans()),
        ratios=ratios if traits.planned else None,
        beside=draw(st.booleans()),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (program.graph.kinds, draw(st.integers(1, 6)))
    durations = rng.choice([0.0, 0.1, 0.2, 1 / 3, 1.0], shape) if draw(st.booleans()) else rng.random(shape)
    groups = rng.integers(0, 2, (program.graph.barriers, shape[1])) if draw(st.booleans()) else None
    return Step(program, durations, groups)


@settings(max_examples=300, deadline=None)
@given(step=steps())
def test_engines_agree_on_steps(step: Step) -> None:
    expected = reference.play(step.program.graph, step.durations, step.groups)
    timeline = array.play(step.program.graph, step.durations, step.groups)
    assert (timeline.start == expected.start).all()
    assert (timeline.end == expected.end).all()
    assert (array.makespan(step.program.graph, step.durations, step.groups) == expected.makespan).all()


@settings(max_examples=100, deadline=None)
@given(step=steps())
def test_a_step_lies_between_its_bounds(step: Step) -> None:
    """From below the closed form, with whatever transfers and collectives; from above everything one by one.

    Weight gradients count for nothing in the closed form: they may run where a stage would wait. It is for
    micro-batches that pass all stages by turns, one way.
    """
    program, durations, _ = step
    virtual = program.placement.virtual
    shortest = np.full((2, virtual.max() + 1, durations.shape[1]), np.inf)  # the first or last pass may be the shortest
    work = np.zeros((program.stages, durations.shape[1]))  # seconds of all passes
    count = np.bincount(program.graph.kind)
    for kind, times, seconds in zip(program.kinds, count, durations, strict=True):
        if kind.operation in COMPUTE_PASSES:
            work[kind.stage] += times * seconds
        if kind.operation in FORWARDS | BACKWARDS:
            place = int(kind.operation in BACKWARDS), virtual[kind.chunk, kind.stage]
            shortest[place] = np.minimum(shortest[place], seconds)
    spans = array.makespan(program.graph, durations)
    if (virtual == by_turns(program.stages, program.virtual_stages).virtual).all() and program.placement.copies == 1:
        bound = step_lower_bound(*shortest, program.stages, program.micro_batches)
        assert (spans >= bound * (1 - 1e-12)).all()
    assert (spans <= durations[program.graph.kind].sum(axis=0) * (1 + 1e-12)).all()
    assert (spans >= work * (1 - 1e-12)).all()


@settings(max_examples=100, deadline=None)
@given(step=steps(), factor=st.floats(0.0, 1.0), transfers=st.booleans())
def test_a_faster_link_or_chip_never_slows_a_step(step: Step, factor: float, transfers: bool) -> None:
    program, durations, groups = step
    sends = [kind.operation in (TaskType.SEND_ACTIVATION, TaskType.SEND_GRADIENT) for kind in program.kinds]
    faster = np.where(np.array(sends)[:, None] == transfers, factor * durations, durations)
    before, after = play(program.graph, durations, groups), play(program.graph, faster, groups)
    assert (after.end <= before.end).all()


def test_the_lower_bound_takes_uneven_stages_and_many_points() -> None:
    forward = np.array([[1.0, 1.0], [2.0, 1.0], [1.0, 1.0]])  # [stages, points]
    backward = 2.0 * forward
    # point 0: stage 1 does 4 x 6, after 1 and before 2; point 1: equal stages, (4 + 2) x 3
    assert step_lower_bound(forward, backward, 3, 4).tolist() == [27.0, 18.0]
    assert step_lower_bound(forward, backward, 3, [4, 8]).tolist() == [27.0, 30.0]
    assert step_lower_bound(forward[:, 0], backward[:, 0], 3, 4) == 27.0
    chunks = step_lower_bound([1.0, 1.0, 1.0, 5.0], [2.0] * 4, 2, 4)  # stage 1 holds 1 and 5: 4 x 10, after 1, before 2
    assert chunks == 43.0
