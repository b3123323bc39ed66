"""The journal of a sweep: nothing finished is lost, nothing torn, altered or foreign is read."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.errors import ClustersimError
from clustersim.studies.sweeps import journal as module
from clustersim.studies.sweeps.journal import DamageError, Journal, key_of, line_of, read_line

KEYS = [key_of({"point": number}) for number in range(5)]


def row(value: Any = 0.5, **more: Any) -> dict[str, Any]:
    return {"status": "done", "mfu": value} | more


def held(path: Path) -> dict[str, dict[str, Any]]:
    with Journal(path) as journal:
        return {key: journal.result(key) for key in KEYS if journal.holds(key)}


def damage(path: Path) -> list[str]:
    with Journal(path) as journal:
        return [str(found) for found in journal.damage]


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({KEYS[0]: row(0.1), KEYS[1]: row(None)})
        assert journal.result(KEYS[0]) == row(0.1)
        assert journal.holds(KEYS[1])
        assert not journal.holds(KEYS[2])
    assert held(path) == {KEYS[0]: row(0.1), KEYS[1]: row(None)}
    with Journal(path) as journal:
        journal.append({KEYS[0]: row(0.3)})
    assert held(path) == {KEYS[0]: row(0.3), KEYS[1]: row(None)}


def test_a_failure_is_no_result_until_another_attempt_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({KEYS[0]: {"status": "failed", "reason": "a bug"}, KEYS[1]: {"status": "infeasible"}})
        assert (journal.holds(KEYS[0]), journal.holds_failure(KEYS[0])) == (False, True)
        assert (journal.holds(KEYS[1]), journal.holds_failure(KEYS[1])) == (True, False)
    with Journal(path) as journal:
        assert journal.holds_failure(KEYS[0])
        assert journal.result(KEYS[0])["reason"] == "a bug"
        journal.append({KEYS[0]: row()})
        assert journal.holds(KEYS[0])
    assert held(path)[KEYS[0]] == row()


@given(cut=st.integers(min_value=0, max_value=800))
def test_a_journal_cut_anywhere_keeps_its_whole_lines(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({key: row(number) for number, key in enumerate(KEYS)})
    whole = path.read_bytes()
    assert len(whole) < 800
    path.write_bytes(whole[: min(cut, len(whole))])
    kept = whole[: min(cut, len(whole))].count(b"\n")
    assert list(held(path)) == KEYS[:kept]
    with Journal(path) as journal:
        journal.append({KEYS[4]: row(9)})
    assert held(path)[KEYS[4]] == row(9)
    assert damage(path) == []


@given(place=st.integers(min_value=0, max_value=10_000), flip=st.integers(min_value=1, max_value=255))
def test_a_changed_byte_costs_its_line_and_no_other(
    place: int, flip: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({key: row(number) for number, key in enumerate(KEYS)})
    content = bytearray(path.read_bytes())
    place %= len(content)
    hit = content[:place].count(b"\n")
    content[place] ^= flip
    path.write_bytes(content)
    found = held(path)
    assert all(found[key] == row(KEYS.index(key)) for key in found), "no figure is read that was not written"
    assert set(KEYS) - set(found) <= {KEYS[hit], *KEYS[hit + 1 : hit + 2]}, "two lines where their end was hit"
    assert KEYS[hit] not in found


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"nonsense", "not a line of a journal"),
        (b"[1]", "not a line of a journal"),
        (b'{"key": "a", "result": {"status": "done"}}', "of an earlier format"),
        (line_of(KEYS[0], row())[:-1].replace(b"0.5", b"0.9"), "altered"),
        (line_of(KEYS[0], row())[:-1].replace(b'"v":2', b'"v":3'), "of format 3, not 2"),
        (line_of(KEYS[0], {"mfu": 0.5})[:-1], "not a result"),
        (line_of(KEYS[0], row({"deep": 1}))[:-1], "holds what is no figure"),
        (b'{"v":2,"sum":"0000000000000000","key":' + b"[" * 200_000, "altered"),
        (b'{"v":2,' + b"x" * 1_100_000, "longer than"),
    ],
)
def test_lines_that_are_no_results_are_named(line: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(line_of(KEYS[1], row(1)) + line + b"\n" + line_of(KEYS[2], row(2)))
    assert held(path) == {KEYS[1]: row(1), KEYS[2]: row(2)}
    (said,) = damage(path)
    assert said.startswith("line 2: ")
    assert reason in said


def signed(body: bytes) -> bytes:
    """A line as somebody would forge it, its sum in order."""
    return b'{"v":2,"sum":"%s",%s' % (module._sum(body), body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'"key":"a","result":{"status":"done","mfu":NaN}}', "no figure"),
        (b'"key":"a","result":{"status":"done","mfu":Infinity}}', "no figure"),
        (b'"key":"a","result":{"status":"done","mfu":1e999}}', "no figure"),
        (b'"key":7,"result":{"status":"done"}}', "not a result"),
        (b'"key":"a","result":{"status":"splendid"}}', "not a result"),
        (b'"key":"a","result":{"status":["done"]}}', "not a result"),
        (b'"key":"a","result":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, "not JSON"),
        (b'"key":"a","result":{"status":"done","mfu":' + b"9" * 5000 + b"}}", "not JSON"),
    ],
)
def test_forged_lines_are_at_least_rows(body: bytes, reason: str) -> None:
    with pytest.raises(DamageError, match=reason):
        read_line(signed(body))


def test_damage_is_counted_by_reason(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"x\n" * 8 + line_of(KEYS[0], row()))
    assert damage(path) == ["lines 1, 2, 3, 4, 5 and 3 more: not a line of a journal"]
    with Journal(path) as journal:
        journal.keep_only()
        assert journal.result(KEYS[0]) == row()
    assert damage(path) == []
    assert path.read_bytes() == line_of(KEYS[0], row())


def test_only_some_keys_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({key: row(number) for number, key in enumerate(KEYS)})
        journal.append({KEYS[0]: row(7)})
        journal.keep_only([KEYS[2], KEYS[0]])
        journal.append({KEYS[4]: row(8)})
    assert held(path) == {KEYS[0]: row(7), KEYS[2]: row(2), KEYS[4]: row(8)}
    assert path.read_bytes().count(b"\n") == 3
    assert [file.name for file in tmp_path.iterdir()] == ["journal.jsonl"]


@pytest.mark.parametrize("figure", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_not_written(figure: float, tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.jsonl") as journal, pytest.raises(ValueError, match="JSON"):
        journal.append({KEYS[0]: row(figure)})


def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(module.os, "pwrite", lambda file, content, place: pwrite(file, content[:7], place))
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({key: row(number) for number, key in enumerate(KEYS)})
    assert list(held(path)) == KEYS


def test_a_full_disk_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite, room = os.pwrite, [250]

    def filling(file: int, content: memoryview, place: int) -> int:
        written = pwrite(file, content[: room[0]], place) if room[0] else 0
        room[0] -= written
        if not written:
            raise OSError(errno.ENOSPC, "No space left on device")
        return written

    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({KEYS[0]: row()})
        monkeypatch.setattr(module.os, "pwrite", filling)
        with pytest.raises(OSError, match=r"No space left on device.*journal\.jsonl"):
            journal.append({key: row() for key in KEYS[1:]})
        monkeypatch.setattr(module.os, "pwrite", pwrite)
        assert path.read_bytes() == line_of(KEYS[0], row())
        journal.append({KEYS[1]: row()})  # there is room again
    assert list(held(path)) == KEYS[:2]


def test_a_folder_deleted_meanwhile_is_made_again_with_all_that_it_held(tmp_path: Path) -> None:
    path = tmp_path / "results" / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({KEYS[0]: row(1)})
        shutil.rmtree(tmp_path / "results")
        journal.append({KEYS[1]: row(2)})
        path.unlink()
        journal.append({KEYS[2]: row(3)})
    assert held(path) == {KEYS[0]: row(1), KEYS[1]: row(2), KEYS[2]: row(3)}


def test_a_journal_put_in_its_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        path.rename(tmp_path / "mine.jsonl")
        path.write_text("another's\n")
        with pytest.raises(ClustersimError, match="replaced by another file"):
            journal.append({KEYS[0]: row()})
    assert path.read_text() == "another's\n"


def test_what_is_no_plain_file_is_no_journal(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "journal.jsonl")
    with pytest.raises(ClustersimError, match="no plain file"):
        Journal(tmp_path / "journal.jsonl")


def test_keys_depend_on_content_alone() -> None:
    assert key_of({"a": 1, "b": [1.5, None]}) == key_of({"b": [1.5, None], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})


def test_every_line_is_json_with_its_version_and_sum() -> None:
    document = json.loads(line_of(KEYS[0], row()))
    assert list(document) == ["v", "sum", "key", "result"]
    assert (document["v"], document["key"], document["result"]) == (2, KEYS[0], row())
