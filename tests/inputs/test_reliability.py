"""Failure profiles in scenarios: by name, changed, inline, and wrong."""

from __future__ import annotations

from typing import Any

import pytest

from clustersim.errors import InputError
from clustersim.inputs.load import load_scenario
from clustersim.inputs.reliability import Reliability

DAY = 86_400.0


def reliability(value: Any, **overrides: Any) -> Reliability:
    found = load_scenario("gpt3_175b_a100", {"reliability": value} | overrides).reliability
    assert found is not None
    return found


def problems(value: Any, **overrides: Any) -> str:
    with pytest.raises(InputError) as error:
        reliability(value, **overrides)
    return str(error.value)


def test_a_scenario_has_no_failures_unless_it_says_so() -> None:
    assert load_scenario("gpt3_175b_a100").reliability is None
    assert load_scenario("gpt3_175b_a100", {"reliability": None}).reliability is None
    assert reliability("none") == Reliability(name="No failures")


def test_a_profile_by_name_and_changed() -> None:
    changed = reliability("RSC_1", **{"reliability.checkpoint.interval": "30 min"})
    assert changed.checkpoint is not None
    assert changed.checkpoint.interval == 1800.0
    assert changed.checkpoint.write == 300.0
    assert changed.failures["node"].rate == pytest.approx(6.5e-3 / DAY)
    software = {"software": {"rate": "1 /d", "of": "job"}}
    more = reliability({"extends": "meta-rsc-1", "failures": software, "spares": 4, "repair": "2 d"})
    assert set(more.failures) == {"node", "software"}
    assert more.repair == 2 * DAY


def test_profiles_inherit() -> None:
    one, two = reliability("meta-rsc-1"), reliability("meta-rsc-2")
    assert two.failures["node"].rate / one.failures["node"].rate == pytest.approx(2.34 / 6.5)
    assert two.checkpoint == one.checkpoint
    assert reliability("byterobust").maintenance is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("lama3", 'no failure profile "lama3" in the catalog. Did you mean llama3'),
        ({"failures": {"gpu": {"rate": "1 /d"}}}, "reliability.failures.gpu.of: required"),
        ({"failures": {"gpu": {"rate": "1 /d", "of": "rack"}}}, "reliability.failures.gpu.of"),
        ({"failures": {"gpu": {"rate": "5 min", "of": "node"}}}, "min is a unit of s"),
        ({"spares": 3}, "required with `spares`"),
        ({"checkpoint": {"interval": "1 h"}}, "needs `write`, `bandwidth` or `node_bandwidth`"),
        ({"checkpoint": {"interval": "often", "write": 5}}, "reliability.checkpoint.interval"),
        ({"checkpont": {"interval": "1 h"}}, "Did you mean checkpoint"),
        ({"stragglers": {"rate": "1 /d", "factor": 0.9}}, "at least 1"),
    ],
)
def test_mistakes_are_told_with_what_would_be_accepted(value: Any, message: str) -> None:
    assert message in problems(value)


def test_goodput_is_not_counted_twice() -> None:
    assert "give one of the two" in problems("meta-rsc-1", **{"cluster.availability": 0.9})
