"""A calibrated stack: its numbers with uncertainty, what the runs can't tell, and residuals by group."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clustersim.inputs.amounts import counted
from clustersim.studies.calibration.calibration import Calibration, Estimate
from clustersim.studies.calibration.judged import ScaleJudgement
from clustersim.studies.calibration.stack_file import with_unit
from clustersim.views.words import percent

MOST_REFUSED = 8


def calibration_view(found: Calibration, output: Path | None) -> RenderableType:
    """One screen: how good, the numbers, what is open, the groups."""
    left_out = "" if found.left_out is None else f", {percent(found.left_out)} with groups held out"
    runs = counted(found.rows - found.unused, "measurement" if found.spread is None else "run")
    head = f"{found.extends} fitted to {runs}: mean error {percent(found.mean_absolute)}"
    parts: list[RenderableType] = [Text(head + left_out, style="bold"), _numbers(found)]
    parts += [Padding(line, (0, 0, 0, 2)) for line in _open_questions(found)]
    parts.append(_groups(found))
    if found.judged is not None:
        parts += _judged(found.judged)
    if found.refused:
        parts.append(Text(f"refused: {counted(len(found.refused), 'row')}", style="bold"))
        shown = list(found.refused.items())[:MOST_REFUSED]
        parts += [Padding(f"{name}: {' '.join(reason.split())}", (0, 0, 0, 2)) for name, reason in shown]
    if output is not None:
        parts.append(Text(f"written to {output}; use it with --stack {output}"))
    return Group(*parts)


def _numbers(found: Calibration) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("number")
    for name in ("value", "+-", "parent"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    table.add_column("meaning")
    for estimate in found.estimates:
        figures = (estimate.value, estimate.deviation, estimate.parent)
        shown = (str(with_unit(estimate.name, figure)) for figure in figures)
        table.add_row(estimate.name, *shown, _remark(estimate), estimate.meaning)
    return table


def _remark(estimate: Estimate) -> str:
    if estimate.at_bound:
        return "at its bound"
    return "" if estimate.identified else "not told by these runs"


def _open_questions(found: Calibration) -> Iterator[str]:
    for one, other in found.correlated:
        yield f"{one} and {other} can't be told apart: only a combination of them is known"
    if found.unused:
        yield f"{found.unused} rows of quality other than complete are predicted but not fitted"
    if found.spread is None:
        yield "no whole step among them: intervals stay those of a new source"
    elif found.source_spread is not None:
        yield (
            f"your next run lies {percent(found.spread)} (1 sd) from its prediction; "
            f"{percent(found.source_spread)} is what these runs leave open of your source's own part"
        )
    if found.left_out is None:
        yield "one group of runs only: residuals are in-sample, and optimistic"


def _judged(found: ScaleJudgement) -> Iterator[RenderableType]:
    """On runs of more devices than it was fitted to."""
    runs = f"{counted(found.rows, 'run')} of more than {found.devices:,} devices, not fitted"
    yield Text(f"judged on {runs}: mean error {percent(found.mean_absolute)}", style="bold")
    kinds = {"dense": found.dense, "experts": found.experts}
    told = ", ".join(f"{name} {percent(error)}" for name, error in kinds.items() if error is not None)
    lines = (
        f"{told}; bias {100 * found.bias:+.1f} %; by the stack that it extends {percent(found.before)}",
        f"the 80 % interval holds {percent(found.covered_80, 0)} of them, the 95 % {percent(found.covered_95, 0)}",
        f"+- {percent(found.width_80)} at 80 %, {found.width_80 / found.stranger_width_80:.2f} of a stranger's "
        f"+- {percent(found.stranger_width_80)}",
    )
    yield from (Padding(line, (0, 0, 0, 2)) for line in lines)


def _groups(found: Calibration) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("group")
    for name in ("rows", "mean |error|", "bias", "held out"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, errors in found.groups.items():
        held_out = "-" if errors.left_out is None else percent(errors.left_out)
        table.add_row(name, str(errors.rows), percent(errors.mean_absolute), f"{100 * errors.bias:+.1f} %", held_out)
    return table
