"""An MFU above what any kernel of the chip reached says why."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from builders import accelerator, gpt, scenario

from clustersim.inputs.catalog import load, names
from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.kernel_bound import SLACK, USUAL_TIMES, above_best_kernel
from clustersim.simulation.run import simulate_run
from clustersim.studies.sweeps.sweep import run_sweep
from clustersim.views.console import print_page
from clustersim.views.sweep_table import sweep_view


def with_chip(precision: str = "bf16", **peak: float) -> Scenario:
    """Kernels reach 80 % of the 16-bit peak of 100 TFLOP/s."""
    kernels = accelerator().kernels.model_copy(update={"gemm_ceiling": 0.8})
    chip = accelerator(peak={"bf16": 100e12, "fp8": 200e12} | peak, kernels=kernels)
    here = scenario(model=gpt(layers=4, hidden=1024, heads=16, kv_heads=16), precision=precision)
    node = here.cluster.node.model_copy(update={"accelerator": chip})
    return here.model_copy(update={"cluster": here.cluster.model_copy(update={"node": node})})


@pytest.mark.parametrize(
    ("precision", "peak", "mfu", "causal", "words"),
    [
        ("bf16", {}, 0.80, 0.80, None),
        ("bf16", {}, 0.81, 0.70, "counts attention in full, of which the causal half is computed (70 % causal)"),
        ("bf16", {}, 0.81, 0.81, "no kernels could give that: peak.bf16 and what the step's products reach"),
        ("fp8", {}, 0.81, 0.81, "products run in fp8, at 2 times the 16-bit peak of 100 TFLOP/s"),
        ("fp8", {}, 1.70, 1.70, "no kernels could give that"),
        ("fp8", {"fp8": 400e12}, 0.81, 0.81, "peak.fp8 and peak.bf16 hardly go together: a chip has at most 2 times"),
    ],
)
def test_what_is_said(precision: str, peak: dict[str, float], mfu: float, causal: float, words: str | None) -> None:
    said = above_best_kernel(with_chip(precision, **peak), mfu, causal)
    if words is None:
        assert said == ()
    else:
        assert said[0].startswith(f"MFU {100 * mfu:g} % is above the best 16-bit kernel measured on this chip (80 %): ")
        assert words in said[0]


def test_few_chips_of_the_catalog_have_more_times_their_16_bit_peak() -> None:
    chips = {name: load("accelerators", name) for name in names("accelerators")}
    most = {
        name
        for name, chip in chips.items()
        for precision, peak in chip.peak.items()
        if peak > SLACK * USUAL_TIMES.get(precision, 1.0) * chip.base_peak
    }
    assert most == {"rubin", "trainium3"}


def half(fp8: str | None) -> dict[str, Any]:
    """An H100 of half the bf16 peak; unless fp8 is stated, it follows."""
    peak = {"bf16": "494 TFLOP/s"} | ({} if fp8 is None else {"fp8": fp8})
    return {
        "name": "half",
        "model": "llama-3.1-8b",
        "cluster": {"node": {"extends": "dgx-h100", "accelerator": {"peak": peak}}, "nodes": 1},
        "training": {"sequence_length": 4096, "global_batch": 64, "precision": "fp8"},
        "layout": {"micro_batch": 1, "sharding": "zero1"},
        "stack": "megatron-core-2024",
    }


def test_half_an_h100_in_fp8() -> None:
    """128.5 % of MFU came out without a word where fp8 kept its peak; with half of that, below what fp8 can give."""
    follows, keeps = (simulate_run(load_scenario(half(fp8))) for fp8 in (None, "1979 TFLOP/s"))
    chip = follows.step.scenario.cluster.accelerator
    assert follows.step.mfu < chip.kernels.best_rate * chip.peak["fp8"] / chip.base_peak
    assert "products run in fp8, at 2 times" in follows.to_dict()["notes"][0]
    assert keeps.step.mfu > 1.2
    assert "peak.fp8 and peak.bf16 hardly go together" in keeps.to_dict()["notes"][0]
    assert (
        "cluster.node.accelerator: peak.fp32, peak.tf32 and peak.fp16 follow peak.bf16 (x 0.4995)"
        in (keeps.to_dict()["notes"])
    )


def test_sweeps_show_it_beside_their_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points = {"training.precision": ["bf16", "fp8"]}
    result = run_sweep({"base": half("1979 TFLOP/s"), "points": points}, output=tmp_path, workers=1)
    assert [bool(row["warnings"]) for row in result.rows] == [False, True]
    print_page(sweep_view(result, ()))
    shown = " ".join(capsys.readouterr().out.split())
    assert re.search(r"1 x MFU 1\d\d(\.\d)? % is above the best 16-bit kernel", shown)
