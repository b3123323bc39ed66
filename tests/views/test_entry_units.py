"""Numbers of the catalog say what they count."""

from __future__ import annotations

import pytest

from clustersim.inputs.catalog import names, sections
from clustersim.views.console import plain_text
from clustersim.views.entry_table import entry_values, entry_view
from clustersim.views.entry_units import NUMBER, with_unit

NAMES = {"year", "release"}  # of a release, of a chip: numbers that count nothing


@pytest.mark.parametrize("section", sections())
def test_every_number_has_its_unit(section: str) -> None:
    bare = {
        value.key
        for name in names(section)
        for value in entry_values(section, name)
        if NUMBER.fullmatch(with_unit(section, value.key, value.value))
    }
    assert {key for key in bare if not key.startswith("background.")} <= NAMES


@pytest.mark.parametrize(
    ("section", "key", "text", "told"),
    [
        ("accelerators", "kernels.gemm_ceiling", "0.803", "80.3 %"),
        ("accelerators", "kernels.gemm_small", "3000000000.0", "3e+09 multiply-adds"),
        ("accelerators", "memory.capacity", "80 GiB", "80 GiB"),
        ("nodes", "scale_up.efficiency", "0.88", "88 %"),
        ("models", "layers", "96", "96 layers"),
        ("stacks", "overlap_slowdown", "0.1817", "18.17 %"),
        ("serving-stacks", "decode.all_to_all.combine.measured[2].ranks", "64", "64 devices"),
        ("models", "year", "2024", "2024"),
        ("prices", "anything.at_all", "3", "3"),
    ],
)
def test_what_a_number_counts(section: str, key: str, text: str, told: str) -> None:
    assert with_unit(section, key, text) == told


def test_show_prints_them() -> None:
    text = plain_text(entry_view("nodes", "dgx-h100"))
    assert "8 devices" in text
    assert "88 %" in text
