"""Measured runs that are predicted not to fit in memory: why, for they did run."""

from __future__ import annotations

from clustersim.inputs.scenario import Scenario
from clustersim.inputs.units import GIB
from clustersim.simulation.results import MemoryReport
from clustersim.studies.layouts.remedies import Remedy, remedies
from clustersim.studies.measured.csv_cells import CsvRow, flag, text
from clustersim.studies.measured.words import BETWEEN

WITHIN_ERROR = 0.03  # of usable memory: what the prediction of a peak is good for


def explained_shortage(row: CsvRow, scenario: Scenario, memory: MemoryReport) -> str:
    """What must have been on for a row to run: what its source leaves open, or else what it states; empty if it fits.

    Every change named was played, and fits.
    """
    over = memory.peak_bytes / memory.usable_bytes - 1
    if over <= 0:
        return ""
    much = f"predicted to need {100 * over:.0f} % more memory than there is"
    if over <= WITHIN_ERROR:
        return f"{much}: within the prediction's error"
    open_keys, stated = _keys(row)
    fitting = remedies(scenario, open_keys)
    if fitting:
        return f"{much}; it fits with what the source leaves open: {_told(fitting)}"
    fitting = remedies(scenario, tuple(stated))
    if fitting:
        words = ", ".join(stated[key] for key in dict.fromkeys(remedy.key for remedy in fitting))
        return f"{much}; it can't have run with what the source states ({words}): it fits with {_told(fitting)}"
    return f"{much}, whatever recomputation, offloading or sharding the source leaves open"


def _keys(row: CsvRow) -> tuple[tuple[str, ...], dict[str, str]]:
    """Keys of the layout that a row leaves open, and those that it states with its words."""
    recompute, sharding = text(row, "recompute").lower(), text(row, "sharding")
    told = {
        "recompute": f"recompute {recompute}" if recompute and recompute not in BETWEEN else "",
        "offload": "no offloading" if flag(row, "cpu_offload") is False else "",
        "sharding": f"sharding {sharding}" if sharding else "",
    }
    return tuple(key for key, words in told.items() if not words), {key: words for key, words in told.items() if words}


def _told(fitting: tuple[Remedy, ...]) -> str:
    return " or ".join(f"{remedy.setting} ({remedy.peak_bytes / GIB:.0f} GiB)" for remedy in fitting)
