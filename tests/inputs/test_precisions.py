"""Bytes of an element: one table for training, serving and kernels."""

from __future__ import annotations

from typing import get_args

import builders
import pytest

from clustersim.costs.gemm_on_chip import product_time
from clustersim.inputs.precisions import BYTES, WIDE, Precision, activation_bytes_of, element_bytes
from clustersim.inputs.serving import WeightPrecision
from clustersim.workload.operations import Gemm


def test_elements_take_their_share_of_the_scales() -> None:
    """A block of 32 mxfp8 elements has 33 bytes, one of 16 nvfp4 elements 9; 128 blockwise fp8 elements have 132."""
    assert 32 * element_bytes("mxfp8") == 33.0
    assert 16 * element_bytes("nvfp4") == 9.0
    assert 128 * element_bytes("fp8", blockwise=True) == 132.0
    assert [element_bytes(precision) for precision in ("fp8", "int8", "bf16", "tf32")] == [1.0, 1.0, 2.0, 4.0]
    assert element_bytes("bf16", blockwise=True) == 2.0


def test_every_precision_has_its_bytes() -> None:
    assert set(BYTES) == {*get_args(Precision), *get_args(WeightPrecision)}
    assert {activation_bytes_of(precision) for precision in get_args(Precision)} == {2.0, 4.0}
    assert [precision for precision in get_args(Precision) if precision in WIDE] == ["fp32", "tf32", "fp16", "bf16"]
    with pytest.raises(KeyError):
        element_bytes("fp6")


@pytest.mark.parametrize(
    ("precision", "blockwise", "width"), [("fp8", False, 1.0), ("fp8", True, 1.03125), ("mxfp8", False, 1.03125)]
)
def test_products_read_what_their_operands_take(precision: str, blockwise: bool, width: float) -> None:
    """A product bound by reading: one row of a matrix of 8,192 x 8,192."""
    chip = builders.accelerator(peak={"bf16": 100e12, "fp8": 200e12, "mxfp8": 200e12})
    gemm = Gemm("g", 1.0, 8192.0, 8192.0, 1.0, precision, blockwise=blockwise)
    assert product_time(gemm, chip, 1.0) == pytest.approx(width * (8192**2 + 2 * 8192) / 1e12)
