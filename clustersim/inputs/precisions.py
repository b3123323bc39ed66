"""Precisions: bytes of an element, alone and with its share of the scales. The one table of them."""

from __future__ import annotations

from typing import Literal

Precision = Literal["fp32", "tf32", "fp16", "bf16", "fp8", "mxfp8", "nvfp4"]  # of training's matrix products
WIDE = ("fp32", "tf32", "fp16", "bf16")  # without scales
NARROW = ("fp8", "mxfp8", "nvfp4")  # of training, with scales

BYTES = {  # an element alone
    "fp32": 4.0,
    "tf32": 4.0,  # fp32 that is rounded inside products
    "fp16": 2.0,
    "bf16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "mxfp8": 1.0,
    "nvfp4": 0.5,
}
BLOCKWISE = "fp8 blockwise"  # fp8 with a scale for every 128 elements of activations
# Bytes of scales an element: one in fp32 for 128 elements; one of 8 bits for 32; one of 8 bits for 16. One a tensor, or
# a row, is next to nothing. Source: Micikevicius et al. 2022, arXiv 2209.05433; DeepSeek-V3, arXiv 2412.19437, section
# 3.3.2; OCP Microscaling Formats 1.0; NVIDIA, NVFP4.
SCALES = {BLOCKWISE: 4.0 / 128, "mxfp8": 1.0 / 32, "nvfp4": 1.0 / 16}

FP32_BYTES, HALF_BYTES = BYTES["fp32"], BYTES["bf16"]


def element_bytes(precision: str, *, blockwise: bool = False) -> float:
    """Bytes that an element takes in memory and on its way, with its share of the scales.

    `blockwise`: fp8 has one for every 128 elements. Raises KeyError for a precision that the table lacks.
    """
    scales = SCALES.get(BLOCKWISE if blockwise and precision == "fp8" else precision, 0.0)
    return BYTES[precision] + scales


def activation_bytes_of(precision: str) -> float:
    """Bytes of an element of activations outside products: 4 where weights are in fp32 or tf32, else 2."""
    return max(BYTES[precision], HALF_BYTES)
