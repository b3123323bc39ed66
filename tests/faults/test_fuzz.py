"""Whatever is read, a command ends with an answer or a message: what went wrong before, and what a seed makes up."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from faults.fuzz import outcome
from faults.readers import (
    CLAIM,
    CONFIGS,
    FIT_SMALL,
    KERNELS,
    PIECES,
    READERS,
    SCENARIO,
    SERVING,
    SMALL,
    SMALL_RUN,
    SWEEP,
    TRACE,
)

from clustersim.cli.errors import BAD_INPUT

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.yaml"))
TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("kept", CORPUS, ids=lambda kept: kept.stem)
def test_what_went_wrong_before_ends_well(kept: Path, tmp_path: Path) -> None:
    document: dict[str, Any] = yaml.safe_load(kept.read_text(encoding="utf-8"))
    for name, text in {"small.yaml": yaml.safe_dump(SMALL), **document["files"]}.items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    code, wrong = outcome(document["command"], tmp_path)
    assert wrong == ""
    assert code in (document["code"], BAD_INPUT), "a key of the file may have gone out of use since"


def _table(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


UNCHANGED: dict[str, tuple[str, Any, list[str], int]] = {
    "scenario": ("s.yaml", SCENARIO, ["run", "s.yaml", "--json", "--seeds", "2"], 0),
    "sweep": ("s.yaml", SWEEP, ["sweep", "s.yaml", "--json"], 0),
    "claim": ("c.yaml", CLAIM, ["check", "c.yaml", "--json", "--workers", "1"], 1),
    "serving": ("s.yaml", SERVING, ["serve", "s.yaml", "--json"], 0),
    **{
        f"config {n}": ("config.json", config, ["run", "config.json", *SMALL_RUN], 0)
        for n, config in enumerate(CONFIGS)
    },
    "small": ("small.yaml", SMALL, ["search", "small.yaml", "--quick", "--where", "tensor <= 4", "--json"], 0),
}


TABLES: dict[str, tuple[str, str, list[str]]] = {
    "chunks": ("chunks.csv", _table(PIECES), ["calibrate", "--chunks", "chunks.csv", *FIT_SMALL]),
    "trace": ("trace.json", json.dumps(TRACE), ["calibrate", "--trace", "trace.json", *FIT_SMALL]),
    "kernels": ("k.csv", _table(KERNELS), ["calibrate", "--kernels", "k.csv", "--json"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_that_are_mutated_are_right_before(name: str, tmp_path: Path) -> None:
    file, text, command = TABLES[name]
    (tmp_path / file).write_text(text, encoding="utf-8")
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL))
    assert outcome(command, tmp_path) == (0, "")


@pytest.mark.parametrize("name", UNCHANGED)
def test_what_is_mutated_is_right_before(name: str, tmp_path: Path) -> None:
    """Else the fuzzer tests the door alone."""
    file, document, command, code = UNCHANGED[name]
    (tmp_path / file).write_text(json.dumps(document) if file.endswith(".json") else yaml.safe_dump(document))
    assert outcome(command, tmp_path) == (code, "")


def fuzzed(cases: int, seed: int, folder: Path) -> dict[str, Any]:
    """The summary of a run of the fuzzer in a process of its own, whose memory is limited."""
    progress = folder / "case"
    ended = subprocess.run(
        [sys.executable, "-m", "faults.fuzz", f"--cases={cases}", f"--seed={seed}", f"--progress={progress}"],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(TESTS)}, cwd=folder,
    )  # fmt: skip
    assert ended.stdout, f"died at {progress.read_text()}: {ended.stderr[-2000:]}"
    *wrong, summary = map(json.loads, ended.stdout.splitlines())
    assert wrong == []
    assert ended.returncode == 0, ended.stderr
    assert isinstance(summary, dict)
    return summary


@pytest.mark.slow
def test_mutated_inputs_end_with_an_answer_or_a_message(tmp_path: Path) -> None:
    """The short form of 10,000 cases, which `make faults` runs."""
    cases = int(os.environ.get("CLUSTERSIM_FUZZ", "300"))
    summary = fuzzed(cases, int(os.environ.get("CLUSTERSIM_SEED", "0")), tmp_path)
    assert summary["cases"] >= cases - len(READERS)
    for reader in READERS:
        codes = summary["codes"][reader.name]
        assert codes.get("2", 0) + codes.get("0", 0) + codes.get("1", 0) > 0
        if cases >= 3000:
            assert sum(codes.values()) > 1.05 * codes.get("2", 0), f"{reader.name}: nearly all is refused at the door"
