from __future__ import annotations

from pathlib import Path

import pytest
from small_catalog import ENTRIES, SCENARIO, write_entry


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the small catalog; the working directory is an empty one beside it."""
    folder = tmp_path / "catalog"
    for name, text in ENTRIES.items():
        write_entry(folder, name, text)
    monkeypatch.setenv("CLUSTERSIM_CATALOG", str(folder))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return folder


@pytest.fixture
def scenario_file(catalog: Path) -> Path:
    """A scenario that is right."""
    file = Path("scenario.yaml")
    file.write_text(SCENARIO, encoding="utf-8")
    return file
