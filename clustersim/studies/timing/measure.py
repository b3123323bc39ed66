"""Measuring the machine at hand: case by case, every row kept as soon as it is known."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clustersim.inert import inert
from clustersim.studies.progress import Progress
from clustersim.studies.timing.cases import KINDS, Case, Kind, Launch, Message, collective_cases, device_cases
from clustersim.studies.timing.device import TorchDevice, device_at_hand, launch_seconds, torch_module, work_of
from clustersim.studies.timing.ranks import Group, Ranks, ranks_of_torchrun
from clustersim.studies.timing.table_file import KernelRow, KernelTable
from clustersim.version import __version__

LONGEST_S = 5.0  # one repetition that would take longer is left out
ROOM = 0.8  # share of the free memory that a case may take

Timer = Callable[[Case], float | None]  # None: this device has no such figure


@dataclass
class Measurement:
    """What was measured, kept from before, and left out with the reason."""

    path: str
    chip: str
    device: str
    software: str
    ranks: int
    rows: list[KernelRow] = field(default_factory=list)
    kept: int = 0
    left_out: dict[str, str] = field(default_factory=dict)  # what -> why
    complete: bool = True
    writes: bool = True  # whether this process prints

    def to_dict(self) -> dict[str, Any]:
        """The document that `clustersim measure --json` prints."""
        document = asdict(self) | {"version": __version__}
        del document["writes"]
        return document


def measure(
    path: Path,
    *,
    kinds: Sequence[Kind] = KINDS,
    device: str | None = None,
    chip: str | None = None,
    quick: bool = False,
    progress: Progress = lambda done, total: None,
) -> Measurement:
    """Time kernels of one device; under torchrun, collectives among all ranks. Rows go to `path` one by one.

    Rows that the file holds are not measured again. Ctrl-C ends it with those that are done (`complete` is False then).
    Raises MissingExtraError without PyTorch, InputError where the device isn't there or the file is something else.
    """
    torch, ranks = torch_module(), ranks_of_torchrun()
    here = device_at_hand(torch, device, ranks.local if ranks else 0)
    found = Measurement(str(path), chip or here.name, here.kind, here.software, ranks.count if ranks else 1)
    if ranks is None or ranks.count == 1:
        cases = device_cases(kinds, here.half, quick=quick)
        _measured(found, KernelTable(path), cases, ranks, lambda case: _on_device(case, here), here, progress)
        return found
    group = Group(ranks, here)
    try:
        found.writes = ranks.writes
        _among_ranks(found, path, group, kinds, quick=quick, progress=progress)
    finally:
        group.close()
    return found


def _among_ranks(
    found: Measurement, path: Path, group: Group, kinds: Sequence[Kind], *, quick: bool, progress: Progress
) -> None:
    """Every rank goes through the same cases: rank 0, which has the table, says which."""
    ranks, here = group.ranks, group.device
    dtype = "fp32" if here.kind == "cpu" else here.half
    cases = collective_cases(ranks.count, dtype, quick=quick) if "collective" in kinds else []
    table = KernelTable(path) if ranks.writes else None
    missing = [case for case in cases if table is None or not table.holds(_row(found, case, ranks, 1.0))]
    (chosen,) = group.agreed([[cases.index(case) for case in missing]])
    found.kept = len(cases) - len(chosen)

    def timer(case: Case) -> float | None:
        assert isinstance(case, Message)
        return group.seconds(case)

    _measured(found, table, [cases[at] for at in chosen], ranks, timer, here, progress)


def _measured(
    found: Measurement,
    table: KernelTable | None,
    cases: Sequence[Case],
    ranks: Ranks | None,
    timer: Timer,
    device: TorchDevice,
    progress: Progress,
) -> None:
    rates: dict[str, float] = defaultdict(float)  # of each operation, the best so far: amount a second
    try:
        for number, case in enumerate(cases, start=1):
            if table is not None and table.holds(_row(found, case, ranks, 1.0)):
                found.kept += 1
            else:
                seconds = _tried(found, case, timer, device, rates)
                if seconds is not None:
                    row = _row(found, case, ranks, case.value(seconds))
                    found.rows.append(row)
                    if table is not None:
                        table.add(row)
            progress(number, len(cases))
    except KeyboardInterrupt:
        found.complete = False


def _tried(found: Measurement, case: Case, timer: Timer, device: TorchDevice, rates: dict[str, float]) -> float | None:
    """Seconds of a case, or None with the reason noted: too long or too large for this device, or not to be had."""
    name = f"{case.op} {case.words}"
    if rates[case.op] and case.amount / rates[case.op] > LONGEST_S:
        found.left_out[name] = f"would take more than {LONGEST_S:g} s"
        return None
    if case.footprint > ROOM * device.free_bytes:
        found.left_out[name] = f"needs {case.footprint / 2**30:.3g} GiB of memory"
        return None
    try:
        seconds = timer(case)
    except (
        RuntimeError,
        MemoryError,
        NotImplementedError,
    ) as error:  # no kernel for it, or no memory: says the library
        lines = str(error).strip().splitlines() or [type(error).__name__]
        found.left_out[name] = inert(lines[0])
        gc.collect()
        return None
    if seconds is None:
        found.left_out[name] = "this device has no clock of its own"
        return None
    rates[case.op] = max(rates[case.op], case.amount / seconds)
    return seconds


def _on_device(case: Case, device: TorchDevice) -> float | None:
    if isinstance(case, Launch):
        return launch_seconds(case, device)
    return device.median_seconds(work_of(case, device))


def _row(found: Measurement, case: Case, ranks: Ranks | None, value: float) -> KernelRow:
    day = datetime.now(UTC).date().isoformat()
    return {
        "source_key": "measured",
        "locator": f"clustersim {__version__} measure, {found.software}, {day}",
        "chip": found.chip,
        "op": case.op,
        "shape_or_bytes": case.words,
        "n_devices": str(ranks.count if ranks else 1),
        "n_nodes": str(ranks.nodes if ranks else 1),
        "dtype": case.dtype,
        "value": f"{value:.5g}",
        "unit": case.unit,
    }
