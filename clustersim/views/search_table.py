"""The best layouts, one a line."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from clustersim.inputs.amounts import counted
from clustersim.simulation.results import StepResult
from clustersim.studies.layouts.alike import Equals
from clustersim.studies.layouts.search import SearchResult
from clustersim.studies.measured.above_published import above_published
from clustersim.views.fitting_table import FittingTable, Heading
from clustersim.views.run_table import headline
from clustersim.views.words import between, gib, layout_words, percent, significant

HEADINGS = (
    Heading("", right=True),
    Heading("step time", right=True),
    Heading("80 %", 2, right=True),
    Heading("MFU full", right=True),
    Heading("causal", 3, right=True),
    Heading("memory", 1, right=True),
    Heading("layout", breaks=True),
)


def search_view(found: SearchResult) -> RenderableType:
    """Layouts by step time, and how many were looked at."""
    rows = []
    for place, result in enumerate(found.best, 1):
        step = result.step
        low, high = step.intervals["step_time_s"]["80"]
        rows.append(
            (
                str(place),
                f"{significant(step.step_time_s)} s",
                between(significant(low), significant(high)),
                percent(step.mfu),
                percent(step.mfu_causal),
                gib(step.memory_bytes),
                layout_words(step.scenario.resolved_layout),
            )
        )
    table = FittingTable(HEADINGS, rows)
    counts = (
        f"{counted(found.candidates, 'layout')} divide model, batch and devices; {found.feasible:,} fit in memory; "
    )
    dropped = ", ".join(f"{reason}: {count:,}" for reason, count in found.rejected.items())
    warnings = dict.fromkeys(warning for result in found.best for warning in _remarks(result.step))
    return Group(
        Text(headline(found.best[0].step.scenario), style="bold"),
        table,
        *(Text(line) for line in equals_words(found)),
        *(Text(warning, style="yellow") for warning in warnings),
        Text(f"{counts}{found.played:,} were played" + (f" ({dropped})" if dropped else "")),
    )


def equals_words(found: SearchResult) -> list[str]:
    """1 to 3 can't be told apart ...: 2 is the leanest (41.2 GiB), 1 the simplest; a sentence a group of several."""
    return [_group_words(found, group) for group in found.equals if len(group.places) > 1]


def _group_words(found: SearchResult, group: Equals) -> str:
    leanest, simplest = group.leanest + 1, group.simplest + 1
    held = gib(found.best[group.leanest].step.memory_bytes)
    equal = f"{_which(group.places)} can't be told apart: each step time lies within the others' 80 % interval"
    if leanest == simplest:
        return f"{equal}. {leanest} is the leanest ({held}) and the simplest"
    return f"{equal}. {leanest} is the leanest ({held}), {simplest} the simplest"


def _which(places: tuple[int, ...]) -> str:
    """1 to 5, or the numbers one by one where some between them aren't meant."""
    first, last = places[0] + 1, places[-1] + 1
    if len(places) > 2 and last - first + 1 == len(places):
        return f"{first} to {last}"
    *others, final = [str(place + 1) for place in places]
    return f"{', '.join(others)} and {final}"


def _remarks(step: StepResult) -> tuple[str, ...]:
    """What must be read beside its figures: where they clash, and where no published run has been."""
    above = above_published(step)
    return (*step.warnings, *(() if above is None else (above.words,)))
