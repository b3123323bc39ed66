"""A sweep's memory does not grow with its points: they lie in files, and so do their rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from faults.harness import FULL

SWEEP = """
import json, resource, sys
from clustersim.inputs.load import load_scenario
from clustersim.studies.sweeps import points
from clustersim.studies.sweeps.sweep import run_sweep
from clustersim.views.console import plain_text
from clustersim.views.sweep_table import sweep_view

count = int(sys.argv[1])
row = points.simulate_point(load_scenario("gpt3_175b_a100"), points.PlaySettings())
points.simulate_points = lambda scenarios, settings: [dict(row) for _ in scenarios]  # quickly
axis = [1e11 + 1e6 * number for number in range(count)]
result = run_sweep("gpt3_175b_a100", overrides={"cluster.node.scale_up.bandwidth": axis}, workers=1, output="out")
assert (len(result.rows), result.count("done")) == (count, count)
assert result.rows[count - 1]["cluster.node.scale_up.bandwidth"] == axis[-1]
assert f"{count:,} points" in plain_text(sweep_view(result, []))
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
"""


def mebibytes(count: int, folder: Path) -> float:
    """The most memory that a sweep of so many points has."""
    folder.mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", SWEEP, str(count)],
        cwd=folder,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(ended.stdout))


@pytest.mark.slow
def test_memory_does_not_grow_with_points(tmp_path: Path) -> None:
    """Beside some hundred bytes a point: their keys. A row and a scenario are 28 kB."""
    few, many = (4_000, 100_000) if FULL else (2_000, 6_000)
    grown = mebibytes(many, tmp_path / "many") - mebibytes(few, tmp_path / "few")
    in_files = 3 * 16  # of each of three lists, before they are files
    assert grown < in_files + 0.0007 * (many - few)
