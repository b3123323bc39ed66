"""Clusters by a number of nodes or devices: `32xdgx-h100`, `256xh100-sxm-80gb`, `8xh100`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from small_catalog import SCENARIO, write_entry

from clustersim.cli import cli
from clustersim.errors import InputError
from clustersim.inputs.catalog import load
from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario


def scenario(cluster: Any, overrides: Any = ()) -> Scenario:
    source = {
        "model": "llama-3.1-8b",
        "cluster": cluster,
        "training": {"sequence_length": 4096, "global_batch": 1024},
        "stack": "megatron-core-2025",
    }
    return load_scenario(source, overrides)


def refused(cluster: Any) -> str:
    with pytest.raises(InputError) as caught:
        scenario(cluster)
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize(
    ("name", "node", "nodes", "devices"),
    [
        ("32xdgx-h100", "DGX H100", 32, 256),
        ("256xh100-sxm-80gb", "DGX H100", 32, 256),
        ("8xh100", "DGX H100", 1, 8),
        ("1,024 x A100", "DGX A100 80GB", 128, 1024),
        ("2_048XH800", "", 256, 2048),
        ("16*hgx_h100", "DGX H100", 16, 128),
        ("4 \N{MULTIPLICATION SIGN} atlas-800t-a2", "Atlas 800T A2", 4, 32),
        ("72xgb200", "", 18, 72),
        ("2xgb200-nvl72", "", 36, 144),  # two racks, not two trays
        ("1xdgx-h100", "DGX H100", 1, 8),
    ],
)
def test_so_many_nodes_or_devices(name: str, node: str, nodes: int, devices: int) -> None:
    cluster = scenario(name).cluster
    assert (cluster.nodes, cluster.devices) == (nodes, devices)
    assert not node or cluster.node.name == node
    assert load("clusters", name) == cluster


@pytest.mark.parametrize(
    ("name", "nodes", "each", "note"),
    [
        ("4xh100", 1, 4, "cluster.devices: 4 are taken as part of a node of 8"),
        ("1xh100", 1, 1, "cluster.devices: 1 are taken as part of a node of 8"),
        ("12xh100", 2, 6, "cluster.devices: 12 are taken as 2 nodes, 6 of the 8 devices in each"),
        ("20xh100", None, None, ""),
        ("9xh100", None, None, ""),
        ("2xgb200", 1, 2, "cluster.devices: 2 are taken as part of a node of 4"),
    ],
)
def test_devices_that_do_not_fill_their_nodes(name: str, nodes: int | None, each: int | None, note: str) -> None:
    if nodes is None:
        many = name.removesuffix("xh100")
        assert f"cluster.devices: {many} is no multiple of the node's 8 devices. Near it:" in refused(name)
        return
    found = scenario(name)
    assert (found.cluster.nodes, found.cluster.node.devices) == (nodes, each)
    assert note in found.notes


def test_a_domain_that_they_would_tear_keeps_nodes_whole(catalog: Path) -> None:
    write_entry(catalog, "nodes/pairs", "extends: acme-box\nscale_up_domain: 4\n")
    write_entry(catalog, "accelerators/acme-pair", "extends: acme-one\nname: Acme Pair\nnode: pairs\n")
    assert "is no multiple" in refused("12xacme-pair")  # 2 x 6 don't go with domains of 4
    assert scenario("4xacme-pair").cluster.node.devices == 4


def test_a_node_that_is_named_is_filled(catalog: Path) -> None:
    assert refused({"node": "acme-box", "devices": 4}).endswith("Near it: 8; or set cluster.node.devices")
    assert scenario({"accelerator": "acme-one", "devices": 4}).cluster.node.devices == 4


def test_mappings_extend_them_and_overrides_change_them() -> None:
    priced = scenario({"extends": "32xdgx-h100", "price": "2 USD/h"}).cluster
    assert (priced.nodes, priced.price) == (32, 2.0)
    assert scenario("256xh100", {"cluster.nodes": 2}).cluster.devices == 16
    assert scenario("32xdgx-h100", {"cluster.devices": 64}).cluster.nodes == 8
    faster = scenario("256xh100", {"cluster.node.scale_out.bandwidth": "800 Gb/s"}).cluster
    assert (faster.devices, faster.node.scale_out.bandwidth) == (256, 100e9)


def test_own_entries_come_first(catalog: Path) -> None:
    write_entry(catalog, "clusters/8xh100", "node: acme-box\nnodes: 3\n")
    assert scenario("8xh100").cluster.nodes == 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("32xdgx-h10", 'no node or accelerator "dgx-h10" in the catalog. Did you mean dgx-h100'),
        ("0xh100", 'no cluster "0xh100" in the catalog'),
        ("-4xh100", 'no cluster "-4xh100" in the catalog'),
        ("1.5xh100", 'no cluster "1.5xh100" in the catalog'),
        ("xh100", 'no cluster "xh100" in the catalog'),
        ("dgx-h100", "dgx-h100 is one node: say how many, such as 4xdgx-h100"),
        ("h100", "h100 is one accelerator: say how many, such as 32xh100"),
        ("88888888888xh100", "cluster.nodes: expected at most 10,000,000"),
    ],
)
def test_what_is_none(name: str, words: str) -> None:
    assert words in refused(name)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["run", *arguments])


def test_the_commonest_first_question() -> None:
    result = invoke("llama-3.1-8b", "--cluster", "12xh100", "--layout", "tensor=1", "--json", "--no-intervals")
    document = json.loads(result.stdout)
    assert (document["devices"], document["scenario"]["training"]["global_batch"]) == (12, 1020)
    assert "assumed: 1,020 sequences a step, 4 M tokens (--global-batch)" in document["notes"]


@pytest.mark.parametrize("cluster", ["32xdgx-h10", "h800-2047", "{node: dgx-h10, nodes: 4}", "32xdgx-h100x"])
def test_a_mistyped_cluster_is_one_problem(cluster: str) -> None:
    result = invoke("llama-3.1-8b", "--cluster", cluster)
    assert result.exit_code == 2
    assert "1 problem\n" in result.stderr
    assert "stack" not in result.stderr


def test_a_cluster_in_any_words_has_its_usual_stack() -> None:
    for cluster in ("16xatlas-800t-a2", "{extends: 16xatlas-800t-a2, price: 1 USD/h}"):
        result = invoke("llama-3.1-8b", "--cluster", cluster, "--layout", "tensor=8", "--json", "--no-intervals")
        assert json.loads(result.stdout)["scenario"]["stack"]["vendors"] == ["huawei"]


def test_a_json_file_is_a_scenario_a_result_or_a_config(catalog: Path) -> None:
    Path("scenario.yaml").write_text(SCENARIO)
    whole = load_scenario("scenario.yaml")
    Path("plain.json").write_text(json.dumps(whole.model_dump(mode="json")))
    given = {"model": "tiny", "cluster": "8xacme-box", "stack": "acme-soft-2024"}
    training = {"sequence_length": 2048, "global_batch": 64}
    Path("short.json").write_text(json.dumps(given | {"training": training, "layout": {"tensor": 4}}, indent="\t"))
    result = invoke("scenario.yaml", "--json")
    Path("result.json").write_text(result.stdout)
    for name in ("plain.json", "result.json"):
        assert load_scenario(name).model_copy(update={"name": whole.name}) == whole
        again = json.loads(invoke(name, "--json").stdout)
        assert again["step_time_s"] == json.loads(result.stdout)["step_time_s"]
    assert json.loads(invoke("short.json", "--json").stdout)["devices"] == 64
    config = Path(__file__).parents[1] / "data" / "hf2"
    found = next(file for file in sorted(config.rglob("*config.json")) if "llama" in file.read_text().lower())
    assert invoke(str(found), "--cluster", "8xh100").exit_code in (0, 3)
    Path("bad.json").write_text('{"model": "tiny", "cluster": "acme-64", "stack": "acme-soft-2024"}')
    assert "training: required" in invoke("bad.json").stderr
