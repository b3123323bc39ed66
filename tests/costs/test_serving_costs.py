"""Exchanges of experts in serving take what was measured, and the catalog's rates are the measured ones."""

from __future__ import annotations

import csv
import re
from importlib.resources import files

import numpy as np
import pytest
from builders import cluster, moe

from clustersim.costs.serving import measured_exchange_time, serving_machine
from clustersim.inputs.catalog import load
from clustersim.inputs.serving import AllToAll, ExchangeRates, PhaseKernels, ServingStack, Unit
from clustersim.workload.operations import Attention, Collective, Gemm

TOKEN = {"dispatch": 7168 + 4 * 56, "combine": 2 * 7168}  # bytes: fp8 with a scale for 128 elements; bf16


def rows(locator: str, name: str) -> list[dict[str, str]]:
    path = files("clustersim.catalog").joinpath("measured", "kernels.csv")
    with path.open(encoding="utf-8", newline="") as file:  # type: ignore[call-arg]
        found = [row for row in csv.DictReader(file) if row["source_key"] == "deepep" and row["chip"] == "H800"]
    return [row for row in found if locator in row["locator"] and row["shape_or_bytes"].startswith(name)]


def exchange(phase: str, name: str) -> ExchangeRates:
    stack: ServingStack = load("serving-stacks", "deepseek-2025")  # type: ignore[assignment]
    kernels = (stack.prefill if phase == "prefill" else stack.decode).all_to_all
    assert kernels is not None
    return kernels.dispatch if name == "dispatch" else kernels.combine


@pytest.mark.parametrize("name", ["dispatch", "combine"])
def test_low_latency_kernels_take_what_deepep_measured(name: str) -> None:
    measured = [row for row in rows("low-latency", f"low-latency {name}") if row["unit"] == "us"]
    assert len(measured) == 6
    for row in measured:
        seconds = measured_exchange_time(
            128 * 8 * TOKEN[name], float(row["n_devices"]), exchange("decode", name), 20e-6
        )
        assert seconds * 1e6 == pytest.approx(float(row["value"]), rel=0.03)


@pytest.mark.parametrize("name", ["dispatch", "combine"])
def test_normal_kernels_have_the_bandwidths_of_deepep(name: str) -> None:
    measured = {
        int(row["n_devices"]): float(row["value"]) for row in rows("normal", name) if re.search("RDMA", row["unit"])
    }
    assert {row.ranks: row.bandwidth / 1e9 for row in exchange("prefill", name).measured} == measured


def test_a_small_message_still_waits_for_the_latency() -> None:
    rates = ExchangeRates.model_validate(
        {"message": 1e6, "measured": [{"ranks": 8, "bandwidth": 1e10}, {"ranks": 32, "bandwidth": 2.5e9}]}
    )
    assert measured_exchange_time(1e6, 8.0, rates, 2e-5) == pytest.approx(1e-4)
    assert measured_exchange_time(0.0, 8.0, rates, 2e-5) == 2e-5
    assert measured_exchange_time(5e5, 8.0, rates, 2e-5) == pytest.approx(6e-5)
    ranks = np.array([4.0, 16.0, 64.0])
    assert measured_exchange_time(1e6, ranks, rates, 0.0) == pytest.approx(1e6 / np.array([1e10, 6.25e9, 2.5e9]))


def machine(kernels: PhaseKernels, devices: int = 16):  # type: ignore[no-untyped-def]
    stack = ServingStack.model_validate({"name": "x", "year": 2025, "software": ideal()})
    return serving_machine(cluster().node, stack, Unit(devices=devices), kernels, "fp8", moe().moe)


def ideal() -> dict[str, object]:
    residual = {"spread": 0.1, "evidence": "assumed"}
    values = {"name": "ideal", "year": 2025, "vendors": ["acme"], "sustained": 0.5, "memory_factor": 1.0}
    return values | {"residual": residual, "kernel_gap": 1e-3}


def test_measured_rates_take_the_place_of_the_chips() -> None:
    weights, other = (Gemm("x", 1e4, 1e4, 1e4, 1.0, precision) for precision in ("fp8", "bf16"))
    plain, rated = machine(PhaseKernels()), machine(PhaseKernels(gemm=50e12, attention=10e12, cache_bandwidth=5e11))
    assert plain.gemm_time(weights) == pytest.approx(2e12 / (200e12 * 0.5))
    assert rated.gemm_time(weights) == pytest.approx(2e12 / (50e12 * 0.5))
    assert rated.gemm_time(other) == plain.gemm_time(other) == pytest.approx(2e12 / (100e12 * 0.5))
    computed, read = (Attention("x", flops, 64.0, False, bytes=size) for flops, size in ((1e13, 1.0), (1.0, 1e12)))
    assert rated.attention_time(computed) == 1.0
    assert rated.attention_time(read) == 2.0
    assert plain.attention_time(read) == 1.0  # the chip's streaming bandwidth


def test_graphs_of_kernels_leave_no_gaps() -> None:
    small = Gemm("x", 1.0, 1.0, 1.0)
    assert machine(PhaseKernels()).time(small) == pytest.approx(1e-3, rel=1e-3)
    assert machine(PhaseKernels(kernel_gap=0.0, launch=3e-6)).time(small) == pytest.approx(3e-6)


def test_copies_and_nodes_are_counted_as_the_kernel_counts() -> None:
    rates = ExchangeRates.model_validate({"message": 1e15, "measured": [{"ranks": 16, "bandwidth": 1e9}]})
    message = Collective("dispatch", "dispatch", "expert", 1e9, "alltoall", copies=2.0)
    by_copies, by_nodes = (
        machine(PhaseKernels(all_to_all=AllToAll(counts=counts, dispatch=rates, combine=rates)))  # type: ignore[arg-type]
        for counts in ("copies", "nodes")
    )
    assert by_copies.time(message) == pytest.approx(1.0)
    assert by_nodes.time(message) == pytest.approx(0.75)  # two copies over two nodes meet 1.5 of them
    inside = machine(PhaseKernels(all_to_all=AllToAll(counts="nodes", dispatch=rates, combine=rates)), devices=8)
    assert inside.time(message) == pytest.approx(1e9 * 7 / 8 / 100e9)  # one node: its network
    assert inside.single == {"tensor", "expert_tensor"}
