"""What is installed: everything that the README speaks of, and what type checkers and package indexes look for."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest
from click.testing import CliRunner

from clustersim.cli import cli
from clustersim.version import __version__

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIGS = sorted(set(re.findall(r"\bconfigs/[\w./-]+\.yaml", README)))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_holds_the_package_its_catalog_and_every_config(wheel: ZipFile) -> None:
    held = set(wheel.namelist())
    inside = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "clustersim").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert inside - held == set()
    configs = {f"clustersim/{file.relative_to(ROOT)}" for file in (ROOT / "configs").rglob("*.yaml")}
    assert configs
    assert configs - held == set()
    assert "clustersim/py.typed" in held


def test_the_wheel_says_what_an_index_shows(wheel: ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    said = Parser().parsestr(wheel.read(name).decode())
    assert said["Version"] == __version__
    assert said["License-Expression"] == "Apache-2.0"
    assert said["Description-Content-Type"] == "text/markdown"
    assert "Typing :: Typed" in said.get_all("Classifier", [])
    assert "clustersim = clustersim.cli:main" in wheel.read(name.replace("METADATA", "entry_points.txt")).decode()


def test_an_index_lists_the_version_of_every_python_that_is_allowed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    least = project["requires-python"].removeprefix(">=")
    assert f"Programming Language :: Python :: {least}" in project["classifiers"]


def test_the_readme_speaks_of_configs() -> None:
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS)
def test_a_config_of_the_readme_is_found_where_no_checkout_lies(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clustersim.inputs.documents import load_config

    monkeypatch.chdir(tmp_path)
    assert load_config(Path(path).parts[1], path)


def test_a_file_of_ones_own_stands_before_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "configs" / "scenarios" / "gpt3_175b_a100.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("- mine\n")
    result = CliRunner().invoke(cli, ["run", "configs/scenarios/gpt3_175b_a100.yaml"])
    assert result.exit_code == 2
    assert "holds no mapping" in result.stderr if result.stderr else result.output


def test_other_paths_are_no_shipped_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("configs/scenarios/nothing.yaml", "elsewhere/scenarios/gpt3_175b_a100.yaml", "configs/../x.yaml"):
        result = CliRunner().invoke(cli, ["run", path])
        assert result.exit_code == 2
