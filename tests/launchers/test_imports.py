"""Scripts in the forms that people have, against what they mean, written down before there was a reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.launchers.importing import import_file

DATA = Path(__file__).parent.parent / "data" / "launchers"
LISTS = ("no_counterpart", "overlap_has", "overlap_lacks", "options")
EXPECTED = sorted(DATA.glob("*/*.expected.yaml"))


def source_of(expected: Path) -> Path:
    stem = expected.name.removesuffix(".expected.yaml")
    return next(file for file in sorted(expected.parent.iterdir()) if file.stem == stem and file != expected)


def value_at(scenario: Scenario, key: str) -> Any:
    here: Any = scenario
    for step in key.split("."):
        here = getattr(here, step)
    return list(here) if isinstance(here, tuple) else here


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: f"{path.parent.name}-{path.name.split('.')[0]}")
def test_a_script_is_the_scenario_that_it_means(expected: Path) -> None:
    wanted = yaml.safe_load(expected.read_text())
    imported = import_file(source_of(expected), **wanted.get("options", {}))
    scenario = load_scenario(imported.scenario)
    wrong = {
        key: (value_at(scenario, key), value)
        for key, value in wanted.items()
        if key not in LISTS and value_at(scenario, key) != value
    }
    assert wrong == {}
    assert set(wanted.get("overlap_has", ())) <= set(scenario.resolved_layout.overlap)
    assert not set(wanted.get("overlap_lacks", ())) & set(scenario.resolved_layout.overlap)
    left = " ".join(note.text.replace("-", "_") for note in imported.notes if note.status == "no counterpart")
    assert [name for name in wanted.get("no_counterpart", ()) if name not in left] == []
