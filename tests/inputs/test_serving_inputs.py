"""Serving scenarios are checked like others: every problem at once, with its line and the remedy."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from serving_scenarios import serving

from clustersim.errors import InputError
from clustersim.inputs.load import config_names
from clustersim.inputs.load_serving import load_serving
from clustersim.inputs.serving import ExchangeRates, Traffic

GOOD = """
model: deepseek-r1
node: h800-node
stack: deepseek-2025
precision: fp8
prefill: {devices: 32}
decode: {devices: 128}
traffic: {prompt: 1000, output: 100}
"""


def written(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def complaint(source: Path, overrides: tuple[str, ...] = ()) -> str:
    with pytest.raises(InputError) as caught:
        load_serving(source, overrides)
    return str(caught.value)


@pytest.mark.parametrize("name", config_names("serving"))
def test_shipped_scenarios_load_and_say_what_they_rest_on(name: str) -> None:
    assert load_serving(name).name == name
    path = Path(__file__).parents[2] / "configs" / "serving" / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "Published:" in text or "Assumed:" in text


def test_a_file_is_called_by_its_name_and_overrides_lie_over_it(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    assert load_serving(path).name == "mine"
    changed = load_serving(path, ["decode.devices=256", "node.scale_out.bandwidth=100 GB/s", "traffic.cache_hits=50 %"])
    assert (changed.decode.devices, changed.node.scale_out.bandwidth, changed.traffic.cache_hits) == (256, 1e11, 0.5)


def test_a_scenario_extends_another(tmp_path: Path) -> None:
    written(tmp_path, GOOD, "base")
    path = written(tmp_path, "extends: base.yaml\nprefill: {tensor: 4}\nprice: $3/h\n")
    scenario = load_serving(path)
    assert (scenario.prefill.tensor, scenario.prefill.devices, scenario.device_price) == (4, 32, 3.0)
    assert load_serving("deepseek_r2_rumour_h800").device_price == 2.0
    assert load_serving(written(tmp_path, "extends: deepseek_r1_h800\n")).decode.devices == 144


def test_every_problem_of_a_file_is_said_at_once(tmp_path: Path) -> None:
    text = complaint(
        written(
            tmp_path,
            """\
            model: deepseek-r1x
            node: h800-node
            stack: deepseek-2025
            precison: fp8
            prefill: {devices: 0, time_to_first_token: 5 GB}
            decode: {devices: 128, acceptance: 130 %}
            traffic: {prompt: .nan, output: -1, cache_hits: 100 %}
            """,
        )
    )
    assert "8 problems" in text
    for part in (
        'line 1   model: no model "deepseek-r1x" in the catalog. Did you mean deepseek-r1',
        "line 4   precison: unknown key. Did you mean precision",
        "line 5   prefill.devices: expected more than 0; got 0",
        'line 5   prefill.time_to_first_token: "5 GB": GB is a unit of bytes',
        "line 7   traffic.cache_hits: expected less than 1",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("prefill.tensor=3",), "prefill.tensor: 3 does not divide the unit's 32 devices"),
        (("prefill.tensor=256", "prefill.devices=256"), "prefill.tensor: 256 does not divide the 128 attention heads"),
        (("prefill.devices=300",), "prefill.devices: 300 devices share 256 experts: some would have none"),
        (("precision=int8", "stack=generic-2025"), "precision: NVIDIA H800 SXM5 80GB has no int8 peak"),
        (("model=llama-3.1-70b", "decode.redundant_experts=8"), "decode.redundant_experts: Llama-3.1-70B has no"),
        (("model=llama-3.1-70b", "decode.draft_tokens=1"), "decode.draft_tokens: Llama-3.1-70B has no prediction"),
        (("decode",), "expected KEY=VALUE"),
    ],
)
def test_parts_that_do_not_fit(tmp_path: Path, overrides: tuple[str, ...], message: str) -> None:
    assert message in complaint(written(tmp_path, GOOD), overrides)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: mine.yaml", "line 1   extends: mine.yaml extends itself"),
        ("extends: [1]", "line 1   extends: expected the name of a serving scenario, or a path"),
        ("extends: nowhere", 'no serving scenario "nowhere" in ./configs/serving'),
        ("model: !!python/object:os.system x", "tag"),
    ],
)
def test_files_that_lead_nowhere(tmp_path: Path, text: str, message: str) -> None:
    assert message in complaint(written(tmp_path, text))


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean deepseek_r1_h800"):
        load_serving("deepseek_r1_h80")


def test_measured_ranks_increase() -> None:
    measured = [{"ranks": 16, "bandwidth": "40 GB/s"}, {"ranks": 8, "bandwidth": "90 GB/s"}]
    with pytest.raises(ValidationError, match="ranks must increase"):
        ExchangeRates.model_validate({"message": "1 MB", "measured": measured})


@pytest.mark.parametrize("changes", [{"cache_hits": 1.0}, {"variation": -1.0}, {"prompt": 0.0}, {"variation": 1e9}])
def test_traffic_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Traffic.model_validate({"prompt": 10.0, "output": 10.0} | changes)


def test_the_catalogs_price_holds_where_none_is_given() -> None:
    assert serving().device_price == 2.0
    assert serving(price=5.0).device_price == 5.0
