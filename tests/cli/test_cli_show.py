"""`clustersim show` and `schema`."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from clustersim.cli import cli
from clustersim.cli.schema import KINDS
from clustersim.inputs import catalog

CONFIGS = Path(__file__).parents[1] / "data" / "hf2"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def document(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(invoke(*arguments, "--json").stdout)
    return found


def test_sections_with_their_counts() -> None:
    assert "accelerators" in invoke("show").stdout
    counts = document("show")
    assert counts["accelerators"] == len(catalog.names("accelerators")) >= 24
    assert set(counts) >= {"accelerators", "nodes", "clusters", "models", "stacks", "prices", "records"}


@pytest.mark.parametrize("section", ["accelerators", "nodes", "clusters", "models", "stacks", "prices", "records"])
def test_every_entry_of_a_section_is_listed(section: str) -> None:
    result = invoke("show", section)
    assert result.exit_code == 0
    for name in catalog.names(section):
        assert name in result.stdout
    assert "…" not in result.stdout
    if section != "records":
        assert set(document("show", section)) == set(catalog.names(section))


def test_records_are_listed_run_by_run_and_can_be_those_of_a_chip() -> None:
    everything = document("show", "records")["records"]
    published = {row["id"] for row in everything if row["status"] != "measured"}
    assert published == {series["id"] for series in catalog.document("records", "published-mfu")["series"]}
    ascend = document("show", "record", "Ascend_910B")["records"]  # an alias of the 910B2
    assert {row["accelerator"] for row in ascend} == {"ascend-910b2"}
    rates = [max(row["tflops_by_devices"].values()) for row in ascend]
    assert rates == sorted(rates, reverse=True)
    megascale = next(row for row in everything if row["id"] == "megascale-175b")
    assert megascale["tflops_by_devices"]["256"] == pytest.approx(203.7, rel=1e-3)
    assert "arXiv 2402.15627" in megascale["source"]
    said = {row["id"]: row["conflicts_with"] for row in everything if row["conflicts_with"]}
    assert said["megascale-175b-pflops"] == "megascale-175b"
    assert set(said.values()) <= {row["id"] for row in everything}


def test_the_fastest_measured_runs_stand_beside_published_ones() -> None:
    measured = [row for row in document("show", "records")["records"] if row["status"] == "measured"]
    sorts = [
        (row["accelerator"], row["kind"], row["precision"], max(map(int, row["mfu_by_devices"])) <= 8)
        for row in measured
    ]
    assert len(sorts) == len(set(sorts)) > 30
    rates = {row["id"]: row["tflops_by_devices"] for row in measured if row["accelerator"] == "a100-sxm-80gb"}
    korthikanti = next(rate for name, rate in rates.items() if "gpt3-175" in name.lower())
    assert korthikanti["64"] == pytest.approx(160, rel=5e-3)  # 13.75 s a step: arXiv 2205.05198, table 5


@pytest.mark.parametrize("columns", [80, 100, 132])
def test_records_fit_a_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    result = invoke("show", "records", "ascend-910b2")
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    assert any(line.rstrip().endswith("status") for line in lines)
    assert "8,192" in result.stdout
    assert "128 to 7,968" in " ".join(result.stdout.split()) or columns == 80


def test_the_singular_will_do() -> None:
    assert invoke("show", "Accelerator").stdout == invoke("show", "accelerators").stdout


def test_an_entry_is_explained_with_its_sources() -> None:
    result = invoke("show", "accelerators", "ascend-910b")
    assert result.exit_code == 0
    for said in ("353.9 TFLOP/s", "376 TFLOP/s", "recalled", "60.32 GiB", "[1]"):
        assert said in result.stdout
    cited = catalog.document("accelerators", "ascend-910b")
    assert cited["sources"]["flagperf-memory"].split(",")[0] in result.stdout
    found = document("show", "accelerators", "ascend-910b")
    assert found["peak"]["bf16"]["status"] == "read"
    assert found["resolved"]["peak"]["bf16"] == 353.9e12


def test_what_an_entry_inherits_is_shown_with_whose_it_is() -> None:
    lines = invoke("show", "stacks", "pangu-ultra-2025").stdout.splitlines()
    inherited = next(line for line in lines if line.strip().startswith("vendors"))
    assert "mindspeed-llm-2023" in inherited
    own = next(line for line in lines if line.strip().startswith("memory_factor"))
    assert "mindspeed" not in own


def test_records_and_prices_are_shown_by_what_they_are_called() -> None:
    assert "megascale-175b.mfu_by_devices" in invoke("show", "records", "published-mfu").stdout
    assert "gpt-4.input" in invoke("show", "prices", "tokens").stdout
    assert "resolved" not in document("show", "records", "published-mfu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "accelerator", "ascend-910x"], "Did you mean"),
        (["show", "acelerators"], "Did you mean accelerators"),
        (["show", "models", "deepseekv33"], "deepseekv3"),
        (["show", "prices", "none"], "prices"),
        (["show", "records", "published-mfy"], "Did you mean published-mfu"),
        (["show", "records", "ascend-910x"], "Did you mean ascend-910"),
    ],
)
def test_mistakes_get_the_nearest_name(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_config_is_explained_with_what_is_counted_and_what_its_name_claims() -> None:
    folder = CONFIGS / "qwen3-30b-a3b"
    found = document("show", "models", str(folder))
    assert list(found)[:3] == ["parameters", "active_parameters", "mtp_parameters"]
    assert (found["parameters"], found["active_parameters"], found["mtp_parameters"]) == (30532122624, 3353032704, 0)
    assert found["claimed"] == {"parameters": "30B", "active_parameters": "3B"}
    assert (found["num_experts"], found["resolved"]["moe"]["experts"]) == (128, 128)
    assert document("show", "models", str(folder / "config.json")) == found
    shown = invoke("show", "models", str(folder)).stdout
    assert "30,532,122,624 counted, 30B claimed" in shown
    assert "3,353,032,704 counted, 3B claimed" in shown
    assert "num_key_value_heads" in shown


def test_catalog_models_are_counted_too() -> None:
    found = document("show", "models", "deepseek-v3")
    assert found["parameters"] == 671026404352
    assert found["mtp_parameters"] == pytest.approx(11.6e9, rel=0.01)
    assert document("show", "models", "llama-2-7b")["mtp_parameters"] == 0


def test_any_shelf_takes_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "132")
    packaged = files("clustersim.catalog").joinpath("accelerators", "h20.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(packaged, encoding="utf-8")
    (tmp_path / "cheaper.yaml").write_text("extends: mine.yaml\nname: Mine\nprice: 1 USD/h\n", encoding="utf-8")
    found = document("show", "accelerators", str(tmp_path / "cheaper.yaml"))
    assert (found["price"], found["resolved"]["price"], found["resolved"]["name"]) == ("1 USD/h", 1.0, "Mine")
    lines = invoke("show", "accelerators", str(tmp_path / "cheaper.yaml")).stdout.splitlines()
    assert "mine.yaml" in next(line for line in lines if "memory.capacity" in line)
    missing = invoke("show", "nodes", str(tmp_path / "none.yaml"))
    assert missing.exit_code == 2
    assert "no such file" in missing.stderr


def test_a_config_is_read_as_another_type_on_request_alone(tmp_path: Path) -> None:
    config = {"model_type": "brand_new", "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    refused = invoke("show", "models", str(tmp_path))
    assert refused.exit_code == 2
    assert "--as llama" in refused.stderr
    read = invoke("show", "models", str(tmp_path), "--as", "llama")
    assert read.exit_code == 0
    assert 'read as llama, as asked; the file says "brand_new"' in " ".join(read.stdout.split())
    for arguments in (["show", "models", "--as", "llama"], ["show", "nodes", "dgx-h100", "--as", "llama"]):
        assert invoke(*arguments).exit_code == 2
    assert "no config.json" in invoke("show", "models", "llama-2-7b", "--as", "llama").stderr


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_objects_with_described_keys(kind: str) -> None:
    schema = document("schema", kind)
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert schema["properties"]
    assert json.loads(invoke("schema", kind).stdout) == schema


def test_without_a_kind_it_is_the_scenario() -> None:
    assert document("schema") == document("schema", "scenario")
    assert set(document("schema")["properties"]) >= {"model", "cluster", "training", "layout", "stack"}
