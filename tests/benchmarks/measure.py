"""What benchmarks have in common: a loop to compare with, peak memory, and the table of a session."""

from __future__ import annotations

import math
import resource
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

Measure: TypeAlias = Callable[..., None]  # the fixture's

ALLOWED = 1.2  # of the growth of a size: more than that is no linear growth
KIB, MIB, GIB = 2.0**10, 2.0**20, 2.0**30


@dataclass(frozen=True)
class Row:
    """One benchmark: the best time, and what belongs to it."""

    group: str
    name: str
    seconds: float
    calibration_s: float
    count: float = 1.0  # of `unit` that were done in that time
    unit: str = ""
    size: float | None = None  # by which members of a group grow
    peak_bytes: float | None = None
    before: float | None = None  # the last saved run's seconds over its calibration

    @property
    def loops(self) -> float:
        """Its time over that of the calibration loop."""
        return self.seconds / self.calibration_s


def cpu_seconds() -> float:
    """Seconds of processor time that this process and those that it has waited for have taken.

    On an idle machine a clock on the wall says the same; on a busy one it says how busy that is.
    """
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def call_alone(*arguments: str) -> float:
    """Run Python in a process of its own; bytes that it held at most (the Linux kernel's VmHWM), 0 where unknown."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    return 1024.0 * float(done.stderr.split("peak KiB:")[-1])


# To be run at the end of such a process. `ru_maxrss` would count what its parent held.
SAY_PEAK = """
import pathlib, re, sys
status = pathlib.Path("/proc/self/status")
peak = re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1] if status.exists() else 0
print("peak KiB:", peak, file=sys.stderr)
"""


def calibration_seconds(rounds: int = 7) -> float:
    """Best seconds of a fixed loop, half in plain Python, half in NumPy: what the machine gives at the moment."""
    return min(_timed(_loop) for _ in range(rounds))


def _timed(function: Callable[[], object]) -> float:
    started = cpu_seconds()
    function()
    return cpu_seconds() - started


def _loop() -> None:
    times = [0.0]
    for step in range(60_000):
        earlier = times[step >> 1]
        times.append((earlier if earlier > times[-1] else times[-1]) + 1.0)
    table = np.arange(250_000.0).reshape(500, 500)
    for _ in range(40):
        table = np.maximum(table[::-1], 0.5 * table)


def peak_bytes(function: Callable[[], object]) -> float:
    """Bytes that Python and NumPy hold at most beyond what they held before."""
    tracemalloc.start()
    try:
        function()
        return float(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of a report: groups in the order in which they ran, each row against the one of the size before."""
    width = max(len(row.name) for row in rows) + 2
    growth = "growth of size, time, memory"
    lines = [f"{'':{width}}{'best':>10}{'loops':>10}{'a second':>26}{'peak':>10}{growth:>34}{'before':>9}"]
    for group in dict.fromkeys(row.group for row in rows):
        lines.append(group)
        smaller: Row | None = None
        for row in (row for row in rows if row.group == group):
            rate = f"{row.count / row.seconds:,.0f} {row.unit}" if row.unit else ""
            peak = memory_words(row.peak_bytes) if row.peak_bytes else ""
            before = f"{row.loops / row.before:.2f}" if row.before else ""
            name = f"  {row.name}"
            lines.append(
                f"{name:{width}}{time_words(row.seconds):>10}{row.loops:>10.3g}{rate:>26}{peak:>10}"
                f"{growth_words(smaller, row):>34}{before:>9}".rstrip()
            )
            smaller = row
    return lines


def growth_words(smaller: Row | None, row: Row) -> str:
    """How size, time and memory grew from one row to the next; marked where one grew by more than allowed."""
    if smaller is None or smaller.size is None or row.size is None:
        return ""
    size, grown = row.size / smaller.size, [row.seconds / smaller.seconds]
    if row.peak_bytes and smaller.peak_bytes:
        grown.append(row.peak_bytes / smaller.peak_bytes)
    return f"x{size:.3g}  " + "  ".join(f"x{ratio:.2f}" + "!" * (ratio > ALLOWED * size) for ratio in grown)


def time_words(seconds: float) -> str:
    """Such as `2.71 ms`."""
    scale = max(-2, min(0, math.floor(math.log10(seconds) / 3))) if seconds > 0 else 0
    return f"{seconds * 1000.0**-scale:.3g} {('s', 'ms', 'us')[-scale]}"


def memory_words(held: float) -> str:
    """Such as `12.5 MiB`."""
    unit, words = next((unit for unit in ((GIB, "GiB"), (MIB, "MiB")) if held >= unit[0]), (KIB, "KiB"))
    return f"{held / unit:.3g} {words}"
