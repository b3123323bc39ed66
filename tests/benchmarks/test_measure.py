"""The table of benchmarks says what was measured."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.measure import (
    Row,
    calibration_seconds,
    growth_words,
    memory_words,
    peak_bytes,
    table,
    time_words,
)


def test_growth_is_marked_where_it_is_more_than_that_of_the_size() -> None:
    small = Row("g", "1", 1.0, 1.0, size=1.0, peak_bytes=100.0)
    assert growth_words(None, small) == growth_words(small, Row("g", "2", 2.0, 1.0)) == ""
    assert growth_words(small, Row("g", "2", 2.3, 1.0, size=2.0, peak_bytes=230.0)) == "x2  x2.30  x2.30"
    assert growth_words(small, Row("g", "2", 2.5, 1.0, size=2.0, peak_bytes=390.0)) == "x2  x2.50!  x3.90!"


def test_every_row_is_compared_with_the_one_before_in_its_group() -> None:
    rows = [
        Row("one", "a", 2e-3, 1e-3, count=100.0, unit="points"),
        Row("two", "b", 1.0, 1e-3, size=1.0),
        Row("two", "c", 2.0, 1e-3, size=2.0, before=1000.0),
    ]
    head, one, a, two, b, c = table(rows)
    assert (one, two) == ("one", "two")
    assert a.split() == ["a", "2", "ms", "2", "50,000", "points"]
    assert "x" not in b
    assert c.split()[-3:] == ["x2", "x2.00", "2.00"]
    assert all(word in head for word in ("loops", "a second", "peak", "before"))


@pytest.mark.parametrize(("seconds", "words"), [(2.5, "2.5 s"), (2.7e-3, "2.7 ms"), (4.2e-5, "42 us"), (0.0, "0 s")])
def test_times_have_units(seconds: float, words: str) -> None:
    assert time_words(seconds) == words


def test_memory_has_units() -> None:
    assert [memory_words(size) for size in (2048.0, 3 * 2.0**20, 2.0**31)] == ["2 KiB", "3 MiB", "2 GiB"]


def test_peaks_count_arrays_that_are_gone() -> None:
    assert 8e6 <= peak_bytes(lambda: np.ones(1_000_000).sum()) < 9e6


def test_the_loop_takes_time() -> None:
    assert calibration_seconds(rounds=1) > 0.0
