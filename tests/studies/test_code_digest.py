"""What a stored row depends on: every module that its making imports, and every packaged file that it reads."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from builders import scenario

import clustersim
from clustersim.studies.sweeps import code_digest as module
from clustersim.studies.sweeps import points
from clustersim.studies.sweeps.code_digest import PREDICTIONS, code_digest
from clustersim.studies.sweeps.points import PlaySettings, point_key

PACKAGE = Path(clustersim.__file__).parent
HARMLESS = {  # imported by points.py, yet no figure comes from them
    "__init__.py",  # names of the public functions
    "answer.py",  # how results say themselves
    "version.py",  # in the digest by its content
    "studies/__init__.py",
    "studies/progress.py",  # types of callbacks
    "studies/sweeps/__init__.py",
    "studies/sweeps/code_digest.py",
    "studies/sweeps/journal.py",
    "studies/sweeps/records.py",
    "catalog/__init__.py",
}


def file_of(module: str) -> Path | None:
    place = PACKAGE.parent / Path(*module.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.exists():
            return file
    return None


def imported_by(file: Path) -> set[Path]:
    """Every file of the package that a file names in an import, wherever in it, with the packages around it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    mine = {name for name in names if name.split(".")[0] == "clustersim"}
    around = {".".join(name.split(".")[:end]) for name in mine for end in range(1, len(name.split(".")) + 1)}
    return {found for found in map(file_of, around) if found is not None}


def closure(start: Path) -> set[str]:
    seen, left = set(), {start}
    while left:
        file = left.pop()
        seen.add(file)
        if file.relative_to(PACKAGE).as_posix() not in HARMLESS:
            left |= imported_by(file) - seen
    return {file.relative_to(PACKAGE).as_posix() for file in seen}


def is_covered(name: str) -> bool:
    return any(name == part or name.startswith(f"{part}/") for part in PREDICTIONS)


def test_every_module_that_a_row_is_made_by_is_in_the_digest() -> None:
    imported = closure(PACKAGE / "studies" / "sweeps" / "points.py")
    assert len(imported) > 100, "the closure must be found, or the test tests nothing"
    assert {name for name in imported if not is_covered(name)} <= HARMLESS


READS = """
import sys
opened = []
sys.addaudithook(lambda event, about: opened.append(str(about[0])) if event == "open" else None)
from clustersim.inputs.load import load_scenario
from clustersim.studies.sweeps import points
described = [load_scenario(name) for name in ("gpt3_175b_a100", "deepseek_v3_h800_2048")]
del opened[:]
for each in described:
    assert points.simulate_point(each, points.PlaySettings())["status"] == "done"
print("\\n".join(name for name in opened if "catalog" in name or "configs" in name))
"""


@pytest.mark.slow
def test_every_packaged_file_that_a_simulation_reads_is_in_the_digest() -> None:
    ended = subprocess.run([sys.executable, "-c", READS], capture_output=True, text=True, check=True)
    read = {Path(line).relative_to(PACKAGE).as_posix() for line in ended.stdout.splitlines()}
    assert read
    assert all(map(is_covered, read)), read


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's files somewhere where they can be changed."""
    package = tmp_path / "clustersim"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "files", lambda name: package)
    return package


@pytest.mark.parametrize(
    ("changed", "moves"),
    [
        ("costs/machine.py", True),
        ("inputs/resolve.py", True),
        ("studies/layouts/bounds.py", True),
        ("studies/sweeps/result_columns.py", True),
        ("catalog/measured/evidence.json", True),
        ("cli/run.py", False),
        ("views/words.py", False),
        ("studies/claims/judge.py", False),
    ],
)
def test_what_can_move_a_prediction_moves_the_digest_and_nothing_else(changed: str, moves: bool, copied: Path) -> None:
    before = code_digest.__wrapped__()
    assert before == code_digest.__wrapped__() == code_digest()
    with (copied / changed).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert (code_digest.__wrapped__() != before) == moves


def test_a_file_that_is_moved_or_added_moves_the_digest(copied: Path) -> None:
    before = code_digest.__wrapped__()
    (copied / "costs" / "more.py").write_text("")
    added = code_digest.__wrapped__()
    (copied / "costs" / "more.py").rename(copied / "costs" / "other.py")
    assert len({before, added, code_digest.__wrapped__()}) == 3


def test_a_key_holds_scenario_settings_code_and_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    described = scenario()
    keys = {point_key(described, PlaySettings()), point_key(scenario(tensor=2), PlaySettings())}
    keys |= {point_key(described, PlaySettings("reference")), point_key(described, PlaySettings(intervals=False))}
    named = described.model_copy(update={"name": "another", "notes": ("about",)})
    assert point_key(named, PlaySettings()) in keys, "what no figure depends on is left out"
    with monkeypatch.context() as patched:
        patched.setattr(points, "COLUMNS", (*points.COLUMNS, "a_new_one"))
        keys.add(point_key(described, PlaySettings()))
    monkeypatch.setattr(points, "code_digest", lambda: "another commit")
    keys.add(point_key(described, PlaySettings()))
    assert len(keys) == 6
