"""Serving held against what DeepSeek and Huawei published, and prices against each other."""

from __future__ import annotations

import pytest
from serving_scenarios import serving

from clustersim.errors import InputError
from clustersim.inputs.load_serving import load_serving
from clustersim.simulation.serving.serving import simulate_serving
from clustersim.studies.serving.list_prices import listed
from clustersim.studies.serving.price import (
    Spread,
    break_even_rent,
    cost_of,
    cost_savings,
    mixed_price,
    price_a_million_tokens,
)
from clustersim.studies.serving.report import Comparison, ServingReport, serve


@pytest.fixture(scope="module")
def account() -> ServingReport:
    return serve("deepseek_r1_h800")


def compared(report: ServingReport) -> dict[str, Comparison]:
    return {row.figure: row for row in report.comparisons}


def test_the_account_agrees_with_itself() -> None:
    """608 B and 168 B tokens a day at the published rates make the published nodes and dollars."""
    scenario = load_serving("deepseek_r1_h800")
    traffic, published = scenario.traffic, scenario.published
    assert None not in (traffic.input_per_day, traffic.output_per_day, published.prefill, published.decode)
    nodes = traffic.input_per_day / published.prefill + traffic.output_per_day / published.decode  # type: ignore[operator]
    assert nodes / 8 / 86_400 == pytest.approx(published.nodes, rel=2e-3)
    assert published.nodes * 8 * 24 * scenario.price == pytest.approx(published.cost_per_day, rel=1e-4)  # type: ignore[operator]


def test_published_rates_lie_between_the_bounds_and_near_the_prediction(account: ServingReport) -> None:
    rows = compared(account)
    assert set(rows) == {"prefill", "decode", "nodes", "cost_per_day"}
    assert all(row.between for row in rows.values())
    assert all(abs(row.error) < 0.35 for row in rows.values())


@pytest.mark.parametrize(("predicted", "error"), [(13.0, 0.30), (10.0, 0.0), (8.0, -0.20)])
def test_the_error_is_that_of_the_prediction_with_its_sign(predicted: float, error: float) -> None:
    """Predicted over published less one, as `validate` has it: a rate predicted 30 % too high is +30 %, not -23 %."""
    row = Comparison("prefill", 10.0, Spread(5.0, predicted, 20.0))
    assert row.error == pytest.approx(error)
    assert row.to_dict()["error"] == row.error


def test_deepseeks_own_profile_too() -> None:
    """The same deployment without what the account leaves open: even experts, no hits, full batches."""
    rows = compared(serve("deepseek_v3_profile_h800"))
    assert all(row.between for row in rows.values())
    assert all(abs(row.error) < 0.15 for row in rows.values())


def test_users_get_the_published_speed(account: ServingReport) -> None:
    assert 20 <= 1 / account.result.phases["decode"].central.latency_s <= 22


def test_cloudmatrix_is_compared_and_its_unstated_conditions_are_named() -> None:
    report = serve("deepseek_r1_cloudmatrix384")
    assert set(compared(report)) == {"prefill", "decode"}
    assert len(report.to_dict()["unstated"]) >= 5
    assert all(abs(row.error) < 0.5 for row in report.comparisons)


def test_cost_follows_from_price_throughput_and_utilization() -> None:
    busy, idle = (cost_of(simulate_serving(serving(utilization=share))) for share in (1.0, 0.25))
    result = simulate_serving(serving())
    assert busy.output.central == pytest.approx(2e6 / (3600 * result.phases["decode"].central.tokens_per_s))
    assert idle.output.central == pytest.approx(4 * busy.output.central)
    assert busy.output.low <= busy.output.central <= busy.output.high
    assert busy.mix.central == pytest.approx((1000 * busy.input.central + 250 * busy.output.central) / 1250)
    assert busy.of("computed_input") == busy.computed_input
    assert cost_of(simulate_serving(serving(price=4.0))).output.central == pytest.approx(2 * busy.output.central)


def test_a_day_costs_its_nodes(account: ServingReport) -> None:
    assert account.nodes is not None
    assert account.cost_per_day is not None
    assert account.cost_per_day.central == pytest.approx(account.nodes.central * 8 * 24 * 2)
    assert account.cost is not None
    tokens = account.cost.input.central * 608e3 + account.cost.output.central * 168e3
    assert account.cost_per_day.central == pytest.approx(tokens)


def test_no_price_of_an_hour_means_no_cost() -> None:
    with pytest.raises(InputError, match="no price of an hour of Ascend 910B2"):
        price_a_million_tokens("deepseek_r2_rumour_910b")
    report = serve("deepseek_r2_rumour_910b")
    assert report.cost is None
    assert "no price of an hour" in report.missing
    assert report.to_dict()["cost_usd_per_million"] is None
    assert price_a_million_tokens("deepseek_r2_rumour_910b", ["price=1 USD/h"]).price_per_hour == 1.0


def test_the_rent_at_which_a_price_breaks_even() -> None:
    result = simulate_serving(serving())
    rent = break_even_rent(result, 0.5)
    priced = result.serving.model_copy(update={"price": rent.central})
    assert price_a_million_tokens(priced).mix.central == pytest.approx(0.5)
    assert rent.low <= rent.central <= rent.high


def test_a_mix_is_priced_as_its_tokens_are() -> None:
    traffic = {"prompt": 3000.0, "output": 1000.0, "cache_hits": 0.5}
    assert mixed_price(listed("gpt-4o"), serving(traffic=traffic)) == pytest.approx(
        (1500 * 1.25 + 1500 * 2.5 + 10_000) / 4000
    )
    assert mixed_price(listed("gpt-4"), serving(traffic=traffic)) == pytest.approx((3000 * 30 + 60_000) / 4000)


def test_a_saving_is_judged_against_each_list_price() -> None:
    scenario = load_serving("deepseek_r2_rumour_h800")
    savings = cost_savings(price_a_million_tokens(scenario), scenario)
    assert {(row.against, row.kind) for row in savings} == {
        (against, kind)
        for against in ("gpt-4", "gpt-4-turbo", "gpt-4o")
        for kind in ("computed_input", "output", "mix")
    }
    for row in savings:
        assert row.saving.low <= row.saving.central <= row.saving.high < 1
        assert row.saving.central == pytest.approx(1 - row.ours.central / row.theirs)
    by_model = {row.against: row.saving.central for row in savings if row.kind == "output"}
    assert by_model["gpt-4"] > by_model["gpt-4-turbo"] > 0.974 > by_model["gpt-4o"]


def test_spreads_scale() -> None:
    assert Spread(1.0, 2.0, 3.0) * 2.0 == Spread(2.0, 4.0, 6.0)
