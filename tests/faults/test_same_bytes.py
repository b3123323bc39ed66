"""The same question has the same bytes for an answer, whoever computes it and wherever it is asked."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.harness import FULL

pytestmark = pytest.mark.slow

SWEEP = """
name: bytes
base: gpt3_175b_a100
points:
  layout.micro_batch: [1, 2, 8]
  cluster.node.scale_up.bandwidth: ["200 GB/s", "300 GB/s"]
  layout.recompute: [selective, full]
figures: [{x: cluster.node.scale_up.bandwidth, y: mfu, by: layout.micro_batch, where: {layout.recompute: full}}]
"""
PLACES: dict[str, dict[str, str]] = {
    "usual": {},
    "hash seed 0": {"PYTHONHASHSEED": "0"},
    "hash seed 1": {"PYTHONHASHSEED": "1"},
    "hash seed 42": {"PYTHONHASHSEED": "42"},
    "LANG C": {"LC_ALL": "C"},
    "LANG C without UTF-8": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "LANG de_DE": {"LC_ALL": "de_DE"},
    "LANG tr_TR": {"LC_ALL": "tr_TR.UTF-8"},
    "TZ Tokyo": {"TZ": "Asia/Tokyo"},
    "TZ half-way": {"TZ": "Pacific/Marquesas"},
}
COMMANDS = (
    ("run", "gpt3_175b_a100", "--tokens", "300B", "--json"),
    ("run", "gpt3_175b_a100", "--tokens", "30B", "--reliability", "llama3-h100", "--seeds", "3"),
    ("search", "gpt3_175b_a100", "--where", "tensor == 8 and pipeline == 8", "--quick", "--json"),
    ("plot", "memory", "gpt3_175b_a100", "--output", "memory.svg"),
    ("check", "gpt3_175b_64_a100", "--json", "--output", "claim", "--report", "claim.html"),
    ("show", "accelerators"),
)


def asked(folder: Path, commands: Iterator[tuple[str, ...]], env: dict[str, str]) -> dict[str, str]:
    """The hash of everything that the commands print and write, by name."""
    folder.mkdir()
    (folder / "bytes.yaml").write_text(SWEEP)
    found = {}
    for words in commands:
        ended = subprocess.run(
            [sys.executable, "-c", "from clustersim.cli import main; main()", *words],
            cwd=folder, env=os.environ | {"MPLCONFIGDIR": str(folder.parent)} | env, capture_output=True, check=False,
        )  # fmt: skip
        assert ended.returncode in (0, 1), ended.stderr.decode(errors="replace")
        found[" ".join(words[:2])] = hashlib.sha256(ended.stdout).hexdigest()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name != "journal.jsonl":  # whose order isn't promised
            found[str(file.relative_to(folder))] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def sweep(*more: str) -> tuple[str, ...]:
    return ("sweep", "bytes.yaml", "--json", *more)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    commands = (sweep("--workers", "1"), *(COMMANDS if FULL else COMMANDS[:1]))
    found = asked(tmp_path_factory.mktemp("usual") / "here", iter(commands), {})
    assert "results/bytes/results.csv" in found
    assert sum(name.endswith(".svg") for name in found) >= 1
    return found


def has_locale(name: str) -> bool:
    listed = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
    return name.lower().replace("-", "") in [word.lower().replace("-", "") for word in listed]


@pytest.mark.parametrize(
    "place", [name for name in PLACES if FULL or name in ("hash seed 42", "LANG de_DE", "TZ Tokyo")]
)
def test_wherever_it_is_asked(place: str, usual: dict[str, str], tmp_path: Path) -> None:
    env = PLACES[place]
    if not has_locale(env.get("LC_ALL", "C")):
        pytest.skip(f"the locale {env['LC_ALL']} isn't here; .ci/run makes it")
    commands = (sweep("--workers", "1"), *(COMMANDS if FULL else COMMANDS[:1]))
    assert asked(tmp_path / "there", iter(commands), env) == usual


@pytest.mark.parametrize("workers", ["1", "2", "4"] if FULL else ["2"])
def test_whoever_computes_it(workers: str, usual: dict[str, str], tmp_path: Path) -> None:
    found = asked(tmp_path / "there", iter([sweep("--workers", workers)]), {})
    assert found == {name: usual[name] for name in found}
    assert len(found) >= 5


@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_computes_the_same(usual: dict[str, str], tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    about = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(**about) as cluster:
        found = asked(tmp_path / "there", iter([sweep("--dask", cluster.scheduler_address)]), {})
    assert found == {name: usual[name] for name in found}
