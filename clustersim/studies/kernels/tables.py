"""The packaged tables of timed kernels: matrix products and collectives as the simulator's own operations.

Best shapes of a search are left out, for they say what a chip's ceiling is and not what a shape takes; so are networks
of which the source doesn't say how wide they are.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from clustersim.inputs.precisions import BYTES, HALF_BYTES
from clustersim.workload.operations import CollectiveKind, Gemm

CHIPS = {
    "A100-80GB-SXM": "a100-sxm-80gb",
    "A100-40GB-SXM": "a100-sxm-40gb",
    "A100-PCIe": "a100-pcie-80gb",
    "H100-80GB-SXM": "h100-sxm-80gb",
    "B200": "b200",
    "Ascend 910B (Atlas 800T A2)": "ascend-910b2",
}
NODES = {
    "A100": "dgx-a100-80gb",
    "A100-SXM": "dgx-a100-80gb",
    "A100-80GB-SXM (DGX)": "dgx-a100-80gb",
    "H100-80GB-SXM (DGX)": "dgx-h100",
    "H200": "hgx-h200",
    "B200": "hgx-b200",
}
KINDS: dict[str, CollectiveKind] = {
    "allreduce": "all-reduce",
    "allgather": "all-gather",
    "reducescatter": "reduce-scatter",
    "alltoall": "all-to-all",
}
JUDGED = ("allreduce", "allgather", "reducescatter")  # of the packaged rows; all-to-alls among them are DeepEP's own
PRECISIONS = ("bf16", "fp16")
# An element of a sum in place: read and written, beyond writing it in 16 bits.
SUM_BYTES = {precision: 2.0 * BYTES[precision] - HALF_BYTES for precision in ("fp32", "bf16")}


@dataclass(frozen=True)
class TimedProduct:
    """A matrix product, or a group of them in one kernel, as `source` timed it on `chip` of the catalog."""

    source: str
    chip: str
    gemm: Gemm
    seconds: float
    apart: bool = False  # grouped products that are timed as one, and run as a kernel for each


@dataclass(frozen=True)
class TimedCollective:
    """A collective of `bytes` among `ranks` devices of one node of the catalog."""

    source: str
    node: str
    kind: CollectiveKind
    ranks: float
    bytes: float
    in_switch: bool  # whether the library was free to let switches sum
    seconds: float

    @property
    def bus_bandwidth(self) -> float:
        """Bytes a second, as nccl-tests counts."""
        steps = 2.0 if self.kind == "all-reduce" else 1.0
        return steps * (self.ranks - 1.0) / self.ranks * self.bytes / self.seconds


@cache
def timed_products() -> tuple[TimedProduct, ...]:
    """Every product whose shape is printed, in 16 bits, of a chip of the catalog."""
    return tuple(
        product_of(row, CHIPS[row["chip"]])
        for row in _rows()
        if row["op"] == "gemm"
        and row["chip"] in CHIPS
        and row["dtype"] in PRECISIONS
        and "best" not in row["shape_or_bytes"]
    )


@cache
def timed_collectives() -> tuple[TimedCollective, ...]:
    """Every collective inside one node of a kind that the catalog has."""
    return tuple(
        collective_of(row, NODES[row["chip"]])
        for row in _rows()
        if row["op"] in JUDGED
        and row["chip"] in NODES
        and row["n_nodes"] == "1"
        and "busbw" in row["unit"]
        and row["shape_or_bytes"].isdigit()
    )


def product_of(row: Mapping[str, str], chip: str) -> TimedProduct:
    """A row on a `chip` of the catalog. Raises KeyError where its shape lacks m, n or k.

    Of SimuMax's grouped products, weight gradients are printed with the sizes of their forward product.

    Transformer Engine's grouped products are a kernel for each expert, on a few streams.
    """
    words = row["shape_or_bytes"]
    sizes = {name.lower(): float(size) for name, size in re.findall(r"\b(ng|[mnkMNK])=(\d+)", words)}
    m, n, k, count = sizes["m"], sizes["n"], sizes["k"], sizes.get("ng", 1.0)
    if "stage=bwd_grad_w" in words:
        m, n, k = n, k, m
    summed = 0.0
    if "accumulate=True" in words:
        found = re.search(r"main_grad_dtype=(\w+)", words) or re.search(r"out_dtype=(\w+)", words)
        summed = SUM_BYTES[found.group(1)] * m * n * count if found else 0.0
    gemm = Gemm("timed product", m, n, k, count, row["dtype"], summed_bytes=summed)
    seconds = float(gemm.flops) / (1e12 * float(row["value"]))
    return TimedProduct(row["source_key"], chip, gemm, seconds, apart="ng" in sizes)


def collective_of(row: Mapping[str, str], node: str) -> TimedCollective:
    """A row of bus bandwidth on a `node` of the catalog."""
    ranks, size, kind = float(row["n_devices"]), float(row["shape_or_bytes"]), KINDS[row["op"]]
    bus = 1e9 * float(row["value"])
    one = TimedCollective(row["source_key"], node, kind, ranks, size, "Ring" not in row["unit"], 1.0)
    return TimedCollective(one.source, one.node, kind, ranks, size, one.in_switch, one.bus_bandwidth / bus)


def _rows() -> Iterator[dict[str, str]]:
    with files("clustersim.catalog").joinpath("measured", "kernels.csv").open("r", encoding="utf-8") as file:
        yield from csv.DictReader(file)
