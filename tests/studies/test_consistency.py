"""The arithmetic inside a claim, as printed about the DeepSeek R2 rumour."""

from __future__ import annotations

import pytest

from clustersim.inputs.catalog import load
from clustersim.studies.claims.definitions import bases
from clustersim.studies.claims.equations import Devices, Equation, chips_of, other_utilization

CHIP, A100 = load("accelerators", "ascend-910b2"), load("accelerators", "a100-sxm-80gb")
OPEN = Devices(2048, 6144, stated=False)


def by_peak(name: str) -> dict[float, str]:
    return {round(peak / 1e12, 1): base for base, peak in bases(load("accelerators", name)).items()}


@pytest.mark.parametrize(("peak", "devices"), [(353.9, 1764), (376, 1661), (320, 1951), (313, 1995), (280, 2230)])
def test_devices_behind_512_petaflops_at_82_percent(peak: float, devices: int) -> None:
    base = by_peak("ascend-910b2")[peak]
    equation = chips_of(512e15, 0.82, base, bases(CHIP)[base], OPEN)
    assert round(equation.implied) == devices
    assert equation.equation == f"512 PFLOP/s / (82 % x {peak:.4g} TFLOP/s) = {devices:,} devices"
    assert equation.verdict == "informative"
    assert "2,048 to 6,144 were tried" in equation.reason


@pytest.mark.parametrize(
    ("peak", "percent", "verdict"),
    [
        (353.9, 102, "inconsistent"),
        (376, 109, "inconsistent"),
        (320, 92, "consistent"),
        (313, 90, "consistent"),
        (280, 81, "consistent"),
    ],
)
def test_what_91_percent_of_an_a100_cluster_asks_of_it(peak: float, percent: int, verdict: str) -> None:
    equation = other_utilization(0.82, "base", peak * 1e12, 0.91, A100.name, A100.base_peak, ties=("u", "r"))
    assert round(100 * equation.implied) == percent
    assert (equation.verdict, equation.limit, equation.ties) == (verdict, 1.0, ("u", "r"))
    assert "312 TFLOP/s" in equation.equation
    assert equation.reason.startswith("the other cluster would have to run at ")


def test_a_stated_number_of_devices_agrees_or_not() -> None:
    def verdict(devices: int, tolerance: float = 0.05) -> Equation:
        return chips_of(100e15, 0.5, "base", 200e12, Devices(devices, devices, stated=True), tolerance)

    assert verdict(1000).verdict == "consistent"
    assert verdict(1040).verdict == "consistent"
    assert verdict(1040, 0.01).verdict == "inconsistent"
    assert verdict(2000).verdict == "inconsistent"
    assert verdict(2000).reason == "the claim states 2,000"


def test_an_equation_prints_as_a_document() -> None:
    document = chips_of(1e15, 0.5, "base", 1e12, OPEN, ties=("a", "b")).to_dict()
    assert document["implied"] == 2000
    assert set(document) == {"base", "equation", "implied", "limit", "verdict", "reason", "ties", "definition"}


def test_shares_print_as_many_digits_as_they_have() -> None:
    equation = other_utilization(0.825, "base", 400e12, 0.05, "other", 312e12)
    assert equation.equation.startswith("82.5 % x 400 TFLOP/s = 330 TFLOP/s; / 5 % = 6.6 PFLOP/s, 2,115 %")
