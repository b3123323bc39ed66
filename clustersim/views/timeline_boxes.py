"""What the picture of a pipeline's timeline shows: a box a task, and an excerpt where the whole is too long to read."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from clustersim.engines.graph import Floats, Ints, Timeline
from clustersim.errors import InputError, Problem
from clustersim.schedules.program import BACKWARDS, FORWARDS, Program, TaskType

Span = tuple[float, float]
Lane = Literal["compute", "upper", "lower", "beside"]  # the upper and the lower half of compute: two passes as one

LANES: tuple[Lane, ...] = ("compute", "upper", "lower", "beside")
PAIRED = (TaskType.FORWARD_BESIDE, TaskType.BACKWARD_BESIDE)
READABLE_PASSES = 90  # forward passes beside each other that a page has room for
MOST_PASSES = 500  # where filling and draining a deep pipeline take more
HEAD = 0.55  # of an excerpt: how much of it shows the beginning of the step
MOST_STAGES = 32  # rows of a page


class Box(NamedTuple):
    """One task, as it is drawn."""

    row: int  # of the stages that are shown
    left: float  # seconds along the picture, cut-outs left out
    right: float
    operation: TaskType
    chunk: int
    micro_batch: int  # or -1
    lane: Lane


@dataclass(frozen=True)
class Excerpt:
    """The part of a timeline that is drawn: spans of time, joined, of some stages."""

    spans: tuple[Span, ...]  # seconds of the step
    stages: tuple[int, ...]

    @property
    def cut(self) -> float:
        """Seconds between two spans along the picture, where something was left out."""
        return 0.018 * sum(end - start for start, end in self.spans)

    @property
    def width(self) -> float:
        """Seconds along the picture."""
        return sum(end - start for start, end in self.spans) + self.cut * (len(self.spans) - 1)

    def offsets(self) -> list[float]:
        """Where each span begins along the picture."""
        lengths = [end - start + self.cut for start, end in self.spans]
        return [sum(lengths[:index]) for index in range(len(lengths))]

    def place(self, seconds: float) -> float | None:
        """Where a moment of the step is along the picture; None where it was left out."""
        for (start, end), offset in zip(self.spans, self.offsets(), strict=True):
            if start <= seconds <= end:
                return offset + seconds - start
        return None


def excerpt_of(
    program: Program, timeline: Timeline, *, span: tuple[float, float | None] | None = None, stages: str | None = None
) -> Excerpt:
    """The whole step if a page has room for it, else its beginning and its end; of more stages than rows, some.

    `span`: these seconds instead; `stages`: these instead, as `0,3` or `4..7`. Raises InputError for what isn't there.
    """
    return Excerpt(
        _spans(program, timeline) if span is None else (_checked(span, float(timeline.makespan[0])),),
        _some_stages(program.stages) if stages is None else _named_stages(stages, program.stages),
    )


def boxes_of(program: Program, timeline: Timeline, excerpt: Excerpt) -> list[Box]:
    """The tasks that an excerpt shows, in the order of the graph, clipped at its cuts."""
    start, end, lanes = _placed(program, timeline)
    rows = np.full(program.stages, -1)
    rows[list(excerpt.stages)] = np.arange(len(excerpt.stages))
    boxes = []
    for (first, last), offset in zip(excerpt.spans, excerpt.offsets(), strict=True):
        shown = (rows[program.stage] >= 0) & (start < last) & (end > first) & (end > start)
        for task in np.flatnonzero(shown).tolist():
            kind = program.kinds[program.graph.kind[task]]
            left = offset + max(0.0, float(start[task]) - first)
            right = offset + min(last, float(end[task])) - first
            micro_batch, lane = int(program.micro_batch[task]), LANES[lanes[task]]
            boxes.append(Box(int(rows[kind.stage]), left, right, kind.operation, kind.chunk, micro_batch, lane))
    return boxes


def _placed(program: Program, timeline: Timeline) -> tuple[Floats, Floats, Ints]:
    """Start, end and lane of every task; two passes that run as one lie over each other, for as long as both take."""
    start, end = timeline.start[:, 0].copy(), timeline.end[:, 0].copy()
    lanes = np.where(np.isin(program.graph.stream, program.compute_streams), 0, LANES.index("beside"))
    forwards, backwards = (_tasks(program, {operation}) for operation in (PAIRED[0], PAIRED[1]))
    for stage in np.unique(program.stage[forwards]):
        halves = [tasks[program.stage[tasks] == stage] for tasks in (forwards, backwards)]
        first, last = np.minimum(*(start[half] for half in halves)), np.maximum(*(end[half] for half in halves))
        for half, lane in zip(halves, ("upper", "lower"), strict=True):
            start[half], end[half], lanes[half] = first, last, LANES.index(lane)
    return start, end, lanes


def _spans(program: Program, timeline: Timeline) -> tuple[Span, ...]:
    """All of the step, or its first and last seconds."""
    whole = float(timeline.makespan[0])
    forwards, backwards = _tasks(program, FORWARDS), _tasks(program, BACKWARDS)
    if not len(forwards) or not len(backwards):
        return ((0.0, whole),)
    start, end = timeline.start[:, 0], timeline.end[:, 0]
    one = float(np.median(end[forwards] - start[forwards]))
    fill = float(end[_first_on(program, backwards)].max())  # until every stage has met its first backward pass
    drain = whole - float(end[forwards].max())
    room = min(max(READABLE_PASSES * one, 1.15 * (fill + drain)), MOST_PASSES * one)
    if whole <= 1.2 * room:
        return ((0.0, whole),)
    return (0.0, HEAD * room), (whole - (1.0 - HEAD) * room, whole)


def _tasks(program: Program, operations: Set[TaskType]) -> Ints:
    rows = [row for row, kind in enumerate(program.kinds) if kind.operation in operations]
    return np.flatnonzero(np.isin(program.graph.kind, rows))


def _first_on(program: Program, tasks: Ints) -> Ints:
    """The first of these tasks on every stage that runs one."""
    _, first = np.unique(program.stage[tasks], return_index=True)
    return tasks[first]


def _some_stages(stages: int) -> tuple[int, ...]:
    """All stages, or as many as there are rows, evenly spread with both ends."""
    if stages <= MOST_STAGES:
        return tuple(range(stages))
    spread: Floats = np.linspace(0, stages - 1, MOST_STAGES)
    return tuple(int(stage) for stage in np.round(spread))


def _named_stages(words: str, stages: int) -> tuple[int, ...]:
    chosen: list[int] = []
    for part in words.split(","):
        first, dots, last = part.strip().partition("..")
        if not first.isdigit() or (dots and not last.isdigit()):
            raise InputError("plot", [Problem(f'expected stages such as 0,3 or 4..7, got "{words}"', "stages")])
        chosen += range(int(first), int(last if dots else first) + 1)
    return _existing(chosen, stages)


def _existing(chosen: Sequence[int], stages: int) -> tuple[int, ...]:
    if not chosen or max(chosen) >= stages:
        raise InputError("plot", [Problem(f"the pipeline has stages 0 to {stages - 1}", "stages")])
    if len(set(chosen)) > 2 * MOST_STAGES:
        raise InputError("plot", [Problem(f"{len(set(chosen))} rows ({2 * MOST_STAGES} at most)", "stages")])
    return tuple(sorted(set(chosen)))


def _checked(span: tuple[float, float | None], whole: float) -> Span:
    start, end = span[0], whole if span[1] is None else min(span[1], whole)
    if not 0.0 <= start < end:
        raise InputError("plot", [Problem(f"no time between {start:g} s and {end:g} s; the step takes {whole:.6g} s")])
    return start, end
