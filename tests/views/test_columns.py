"""Columns of results: labels with units, numbers out of cells."""

from __future__ import annotations

from typing import Any

import pytest

from clustersim.studies.sweeps.result_columns import COLUMNS as ROW_COLUMNS
from clustersim.studies.sweeps.result_columns import LAYOUT
from clustersim.views.columns import COLUMNS, column_of, numbers


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("devices", ["64", "128"], [64.0, 128.0]),
        ("x", [1, 2.5, None, ""], [1.0, 2.5, None, None]),
        ("bandwidth", ["25 GB/s", "200 Gb/s"], [25e9, 25e9]),
        ("capacity", ["80 GiB"], [80 * 2**30]),
        ("peak", ["1.5 PFLOP/s"], [1.5e15]),
        ("share", ["82 %"], [0.82]),
        ("training.tokens", ["14.8T", "300B"], [14.8e12, 300e9]),
        ("x", [True, False], None),
        ("x", ["auto", "4"], None),
        ("x", ["25 GB/s", "4 TFLOP/s"], None),
        ("x", ["nan", "1"], None),
    ],
)
def test_numbers(name: str, cells: list[Any], expected: list[float | None] | None) -> None:
    assert numbers(name, cells) == expected


def test_labels_name_the_unit() -> None:
    assert column_of("mfu").percent
    assert column_of("breakdown_gemm").label == "matrix kernels (% of the step)"
    assert column_of("memory.bandwidth", ["25 GB/s"]).label == "memory bandwidth (GB/s)"
    assert column_of("memory.bandwidth", ["25 GB/s"]).scale == 1e-9
    assert column_of("stack.sustained", ["82 %"]).percent
    assert column_of("layout.schedule", ["1f1b"]).label == "layout schedule"


def test_every_figure_of_a_sweep_has_a_label() -> None:
    plain = {
        "accelerator",
        "model",
        "model_kind",
        "precision",
        "stack",
        "fits",
        "engine",
        "status",
        "reason",
        "warnings",
        "layout_is",
        *LAYOUT,
    }
    figures = [name for name in ROW_COLUMNS if name not in plain and not name.startswith("breakdown_")]
    assert {name for name in figures if not name.endswith(("_80", "_95"))} <= set(COLUMNS)
