from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables of a wide terminal, whatever runs the tests."""
    monkeypatch.setenv("COLUMNS", "132")
