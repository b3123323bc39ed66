"""The machine's prices: rooflines, alignment, launches, groups of one."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from importlib.resources import files
from statistics import median

import pytest
from builders import accelerator, cluster, stack

from clustersim.costs.dispatchers import METADATA, METADATA_A_RANK
from clustersim.costs.exchanges import EXCHANGE_SHARE
from clustersim.costs.gemm import gemm_time
from clustersim.costs.machine import Machine, machine_of
from clustersim.costs.placement import place_groups
from clustersim.inputs.catalog import load
from clustersim.workload.operations import Attention, Collective, Gemm, Pointwise

SIZES = {"tensor": 8.0, "context": 1.0, "data": 2.0, "pipeline": 4.0, "expert": 2.0, "expert_tensor": 1.0}


def machine(**kernels: float) -> Machine:
    here = cluster(nodes=8)
    if kernels:
        ideal = accelerator().kernels.model_copy(update=kernels)
        chip = accelerator().model_copy(update={"kernels": ideal})
        here = here.model_copy(update={"node": here.node.model_copy(update={"accelerator": chip})})
    return machine_of(here, stack(), place_groups(SIZES, "tensor-context-expert-data-pipeline", 8.0))


def test_a_large_product_runs_at_the_peak_and_a_thin_one_at_the_bandwidth() -> None:
    assert machine().time(Gemm("square", 8192.0, 8192.0, 8192.0)) == pytest.approx(2 * 8192**3 / 100e12)
    thin = Gemm("thin", 1.0, 8192.0, 8192.0)
    assert machine().time(thin) == pytest.approx(2.0 * (8192.0 + 8192.0 * 8192.0 + 8192.0) / 1e12)


def test_short_loops_and_small_kernels_reach_half_of_the_rate_at_the_constants() -> None:
    """And what a kernel costs beside its work, it costs where bandwidth binds too; in kernels apart, each."""
    fast = {"rate": 80e12, "bandwidth": 1e30}
    assert gemm_time(4096.0, 4096.0, 128.0, 1.0, **fast, short_k=128.0) == pytest.approx(4 * 4096**2 * 128 / 80e12)
    assert gemm_time(10.0, 10.0, 10.0, 1.0, **fast, overhead=1e-6) == pytest.approx(1e-6 + 2000 / 80e12)
    starved = {"rate": 80e12, "bandwidth": 1e6}
    without, one, four = (
        gemm_time(10.0, 10.0, 10.0, 4.0, **starved, overhead=overhead, kernels=kernels)
        for overhead, kernels in ((0.0, 1.0), (1e-6, 1.0), (1e-6, 4.0))
    )
    assert one - without == pytest.approx(1e-6, rel=1e-3)
    assert four - without == pytest.approx(4e-6, rel=1e-3)


def test_a_sum_in_place_is_hidden_in_part_behind_a_large_product_and_not_at_all_behind_a_thin_one() -> None:
    """All of its bytes where bandwidth binds; the exposed share of them where compute does; in a kernel apart, all."""
    half = machine(sum_exposed=0.5)
    for size, exposed in ((8192.0, 0.5), (1.0, 1.0)):
        plain = Gemm("weight gradient", 8192.0, 8192.0, size)
        summed = replace(plain, summed_bytes=6.0 * 8192.0**2)
        extra = half.time(summed) - half.time(plain)
        assert extra == pytest.approx(exposed * 6.0 * 8192.0**2 / 1e12)
        assert extra <= machine().time(Pointwise("sum", 6.0 * 8192.0**2, fused=True))


def test_sums_in_place_take_as_long_as_simumax_measured() -> None:
    """What a weight gradient takes beyond the mean of the other two products: median on A100 PCIe, within 20 %."""
    with files("clustersim.catalog").joinpath("measured", "kernels.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (row["source_key"], row["chip"]) == ("simumax", "A100-PCIe")]
    products = [row for row in rows if "layout" in row["shape_or_bytes"]]
    assert len(products) % 3 == 0  # forward, input gradient, weight gradient
    here = machine_of(load("clusters", "a100-64"), stack(), {})
    here = replace(here, accelerator=load("accelerators", "a100-pcie-80gb"))
    ratios = []
    for forward, inputs, weights in zip(products[::3], products[1::3], products[2::3], strict=True):
        m, k, n = (float(found) for found in re.findall(r"[mkn]=(\d+)", weights["shape_or_bytes"]))
        seconds = [2.0 * m * k * n / (1e12 * float(row["value"])) for row in (forward, inputs, weights)]
        if seconds[2] > 1e-3:
            plain = Gemm("weight gradient", m, n, k)
            extra = here.time(replace(plain, summed_bytes=6.0 * m * n)) - here.time(plain)
            ratios.append((seconds[2] - (seconds[0] + seconds[1]) / 2.0) / float(extra))
    assert len(ratios) > 30
    assert median(ratios) == pytest.approx(1.0, abs=0.2)


def test_unaligned_heads_slow_attention_products_alone() -> None:
    for part, slower in (("attention", 5.0), ("gemm", 1.0)):
        odd, even = (Gemm("scores", 2048.0, 2048.0, size, 96.0, part=part) for size in (108.0, 112.0))
        ratio = (machine(memory=1.0).time(odd) / odd.flops) / (machine().time(even) / even.flops)
        assert ratio == pytest.approx(slower, rel=0.05)


def test_fp8_doubles_the_rate_and_fused_attention_stays_in_16_bits() -> None:
    plain, eight = (machine().time(Gemm("g", 8192.0, 8192.0, 8192.0, precision=p)) for p in ("bf16", "fp8"))
    assert plain == pytest.approx(2 * eight)
    assert machine().time(Attention("a", 1e12, 128, False, "fp8")) == pytest.approx(0.01)
    slow = machine(attention_backward=0.5)
    assert slow.time(Attention("a", 1e12, 128, True)) == pytest.approx(0.02)


def test_small_kernels_take_a_launch() -> None:
    slow = machine(launch=1e-5)
    assert slow.time(Pointwise("p", 1.0, kernels=3.0)) == pytest.approx(3e-5)
    assert slow.time(Gemm("g", 1.0, 1.0, 1.0)) == pytest.approx(1e-5)
    assert slow.time(Attention("a", 1.0, 64, False)) == pytest.approx(1e-5)


def test_memory_factor_multiplies_bytes() -> None:
    eager = machine_of(cluster(), stack(memory_factor=5.0), {})
    assert eager.time(Pointwise("p", 1e9)) == pytest.approx(5e-3)


@pytest.mark.parametrize("kind", ["all-reduce", "all-gather", "reduce-scatter", "all-to-all"])
def test_a_group_of_one_says_nothing(kind: str) -> None:
    message = Collective("m", kind, "context", 1e9)  # type: ignore[arg-type]
    assert machine().time(message) == 0.0
    assert machine().time(Collective("m", kind, "tensor", 1e9)) > 0.0  # type: ignore[arg-type]


def test_transfers_cross_domains_at_their_borders() -> None:
    groups = place_groups(SIZES | {"tensor": 2.0, "data": 1.0}, "tensor-context-expert-data-pipeline", 4.0)
    here = machine_of(cluster(), stack(), groups)  # two stages a domain
    assert [float(here.transfer_time(1e9, stage)) for stage in range(3)] == pytest.approx([0.01, 0.1, 0.01])


def test_dispatchers_send_tokens_each_in_its_way() -> None:
    """Eight copies of every token over two nodes: pair by pair, once to a node, or everything to everybody."""
    sizes = SIZES | {"tensor": 1.0, "data": 16.0, "pipeline": 1.0, "expert": 16.0}
    groups = place_groups(sizes, "tensor-context-expert-data-pipeline", 8.0)
    here = machine_of(cluster(nodes=2), stack(), groups)
    pairwise, once, gathered = (
        float(here.time(Collective("dispatch", "dispatch", "expert", 8e9, how, copies=8.0)))
        for how in ("alltoall", "deepep", "allgather")
    )
    assert pairwise == pytest.approx(8e9 * 8 / 16 / (10e9 * EXCHANGE_SHARE))
    begun = METADATA + 16 * METADATA_A_RANK
    assert once == pytest.approx(begun + 1e9 * 2 * (1 - 0.5**8) / 2 / 10e9)
    assert gathered == pytest.approx(15 / 16 * 16e9 / 80e9)


def test_experts_one_after_the_other_fill_the_chip_less() -> None:
    chip = machine(gemm_small=1e9, launch=1e-6)
    apart = machine_of(cluster(nodes=8), stack(grouped_products=False), chip.groups)
    apart = type(apart)(chip.accelerator, apart.stack, apart.up, apart.out, apart.groups)
    small = Gemm("expert up", 64.0, 512.0, 1024.0, 32.0)
    assert apart.time(small) > 2 * chip.time(small)
    assert apart.time(Gemm("one", 8192.0, 8192.0, 8192.0)) == chip.time(Gemm("one", 8192.0, 8192.0, 8192.0))


def test_cores_set_aside_and_slow_low_precision_take_their_share_of_the_rate() -> None:
    """A quarter of the cores for communication slows products and attention, and reads and writes not at all."""
    here = machine_of(cluster(), stack(reserved_cores=0.25, low_precision_share=0.5), {})
    ideal = machine_of(cluster(), stack(), {})
    for operation, slower in (
        (Gemm("g", 8192.0, 8192.0, 8192.0), 4 / 3),
        (Gemm("g", 8192.0, 8192.0, 8192.0, precision="fp8"), 8 / 3),
        (Attention("a", 1e12, 128, False, "fp8"), 4 / 3),
        (Pointwise("p", 1e9), 1.0),
    ):
        assert here.time(operation) == pytest.approx(slower * ideal.time(operation))


def test_groups_of_one_rank_are_alone() -> None:
    assert machine().lone_groups == {"context", "expert_tensor", "data_shard", "expert_data_replica"}
