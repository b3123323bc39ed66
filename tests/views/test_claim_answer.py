"""A claim's answer in three sentences."""

from __future__ import annotations

import pytest

import clustersim as cs
from clustersim.views.claim_answer import answer, deciding
from clustersim.views.claim_table import claim_view
from clustersim.views.console import plain_text


@pytest.fixture(scope="module")
def rumour() -> cs.ClaimReport:
    return cs.check_claim("false_mindspeed_95")


def test_three_sentences_open_the_page(rumour: cs.ClaimReport) -> None:
    sentences = list(answer(rumour))
    assert len(sentences) == 3
    assert all(sentence.endswith(".") for sentence in sentences)
    assert rumour.verdict in sentences[0]
    row = deciding(rumour)
    assert row is not None
    assert row.verdict == rumour.verdict
    assert row.id == next(name for name, verdict in rumour.figures.items() if verdict == rumour.verdict)
    words = " ".join(plain_text(claim_view(rumour), 80).split())
    places = [words.index(sentence) for sentence in sentences]
    assert places == sorted(places)
    assert places[-1] < words.index("verdict:")


def test_long_lists_are_cut_and_say_so(rumour: cs.ClaimReport) -> None:
    short, whole = (plain_text(claim_view(rumour, everything=everything), 80) for everything in (False, True))
    assert len(short.splitlines()) < len(whole.splitlines())
    assert "more: --all" in short
    assert "more: --all" not in whole


def test_narrow_pages_say_which_columns_went(rumour: cs.ClaimReport) -> None:
    assert "left out at 80 columns: P(attainable)" in plain_text(claim_view(rumour), 80)
    assert "left out" not in plain_text(claim_view(rumour), 160)
