"""Tables at any width: what tells rows apart stays whole, the rest goes by rank, and it is said."""

from __future__ import annotations

import pytest

from clustersim.views.console import plain_text
from clustersim.views.fitting_table import FittingTable, Heading

NAMES = ("a-rather-long-name-of-an-accelerator", "b200")
TABLE = FittingTable(
    [Heading("name"), Heading("peak", 1, right=True), Heading("price", 3), Heading("about", 2, breaks=True)],
    [(name, "312 TFLOP/s", "2.29 USD/h", "words that may break between one another") for name in NAMES],
)


def test_all_columns_stand_where_there_is_room() -> None:
    text = plain_text(TABLE, 132)
    assert all(word in text for word in ("name", "peak", "price", "about"))
    assert "left out" not in text


@pytest.mark.parametrize(("width", "gone"), [(90, "price"), (60, "price, about"), (50, "peak, price, about")])
def test_the_least_important_go_first_and_it_is_said(width: int, gone: str) -> None:
    text = plain_text(TABLE, width)
    lines = text.splitlines()
    assert lines[-1] == f"left out at {width} columns: {gone}"
    assert all(len(line) <= width for line in lines)
    assert all(any(line.strip().startswith(name) for line in lines) for name in NAMES), "names stay whole"


def test_a_page_narrower_than_its_keys_keeps_every_column_that_must_stay() -> None:
    text = plain_text(FittingTable([Heading("name"), Heading("peak", 1)], [("short", "312")]), 8)
    assert "short" in text
    assert "left out at 8 columns: peak" in " ".join(text.split())
