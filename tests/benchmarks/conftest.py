"""`measure` times a call, and its memory; at the end of `make bench` a table compares all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from benchmarks.measure import Measure, Row, calibration_seconds, peak_bytes, table


@pytest.fixture(scope="session")
def calibration_s() -> float:
    """Seconds of the loop that every time is divided by."""
    return calibration_seconds()


@pytest.fixture
def only_measured(pytestconfig: pytest.Config) -> None:
    """Skips what takes long where nothing is measured."""
    if not pytestconfig.getoption("benchmark_enable"):
        pytest.skip("takes long, and is run by make bench alone")


@pytest.fixture
def measure(benchmark: Any, request: pytest.FixtureRequest) -> Measure:
    """Measure a call in some rounds; once without `--benchmark-enable`.

    `group`: the heading in the table; `count` of `unit` that one call does; `size` by which the group's members grow;
    `own_peak`: of a process of its own, in bytes, where the call returns that.
    """

    def run(
        function: Callable[[], Any],
        *,
        group: str,
        name: str,
        count: float = 1.0,
        unit: str = "",
        size: float | None = None,
        rounds: int = 5,
        warm: bool = True,
        memory: bool = True,
        own_peak: bool = False,
    ) -> None:
        benchmark.group = group
        result = benchmark.pedantic(function, rounds=rounds, warmup_rounds=int(warm))
        if benchmark.disabled:
            return
        peak = float(result) if own_peak else peak_bytes(function) if memory else None
        benchmark.extra_info.update(
            row={"group": group, "name": name, "count": count, "unit": unit, "size": size, "peak_bytes": peak},
            calibration_s=request.getfixturevalue("calibration_s"),
        )

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    session = getattr(config, "_benchmarksession", None)
    if session is None or session.disabled:
        return
    measured = [each for each in session.benchmarks if "row" in each.extra_info]
    last: dict[str, Any] = next(iter((session.compared_mapping or {}).values()), {})
    rows = [
        Row(
            **each.extra_info["row"],
            seconds=each.stats.min,
            calibration_s=each.extra_info["calibration_s"],
            before=_loops(last.get(each.fullname)),
        )
        for each in measured
    ]
    if rows:
        terminalreporter.section("benchmarks")
        terminalreporter.write_line(
            "best: seconds of processor time, the shortest round. loops: the same over a fixed loop's "
            f"{rows[0].calibration_s * 1e3:.3g} ms.\nbefore: loops over the last saved run's. "
            "An ! marks what grew by more than 1.2 times its size"
        )
        for line in table(rows):
            terminalreporter.write_line(line)
        if not last:
            terminalreporter.write_line("nothing was saved before: the next run is compared with this one")


def _loops(saved: dict[str, Any] | None) -> float | None:
    if saved is None or "calibration_s" not in saved["extra_info"]:
        return None
    return float(saved["stats"]["min"] / saved["extra_info"]["calibration_s"])
