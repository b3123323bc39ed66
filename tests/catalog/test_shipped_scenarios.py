"""The shipped scenarios are the published configurations they say they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustersim.inputs.load import load_scenario
from clustersim.simulation.run import simulate_run
from clustersim.workload.parameters import active_parameters, total_parameters

SCENARIOS = Path(__file__).parents[2] / "configs" / "scenarios"
NAMES = sorted(path.stem for path in SCENARIOS.glob("*.yaml"))

# Model, chip, devices, tensor, pipeline, virtual stages, data, global batch, sequence length: as published.
PUBLISHED = {
    "gpt3_175b_a100": ("GPT-3-175B", "NVIDIA A100 SXM4 80GB", 64, 8, 8, 3, 1, 64, 2048),
    "gpt3_175b_a100_1024": ("GPT-3-175B", "NVIDIA A100 SXM4 80GB", 1024, 8, 16, 1, 8, 1536, 2048),
    "llama3_405b_h100_16384": ("Llama-3.1-405B", "NVIDIA H100 SXM5 80GB", 16384, 8, 16, 8, 128, 2048, 8192),
    "deepseek_v3_h800_2048": ("DeepSeek-V3", "NVIDIA H800 SXM5 80GB", 2048, 1, 16, 1, 128, 15360, 4096),
    "pangu_ultra_135b_910b_8192": ("Pangu-Ultra-135B", "Ascend 910B2", 8192, 8, 8, 6, 128, 2048, 8192),
}
VARIANTS = {"deepseek_r2_rumour_910b_sparse": "sparse", "deepseek_r2_rumour_910b_linear": "kimi-delta"}
RUMOURS = {"deepseek_r2_rumour_910b": "Ascend 910B2", "deepseek_r2_rumour_a100": "NVIDIA A100 SXM4 80GB"}


def test_every_shipped_scenario_is_checked_here() -> None:
    assert set(NAMES) == {*PUBLISHED, *RUMOURS, *VARIANTS}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configurations(name: str) -> None:
    scenario = load_scenario(SCENARIOS / f"{name}.yaml")
    layout, training = scenario.layout, scenario.training
    assert not isinstance(layout, str)
    found = (
        scenario.model.name,
        scenario.cluster.accelerator.name,
        scenario.cluster.devices,
        layout.tensor,
        layout.pipeline,
        layout.virtual_stages,
        layout.data,
        training.global_batch,
        training.sequence_length,
    )
    assert found == PUBLISHED[name]
    assert training.global_batch % (int(layout.data) * layout.micro_batch) == 0


def test_the_rumour_is_compared_on_the_same_number_of_devices() -> None:
    first, second = (load_scenario(SCENARIOS / f"{name}.yaml") for name in RUMOURS)
    assert first.cluster.devices == second.cluster.devices
    assert first.model == second.model
    assert first.training == second.training
    assert 1661 <= first.cluster.devices <= 2439
    for name, accelerator in RUMOURS.items():
        scenario = load_scenario(SCENARIOS / f"{name}.yaml")
        assert scenario.cluster.accelerator.name == accelerator
        assert scenario.layout == "search"


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_of_the_rumour_differ_in_what_their_layers_are(name: str) -> None:
    rumour, variant = (
        load_scenario(SCENARIOS / "deepseek_r2_rumour_910b.yaml"),
        load_scenario(SCENARIOS / f"{name}.yaml"),
    )
    assert VARIANTS[name] in variant.model.attention_pattern
    assert (variant.cluster, variant.training, variant.stack) == (rumour.cluster, rumour.training, rumour.stack)
    for counted in (total_parameters, active_parameters):
        assert counted(variant.model) == pytest.approx(counted(rumour.model), rel=0.015)


@pytest.mark.parametrize("name", NAMES)
def test_scenarios_say_where_they_come_from(name: str) -> None:
    text = (SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "Published:" in text or "Assumed:" in text


@pytest.mark.slow
def test_deepseek_v3_takes_the_device_hours_that_it_took() -> None:
    """2.664 M H800-hours for 14.8 T tokens (DeepSeek-V3, table 1), by the reference engine, in 80 GB a device."""
    run = simulate_run(load_scenario(SCENARIOS / "deepseek_v3_h800_2048.yaml"), engine="reference")
    assert run.step.engine == "reference"
    assert run.device_hours == pytest.approx(2.664e6, rel=0.10)
    assert run.step.fits
    assert (
        run.step.step_time_s == simulate_run(load_scenario(SCENARIOS / "deepseek_v3_h800_2048.yaml")).step.step_time_s
    )
