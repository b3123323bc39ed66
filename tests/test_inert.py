"""Characters that a terminal would obey are shown; everything else is left as it is."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.errors import InputError, Problem
from clustersim.inert import inert, inert_json

BIDI = [chr(code) for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "␛[2J"),
        ("\x07\x08\x7f", "␇␈␡"),
        ("a\rb", "a␍b"),
        ("\x9b2J\x85", "\ufffd2J\ufffd"),
        ("\u202eabc\u2069", "\ufffdabc\ufffd"),
        ("one\ntwo\tthree", "one two three"),
        ("\ud800", "\ufffd"),
    ],
)
def test_each_becomes_one_sign(text: str, shown: str) -> None:
    assert inert(text) == shown
    assert len(inert(text)) == len(text)


@pytest.mark.parametrize("text", ["", "DeepSeek-R2 · 82 %", "模型 é", "שלום", "👩\u200d🔬", "²µ↑█"])
def test_what_people_write_stays(text: str) -> None:
    assert inert(text) == text


def test_every_control_and_every_mark_of_direction_is_caught() -> None:
    controls = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in ("Cc", "Cs", "Zl", "Zp")]
    assert len(controls) > 2000
    for character in (*controls, *BIDI):
        assert inert(character) != character
        assert inert(character).isprintable()


def test_ends_of_lines_stay_where_lines_are_meant() -> None:
    assert inert("one\ntwo\x1b\x0bthree", lines=True) == "one\ntwo␛␋three"


@given(value=st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5))
def test_a_json_document_stays_the_same_document(value: object) -> None:
    text = json.dumps({"v": value}, ensure_ascii=False, indent=2)
    made = inert_json(text)
    assert json.loads(made) == json.loads(text)
    assert inert(made, lines=True) == made


def test_errors_show_what_they_quote() -> None:
    error = InputError("x\nverdict: supported", [Problem('"\x1b[1A" is no number', "a\u202eb", 3)])
    assert str(error) == 'x verdict: supported: 1 problem\n  line 3   a\ufffdb: "␛[1A" is no number'
