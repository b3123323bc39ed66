"""Published peaks: rows read by the meaning of their words, simulated, and summed up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clustersim.studies.measured.csv_cells import CsvRow, read_rows
from clustersim.studies.measured.memory_runs import memory_run
from clustersim.studies.validation.memory_runs import (
    packaged_peaks,
    spreads_of,
    validate_memory_runs,
    validate_peak,
)

ROWS = {row["id"]: row for row in read_rows(packaged_peaks(), ("id",))}
KEYS = {
    "id",
    "status",
    "reason",
    "measured_gib",
    "predicted_gib",
    "interval_80",
    "interval_95",
    "fit_probability",
}


@pytest.mark.parametrize(
    ("id_", "most"),
    [
        ("tt24-t1-FSDP+compile", 0.08),
        ("tt26-l3-BF16", 0.08),
        ("tt24-t6-cp1", 0.08),
        ("mcore-gpt3_7b_tp4_pp1_memory_speed-dev_dgx_h100", 0.05),
        ("mb-moonlight-moe_act", 0.05),
        ("litgpt-52", 0.08),
        ("litgpt-114", 0.08),
        ("fms-a100_80gb-34", 0.03),
        ("fms-a100_80gb-58", 0.05),
    ],
)
def test_published_peaks_are_met(id_: str, most: float) -> None:
    row = validate_peak(ROWS[id_])
    assert row.status == "simulated"
    assert row.error is not None
    assert abs(row.error) <= most


@pytest.mark.parametrize("id_", [key for key, row in ROWS.items() if row["kind"] == "oom" and "litgpt" in key])
def test_what_ran_out_of_memory_is_not_likely_to_fit(id_: str) -> None:
    row = validate_peak(ROWS[id_])
    assert row.outcome == "oom"
    assert row.fit_probability is not None
    assert row.fit_probability <= 0.5


def test_an_unknown_framework_is_read_as_its_nearest_kin() -> None:
    run = memory_run(ROWS["fms-a100_80gb-34"] | {"framework": "homegrown"})
    assert run.mapping["stack"] == "hf-trainer-2024"
    assert any("homegrown is not known" in note for note in run.notes)
    cut = memory_run(ROWS["mb-moonlight-none"] | {"framework": "homegrown"})
    assert cut.mapping["stack"] == "megatron-core-2025"


def test_the_budget_wins_over_the_chip() -> None:
    tight: CsvRow = ROWS["fms-a100_80gb-34"] | {"capacity_gib": "24"}
    loose = validate_peak(ROWS["fms-a100_80gb-34"])
    assert (loose.fit_probability or 0.0) > 0.95
    assert (validate_peak(tight).fit_probability or 0.0) < 0.5
    unnamed = validate_peak(tight | {"accelerator": ""})
    assert unnamed.fit_probability == pytest.approx(validate_peak(tight).fit_probability, abs=0.05)


def test_words_of_sources() -> None:
    run = memory_run(ROWS["fms-a100_80gb-34"] | {"precision": "bf16 + 4-bit base", "trainable": "lora r=32"})
    training = run.mapping["training"]
    assert training["base_precision"] == "nf4-double"
    assert training["trainable"]["lora"]["rank"] == 32
    assert "master_weights" not in training
    words = memory_run(ROWS["mb-l70-mlp+core_attn"]).mapping
    assert words["layout"]["recompute"] == "selective"
    assert words["stack"]["selective_recompute"] == ["feed_forward", "core_attention"]


def test_a_row_that_says_nothing_is_refused() -> None:
    row = validate_peak(ROWS["mb-q30-off0%"])
    assert row.status == "refused"
    assert "neither devices" in row.reason


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("id,model,framework,capacity_gib,measured_gib,trainable\nmine,llama-3.1-8b,TRL,80,30,lora\n")
    document = validate_memory_runs(path).to_dict()
    assert set(document["rows"][0]) >= KEYS
    assert document["rows"][0]["status"] == "simulated"
    assert document["summary"]["overall"]["rows"] == 1


@pytest.mark.slow
def test_all_packaged_peaks() -> None:
    report = validate_memory_runs()
    overall = report.overall
    assert overall.simulated >= 0.9 * overall.rows
    assert (overall.median_absolute or 1.0) <= 0.05
    assert 0.7 <= (overall.covered or 0.0) <= 0.9
    packaged = json.loads(packaged_peaks().with_name("memory_evidence.json").read_text(encoding="utf-8"))
    assert spreads_of(report.rows) == packaged
