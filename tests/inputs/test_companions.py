"""What an override carries with it, what stays behind, and that both are said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_catalog import write_entry

from clustersim.inputs.base import Description, follows_of
from clustersim.inputs.catalog import load, names
from clustersim.inputs.companions import following
from clustersim.inputs.hardware import Accelerator, Memory, Node, Tier
from clustersim.inputs.load import load_scenario
from clustersim.inputs.merging import KINDS
from clustersim.inputs.model import Model
from clustersim.inputs.reliability import Checkpoint
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.run import simulate_run

H100 = "NVIDIA H100 SXM5 80GB"


def scenario(chip: Any = None, *, overrides: Any = (), **node: Any) -> Scenario:
    """Llama-3.1 8B on a DGX H100 of which something is overridden."""
    node = {"extends": "dgx-h100"} | node | ({"accelerator": {"extends": "h100-sxm-80gb"} | chip} if chip else {})
    source = {
        "model": "llama-3.1-8b",
        "cluster": {"node": node, "nodes": 1},
        "training": {"sequence_length": 4096, "global_batch": 16, "precision": "bf16"},
        "layout": {"tensor": 8, "sequence_parallel": False},
        "stack": "megatron-core-2024",
    }
    return load_scenario(source, overrides)


def notes(found: Scenario) -> list[str]:
    return [note.removeprefix("cluster.node.") for note in found.notes]


def test_more_memory_is_usable_by_its_own_capacity() -> None:
    """An H100 with 141 GB: 94 % of 131.3 GiB, not the 79.1 GiB of the H100's 80."""
    found = scenario({"memory": {"capacity": "141 GB"}})
    assert found.cluster.accelerator.memory.usable_bytes == pytest.approx(123.44 * 2**30, rel=1e-3)
    assert notes(found) == [
        "accelerator.memory: usable follows capacity: 94 % of capacity",
        f"accelerator: power and price are those of {H100}",
    ]


@pytest.mark.parametrize(
    ("memory", "usable"),
    [
        ({"capacity": "80 GiB"}, 79.1),  # the same: nothing changes
        ({"capacity": "85899345920 B"}, 79.1),  # the same in other words
        ({"bandwidth": "4 TB/s"}, 79.1),
        ({"capacity": "40 GiB"}, 0.94 * 40),  # less, too: 79.1 of 40 GiB was an error before
        ({"capacity": "100 GiB", "usable": "99 GiB"}, 99.0),  # what is stated stands
        ({"usable": "70 GiB"}, 70.0),
    ],
)
def test_what_of_the_memory_is_usable(memory: dict[str, str], usable: float) -> None:
    assert scenario({"memory": memory}).cluster.accelerator.memory.usable_bytes == pytest.approx(usable * 2**30)


def test_other_precisions_follow_the_16_bit_peak() -> None:
    found = scenario({"peak": {"bf16": "494.5 TFLOP/s"}})
    peak = found.cluster.accelerator.peak
    assert peak == pytest.approx(
        {"bf16": 494.5e12, "fp16": 494.5e12, "fp8": 989.5e12, "tf32": 247.25e12, "fp32": 33.5e12}
    )
    assert notes(found) == [
        "accelerator: peak.fp32, peak.tf32, peak.fp16 and peak.fp8 follow peak.bf16 (x 0.5)",
        f"accelerator: vector, kernels, power and price are those of {H100}",
    ]


@pytest.mark.parametrize(
    ("peak", "fp8"),
    [
        ({"fp16": "1 PFLOP/s"}, 1979e12),  # MFU is against bf16, which stays
        ({"bf16": "494.5 TFLOP/s", "fp8": "1 PFLOP/s"}, 1e15),
        ({"bf16": "989 TFLOP/s"}, 1979e12),
        ({"fp8": "1 PFLOP/s"}, 1e15),
    ],
)
def test_peaks_that_are_stated_stand(peak: dict[str, str], fp8: float) -> None:
    found = scenario({"peak": peak}).cluster.accelerator.peak
    assert found["fp8"] == pytest.approx(fp8)


def test_a_chip_without_bf16_leads_by_fp16(catalog: Path) -> None:
    write_entry(
        catalog,
        "accelerators/old",
        """
        name: Old
        vendor: acme
        peak: {fp16: 100 TFLOP/s, fp32: 10 TFLOP/s}
        memory: {capacity: 16 GB, bandwidth: 1 TB/s}
        kernels: {gemm_ceiling: 0.8, attention_forward: 0.5, attention_backward: 0.4, memory: 0.9}
        """,
    )
    write_entry(catalog, "accelerators/older", "extends: old\nname: Older\npeak: {fp16: 50 TFLOP/s}\n")
    assert load("accelerators", "older").peak == {"fp16": 50e12, "fp32": 5e12}


@pytest.mark.parametrize(
    ("tier", "switch"),
    [
        ({"bandwidth": "32 GB/s"}, None),
        ({"efficiency": 0.5}, None),
        ({"kind": "torus", "axes": [2, 4]}, None),
        ({"bandwidth": "3600 Gb/s"}, 480e9),  # 450 GB/s
        ({"latency": "2 us"}, 480e9),
        ({"bandwidth": "32 GB/s", "switch_bandwidth": "33 GB/s"}, 33e9),
    ],
)
def test_switches_sum_only_as_they_were_measured(tier: dict[str, Any], switch: float | None) -> None:
    assert scenario(scale_up=tier).cluster.node.scale_up.switch_bandwidth == switch


def test_a_slower_link_or_a_worse_one_slows_the_step() -> None:
    """At 32 instead of 450 GB/s some 6.3 s, not 1.46 s either way; half the efficiency of a ring nearly doubles it."""
    whole, slow, poor, half = (
        simulate_run(scenario(scale_up=tier)).step
        for tier in ({}, {"bandwidth": "32 GB/s"}, {"efficiency": 0.44}, {"bandwidth": "225 GB/s"})
    )
    assert whole.step_time_s == pytest.approx(1.46, abs=0.03)
    assert slow.step_time_s == pytest.approx(6.3, abs=0.2)
    assert poor.breakdown["tensor_comm"] == pytest.approx(half.breakdown["tensor_comm"], rel=0.01)
    assert poor.breakdown["tensor_comm"] > 1.5 * whole.breakdown["tensor_comm"]


def test_pairs_of_a_mesh_and_a_device_go_together() -> None:
    def tier(**changes: str) -> Tier:
        node = {"extends": "atlas-800t-a2", "scale_up": changes}
        return scenario(overrides={"cluster.node": node, "stack": "mindspeed-llm-2024"}).cluster.node.scale_up

    assert (tier(bandwidth="98 GB/s").link_bandwidth, tier(link_bandwidth="14 GB/s").bandwidth) == (14e9, 98e9)
    both = tier(bandwidth="98 GB/s", link_bandwidth="28 GB/s")
    assert (both.bandwidth, both.link_bandwidth) == (98e9, 28e9)
    assert tier(kind="switched").link_bandwidth is None


@pytest.mark.parametrize(
    "overrides",
    [
        {"cluster.node.accelerator.peak.bf16": "494.5 TFLOP/s", "cluster.node.accelerator.memory.capacity": "141 GB"},
        ["cluster.node.accelerator.peak.bf16=494.5 TFLOP/s", "cluster.node.accelerator.memory.capacity=141 GB"],
        {"cluster.node.accelerator": {"peak": {"bf16": "494.5 TFLOP/s"}, "memory": {"capacity": "141 GB"}}},
        {"cluster.accelerator.peak.bf16": "494.5 TFLOP/s", "cluster.accelerator.memory.capacity": "141 GB"},
    ],
)
def test_overrides_carry_the_same_as_mappings(overrides: Any) -> None:
    chip = scenario(overrides=overrides).cluster.accelerator
    assert chip == scenario({"peak": {"bf16": "494.5 TFLOP/s"}, "memory": {"capacity": "141 GB"}}).cluster.accelerator
    whole = scenario().model_dump(mode="json")
    assert load_scenario(whole, overrides).cluster.accelerator == chip, "what a result says can be overridden, too"


def test_what_an_override_overrides_may_follow_too() -> None:
    """A mapping states what is usable of its own capacity; an override with another capacity unsets that."""
    memory = {"capacity": "141 GB", "usable": "130 GiB"}
    over = {"cluster.node.accelerator.memory.capacity": "192 GB"}
    assert scenario({"memory": memory}, overrides=over).cluster.accelerator.memory.usable_bytes == 0.94 * 192e9


def test_a_file_of_ones_own_follows_and_says_so_and_the_packaged_ones_say_it_themselves(catalog: Path) -> None:
    write_entry(catalog, "accelerators/acme-big", "extends: acme-one\nmemory: {capacity: 96 GiB, usable: 95 GiB}\n")
    write_entry(catalog, "accelerators/acme-bigger", "extends: acme-big\nmemory: {capacity: 128 GiB}\n")
    assert load("accelerators", "acme-bigger").memory.usable is None
    source = {
        "model": "tiny",
        "cluster": {"node": {"extends": "acme-box", "accelerator": "acme-bigger"}, "nodes": 8},
        "training": {"sequence_length": 2048, "global_batch": 64},
        "layout": {"tensor": 4},
        "stack": "acme-soft-2024",
    }
    assert "cluster.node.accelerator.memory: usable follows capacity: 94 % of capacity" in load_scenario(source).notes
    assert load_scenario(source | {"cluster": {"node": "jean-zay-a100", "nodes": 1}}).notes == (
        "stack Acme Soft is known for chips of acme, and this is NVIDIA A100 SXM4 80GB of nvidia",
    )


def test_models() -> None:
    def model(**changes: Any) -> tuple[Model, list[str]]:
        extended = {"extends": "gpt3-13b"} | changes
        found = scenario(overrides={"model": extended, "layout": {}})
        return found.model, [note for note in found.notes if note.startswith("model")]

    heads, said = model(heads=80, head_dim=64)
    assert heads.kv_heads == 80, "as many as heads, as in what it extends"
    assert said == [
        "model: published follows heads and head_dim: nothing is published of another architecture",
        "model: kv_heads follows heads (x 2)",
    ]
    deeper, said = model(layers=4)
    assert (deeper.published.total_params, said[0]) == (
        None,
        "model: published follows layers: nothing is published of another architecture",
    )
    wider, said = model(hidden=10240)
    assert wider.ffn_hidden == 20480
    assert any("ffn_hidden is that of GPT-3-13B" in note for note in said)
    grouped = scenario(overrides={"model": {"extends": "llama-3.1-8b", "heads": 64, "head_dim": 64}}).model
    assert grouped.kv_heads == 16


def test_checkpoints_take_their_time_from_what_changes(catalog: Path) -> None:
    write_entry(catalog, "failures/mine", "name: Mine\ncheckpoint: {interval: 1 h, size: 1 TB, write: 100 s}\n")

    def checkpoint(**changes: Any) -> Checkpoint:
        over = {"reliability": {"extends": "mine", "checkpoint": changes}}
        found = scenario(overrides=over).reliability
        assert found is not None
        assert found.checkpoint is not None
        return found.checkpoint

    assert checkpoint(size="2 TB").write == pytest.approx(200.0)
    assert checkpoint(bandwidth="50 GB/s").write is None
    assert checkpoint(bandwidth="50 GB/s", write="3 s").write == 3.0
    assert checkpoint(bytes_per_parameter=18.0).size is None
    assert checkpoint(interval="2 h").write == 100.0


def test_what_a_residual_rests_on_is_said(catalog: Path) -> None:
    residual = "residual: {spread: 0.05, evidence: own runs}\n"
    write_entry(catalog, "stacks/mine", f"extends: megatron-core-2024\nname: mine\n{residual}")
    changed = scenario(overrides={"stack": {"extends": "mine", "sustained": 0.9}})
    assert "stack: residual is that of mine" in changed.notes
    assert not any("residual" in note for note in scenario(overrides={"stack.sustained": 0.9}).notes)


def test_prices_and_host_power() -> None:
    assert "cluster.node: host_power is that of DGX H100" in scenario(devices=4, overrides={"layout.tensor": 4}).notes
    priced = {"extends": "a100-64", "price": "2 USD/h"}
    found = scenario(overrides={"cluster": priced, "cluster.node": "dgx-h100", "layout": {"tensor": 8, "data": "auto"}})
    assert found.cluster.price == 2.0


def test_everything_that_is_declared_leads_somewhere() -> None:
    """Every key that something follows is a field of the description, or of a part of it."""

    def kinds(kind: type[Description]) -> set[type[Description]]:
        parts = [part for field in kind.model_fields.values() for part in _parts(field.annotation)]
        return {kind}.union(*(kinds(part) for part in parts)) if parts else {kind}

    seen = set().union(*(kinds(kind) for kind in KINDS.values()))
    assert {Memory, Tier, Accelerator, Node, Model} <= seen
    for kind in seen:
        for markers in follows_of(kind).values():
            for key in (key for marker in markers for key in marker.keys):
                first = key.split(".")[0]
                assert first in kind.model_fields or (first == "accelerator" and kind.__name__ == "Cluster")
            assert all(marker.then for marker in markers if marker.how == "unset")


def _parts(annotation: Any) -> list[type[Description]]:
    from typing import get_args

    if isinstance(annotation, type) and issubclass(annotation, Description):
        return [annotation]
    return [part for inner in get_args(annotation) for part in _parts(inner)]


def test_the_schema_and_the_rules_of_entries_declare_it() -> None:
    usable = Memory.model_json_schema()["properties"]["usable"]
    assert usable["x-follows"] == [{"keys": ["capacity"], "how": "unset", "then": "94 % of capacity"}]
    rules = {rule.key: str(rule) for rule in following(load("nodes", "dgx-h100"))}
    assert rules["scale_up.switch_bandwidth"] == (
        "scale_up.switch_bandwidth: unset where scale_up.kind or scale_up.bandwidth or scale_up.efficiency changes: "
        "no switch that sums was measured so"
    )
    assert "scale_up.link_bandwidth" not in rules, "a switched network has none"
    for section in ("accelerators", "nodes", "models", "stacks", "failures"):
        for name in names(section):
            assert all(str(rule) for rule in following(load(section, name)))
