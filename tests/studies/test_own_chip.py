"""A chip and its links calibrated to kernels of one's own: known numbers recovered, nonsense refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from clustersim.cli import cli
from clustersim.costs.collectives import Reach, cost_of
from clustersim.costs.gemm_on_chip import product_time
from clustersim.costs.links import link_of
from clustersim.costs.placement import RankPlacement
from clustersim.errors import InputError
from clustersim.inputs.catalog import load
from clustersim.inputs.hardware import Accelerator, Node
from clustersim.inputs.load import load_scenario
from clustersim.simulation.step.step import simulate_step
from clustersim.studies.kernels.node_file import write_node
from clustersim.studies.kernels.own_chip import OwnChip, calibrated_chip
from clustersim.studies.timing.cases import (
    AttentionCore,
    Case,
    Launch,
    Message,
    Product,
    Streaming,
    collective_cases,
    device_cases,
)
from clustersim.studies.timing.table_file import COLUMNS
from clustersim.workload.operations import Collective, Gemm

CHIP, NODE = "h100-sxm-80gb", "dgx-h100"
NOISE = 0.02
KERNELS = {
    "gemm_ceiling": 0.7, "looped": 1.0, "gemm_small": 3e9, "attention_forward": 0.5, "attention_backward": 0.4,
    "memory": 0.8, "launch": 3e-6,
}  # fmt: skip
TIER = {"efficiency": 0.75, "latency": 2e-6, "start": 15e-6, "switch_bandwidth": 400e9}
FAR = {"efficiency": 0.6, "latency": 30e-6}


@pytest.fixture(scope="module")
def truth() -> Node:
    """A node whose chip and links are worse than the catalog's, each in its own way."""
    node: Node = load("nodes", NODE)
    kernels = node.accelerator.kernels.model_copy(update=KERNELS)
    chip = node.accelerator.model_copy(update={"kernels": kernels})
    tiers = {"scale_up": node.scale_up.model_copy(update=TIER), "scale_out": node.scale_out.model_copy(update=FAR)}
    return node.model_copy(update={"accelerator": chip, **tiers})


def seconds_of(case: Case, node: Node, nodes: int) -> float:
    """What a case takes on a node, by the simulator's own formulas."""
    chip: Accelerator = node.accelerator
    if isinstance(case, Product):
        return float(product_time(Gemm("x", case.m, case.n, case.k), chip, chip.kernels.looped))
    if isinstance(case, AttentionCore):
        share = chip.kernels.attention_backward if case.backward else chip.kernels.attention_forward
        return case.amount / (chip.base_peak * share)
    if isinstance(case, Streaming):
        return case.amount / chip.streaming_bandwidth
    if isinstance(case, Launch):
        return chip.kernels.launch
    kinds = {"allreduce": "all-reduce", "allgather": "all-gather", "reducescatter": "reduce-scatter"}
    message = Collective("x", kinds.get(case.op, "all-to-all"), "tensor", case.bytes)
    inside = case.ranks / nodes
    reach = Reach(RankPlacement(case.ranks, inside, nodes), link_of(node.scale_up, 1.0), link_of(node.scale_out, 1.0))
    return float(cost_of(message, reach).seconds)


@pytest.fixture(scope="module")
def table(truth: Node, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What clustersim measure would write there, with 2 % of noise."""
    noise = np.random.default_rng(5)
    cases = [(case, 1) for case in device_cases(("gemm", "attention", "memory", "launch"), "bf16")]
    cases += [(case, 1) for ranks in (2, 4, 8) for case in collective_cases(ranks, "bf16")]
    cases += [(case, 4) for case in collective_cases(32, "bf16")]
    rows = []
    for case, nodes in cases:
        value = case.value(seconds_of(case, truth, nodes) * float(np.exp(noise.normal(scale=NOISE))))
        ranks = case.ranks if isinstance(case, Message) else 1
        rows.append(
            dict(zip(COLUMNS, ("measured", "x", CHIP, case.op, case.words, ranks, nodes, case.dtype, value, case.unit),
                     strict=True))
        )  # fmt: skip
    path = tmp_path_factory.mktemp("kernels") / "kernels.csv"
    write(path, rows)
    return path


def write(path: Path, rows: Sequence[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def found(table: Path) -> OwnChip:
    return calibrated_chip([str(table)])


def test_known_numbers_are_recovered_within_their_uncertainty(found: OwnChip) -> None:
    known = {f"accelerator.kernels.{name}": value for name, value in KERNELS.items()}
    known |= {f"scale_up.{name}": value for name, value in TIER.items()}
    known |= {f"scale_out.{name}": value for name, value in FAR.items()}
    assert {figure.place for figure in found.figures} == set(known)
    for figure in found.figures:
        off = abs(figure.value - known[figure.place])
        if figure.deviation is None:
            bound = 0.05 if figure.place.endswith("gemm_ceiling") else 3 * NOISE  # the best of many; one
            assert off < bound * known[figure.place], figure
        elif figure.place.endswith("looped"):  # over the ceiling, which noise lifts by the best of 60 shapes
            ceiling = found.figure("accelerator.kernels.gemm_ceiling")
            assert ceiling is not None
            assert figure.value * ceiling.value == pytest.approx(KERNELS["looped"] * KERNELS["gemm_ceiling"], rel=0.02)
        else:
            assert off < 3.5 * figure.deviation, figure
            assert figure.deviation < 0.4 * figure.value, figure


def test_kernels_come_nearer_than_the_catalog_has_them(found: OwnChip) -> None:
    assert set(found.errors) == {"products", "collectives, scale_up", "collectives, scale_out"}
    for kind, (before, after) in found.errors.items():
        assert after < 0.05 < before, kind


def test_a_cluster_of_the_measured_node_takes_what_the_true_one_takes(
    found: OwnChip, truth: Node, tmp_path: Path
) -> None:
    """125 nodes, of which one was measured (and four, for the network)."""
    path = tmp_path / "mine.yaml"
    write_node(found, "kernels.csv", path)
    described = {
        "model": "gpt3-175b", "training": {"sequence_length": 2048, "global_batch": 1000},
        "stack": "megatron-core-2025", "layout": {"tensor": 8, "pipeline": 5, "data": "auto"},
    }  # fmt: skip
    mine = load_scenario({**described, "cluster": {"node": str(path), "nodes": 125}})
    catalog = load_scenario({**described, "cluster": {"node": NODE, "nodes": 125}})
    cluster = catalog.cluster.model_copy(update={"node": truth})
    real = simulate_step(catalog.model_copy(update={"cluster": cluster})).step_time_s
    assert simulate_step(mine).step_time_s == pytest.approx(real, rel=0.03)
    assert abs(simulate_step(catalog).step_time_s / real - 1) > 0.1
    assert mine.cluster.accelerator.name == catalog.cluster.accelerator.name


def test_numbers_that_no_row_tells_stay_the_catalogs(table: Path, tmp_path: Path) -> None:
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["op"] == "attention_fwd"]
    path = tmp_path / "some.csv"
    write(path, rows)
    found = calibrated_chip([str(path)])
    assert [figure.place for figure in found.figures] == ["accelerator.kernels.attention_forward"]
    write_node(found, "some.csv", tmp_path / "mine.yaml")
    node, usual = load("nodes", str(tmp_path / "mine.yaml")), load("nodes", NODE)
    assert node.accelerator.kernels.attention_forward == pytest.approx(0.5, rel=NOISE)
    assert node.accelerator.kernels.gemm_ceiling == usual.accelerator.kernels.gemm_ceiling
    assert node.scale_up == usual.scale_up


@pytest.mark.parametrize(
    ("op", "change", "words"),
    [
        ("gemm", {"value": "fast"}, 'line 2   value: "fast" is not a number'),
        ("gemm", {"value": "nan"}, 'value: "nan" is not a number'),
        ("gemm", {"value": "-3"}, 'value: "-3" is not a number'),
        ("gemm", {"shape_or_bytes": "M=4096 N=4096"}, "expected a shape such as M=4096"),
        ("attention_fwd", {"shape_or_bytes": "long"}, "a shape with seq_len=4096"),
        ("copy", {"shape_or_bytes": "1e9"}, "expected bytes"),
        ("allreduce", {"n_devices": "1"}, 'n_devices: "1" is not a number from 2'),
        ("allreduce", {"n_devices": "8", "n_nodes": "3"}, "not spread evenly over the nodes"),
        ("gemm", {"value": "2000"}, "of the peak of NVIDIA H100"),
        ("attention_fwd", {"value": "2000"}, "of the chip's nominal rate"),
        ("gemm", {"unit": "furlongs"}, "no row that can be used; accepted: gemm in TFLOP/s"),
        ("gemm", {"chip": "abacus"}, "the tables' chip (abacus) is not one of the catalog"),
    ],
)
def test_rows_that_are_wrong_are_refused(
    table: Path, tmp_path: Path, op: str, change: dict[str, str], words: str
) -> None:
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["op"] == op][-1:]
    path = tmp_path / "wrong.csv"
    write(path, [row | change for row in rows])
    with pytest.raises(InputError) as raised:
        calibrated_chip([str(path)])
    assert words in str(raised.value)


def test_all_wrong_cells_at_once_and_exit_code_2(table: Path, tmp_path: Path) -> None:
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows[0]["value"], rows[-1]["n_nodes"], rows[5]["shape_or_bytes"] = "no", "0", "?"
    path = tmp_path / "wrong.csv"
    write(path, rows)
    result = CliRunner().invoke(cli, ["calibrate", "--kernels", str(path)])
    assert result.exit_code == 2
    assert "3 problems" in result.stderr


def test_small_products_are_no_ceiling(table: Path, tmp_path: Path) -> None:
    """256 to 768 cubed say nothing of the best rate."""
    with table.open(newline="", encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["op"] == "gemm")
    path = tmp_path / "small.csv"
    copy = {"op": "copy", "shape_or_bytes": str(2**30), "value": "2000", "unit": "GB/s"}
    write(path, [row | {"shape_or_bytes": "M=1024 N=1024 K=1024", "value": "100"}, row | copy])
    assert [figure.place for figure in calibrated_chip([str(path)]).figures] == ["accelerator.kernels.memory"]


def test_the_command_writes_a_node(table: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.yaml"
    result = CliRunner().invoke(cli, ["calibrate", "--kernels", str(table), "-o", str(target)])
    assert result.exit_code == 0, result.stderr
    assert "scale_out.efficiency" in result.stdout
    assert yaml.safe_load(target.read_text(encoding="utf-8"))["extends"] == NODE
    document = json.loads(CliRunner().invoke(cli, ["calibrate", "--kernels", str(table), "--json"]).stdout)
    assert document["chip"] == CHIP
    assert document["host_launch_s"] == pytest.approx(KERNELS["launch"], rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--kernels", "a.csv", "b.csv"), "--kernels fits a chip"),
        (("--chip", "h100-sxm-80gb", "b.csv"), "go with --kernels"),
        (("--kernels", "none.csv", "--chip", "h100-sxm-80gb"), "no such file"),
        (("--kernels", "none.csv", "--chip", "h101"), "h101"),
    ],
)
def test_mistakes_are_told(arguments: tuple[str, ...], words: str) -> None:
    result = CliRunner().invoke(cli, ["calibrate", *arguments])
    assert result.exit_code == 2
    assert words in result.stderr
