"""The claims library as a classifier: published results are believed, made-up ones are not."""

from __future__ import annotations

from typing import Any

import pytest
from claims_library import CLAIMS, FALSE, TRUE

from clustersim.inputs.load import load_config
from clustersim.inputs.table import as_plain
from clustersim.studies.claims.judge import check_claim

BELIEVED = {"supported", "plausible"}
REFUSED = {"implausible", "inconsistent", "impossible"}


def test_the_library_is_large_enough_to_score_on() -> None:
    assert min(len(TRUE), len(FALSE)) >= 10
    assert "deepseek_r2" in CLAIMS


@pytest.mark.slow
@pytest.mark.parametrize("name", TRUE)
def test_a_published_result_is_believed(name: str) -> None:
    report = check_claim(name)
    assert report.verdict in BELIEVED
    assert set(report.figures.values()) <= BELIEVED


@pytest.mark.slow
@pytest.mark.parametrize("name", FALSE)
def test_a_made_up_one_is_not(name: str) -> None:
    assert check_claim(name).verdict in REFUSED


def bent(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """A claim of the library with other values of its assertions."""
    changed: dict[str, Any] = as_plain(load_config("claims", name))
    for assertion in changed["assert"]:
        assertion["value"] = values.get(assertion["id"], assertion["value"])
    return changed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("megascale_175b_256", {"mfu": "68 %"}),  # 65.3 % is the record
        ("mindspeed_gpt3_scaling", {"mfu": "56 %"}),  # 53.8 %
        ("pangu_ultra_moe_6000", {"speed": "2.05M"}),  # 1.96 M at the best rate
        ("llama3_405b_16k", {"mfu": "45 %"}),  # 43 %
        ("moe_folding_qwen2_57b", {"mfu": "41.5 %"}),  # 39.9 %
        ("maxtext_llama2_70b_v5p", {"mfu": "68 %"}),  # 65.4 %
    ],
)
def test_a_figure_just_above_the_record_is_not_implausible(name: str, values: dict[str, Any]) -> None:
    assert check_claim(bent(name, values)).verdict in BELIEVED
