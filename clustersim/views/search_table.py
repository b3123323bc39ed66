"""The best layouts, one a line."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clustersim.inputs.amounts import counted
from clustersim.simulation.results import StepResult
from clustersim.studies.layouts.search import SearchResult
from clustersim.studies.measured.above_published import above_published
from clustersim.views.run_table import headline
from clustersim.views.words import between, gib, layout_words, percent, significant


def search_view(found: SearchResult) -> RenderableType:
    """Layouts by step time, and how many were looked at."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("step time", "80 %", "MFU full", "causal", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("layout")
    for result in found.best:
        step = result.step
        low, high = step.intervals["step_time_s"]["80"]
        table.add_row(
            f"{significant(step.step_time_s)} s",
            between(significant(low), significant(high)),
            percent(step.mfu),
            percent(step.mfu_causal),
            gib(step.memory_bytes),
            layout_words(step.scenario.resolved_layout),
        )
    counts = (
        f"{counted(found.candidates, 'layout')} divide model, batch and devices; {found.feasible:,} fit in memory; "
    )
    dropped = ", ".join(f"{reason}: {count:,}" for reason, count in found.rejected.items())
    warnings = dict.fromkeys(warning for result in found.best for warning in _remarks(result.step))
    return Group(
        Text(headline(found.best[0].step.scenario), style="bold"),
        table,
        *(Text(warning, style="yellow") for warning in warnings),
        Text(f"{counts}{found.played:,} were played" + (f" ({dropped})" if dropped else "")),
    )


def _remarks(step: StepResult) -> tuple[str, ...]:
    """What must be read beside its figures: where they clash, and where no published run has been."""
    above = above_published(step)
    return (*step.warnings, *(() if above is None else (above.words,)))
