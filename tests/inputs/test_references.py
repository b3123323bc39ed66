# ruff: noqa: E501 (messages stand as they are printed)
"""How scenarios refer to catalog entries and files, and how one mapping is laid over another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_catalog import SCENARIO, write_entry

from clustersim.errors import InputError, Problem
from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.yaml import read_yaml


def base(**changes: Any) -> dict[str, Any]:
    problems: list[Problem] = []
    scenario = dict(read_yaml(SCENARIO, "", problems))
    return scenario | {"layout": "search"} | changes


def refused(**changes: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_scenario(base(**changes))
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


def test_cluster_by_node_and_nodes(catalog: Path) -> None:
    cluster = load_scenario(base(cluster={"node": "acme-box", "nodes": 16})).cluster
    assert (cluster.devices, cluster.accelerator.name) == (128, "Acme One")


def test_cluster_by_accelerator_takes_its_usual_node(catalog: Path) -> None:
    cluster = load_scenario(base(cluster={"accelerator": "acme-two", "nodes": 2})).cluster
    assert (cluster.node.name, cluster.accelerator.name) == ("Acme box", "Acme Two")


def test_cluster_by_devices(catalog: Path) -> None:
    assert load_scenario(base(cluster={"accelerator": "ACME", "devices": 1024})).cluster.nodes == 128
    assert refused(cluster={"node": "acme-box", "devices": 1020}) == [
        "cluster.devices: 1,020 is no multiple of the node's 8 devices. Near it: 1,016, 1,024; or set cluster.node.devices"
    ]
    assert refused(cluster={"node": "acme-box", "devices": 4})[0].endswith("Near it: 8; or set cluster.node.devices")
    fits = {"node": {"extends": "acme-box", "devices": 4}, "devices": 4}
    assert load_scenario(base(cluster=fits)).cluster.nodes == 1


@pytest.mark.parametrize("devices", [0, -8, 8.0, True, "8", None])
def test_devices_must_be_a_count(catalog: Path, devices: object) -> None:
    found = refused(cluster={"node": "acme-box", "devices": devices})
    assert len(found) == 1
    assert found[0].startswith("cluster.devices: expected a whole number of at least 1; got")


def test_cluster_by_name_and_with_changes(catalog: Path) -> None:
    assert load_scenario(base(cluster="acme-64")).cluster.nodes == 8
    cluster = load_scenario(base(cluster={"extends": "acme-64", "nodes": 4})).cluster
    assert (cluster.nodes, cluster.price) == (4, 2.0)
    cluster = load_scenario(base(cluster={"extends": "acme-64", "accelerator": "acme-two"})).cluster
    assert (cluster.devices, cluster.accelerator.name) == (64, "Acme Two")


def test_two_ways_at_once_are_refused(catalog: Path) -> None:
    assert refused(cluster={"node": "acme-box", "nodes": 1, "devices": 8}) == [
        "cluster.devices: give nodes or devices, not both"
    ]
    found = refused(cluster={"node": "acme-box", "accelerator": "acme-two", "nodes": 1})
    assert len(found) == 1
    assert found[0].startswith("cluster.accelerator: give node or accelerator, not both; `node: {extends:")


def test_accelerator_without_a_usual_node(catalog: Path) -> None:
    assert refused(cluster={"accelerator": "loner", "nodes": 1}) == [
        "cluster.accelerator: the catalog knows no usual node of Loner: give cluster.node"
    ]
    write_entry(catalog, "accelerators/lost", "extends: loner\nnode: nowhere-to-be-found\n")
    assert 'no node "nowhere-to-be-found"' in refused(cluster={"accelerator": "lost", "devices": 8})[0]


def test_inline_mappings_override_what_they_extend(catalog: Path) -> None:
    node = {"extends": "acme-box", "scale_out": {"bandwidth": "400 Gb/s"}, "accelerator": {"price": "3 USD/h"}}
    cluster = load_scenario(base(cluster={"node": node, "nodes": 1})).cluster
    assert (cluster.node.scale_out.bandwidth, cluster.node.scale_out.latency) == (50e9, 10e-6)
    assert (cluster.accelerator.price, cluster.accelerator.name) == (3.0, "Acme One")
    swapped = {"extends": "acme-box", "accelerator": {"extends": "acme-two", "power": "1 kW"}}
    cluster = load_scenario(base(cluster={"node": swapped, "nodes": 1})).cluster
    assert (cluster.accelerator.name, cluster.accelerator.power) == ("Acme Two", 1000.0)


def test_a_node_mapping_beside_an_accelerator_refines_its_usual_node(catalog: Path) -> None:
    cluster = {"accelerator": "acme-two", "node": {"scale_out": {"bandwidth": "400 Gb/s"}}, "nodes": 1}
    node = load_scenario(base(cluster=cluster)).cluster.node
    assert (node.scale_out.bandwidth, node.accelerator.name) == (50e9, "Acme Two")


def test_everything_inline(catalog: Path) -> None:
    whole = load_scenario(base())
    again = load_scenario(whole.model_dump(mode="json"))
    assert again == whole
    assert load_scenario({"model": whole.model, **base(cluster=whole.cluster, stack=whole.stack)}) == whole


@pytest.mark.parametrize(
    ("override", "nodes", "chip", "bandwidth"),
    [
        ({"cluster.nodes": 2}, 2, "Acme One", 25e9),
        ({"cluster.devices": 16}, 2, "Acme One", 25e9),
        ({"cluster.accelerator": "acme-two"}, 8, "Acme Two", 25e9),
        ({"cluster.accelerator.price": 1}, 8, "Acme One", 25e9),
        ({"cluster.accelerator": "acme-two", "cluster.node.scale_out.bandwidth": "1 GB/s"}, 8, "Acme Two", 1e9),
        ({"cluster.node.scale_out.bandwidth": "1 GB/s"}, 8, "Acme One", 1e9),
        ({"cluster.accelerator": "acme-two", "cluster.node": "acme-box"}, 8, "Acme One", 25e9),
        ({"cluster": "acme-64", "cluster.nodes": 3}, 3, "Acme One", 25e9),
        ({"cluster": "acme-64", "cluster.accelerator.price": 1, "cluster.devices": 8}, 1, "Acme One", 25e9),
    ],
)
def test_overrides_of_a_cluster(
    catalog: Path, override: dict[str, Any], nodes: int, chip: str, bandwidth: float
) -> None:
    cluster = load_scenario(base(), override).cluster
    assert (cluster.nodes, cluster.accelerator.name, cluster.node.scale_out.bandwidth) == (nodes, chip, bandwidth)


def test_a_refined_node_stays_when_the_accelerator_changes(catalog: Path) -> None:
    cluster = {"accelerator": "acme-one", "node": {"host_power": "1 kW"}, "nodes": 1}
    changed = load_scenario(base(cluster=cluster), {"cluster.accelerator": "acme-two"}).cluster
    assert (changed.node.host_power, changed.accelerator.name) == (1000.0, "Acme Two")


def test_overrides_reach_into_references(catalog: Path) -> None:
    scenario = load_scenario(base(), ["model.layers=8", "stack.sustained=50 %", "training.tokens=2T", "seed=7"])
    assert (scenario.model.layers, scenario.model.heads) == (8, 16)
    assert (scenario.stack.sustained, scenario.stack.name) == (0.5, "Acme Soft")
    assert (scenario.training.tokens, scenario.seed) == (2e12, 7)


def test_overrides_of_a_layout_take_short_names(catalog: Path) -> None:
    given = base(layout={"tp": 4, "pp": 4})
    plan = load_scenario(given, ["layout.tensor=2", "layout.pp=8", "layout.recompute={layers: 1}"]).resolved_layout
    assert (plan.tensor, plan.pipeline, plan.data) == (2, 8, 4)
    assert load_scenario(given, {"layout": "search"}).layout == "search"
    assert load_scenario(base(), {"layout.tp": 8}).resolved_layout.tensor == 8


@pytest.mark.parametrize(
    ("override", "key", "message"),
    [
        ("layout.tensor", '"layout.tensor"', "expected KEY=VALUE, such as layout.pipeline=8"),
        ("layout..tensor=1", "layout..tensor", "not a dotted key"),
        ("=1", '""', "not a dotted key"),
        ("a." * 5000 + "b=1", "a." * 5000 + "b", "not a dotted key"),
        ("cluster.nodes=[1", "cluster.nodes", "not valid YAML"),
        ("layot.tensor=1", "layot", "unknown key. Did you mean layout?"),
        ("layout.tensro=1", "layout.tensro", "unknown key. Did you mean tensor"),
        ("layout.tensor=eight", "layout.tensor", "expected a whole number"),
    ],
)
def test_bad_overrides(catalog: Path, override: str, key: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_scenario(base(layout={"tensor": 1}), [override])
    problem = caught.value.problems[0]
    assert problem.key == key
    assert message in problem.message
    assert problem.line is None


def test_paths_are_relative_to_the_file_they_stand_in(catalog: Path, tmp_path: Path) -> None:
    write_entry(tmp_path, "elsewhere/models/mine", "extends: tiny\nlayers: 12\n")
    write_entry(tmp_path, "elsewhere/nodes/mine", "extends: acme-box\naccelerator: ../chips/mine.yaml\n")
    write_entry(tmp_path, "elsewhere/chips/mine", "extends: acme-two\nname: Mine\n")
    file = write_entry(
        tmp_path,
        "elsewhere/run",
        SCENARIO.replace("model: tiny", "model: models/mine.yaml").replace("node: acme-box", "node: nodes/mine.yaml"),
    )
    scenario = load_scenario(file)
    assert (scenario.model.layers, scenario.cluster.accelerator.name) == (12, "Mine")
    assert load_scenario(str(file), ["model=" + str(tmp_path / "elsewhere/models/mine.yaml")]).model.layers == 12


CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 16,
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "intermediate_size": 4096,
    "vocab_size": 32000,
}


def test_a_hugging_face_config_is_a_model(catalog: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Some-Llama"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    model = load_scenario(base(model=str(folder / "config.json"))).model
    assert (model.layers, model.kv_heads, model.gated) == (16, 4, True)
    assert load_scenario(base(model=f"{folder}/")).model == model, "the folder stands for the config in it"
    fewer = load_scenario(base(model={"extends": str(folder / "config.json"), "layers": 2})).model
    assert fewer.layers == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[1]", "holds no JSON object"),
        ('{"model_type": "nonesuch"}', "nonesuch"),
        ('{"model_type": "llama", "hidden_size": "wide"}', "hidden_size"),
    ],
)
def test_broken_json(catalog: Path, tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(content)
    with pytest.raises(InputError) as caught:
        load_scenario(base(model=str(file)))
    assert message in str(caught.value)
    assert {problem.file for problem in caught.value.problems} == {str(file)}
    (tmp_path / "odd.json").write_bytes(b"\xff")
    assert "UTF-8" in refused(model=str(tmp_path / "odd.json"))[0]


def test_only_models_are_json(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "node.json").write_text("{}")
    assert refused(stack=str(tmp_path / "node.json")) == ["stack: only a model can be a JSON file; a stack is YAML"]


def test_every_wrong_reference_at_once(catalog: Path) -> None:
    assert refused(model="tinny", cluster={"accelerator": "acmee", "nodes": 1}, stack={"extends": "nope"}) == [
        'model: no model "tinny" in the catalog. Did you mean tiny, tiny-moe?',
        'cluster.accelerator: no accelerator "acmee" in the catalog. Did you mean acme, acme-one, acme-uno?',
        'stack.extends: no stack "nope" in the catalog. `clustersim show stacks` lists them',
    ]
    assert refused(model=5, cluster=None, stack=[1]) == [
        "model: expected a name of the catalog, a path or a mapping; got 5",
        "cluster: expected a name of the catalog, a path or a mapping; got nothing",
        "stack: expected a name of the catalog, a path or a mapping; got [1]",
    ]


def test_a_bad_reference_does_not_hide_what_stands_beside_it(catalog: Path) -> None:
    found = refused(cluster={"node": "acme-bix", "nodes": -1, "price": "free"})
    assert [line.split(":")[0] for line in found] == ["cluster.node", "cluster.nodes", "cluster.price"]


def test_unknown_keys_of_references_know_the_short_forms(catalog: Path) -> None:
    assert (
        refused(cluster={"accelerator": "acme", "device": 8})[0]
        == "cluster.nodes: required, but absent: how many; or give `devices`"
    )
    assert refused(cluster={"acelerator": "acme", "nodes": 8})[1].endswith("Did you mean accelerator?")
    assert refused(model={"extend": "tiny"})[-1].endswith("Did you mean extends?")


def test_the_schema_takes_references(catalog: Path) -> None:
    schema = Scenario.model_json_schema()
    for field, section in (("model", "models"), ("cluster", "clusters"), ("stack", "stacks")):
        name, whole, differs = schema["properties"][field]["anyOf"]
        assert name == {"type": "string", "description": f"a name in catalog/{section}, or a path"}
        assert "$ref" in whole
        assert "extends" in differs["properties"]
    assert {"required": ["accelerator"]} in schema["properties"]["cluster"]["anyOf"][2]["anyOf"]
    assert schema["anyOf"][1] == {"required": ["extends"]}
    layout = schema["$defs"]["Layout"]["properties"]
    assert layout["tp"] == layout["tensor"] | {"description": "short for tensor"}
    fields = [field for part in schema["$defs"].values() for field in part["properties"].values()]
    assert [field for field in fields if "description" not in field] == []
