"""Utilization at scale, which nothing is fitted to."""

from __future__ import annotations

import pytest

from clustersim.inputs.load import load_scenario
from clustersim.simulation.step.step import simulate_step
from clustersim.studies.validation.scale_checks import scale_checks

WITHIN = {  # what is promised of each; the rest is what was reached, for nothing to grow worse unseen
    "GPT-3 175B, MindSpeed-LLM, Ascend 910B": 0.08,
    "Pangu Ultra 135B, Ascend 910B": 0.05,
    "MegaScale 175B, A100": 0.10,
    "Llama 3.1 405B, H100": 0.06,
    "Pangu Ultra MoE 718B, Ascend 910B": 0.12,
    "DeepSeek-V3, H800": 0.08,
}


def test_published_utilization_on_thousands_of_devices() -> None:
    checks = scale_checks()
    assert {check.name for check in checks} == set(WITHIN)
    for check in checks:
        assert abs(check.error) < WITHIN[check.name], check


def test_tokens_a_second_are_compared_as_the_mfu_that_they_are() -> None:
    check = next(check for check in scale_checks() if check.name.startswith("DeepSeek"))
    step = simulate_step(load_scenario("deepseek_v3_h800_2048"), intervals=False)
    assert check.error == pytest.approx(step.tokens_per_s / 3.16e6 - 1.0)
