"""Comparisons: what differs, how sure that is, and what it is made of."""

from __future__ import annotations

import math

import numpy as np
import pytest

import clustersim as cs
from clustersim.simulation.evidence import evidence
from clustersim.simulation.intervals import model_error
from clustersim.simulation.results import BREAKDOWN_PARTS
from clustersim.studies import shared_errors
from clustersim.studies.comparison import PARTS
from clustersim.studies.shared_errors import (
    ELSE,
    FEWEST,
    LEVELS,
    SAME_RUN,
    SAME_SOFTWARE,
    common,
    ratio_widths,
    shared_quantiles,
)


def gpt3(**changes: object) -> cs.Scenario:
    return cs.load_scenario("gpt3_175b_a100", {key.replace("__", "."): value for key, value in changes.items()})


def test_a_thing_compared_with_itself_differs_by_nothing_without_doubt() -> None:
    compared = cs.compare([gpt3(), gpt3(name="another name")])
    assert len(compared.differences) > 5
    for difference in compared.differences:
        assert difference.value == 0.0
        assert difference.ratio == 1.0
        assert difference.interval_80 in (None, (0.0, 0.0))
        assert difference.interval_95 in (None, (0.0, 0.0))
    assert compared.explanations[0].endswith("as A does: there is no difference.")


def test_differences_are_those_of_the_figures_and_their_parts_explain_them() -> None:
    compared = cs.compare([gpt3(), gpt3(layout__micro_batch=2)])
    one, other = (each.result.step for each in compared.contenders)
    by_name = {difference.figure.name: difference for difference in compared.differences}
    step = by_name["step_time_s"]
    assert step.value == other.step_time_s - one.step_time_s
    assert step.interval_80 is not None
    assert step.interval_95 is not None
    assert step.interval_95[0] < step.interval_80[0] < step.value < step.interval_80[1] < step.interval_95[1]
    assert by_name["memory_bytes"].interval_80 is None  # it doesn't go with the step's time
    bubble = other.breakdown["bubble"] - one.breakdown["bubble"]
    assert bubble > 0.0
    assert f"pipeline bubble +{bubble:,.4g} s" in compared.explanations[0]
    assert set(PARTS) == set(BREAKDOWN_PARTS)


def test_other_devices_and_batches_are_compared_by_token_and_device() -> None:
    compared = cs.compare([gpt3(), gpt3(training__global_batch=128), cs.load_scenario("gpt3_175b_a100_1024")])
    assert [each.letter for each in compared.contenders] == ["A", "B", "C"]
    assert all("of a device for a million tokens" in sentence for sentence in compared.explanations)
    for each in compared.contenders:
        step = each.result.step
        whole = 1e6 / step.tokens_per_s_per_device
        assert sum(each.device_seconds.values()) == pytest.approx(whole)


def test_what_is_shared_makes_the_interval_narrower_than_that_of_strangers_to_each_other() -> None:
    one, other = gpt3(), gpt3(layout__micro_batch=2)
    assert common(one, other) == SAME_RUN
    errors = (model_error(one), model_error(other))
    alone = {level: evidence().quantiles[level] * math.hypot(*(error.spread for error in errors)) for level in LEVELS}
    widths = ratio_widths(one, other, errors)
    assert 0.0 < widths["80"] < 0.8 * alone["80"]
    assert widths["80"] < widths["95"] <= alone["95"]
    assert common(one, gpt3(model="llama-3.1-70b", layout="search")) == SAME_SOFTWARE
    assert common(one, gpt3(stack="megatron-core-2025")) == ELSE


@pytest.mark.parametrize("what", [SAME_RUN, SAME_SOFTWARE])
def test_the_interval_holds_measured_differences_of_sources_that_it_was_not_made_from(what: str) -> None:
    """Each source by the quantile of the others: the shares of its pairs inside, sources counted alike."""
    pairs = [shared_errors._distances(runs)[what] for runs in shared_errors._by_source().values()]
    pairs = [distances for distances in pairs if len(distances) >= FEWEST]
    assert len(pairs) >= 8
    inside = []
    for place, own in enumerate(pairs):
        bound = shared_errors._quantile([*pairs[:place], *pairs[place + 1 :]], 0.80)
        inside.append(float(np.mean(own <= bound)))
    assert 0.70 <= float(np.mean(inside)) <= 0.90


def test_quantiles_count_sources_alike() -> None:
    many, few = np.full(1_000, 1.0), np.full(10, 3.0)
    assert shared_errors._quantile([many, few], 0.49) == 1.0
    assert shared_errors._quantile([many, few], 0.51) == 3.0
    assert set(shared_quantiles()) == {SAME_RUN, SAME_SOFTWARE, ELSE}


def test_one_scenario_is_no_comparison() -> None:
    with pytest.raises(ValueError, match="two scenarios"):
        cs.compare([gpt3()])
