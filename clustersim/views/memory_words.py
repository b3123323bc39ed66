"""What a device holds, and what would help where that is too much."""

from __future__ import annotations

from collections.abc import Sequence

from clustersim.simulation.results import MemoryReport
from clustersim.studies.layouts.remedies import Remedy
from clustersim.views.words import gib, percent, significant


def memory_words(memory: MemoryReport) -> str:
    """66.8 to 76.1 of 75.2 GiB usable, on stage 0: fits with 88 %."""
    low, high = (gib(bound).removesuffix(" GiB") for bound in memory.interval_80)
    chance = percent(memory.fit_probability, 0)
    judged = "does not fit" if memory.hopeless else f"fits with {chance}"
    return f"{low} to {high} of {gib(memory.usable_bytes)} usable, on stage {memory.stage}: {judged}"


def shortage(memory: MemoryReport, fitting: Sequence[Remedy]) -> str:
    """By how much a layout does not fit, what fills the device, and which single changes make it fit."""
    over = memory.peak_bytes - memory.usable_bytes
    largest = sorted(memory.parts.items(), key=lambda part: -part[1])[:3]
    held = ", ".join(f"{name.replace('_', ' ')} {gib(size)}" for name, size in largest)
    return (
        f"the layout does not fit: stage {memory.stage} needs {gib(memory.peak_bytes)} of {gib(memory.usable_bytes)} "
        f"usable, {gib(over)} ({percent(over / memory.usable_bytes, 0)}) too much\n"
        f"  what fills it: {held}\n"
        f"  what would help: {_help(fitting)}"
    )


def _help(fitting: Sequence[Remedy]) -> str:
    """The single changes that fit, the fastest step first."""
    if not fitting:
        return "no single change of the layout; layout=search looks at all of them, or take more devices"
    told = (f"{remedy.setting} ({gib(remedy.peak_bytes)}, {significant(remedy.step_time_s)} s)" for remedy in fitting)
    return ", ".join(told)
