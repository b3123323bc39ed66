"""Where the time of a run went, cause by cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from clustersim.inputs.units import format_quantity
from clustersim.views.words import bar, percent, significant

if TYPE_CHECKING:
    from clustersim.simulation.run_clock.runs import PlayedRuns

LEAST_SHARE = 0.0005  # of the wall time: less isn't shown
PHASES_SHOWN = 3


def losses_view(runs: PlayedRuns) -> Table:
    """Causes with their share of the wall time, the costliest first, and what most of it was."""
    lost, counts = runs.lost(), runs.counts()
    most = max((sum(phases.values()) for phases in lost.values()), default=0.0)
    table = Table.grid(padding=(0, 2))
    table.add_row(Text("what the run loses", style="bold"))
    for cause, phases in lost.items():
        seconds = sum(phases.values())
        if seconds / runs.wall_s < LEAST_SHARE:
            continue
        table.add_row(
            cause_words(cause),
            Text(percent(seconds / runs.wall_s), justify="right"),
            Text(format_quantity(seconds, "s"), justify="right"),
            bar(seconds / most, 16),
            f"{significant(counts[cause])} times" if cause in counts else "",
            _mostly(phases),
        )
    return table


def cause_words(cause: str) -> str:
    """A cause as people write it."""
    return cause.replace("_", " ")


def _mostly(phases: Mapping[str, float]) -> str:
    """The largest phases with their time."""
    largest = sorted(phases.items(), key=lambda phase: -phase[1])[:PHASES_SHOWN]
    return ", ".join(f"{phase} {format_quantity(seconds, 's')}" for phase, seconds in largest if seconds >= 60.0)
