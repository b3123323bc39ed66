"""Predictions beside what was published: above every run of a chip and kind, or not."""

from __future__ import annotations

from dataclasses import replace

import pytest

import clustersim as cs
from clustersim.inputs.search_path import slug
from clustersim.simulation.result_row import step_row
from clustersim.studies.measured.above_published import Reached, above_published, above_runs, row_above_published
from clustersim.studies.measured.records import chip_name, measured_chips, measured_records
from clustersim.studies.published import training_records

A100 = "NVIDIA A100 SXM4 80GB"
H100 = "NVIDIA H100 SXM5 80GB"
BASE = 312e12
HALF = ("bf16", "fp16", "unstated")


def reached(mfu: float, **changes: object) -> Reached:
    return replace(Reached(A100, "dense", "bf16", mfu, mfu, BASE), **changes)  # type: ignore[arg-type]


def best_causal(chip: str, kind: str, base: float) -> float:
    """Over all records, none left out for another of its group: what the shortcut must agree with."""
    return max(
        (record.flops_by("causal") or record.flops) / base
        for record in (*measured_records(chip), *training_records())
        if (record.accelerator, record.kind) == (chip, kind) and record.precision in HALF
    )


def test_the_edge_is_the_best_measured_run() -> None:
    best = best_causal(A100, "dense", BASE)
    above = above_runs(reached(best + 1e-6))
    assert above is not None
    assert above.best_mfu == pytest.approx(best)
    assert above_runs(reached(best - 1e-6)) is None
    assert above.runs > len([record for record in measured_records(A100) if record.kind == "dense"])
    assert f"published runs of dense models on {A100}: " in above.words


def test_kinds_and_chips_stand_apart() -> None:
    h100 = {"accelerator": H100, "base": 989.4e12}
    experts = best_causal(H100, "moe", 989.4e12)
    assert experts < best_causal(H100, "dense", 989.4e12)
    assert above_runs(reached(experts + 1e-6, kind="moe", **h100)) is not None
    assert above_runs(reached(experts - 1e-6, kind="moe", **h100)) is None
    assert above_runs(reached(experts + 1e-6, **h100)) is None
    assert above_runs(reached(0.99, accelerator="nobody's chip")) is None


def test_fewer_bits_are_held_against_their_own_runs_or_it_is_said() -> None:
    above = above_runs(reached(0.99, precision="fp8"))
    assert above is not None
    assert above.precision == "16 bits"
    assert "all in 16 bits" in above.words
    dense = above_runs(reached(0.99, accelerator=H100, precision="fp8", base=989.4e12))
    assert dense is None or not dense.precision


@pytest.mark.parametrize("chip", measured_chips())
def test_every_measured_chip_is_found_by_its_name(chip: str) -> None:
    assert set(slug(chip_name(chip)).split("-")) & set(chip.split("-"))
    found = [
        above_runs(reached(5.0, accelerator=chip_name(chip), kind=kind, precision=bits))
        for kind in ("dense", "moe")
        for bits in ("bf16", "fp8", "mxfp8", "nvfp4")
    ]
    assert any(found)


def test_a_row_of_a_sweep_says_the_same_as_its_step() -> None:
    step = cs.simulate_step(cs.load_scenario("gpt3_175b_a100"))
    assert above_published(step) is None
    assert row_above_published(step_row(step)) is None
    fast = replace(step, mfu=0.9, mfu_causal=0.89, model_flops=step.model_flops * 0.9 / step.mfu)
    above, by_row = above_published(fast), row_above_published(step_row(fast))
    assert above is not None
    assert by_row is not None
    assert by_row.words == above.words
    read = {name: str(cell) for name, cell in step_row(fast).items()}  # as from a CSV file
    assert row_above_published(read) is not None
    del read["model_kind"]  # of a version that had no such column
    assert row_above_published(read) is None
