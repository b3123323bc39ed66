"""Commands from a cold start, each in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.measure import SAY_PEAK, Measure, call_alone

CALL = f"""
import sys
from clustersim.cli import main
try:
    main()
except SystemExit as ended:
    if ended.code:
        raise
{SAY_PEAK}
"""
COMMANDS = {
    "--help": ["--help"],
    "run gpt3_175b_a100": ["run", "gpt3_175b_a100"],
    "run deepseek_v3_h800_2048": ["run", "deepseek_v3_h800_2048"],
    "sweep calculon_validation (8 points)": ["sweep", "calculon_validation", "--workers", "1", "--output", "OUTPUT"],
}


@pytest.mark.usefixtures("only_measured")
@pytest.mark.parametrize("name", COMMANDS)
def test_command(measure: Measure, tmp_path: Path, name: str) -> None:
    runs = iter(range(100))

    def call() -> float:
        words = [str(tmp_path / str(next(runs))) if word == "OUTPUT" else word for word in COMMANDS[name]]
        return call_alone("-c", CALL, *words)

    measure(call, group="a command, from start to end", name=name, rounds=3, own_peak=True)
