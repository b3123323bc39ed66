"""Numbers and layouts as people read them."""

from __future__ import annotations

import pytest
from builders import scenario

from clustersim.inputs.layout import Layout, PartialOffload, PartialRecompute
from clustersim.simulation.results import MemoryReport
from clustersim.studies.layouts.remedies import Remedy
from clustersim.views.memory_words import memory_words, shortage
from clustersim.views.words import bar, between, count, dollars, gib, layout_words, percent, significant

GIB = 2.0**30


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (19.94, "19.9"),
        (0.0646, "0.0646"),
        (4212, "4,210"),
        (1.0, "1.00"),
        (99.96, "100"),
        (9.996, "10.0"),
        (0.0, "0"),
        (-3.14159, "-3.14"),
        (float("inf"), "inf"),
    ],
)
def test_significant_digits(value: float, text: str) -> None:
    assert significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(2.66e6, "2.66 M"), (14.8e12, "14.8 T"), (671e9, "671 B"), (9728, "9,728"), (15834, "15,830")]
)
def test_large_numbers_have_a_letter(value: float, text: str) -> None:
    assert count(value) == text


def test_money_and_bytes_and_shares() -> None:
    assert dollars(5.333e6) == "$5.33 M"
    assert dollars(1048.2) == "$1,048"
    assert dollars(2.5) == "$2.50"
    assert gib(71.3 * GIB) == "71.3 GiB"
    assert percent(0.4381) == "43.8 %"
    assert percent(0.4381, 0) == "44 %"


def test_a_range_says_its_unit_once_or_in_full() -> None:
    assert between("18.1 s", "22.0 s") == "18.1 to 22.0"
    assert between("90.0 MB", "1.2 GB") == "90.0 MB to 1.2 GB"
    assert between("3.01", "3.89") == "3.01 to 3.89"


def test_bars_grow_with_their_share() -> None:
    assert bar(1.0, 4) == "████"
    assert bar(0.5, 4) == "██"
    assert bar(1 / 32, 4) == "▏"
    assert bar(-1.0, 4) == ""
    assert bar(2.0, 4) == "████"


def test_layout_in_words() -> None:
    full = scenario(tensor=2, pipeline=4, virtual_stages=2, sequence_parallel=True, recompute="full").resolved_layout
    words = layout_words(full)
    assert words == "TP2 PP4 VP2 DP8 · interleaved-1f1b · micro-batch 1 · full recompute · zero1 · sequence parallel"
    partial = full.model_copy(update={"recompute": PartialRecompute(layers=2), "sharding": "none"})
    assert "2 layers recomputed · sequence parallel" in layout_words(partial)
    assert layout_words(partial.model_copy(update={"offload": "optimizer"})).endswith(" · optimizer offloaded")
    assert layout_words(Layout(offload=PartialOffload(layers=3))).endswith(" · 3 layers offloaded")
    assert layout_words(Layout(offload=PartialOffload(layers=1))).endswith(" · 1 layer offloaded")
    assert layout_words(Layout(data=1)) == "one device a replica · micro-batch 1"


def report(**parts: float) -> MemoryReport:
    return MemoryReport(tuple(parts), [[size * GIB for size in parts.values()]], 80 * GIB)


def test_a_shortage_says_by_how_much_and_what_would_help() -> None:
    short = report(activations=60.0, optimizer=30.0, weight_gradient_inputs=10.0)
    text = shortage(short, [Remedy("recompute", "full", 50 * GIB, 12.3), Remedy("tensor", "4", 70 * GIB, 13.0)])
    assert "stage 0 needs 100 GiB of 80.0 GiB usable, 20.0 GiB (25 %) too much" in text
    assert "activations 60.0 GiB, optimizer 30.0 GiB, weight gradient inputs 10.0 GiB" in text
    assert "what would help: layout.recompute=full (50.0 GiB, 12.3 s), layout.tensor=4 (70.0 GiB, 13.0 s)" in text
    assert "no single change" in shortage(short, [])
    assert memory_words(short) == "88.0 to 114 of 80.0 GiB usable, on stage 0: does not fit"
    assert memory_words(report(activations=8.0)) == "7.04 to 9.09 of 80.0 GiB usable, on stage 0: fits with 100 %"
