"""The picture of a pipeline's timeline: the boxes that it shows, what it leaves out, and how it looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import assert_looks_like

from clustersim.engines import play
from clustersim.engines.graph import Timeline
from clustersim.errors import InputError
from clustersim.schedules import Kind, Program, TaskType, build_program
from clustersim.schedules.draft import Draft
from clustersim.schedules.placement import by_turns
from clustersim.views.drawing import write
from clustersim.views.timeline_boxes import Box, boxes_of, excerpt_of
from clustersim.views.timeline_plot import draw_timeline

SECONDS = {
    TaskType.FORWARD: 1.0,
    TaskType.BACKWARD: 2.0,
    TaskType.INPUT_GRADIENT: 1.0,
    TaskType.WEIGHT_GRADIENT: 1.0,
    TaskType.OPTIMIZER: 0.5,
}


def played(schedule: str, stages: int, micro_batches: int, chunks: int = 1, **options: Any) -> tuple[Program, Timeline]:
    """A step in which passes take 1 and 2 seconds a stage, the optimizer half a second, messages a tenth."""
    choices = {"blocking_transfers": False, "gather": "none", "reduce": False, "tied_embeddings": False}
    program = build_program(
        schedule, stages, micro_batches, chunks, **(choices | {"synchronous_optimizer": False} | options)
    )
    durations = [SECONDS.get(kind.operation, 0.1 * chunks) / chunks for kind in program.kinds]
    return program, play(program.graph, np.array(durations)[:, np.newaxis])


def passes(boxes: list[Box], row: int) -> list[tuple[str, int]]:
    ordered = sorted(boxes, key=lambda box: box.left)
    return [
        (box.operation.value, box.micro_batch)
        for box in ordered
        if box.row == row and box.micro_batch >= 0 and box.lane == "compute"
    ]


def test_a_short_step_is_shown_whole() -> None:
    program, timeline = played("1f1b", 2, 3)
    excerpt = excerpt_of(program, timeline)
    assert excerpt.spans == ((0.0, float(timeline.makespan[0])),)
    assert excerpt.stages == (0, 1)
    assert excerpt.width == timeline.makespan[0]
    boxes = boxes_of(program, timeline, excerpt)
    assert len(boxes) == program.graph.tasks
    forward, backward = "forward", "backward"
    assert passes(boxes, 1) == [(forward, 0), (backward, 0), (forward, 1), (backward, 1), (forward, 2), (backward, 2)]
    assert passes(boxes, 0) == [(forward, 0), (forward, 1), (backward, 0), (forward, 2), (backward, 1), (backward, 2)]
    assert [box.left for box in boxes] == timeline.start[:, 0].tolist()
    assert {box.operation for box in boxes if box.lane == "beside"} == {
        TaskType.SEND_ACTIVATION,
        TaskType.SEND_GRADIENT,
    }


def test_a_long_step_is_shown_by_its_beginning_and_its_end() -> None:
    program, timeline = played("1f1b", 4, 200)
    whole = float(timeline.makespan[0])
    excerpt = excerpt_of(program, timeline)
    (start, head), (tail, end) = excerpt.spans
    assert (start, end) == (0.0, whole)
    assert head < tail
    assert excerpt.width < 100.0
    assert excerpt.place(0.0) == 0.0
    assert excerpt.place((head + tail) / 2) is None
    assert excerpt.place(whole) == pytest.approx(excerpt.width)
    boxes = boxes_of(program, timeline, excerpt)
    shown = {box.micro_batch for box in boxes}
    assert {0, 199} <= shown
    assert 100 not in shown
    assert max(box.right for box in boxes) == pytest.approx(excerpt.width)
    for box in boxes:
        assert box.right <= head or box.left >= head + excerpt.cut, "nothing lies in the cut"


def test_a_deep_pipeline_is_shown_until_it_is_full() -> None:
    program, timeline = played("interleaved-1f1b", 16, 320, 2)
    (_, head), _ = excerpt_of(program, timeline).spans
    backwards = [
        row for row, kind in enumerate(program.kinds) if kind.operation is TaskType.BACKWARD and not kind.stage
    ]
    first = timeline.end[np.isin(program.graph.kind, backwards), 0].min()
    assert head > first


def test_stages_and_seconds_may_be_chosen() -> None:
    program, timeline = played("1f1b", 8, 16)
    excerpt = excerpt_of(program, timeline, span=(3.0, 9.0), stages="6..7,2")
    assert excerpt.stages == (2, 6, 7)
    boxes = boxes_of(program, timeline, excerpt)
    assert {box.row for box in boxes} == {0, 1, 2}
    assert min(box.left for box in boxes) >= 0.0
    assert max(box.right for box in boxes) <= 6.0
    assert excerpt_of(program, timeline, span=(3.0, None)).spans == ((3.0, float(timeline.makespan[0])),)


def test_of_many_stages_some_are_shown() -> None:
    program, timeline = played("gpipe", 64, 2)
    stages = excerpt_of(program, timeline).stages
    assert len(stages) == 32
    assert (stages[0], stages[-1]) == (0, 63)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": "0..8"}, "stages 0 to 7"),
        ({"stages": "first"}, 'expected stages such as 0,3 or 4..7, got "first"'),
        ({"stages": "3..1"}, "stages 0 to 7"),
        ({"span": (99.0, None)}, "the step takes"),
        ({"span": (2.0, 1.0)}, "no time between 2 s and 1 s"),
    ],
)
def test_what_is_not_there_is_refused(options: dict[str, Any], message: str) -> None:
    program, timeline = played("1f1b", 8, 8)
    with pytest.raises(InputError, match=message):
        excerpt_of(program, timeline, **options)


def test_rows_that_no_page_has_room_for_are_refused() -> None:
    program, timeline = played("gpipe", 80, 2)
    with pytest.raises(InputError, match="80 rows"):
        excerpt_of(program, timeline, stages="0..79")


def test_two_passes_that_run_as_one_lie_over_each_other() -> None:
    draft = Draft(1)
    last = draft.add_compute_task(Kind(TaskType.FORWARD, 0), ())
    forward = draft.add_compute_task(Kind(TaskType.FORWARD_BESIDE, 0), (last,))
    draft.add_compute_task(Kind(TaskType.BACKWARD_BESIDE, 0), (forward,))
    program = draft.program(2, by_turns(1))
    timeline = play(program.graph, np.array([[1.0], [1.5], [2.0]]))
    boxes = boxes_of(program, timeline, excerpt_of(program, timeline))
    assert [(box.left, box.right, box.lane) for box in boxes] == [
        (0.0, 1.0, "compute"),
        (1.0, 4.5, "upper"),
        (1.0, 4.5, "lower"),
    ]


@pytest.mark.parametrize(
    ("name", "schedule", "sizes", "options"),
    [
        ("timeline_1f1b", "1f1b", (4, 8), {}),
        ("timeline_gpipe_blocking", "gpipe", (3, 4), {"blocking_transfers": True, "reduce": True}),
        ("timeline_interleaved", "interleaved-1f1b", (4, 8, 2), {"synchronous_optimizer": True}),
        ("timeline_zb_h1", "zb-h1", (4, 8), {}),
        ("timeline_excerpt", "1f1b", (6, 90), {"gather": "before", "reduce": True}),
    ],
)
def test_pictures(name: str, schedule: str, sizes: tuple[int, ...], options: dict[str, Any], tmp_path: Path) -> None:
    program, timeline = played(schedule, *sizes, **options)
    assert_looks_like(draw_timeline(program, timeline, title=schedule, about="a test"), name, tmp_path)


def test_the_same_step_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for file in files:
        write(draw_timeline(*played("interleaved-1f1b", 4, 8, 2), title="twice"), file)
    assert files[0].read_bytes() == files[1].read_bytes()
