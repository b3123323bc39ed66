"""Claims in the documents are claims, and the tables name every metric."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from clustersim.inputs.claim_metrics import ALIASES, FIGURES
from clustersim.inputs.load import load_claim
from clustersim.studies.claims import check_claims
from clustersim.studies.verdicts import VERDICTS

CLAIMS = Path(__file__).parent.parent / "docs" / "claims.md"


def example() -> dict[str, object]:
    (block,) = re.findall(r"```yaml\n(.*?)```", CLAIMS.read_text(encoding="utf-8"), re.DOTALL)
    made: dict[str, object] = yaml.safe_load(block)
    return made


def test_the_example_is_a_claim() -> None:
    claim = load_claim(example())
    assert claim.stated == {"device_hours": 500_000.0}


@pytest.mark.slow
def test_the_example_is_judged() -> None:
    assert check_claims(example()).verdict in VERDICTS


def test_every_metric_verdict_and_alias_is_told() -> None:
    words = CLAIMS.read_text(encoding="utf-8")
    for name in (*FIGURES, *VERDICTS):
        assert f"`{name}`" in words, name
    assert set(re.findall(r"`(\w+)`", words.split("and the like are understood")[0].rsplit("\n", 1)[1])) <= set(ALIASES)
