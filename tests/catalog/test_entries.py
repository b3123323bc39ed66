"""Every catalog entry is a valid description, under the names that the data knows it by."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest

from clustersim.errors import InputError
from clustersim.inputs.catalog import document, load, names, plain_document, sections
from clustersim.inputs.hardware import Accelerator, Cluster, Node
from clustersim.inputs.load import load_scenario
from clustersim.inputs.stack import Stack
from clustersim.studies.measured.csv_cells import read_rows
from clustersim.studies.validation.validation import packaged_tables

ENTRIES = [(section, name) for section in sections() for name in names(section)]

# Slugs of the accelerators that the collected data names, and the alias of the chip that "910B" means.
SLUGS = [
    "ascend-910a",
    "ascend-910b1",
    "ascend-910b2",
    "ascend-910b3",
    "ascend-910b4",
    "ascend-910c",
    "a100-sxm-80gb",
    "a100-sxm-40gb",
    "a100-pcie-80gb",
    "a800-sxm-80gb",
    "h100-sxm-80gb",
    "h800-sxm-80gb",
    "h20",
    "h200-sxm",
    "b200",
    "mi300x",
    "tpu-v4",
    "tpu-v5e",
    "tpu-v5p",
    "gb200",
    "gb300",
    "b300",
    "h100-96gb-hbm2e-500w",
    "v100-sxm-32gb",
    "mi325x",
    "mi350x",
    "mi355x",
    "trainium2",
    "trainium3",
    "gaudi2",
    "gaudi3",
    "tpu-v6e",
    "tpu7x",
    "gh200-96gb",
    "gh200-141gb",
    "l40s",
    "rtx-pro-6000",
    "b100",
    "rubin",
    "ascend-910b",
]

# Stacks that measured runs name, and those that occur beyond them.
STACKS = [
    "megatron-lm-2020",
    "megatron-lm-2021",
    "megatron-lm-2022",
    "megatron-lm-2023",
    "megatron-lm-2024",
    "megatron-lm-zero-bubble-2023",
    "megatron-deepspeed-2021",
    "megatron-deepspeed-2022",
    "megatron-deepspeed-2023",
    "megatron-deepspeed-2024",
    "deepspeed-zero3-2021",
    "composer-fsdp-2023",
    "megatron-core-2024",
    "megatron-core-2025",
    "megatron-core-fsdp-2025",
    "megatron-core-b200-2026",
    "megatron-bridge-2025",
    "megatron-bridge-2026",
    "megascale-2024",
    "nemo-2024",
    "torchtitan-2025",
    "meta-llama3-2024",
    "mindspeed-llm-2023",
    "mindspeed-llm-2024",
    "mindformers-2024",
]

# Chips whose 8-bit rate is not twice the 16-bit one, as their vendors print it (no faster on Gaudi 3 and TPU v6e).
FP8_OVER_BF16 = {"gaudi3": 1.0, "tpu-v6e": 1.0, "trainium2": 1299 / 667, "rubin": 17500 / 4000}
NETWORK_NOT_IN_PRINT = {"ascend-950dt", "ascend-950pr", "mtt-s4000", "mtt-s5000"}  # a scenario must give their node


@pytest.mark.parametrize(("section", "name"), ENTRIES)
def test_every_entry_is_valid(section: str, name: str) -> None:
    load(section, name)


@pytest.mark.parametrize("slug", SLUGS)
def test_every_slug_resolves(slug: str) -> None:
    assert load("accelerators", slug).name


@pytest.mark.parametrize("slug", STACKS)
def test_every_stack_resolves(slug: str) -> None:
    assert load("stacks", slug).name


def test_measured_rows_name_known_chips_and_stacks() -> None:
    rows = [row for table in packaged_tables() for row in read_rows(table)]
    for accelerator in {row["accelerator"] for row in rows}:
        load("accelerators", accelerator)
    assert {row["stack"] for row in rows} <= set(names("stacks"))


def test_910b_means_the_910b2_and_keeps_every_peak_in_print() -> None:
    chip = load("accelerators", "Ascend_910B")
    assert chip.name == "Ascend 910B2"
    assert chip.base_peak == 353.9e12
    assert {peak / 1e12 for peak in chip.other_peaks.values()} == {376, 280, 320, 313, 400}
    assert chip.price is None  # no rental price was found: never a guess
    assert chip.memory.usable_bytes == 60.32 * 2**30


@pytest.mark.parametrize("name", names("accelerators"))
def test_accelerators_are_consistent(name: str) -> None:
    chip: Accelerator = load("accelerators", name)
    kernels = chip.kernels
    assert (chip.node is None) == (name in NETWORK_NOT_IN_PRINT)
    if chip.node is not None:
        assert load("nodes", chip.node).accelerator == chip
    assert kernels.gemm_ceiling * kernels.sustained < 1
    assert kernels.attention_backward <= kernels.attention_forward < 1
    times = FP8_OVER_BF16.get(name, 2.0)
    assert chip.peak.get("fp8", times * chip.base_peak) == pytest.approx(times * chip.base_peak, rel=0.015)


@pytest.mark.parametrize(
    ("chip", "measured"), [("A100-40GB-SXM", "a100-sxm-40gb"), ("Ascend 910B (Atlas 800T A2)", "ascend-910b2")]
)
def test_no_kernel_was_measured_past_the_best_rate(chip: str, measured: str) -> None:
    path = files("clustersim.catalog").joinpath("measured", "kernels.csv")
    with path.open(encoding="utf-8", newline="") as file:  # type: ignore[call-arg]
        rows = [row for row in csv.DictReader(file) if row["chip"] == chip and row["op"] == "gemm"]
    entry: Accelerator = load("accelerators", measured)
    best = max(float(row["value"]) for row in rows if row["dtype"] in ("fp16", "bf16"))
    assert best * 1e12 / entry.base_peak <= entry.kernels.best_rate + 5e-4


def test_the_best_rate_is_the_ceiling_unless_a_higher_one_was_measured() -> None:
    assert load("accelerators", "h100-sxm-80gb").kernels.best_rate == 0.803
    assert load("accelerators", "a100-sxm-80gb").kernels.best_rate == 0.956
    assert load("accelerators", "ascend-910b2").kernels.best_rate == 0.927


@pytest.mark.parametrize("name", names("nodes"))
def test_nodes_are_consistent(name: str) -> None:
    node: Node = load("nodes", name)
    up = node.scale_up
    assert (up.kind == "full-mesh") == (up.link_bandwidth is not None)
    assert node.scale_out.bandwidth <= up.bandwidth
    assert node.scale_out.latency >= up.latency
    if up.link_bandwidth is not None:
        assert up.bandwidth == pytest.approx((node.domain - 1) * up.link_bandwidth)


def test_an_atlas_server_is_a_full_mesh() -> None:
    node = load("nodes", "atlas-800t-a2")
    assert (node.devices, node.scale_up.kind) == (8, "full-mesh")
    assert node.scale_up.link_bandwidth == 28e9
    assert node.scale_out.bandwidth == 25e9


def test_extended_nodes_keep_what_they_do_not_change() -> None:
    base, site = load("nodes", "dgx-a100-80gb"), load("nodes", "jean-zay-a100")
    assert site.scale_up == base.scale_up
    assert site.scale_out.latency == base.scale_out.latency
    assert site.scale_out.bandwidth * site.scale_out.efficiency * site.devices == pytest.approx(24e9)


@pytest.mark.parametrize(
    ("name", "devices"),
    [("h800-2048", 2048), ("ascend-910b-8192", 8192), ("h100-16384", 16384), ("cloudmatrix384", 768), ("a100-64", 64)],
)
def test_clusters_have_the_devices_that_they_are_named_by(name: str, devices: int) -> None:
    cluster: Cluster = load("clusters", name)
    assert cluster.devices == devices


@pytest.mark.parametrize("name", names("stacks"))
def test_stacks_are_consistent(name: str) -> None:
    stack: Stack = load("stacks", name)
    assert name.endswith(stack.release or str(stack.year)) or name == "deepseek-v3-hai-llm"
    assert stack.release is None or stack.year == 2000 + int(stack.release[:2])
    assert stack.vendors
    assert stack.residual is None, "a packaged stack is a stranger's: evidence.json"


def test_published_traps_are_not_fallen_into() -> None:
    """Sparse peaks, both-way links and cards taken for others: what is in print beside the right figure."""
    peaks = {name: load("accelerators", name).peak for name in ("mi355x", "trainium3", "l40s", "b100", "gaudi3")}
    assert peaks["mi355x"]["fp8"] == 5000e12, "10.1 PF is the sparse rate, and the dense one of 4 bits"
    assert peaks["trainium3"]["bf16"] == 671e12, "2,517 is the sparse rate"
    assert peaks["l40s"]["fp8"] == 733e12
    assert peaks["b100"]["fp8"] == 3500e12
    assert peaks["gaudi3"]["bf16"] == 1677e12, "1,835 is the white paper's clock"
    assert load("accelerators", "mi355x").kernels.gemm_ceiling == pytest.approx(1565 / 2500, abs=1e-3)
    ways = {"mi355x-platform": 535.5e9, "gaudi3-server": 525e9, "vera-rubin-nvl72": 1800e9, "tpu7x-slice": 600e9}
    assert {name: load("nodes", name).scale_up.bandwidth for name in ways} == ways
    assert load("nodes", "vera-rubin-nvl72").domain == 72


def test_what_is_missing_of_a_chip_is_said() -> None:
    stubs = set(document("records", "stub-accelerators")) - {"about", "sources"}
    assert {"mlu590", "wse-3", "groq-lpu", "br100", "kunlun-p800", "bi-v150"} <= stubs
    assert not stubs & set(names("accelerators"))
    with pytest.raises(InputError, match=r"no usual node of Ascend 950DT.*give cluster\.node"):
        load_scenario(
            {
                "model": "llama-3.1-8b",
                "cluster": {"accelerator": "ascend-950dt", "devices": 64},
                "training": {"sequence_length": 2048, "global_batch": 64},
            }
        )


def test_every_vendor_has_a_stack() -> None:
    vendors = {load("accelerators", name).vendor for name in names("accelerators")}
    assert vendors <= {vendor for name in names("stacks") for vendor in load("stacks", name).vendors}


def test_prices_of_accelerators_are_among_the_dated_offers() -> None:
    offers = plain_document("prices", "devices")["offers"]
    for name in names("accelerators"):
        price = load("accelerators", name).price
        dated = [float(offer["price"].split()[0]) for offer in offers if offer["device"] == name and offer["price"]]
        if price is not None and name != "h100-96gb-hbm2e-500w":  # priced as an H100
            assert price in dated


def test_names_that_lack_an_architecture_are_records_only() -> None:
    stubs = set(document("records", "stub-models")) - {"about", "sources"}
    assert stubs == {"gpt-4", "ling-plus", "pangu-alpha", "pangu-sigma", "deepseek-r2"}


@pytest.mark.parametrize("section", sections())
def test_no_name_stands_for_two_entries(section: str) -> None:
    words = [word for name in names(section) for word in {name, *document(section, name).get("aliases", [])}]
    assert sorted(words) == sorted(set(words))
