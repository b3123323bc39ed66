"""Catalog models have the parameters that their sources state."""

from __future__ import annotations

import json
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from clustersim.inputs.huggingface import model_from_config
from clustersim.inputs.model import Model
from clustersim.workload.parameters import active_parameters, total_parameters

MODELS = Path(str(files("clustersim.catalog"))) / "models"
NAMES = sorted(path.stem for path in MODELS.glob("*.yaml"))
CONFIGS = Path(__file__).parents[1] / "data" / "hf"
POWER = {"M": 6, "B": 9, "T": 12}
SAYS_NO_RATIOS = "DeepSeek-V4-Flash-284B"  # its class fills in a pattern of its own
NOT_DATA = {"about", "aliases", "background", "sources"}


def plain(node: Any) -> Any:
    """Values without their citations."""
    if isinstance(node, dict):
        return node["value"] if "value" in node else {key: plain(value) for key, value in node.items()}
    return [plain(item) for item in node] if isinstance(node, list) else node


def entry(name: str) -> dict[str, Any]:
    content = yaml.safe_load((MODELS / f"{name}.yaml").read_text(encoding="utf-8"))
    fields: dict[str, Any] = plain({key: value for key, value in content.items() if key not in NOT_DATA})
    return fields


def agrees(count: float, printed: str) -> bool:
    """Within 1 %, or equal once rounded to the digits printed (70B: one digit, 145.6B: four)."""
    number = Decimal(printed[:-1])
    scaled = Decimal(count).scaleb(-POWER[printed[-1]])
    last_digit = Decimal(1).scaleb(number.adjusted() - len(number.normalize().as_tuple().digits) + 1)
    return abs(scaled / number - 1) <= Decimal("0.01") or scaled.quantize(last_digit) == number


@pytest.mark.parametrize(
    ("count", "printed", "expected"),
    [
        (68.98e9, "70B", True),
        (74.9e9, "70B", True),
        (75.1e9, "70B", False),
        (145.5e9, "145.6B", True),
        (1.026e12, "1T", True),
        (286.9e9, "284B", False),
    ],
)
def test_what_agrees_means(count: float, printed: str, expected: bool) -> None:
    assert agrees(count, printed) is expected


@pytest.mark.parametrize("name", NAMES)
def test_totals_match_their_source(name: str) -> None:
    fields = entry(name)
    model = Model.model_validate(fields)
    assert agrees(total_parameters(model), fields["published"]["total_params"])


@pytest.mark.parametrize("name", ["deepseek-v3", "dbrx", "mixtral-8x7b", "deepseek-r2-rumoured", "qwen3-235b-a22b"])
def test_active_parameters_match_their_source(name: str) -> None:
    fields = entry(name)
    model = Model.model_validate(fields)
    printed = fields["published"]["active_params"]
    assert active_parameters(model) == pytest.approx(float(printed[:-1]) * 10.0 ** POWER[printed[-1]], rel=0.02)


def test_the_rumoured_model_is_a_labelled_assumption_within_one_per_cent() -> None:
    model = Model.model_validate(entry("deepseek-r2-rumoured"))
    assert total_parameters(model) == pytest.approx(1.2e12, rel=0.01)
    assert active_parameters(model) == pytest.approx(78e9, rel=0.01)
    content = yaml.safe_load((MODELS / "deepseek-r2-rumoured.yaml").read_text(encoding="utf-8"))
    assert {content[key]["status"] for key in ("layers", "hidden", "heads", "vocab")} == {"assumed"}
    assert content["published"]["total_params"]["status"] == "rumour"


def test_models_equal_the_config_that_they_were_written_from() -> None:
    written = [shape(Model.model_validate(entry(name))) for name in NAMES]
    for folder in CONFIGS.iterdir():
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        found = shape(Model.model_validate(model_from_config(config, folder.name)))
        if folder.name != SAYS_NO_RATIOS:
            assert found in written, folder.name


def test_deepseek_v4_has_the_sizes_of_a_file_that_says_nothing_of_ratios() -> None:
    config = json.loads((CONFIGS / SAYS_NO_RATIOS / "config.json").read_text(encoding="utf-8"))
    found = shape(Model.model_validate(model_from_config(config, "config.json")))
    written = shape(Model.model_validate(entry("deepseek-v4-flash")))
    ratios = {"attention_pattern", "mixers", "mtp_layers"}
    assert {key for key in written if written[key] != found[key]} == ratios
    assert {mixer["name"] for mixer in written["mixers"]} > {mixer["name"] for mixer in found["mixers"]}


def shape(model: Model) -> dict[str, Any]:
    """All that a computation sees of a model."""
    beside = {"name", "published", "notes"} | ({"head_dim"} if model.latent else set())
    return model.model_dump(exclude=beside)


def test_deepseek_v4_pro_has_the_parameters_of_its_class() -> None:
    model = Model.model_validate(entry("deepseek-v4-pro"))
    assert (total_parameters(model), active_parameters(model)) == (1_572_997_179_491, 49_779_058_787)
