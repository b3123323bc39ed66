"""The journal of a sweep: nothing finished is lost, nothing torn is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.studies.sweeps.journal import Journal, key_of, read_journal


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({"a": {"mfu": 0.1}, "b": {"mfu": None}})
        assert read_journal(path) == {"a": {"mfu": 0.1}, "b": {"mfu": None}}  # before it is closed
    with Journal(path) as journal:
        journal.append({"a": {"mfu": 0.3}})
    assert read_journal(path) == {"a": {"mfu": 0.3}, "b": {"mfu": None}}


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none.jsonl") == {}


@given(cut=st.integers(min_value=0, max_value=200))
def test_a_journal_cut_anywhere_keeps_its_whole_lines(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({f"point{number}": {"value": number} for number in range(5)})
    whole = path.read_bytes()
    path.write_bytes(whole[: min(cut, len(whole))])
    kept = whole[: min(cut, len(whole))].count(b"\n")
    assert len(read_journal(path)) == kept
    with Journal(path) as journal:
        journal.append({"next": {"value": 9}})
    assert list(read_journal(path)) == [*(f"point{number}" for number in range(kept)), "next"]


def test_lines_that_are_no_results_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"key": "a", "result": {"x": 1}}\nnonsense\n[1]\n{"key": 3, "result": {}}\n{"key": "b"}\n')
    assert read_journal(path) == {"a": {"x": 1}}


def test_a_fresh_journal_forgets(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({"a": {}})
    with Journal(path, fresh=True):
        pass
    assert read_journal(path) == {}


def test_a_number_that_is_none_is_not_written(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.jsonl") as journal, pytest.raises(ValueError, match="JSON"):
        journal.append({"a": {"mfu": float("nan")}})


def test_keys_depend_on_content_alone() -> None:
    assert key_of({"a": 1, "b": [1.5, None]}) == key_of({"b": [1.5, None], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
