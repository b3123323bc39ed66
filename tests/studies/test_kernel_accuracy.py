"""The tables of kernels: how they are read, and how far predictions may lie from them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clustersim.costs.gemm_on_chip import product_time
from clustersim.inputs.catalog import load
from clustersim.studies.kernels.accuracy import KernelErrors, KernelReport, judged_products, kernel_report, level_of
from clustersim.studies.kernels.levels import level_line, write_levels
from clustersim.studies.kernels.tables import TimedProduct, timed_collectives, timed_products
from clustersim.studies.validation.validation import packaged_rows


@pytest.fixture(scope="module")
def report() -> KernelReport:
    return kernel_report()


def pooled(report: KernelReport, chip: str) -> KernelErrors:
    """The line of a chip over all of its sources."""
    return next(found for found in report.products if found.where == chip)


@pytest.mark.parametrize("chip", ["a100-sxm-80gb", "b200"])
def test_products_are_within_eight_per_cent_with_and_without_their_half_of_the_table(
    report: KernelReport, chip: str
) -> None:
    found = pooled(report, chip)
    assert found.rows > 590
    assert found.median_absolute < 0.08
    assert found.half_out is not None
    assert found.half_out < 0.08
    assert abs(found.bias) < 0.01


@pytest.mark.parametrize("node", ["dgx-a100-80gb", "dgx-h100"])
def test_collectives_inside_a_node_are_within_fifteen_per_cent_for_any_number_of_ranks(
    report: KernelReport, node: str
) -> None:
    found = [errors for errors in report.collectives if errors.where.startswith(node)]
    assert len(found) > 3
    for errors in found:
        assert errors.median_absolute < 0.15, errors.where
        assert errors.source_out is None or errors.source_out < 0.15, errors.where


def test_collectives_that_outrun_their_links_are_left_out(report: KernelReport) -> None:
    """Ring rows of 682 GB/s stand under H200, whose links end at 450 GB/s."""
    beyond = [timed for timed in timed_collectives() if timed.node == "hgx-h200" and timed.bus_bandwidth > 497e9]
    assert report.impossible == len(beyond) > 0


def test_rows_are_read_with_their_sums_and_their_groups() -> None:
    """A weight gradient's inner size is the tokens of an expert; its fp32 sum is read and written."""
    grouped = [timed.gemm for timed in timed_products() if timed.chip == "b200" and float(timed.gemm.count) == 160.0]
    weights = [gemm for gemm in grouped if gemm.summed_bytes]
    assert {gemm.k for gemm in weights} == {154.0}
    assert all(gemm.summed_bytes in (6.0 * gemm.m * gemm.n * 160.0, 2.0 * gemm.m * gemm.n * 160.0) for gemm in weights)
    assert {gemm.m for gemm in grouped if not gemm.summed_bytes} == {154.0}


def test_a_known_level_is_found() -> None:
    chip = load("accelerators", "a100-sxm-80gb")
    timed = [
        TimedProduct("made", "a100-sxm-80gb", one.gemm, float(product_time(one.gemm, chip, 0.7)))
        for one in judged_products()[:40]
    ]
    assert level_of(timed, chip) == pytest.approx(0.7, abs=1e-3)
    assert "value: 0.700," in level_line("a100-sxm-80gb", timed)
    assert "made 0.70 (40 shapes)" in level_line("a100-sxm-80gb", timed)


def test_packaged_levels_are_what_the_tables_give(tmp_path: Path) -> None:
    """`make calibrate` changes nothing, until tables or shapes do."""
    packaged = packaged_rows().parents[1] / "accelerators"
    remade = tmp_path / "accelerators"
    shutil.copytree(packaged, remade)
    write_levels(remade)
    for path in remade.glob("*.yaml"):
        assert path.read_text(encoding="utf-8") == (packaged / path.name).read_text(encoding="utf-8"), path.name
