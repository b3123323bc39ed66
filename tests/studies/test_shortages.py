"""Why rows ran that are predicted not to fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clustersim.inputs.load import load_scenario
from clustersim.simulation.step.step import simulate_step
from clustersim.studies.measured.csv_cells import CsvRow, read_rows, text
from clustersim.studies.measured.runs import measured_run
from clustersim.studies.validation.shortages import explained_shortage
from clustersim.studies.validation.validation import packaged_rows

ROWS = {text(row, "id"): row for row in read_rows(packaged_rows())}


def explained(row: CsvRow) -> str:
    scenario = load_scenario(measured_run(row).mapping)
    return explained_shortage(row, scenario, simulate_step(scenario).memory)


@pytest.mark.parametrize(
    ("row", "cells", "words"),
    [
        ("bridge-26.04.01-archive-L201", {}, "what the source leaves open: layout.offload={layers: "),
        ("ascend-mixtral-8x22b-8x8-239-a2", {"recompute": "none"}, "leaves open: layout.offload=activations"),
        ("ascend-mixtral-8x22b-8x8-239-a2", {}, ""),
        ("ascend-qwen2.5-3b-1x8-3704-a2", {}, "can't have run with what the source states"),
    ],
)
def test_rows_that_ran_are_explained(row: str, cells: dict[str, str], words: str) -> None:
    found = explained({**ROWS[row], **cells})
    assert words in found
    assert bool(found) == bool(words)


def test_what_fits_needs_no_explanation_and_what_nearly_fits_is_said_to() -> None:
    row = dict(ROWS["bridge-26.04.01-archive-L201"])
    assert explained(row | {"recompute": "full"}) == ""
    scenario = load_scenario(measured_run(row | {"recompute": "full"}).mapping)
    memory = simulate_step(scenario).memory
    tight = replace(memory, usable_bytes=memory.peak_bytes / 1.02)
    assert explained_shortage(row, scenario, tight).endswith(
        "2 % more memory than there is: within the prediction's error"
    )


def test_a_row_that_nothing_makes_fit_says_so() -> None:
    row = dict(ROWS["ascend-qwen2.5-3b-1x8-3704-a2"]) | {"micro_batch": "16", "layers": "36", "hidden": "16384"}
    row |= {"heads": "128", "kv_heads": "128", "head_dim": "128", "ffn_hidden": "65536"}
    assert "whatever recomputation" in explained(row)
