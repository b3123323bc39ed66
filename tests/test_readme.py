"""Every example of the README and the documentation works as pasted."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


COMMANDS = [
    line.removeprefix("$ ").split("#")[0].strip()
    for block in blocks("console")
    for line in block.splitlines()
    if line.startswith("$ clustersim")
]


@pytest.mark.slow
@pytest.mark.parametrize("line", COMMANDS)
def test_commands(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clustersim.cli import cli

    arguments = shlex.split(line)[1:]
    arguments = [str(ROOT / word) if word.startswith("configs/") else word for word in arguments]
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert result.output


def test_commands_are_there() -> None:
    assert len(COMMANDS) >= 5
    assert "$ make demo" in README
    assert "$ make test" in README


@pytest.mark.parametrize("code", blocks("python"))
def test_python(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, "README.md", "exec"), {})
    assert "MFU" in capsys.readouterr().out


@pytest.mark.parametrize("text", blocks("yaml"))
def test_scenarios(text: str, tmp_path: Path) -> None:
    from clustersim import load_scenario, simulate_run

    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    run = simulate_run(load_scenario(file))
    assert run.cost_usd is not None


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))]
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    for target in targets:
        assert ((ROOT / page).parent / target).exists(), target


def test_every_formula_of_the_map_has_a_home() -> None:
    text = (ROOT / "docs" / "physics.md").read_text(encoding="utf-8")
    for path in re.findall(r"`(clustersim/[\w/.]+)`", text):
        assert (ROOT / path).exists(), path
