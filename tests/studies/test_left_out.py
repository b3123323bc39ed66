"""The packaged residuals, recomputed for a few sources; the levels of software; what `make calibrate` writes."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import shutil
from collections import defaultdict
from pathlib import Path
from statistics import mean

import numpy as np
import pytest

from clustersim.inputs.catalog import load, names
from clustersim.inputs.load import load_scenario
from clustersim.simulation.evidence import evidence
from clustersim.studies.calibration.held_out import LeftOut, left_out
from clustersim.studies.calibration.lineage import levels, members
from clustersim.studies.calibration.parameters import PARAMETERS
from clustersim.studies.calibration.predictor import FitRow
from clustersim.studies.calibration.refit_catalog import remake
from clustersim.studies.calibration.stack_fits import FamilyFit
from clustersim.studies.calibration.strangers import (
    class_of,
    conformal_widths,
    evenly_covering,
    nested_coverage,
    stranger_spreads,
    trait_variances,
)
from clustersim.studies.measured.csv_cells import read_rows
from clustersim.studies.measured.runs import measured_run
from clustersim.studies.validation.validation import packaged_rows

SOURCES = ("korthikanti2022-via-calculon", "simumax-b200")
ROWS = [row for row in read_rows(packaged_rows()) if row["source"] in SOURCES]
MOST_FITTED = 12


def packaged() -> list[dict[str, str]]:
    with packaged_rows().with_name("left_out.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_wider_levels_come_first_and_few_numbers_are_fitted() -> None:
    order = levels()
    assert order.index("vendor nvidia") < order.index("family nvidia megatron-core") < order.index("nemo-2024")
    nemo = members()["nemo-2024"]
    assert nemo.levels == ("vendor nvidia", "family nvidia megatron-core", "nemo-2024")
    assert "attention_share" in members()["composer-fsdp-2023"].stated
    assert all(0 < len(member.fitted) <= MOST_FITTED for member in members().values())


def test_fitted_numbers_are_within_physical_bounds() -> None:
    for slug in names("stacks"):
        for parameter in PARAMETERS:
            value = getattr(load("stacks", slug), parameter.name)
            assert parameter.low - 1e-9 <= value <= parameter.high + 1e-9, (slug, parameter.name)


def _covered(level: str, among: str = "") -> float:
    """Share of rows inside their interval, their source held out, sources counted alike."""
    inside: dict[str, list[bool]] = defaultdict(list)
    rows = {row["id"]: row for row in packaged()}
    spreads = dict(zip(rows, _spreads(list(rows)), strict=True))
    for name, row in rows.items():
        if among in ("", row["experts"]):
            inside[row["source"]].append(abs(float(row["source_out"])) <= evidence().quantiles[level] * spreads[name])
    return mean(mean(hits) for hits in inside.values())


def _spreads(ids: list[str]) -> list[float]:
    from clustersim.simulation.intervals import model_error
    from clustersim.studies.validation.validation import packaged_tables

    cells = {row["id"]: row for table in packaged_tables() for row in read_rows(table)}
    return [model_error(load_scenario(measured_run(cells[name]).mapping)).spread for name in ids]


@pytest.mark.slow
def test_intervals_hold_what_they_say_for_sources_left_out() -> None:
    for level, low, high in (("80", 0.75, 0.85), ("95", 0.92, 0.98)):
        assert low <= _covered(level) <= high, level


@pytest.mark.slow
def test_remaking_writes_stacks_residuals_and_evidence(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    (catalog / "measured").mkdir(parents=True)
    for folder in ("stacks", "accelerators"):
        shutil.copytree(packaged_rows().parents[1] / folder, catalog / folder)
    found = remake(ROWS, catalog)
    text = (catalog / "stacks" / "megatron-lm-2022.yaml").read_text(encoding="utf-8")
    assert "Fitted to 4 measured runs in 2 groups" in text
    other = (catalog / "stacks" / "nemo-2024.yaml").read_text(encoding="utf-8")
    assert "No run of its own: those of its family nvidia megatron-core" in other
    assert len((catalog / "measured" / "left_out.csv").read_text(encoding="utf-8").splitlines()) == 1 + len(found)
    document = json.loads((catalog / "measured" / "evidence.json").read_text(encoding="utf-8"))
    assert document["stacks"]["Megatron-LM (2022)"]["groups"] == 2
    assert 0.0 < document["quantiles"]["80"] <= document["quantiles"]["95"]
    assert all(variance >= 0.0 for variance in document["variances"].values())


@pytest.mark.slow
def test_a_source_left_out_is_predicted_by_the_other_alone() -> None:
    """What is known of a source must not leak into its own prediction."""
    fits = FamilyFit(ROWS)
    fits.run()
    alone = FamilyFit([row for row in ROWS if row["source"] == SOURCES[1]])
    alone.run()
    values = alone.values("megatron-lm-2022")
    for row in left_out(fits):
        if row.row.run.source == SOURCES[0]:
            own = fits.predictors["megatron-lm-2022"]
            at = [each.run.id for each in own.rows].index(row.row.run.id)
            expected = float(own.log_measured()[at] - own.log_predicted(values)[at])
            assert row.source_out == pytest.approx(expected, abs=0.02)


def synthetic(experts: float = 0.2, plain: float = 0.1, sources: int = 40) -> list[LeftOut]:
    """Rows of many sources: each has one error, of known spread by kind, and two rows."""
    rng = np.random.default_rng(11)
    kinds = {}
    for model, chip in (("gpt3-13b", "a100-sxm-80gb"), ("mixtral-8x7b", "h100-sxm-80gb")):
        kinds[model] = load_scenario(
            {
                "model": model,
                "cluster": {"accelerator": chip, "devices": 64},
                "training": {"sequence_length": 2048, "global_batch": 64},
                "layout": {"data": "auto", "sharding": "zero1"},
                "stack": "megatron-core-2025",
            }
        )
    base = FamilyFit([ROWS[0]]).predictors
    run = next(iter(base.values())).rows[0].run
    found = []
    for number in range(sources):
        model, spread = ("mixtral-8x7b", experts) if number % 2 else ("gpt3-13b", plain)
        error = float(rng.normal(scale=spread))
        for _ in range(2):
            row = FitRow(run.__class__(**(vars(run) | {"source": str(number)})), kinds[model], 1.0)
            found.append(LeftOut(row, "megatron-core-2025", error, error, error))
    return found


def test_variances_of_traits_are_recovered_and_widths_hold_their_share() -> None:
    found = synthetic(sources=400)
    variances = trait_variances(found)
    assert variances["any run"] == pytest.approx(0.1**2, rel=0.3)
    assert variances["any run"] + variances["experts"] == pytest.approx(0.2**2, rel=0.3)
    widths = conformal_widths(found, stranger_spreads(found, variances))
    assert widths["80"] == pytest.approx(1.2816, rel=0.1)
    assert widths["95"] == pytest.approx(1.96, rel=0.1)


def test_classes_whose_errors_have_other_tails_are_covered_alike() -> None:
    """Experts that err by as much up or down, all alike: their variance makes an 80 % interval too wide for them."""
    found = [
        dataclasses.replace(row, source_out=math.copysign(0.25, row.source_out)) if row.row.scenario.model.moe else row
        for row in synthetic(sources=400)
    ]
    plain = [row for row in found if not row.row.scenario.model.moe]
    alike = [row for row in found if row.row.scenario.model.moe]
    variances = trait_variances(found)
    evened = evenly_covering(found, variances)
    assert evened["any run"] == variances["any run"]
    width = conformal_widths(plain, stranger_spreads(plain, evened))["80"]
    assert width * stranger_spreads(alike, evened)[0] == pytest.approx(0.25, rel=0.02)
    assert width * stranger_spreads(alike, variances)[0] > 0.29


def test_a_class_of_one_source_keeps_its_variance() -> None:
    found = synthetic(sources=41)
    only = [row for row in found if not row.row.scenario.model.moe]
    only += [row for row in found if row.row.scenario.model.moe][:2]
    assert evenly_covering(only, trait_variances(only)) == trait_variances(only)


def test_coverage_without_the_source_is_that_of_strangers_who_err_alike() -> None:
    nested = nested_coverage(synthetic(sources=60))
    assert set(nested) == {"all", "dense", "experts"}
    for held in nested.values():
        assert held["80"] == pytest.approx(0.80, abs=0.12)
        assert 0.85 < held["95"] <= 1.0


def test_a_run_has_one_class() -> None:
    assert class_of({"any run": 1.0, "fully sharded parameters": 1.0}) == "dense"
    assert class_of({"any run": 1.0, "experts": 1.0}) == "experts"
    assert class_of({"any run": 1.0, "experts": 1.0, "eager software": 1.0}) == "eager software"
