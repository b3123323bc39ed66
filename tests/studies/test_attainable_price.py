"""Prices held against the cost of serving."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustersim.studies.claims.attainable_price import Attainable, attainable_price, attainable_saving
from clustersim.studies.serving.price import price_a_million_tokens

R2 = "DeepSeek-R2 (rumoured)"


@pytest.mark.parametrize(
    ("against", "saving", "verdict"),
    [("gpt-4", 0.974, "supported"), ("gpt-4-turbo", 0.973, "supported"), ("gpt-4o", 0.973, "implausible")],
)
def test_the_rumoured_saving_against_each_list_price(against: str, saving: float, verdict: str) -> None:
    found = attainable_saving(R2, against, saving)
    assert found.verdict == verdict
    assert "on NVIDIA H800 SXM5 80GB at $2.00 an hour, without margin" in found.reason
    assert "on Ascend 910B2, whose rent isn't known, it would pay for" in found.reason


def test_verdicts_follow_the_probability_that_the_price_covers_the_cost() -> None:
    cost = price_a_million_tokens("deepseek_r2_rumour_h800").output
    assert found(cost.central * 1.06).verdict == "supported"
    assert found(cost.central * 0.94).verdict == "plausible"
    assert found(cost.low * 0.5).verdict == "implausible"
    assert found(1.0).cost == cost
    shares = [found(price).probability or 0.0 for price in (0.05, 0.2, cost.central, 1.0, 10.0)]
    assert shares == sorted(shares)
    assert shares[2] == pytest.approx(0.5, abs=0.06)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    interval = found(1.0).interval_80
    assert interval is not None
    assert (found(interval[0]).probability, found(interval[1]).probability) == pytest.approx((0.1, 0.9), abs=1e-3)


def found(price: float) -> Attainable:
    return attainable_price(R2, "output", price)


def test_a_model_that_nobody_serves_is_untestable() -> None:
    for unserved in (attainable_price("GPT-5", "input", 1.0), attainable_saving("GPT-5", "gpt-4", 0.5)):
        assert (unserved.verdict, unserved.cost, unserved.probability) == ("untestable", None, None)
        assert "no serving scenario of GPT-5" in unserved.reason


def test_without_a_rent_the_price_says_what_it_would_pay_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "configs" / "serving"
    folder.mkdir(parents=True)
    (folder / "broken.yaml").write_text("model: [", encoding="utf-8")
    (folder / "mine.yaml").write_text(
        "extends: deepseek_r2_rumour_910b\nmodel: {extends: deepseek-r2-rumoured, name: Mine}\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    mine = attainable_price("Mine", "output", 0.27)
    assert (mine.verdict, mine.cost) == ("untestable", None)
    assert mine.reason.startswith("on Ascend 910B2, whose rent isn't known, it would pay for $")
