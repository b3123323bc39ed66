"""Searches: candidates a second."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks.measure import Measure

from clustersim.inputs.load import load_scenario
from clustersim.studies.layouts.candidates import EVERYTHING, MEMORY, USUAL, candidate_families
from clustersim.studies.layouts.search import search_layouts


@pytest.mark.usefixtures("only_measured")
@pytest.mark.parametrize("name", ["usual", "everything"])
def test_search(measure: Measure, name: str) -> None:
    scenario, space = load_scenario("gpt3_175b_a100_1024"), {"usual": USUAL, "everything": EVERYTHING}[name]
    looked_at = sum(len(family.data) + family.rejected[MEMORY] for family in candidate_families(scenario, space))
    measure(
        lambda: search_layouts(scenario, space=space), group="a search of GPT-3 175B on 1,024 A100",
        name=f"{name}: {looked_at:,} layouts", count=looked_at, unit="candidates", rounds=1, warm=False, memory=False,
    )  # fmt: skip


@pytest.mark.usefixtures("only_measured")
@pytest.mark.parametrize("contexts", [1, 2, 4])
def test_growth_with_candidates(measure: Measure, contexts: int) -> None:
    scenario = load_scenario("gpt3_175b_a100_1024")
    space = replace(USUAL, micro_batches=EVERYTHING.micro_batches, contexts=EVERYTHING.contexts[:contexts])
    families = list(candidate_families(scenario, space))
    looked_at = sum(len(family.data) + family.rejected[MEMORY] for family in families)
    measure(
        lambda: list(candidate_families(scenario, space)), group="bounds of candidates", name=f"{looked_at:,}",
        count=looked_at, unit="candidates", size=looked_at, rounds=1, warm=False,
    )  # fmt: skip
