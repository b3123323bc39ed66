"""The packaged residuals, recomputed for a few groups; the family of stacks; what `make calibrate` writes."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections import defaultdict
from pathlib import Path
from statistics import mean

import pytest

from clustersim.inputs.catalog import load, names
from clustersim.simulation.evidence import evidence
from clustersim.studies.calibration.held_out import SHRINKING, LeftOut, left_out, shortfall
from clustersim.studies.calibration.lineage import children, family, family_of
from clustersim.studies.calibration.parameters import PARAMETERS
from clustersim.studies.calibration.refit_catalog import remake, stack_spreads
from clustersim.studies.calibration.stack_fits import FamilyFit
from clustersim.studies.measured.csv_cells import read_rows
from clustersim.studies.validation.summaries import LEVELS, two_standard_errors
from clustersim.studies.validation.validation import packaged_rows

SOURCES = ("korthikanti2022-via-calculon", "simumax-b200")
PARENTS = (
    "moe-folding-2504.14960",
)  # rows of stacks that those extend; without any, a parent is fitted to its children
ROWS = [row for row in read_rows(packaged_rows()) if row["source"] in SOURCES]
MOST_FITTED = 12


def packaged() -> list[dict[str, str]]:
    with packaged_rows().with_name("left_out.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_parents_come_before_children_and_few_numbers_are_fitted() -> None:
    order = list(family())
    assert order.index("megatron-lm-2022") < order.index("megatron-lm-2023") < order.index("composer-fsdp-2023")
    assert "megatron-lm-2023" in children("megatron-lm-2022")
    fitted = {slug: member.fitted for slug, member in family().items() if member.fitted}
    assert set(fitted) >= {"composer-fsdp-2023", "mindspeed-llm-2024"}
    assert all(len(numbers) <= MOST_FITTED for numbers in fitted.values())


def test_fitted_numbers_are_within_physical_bounds() -> None:
    for slug in names("stacks"):
        for parameter in PARAMETERS:
            value = getattr(load("stacks", slug), parameter.name)
            assert parameter.low - 1e-9 <= value <= parameter.high + 1e-9, (slug, parameter.name)


def test_packaged_residuals_cover_what_intervals_say() -> None:
    """Groups of runs weighing alike: 75 to 85 % within the 80 % interval, 92 to 98 % within the 95 %."""
    inside: dict[str, dict[tuple[str, str], list[bool]]] = {"80": defaultdict(list), "95": defaultdict(list)}
    for row in packaged():
        spread = load("stacks", row["stack"]).residual.spread
        for level, groups in inside.items():
            width = evidence().quantiles[level] * spread
            groups[row["stack"], row["group"]].append(abs(float(row["group_out"])) <= width)
    covered = {
        level: sum(sum(hits) / len(hits) for hits in groups.values()) / len(groups) for level, groups in inside.items()
    }
    assert 0.75 <= covered["80"] <= 0.85
    assert 0.92 <= covered["95"] <= 0.98


def test_coverage_on_every_chip_is_within_two_standard_errors() -> None:
    """Groups of runs weighing alike, and counted as the trials, for the rows of one err alike."""
    inside: dict[tuple[str, str], dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for row in packaged():
        spread = load("stacks", row["stack"]).residual.spread
        for level, width in evidence().quantiles.items():
            inside[level, row["accelerator"]][row["group"]].append(abs(float(row["group_out"])) <= width * spread)
    assert len({chip for _, chip in inside}) == 8
    for (level, chip), groups in inside.items():
        covered = sum(sum(hits) / len(hits) for hits in groups.values()) / len(groups)
        allowed = two_standard_errors(LEVELS[level], len(groups))
        assert abs(covered - LEVELS[level]) <= allowed + 1e-9, (chip, level, covered)


def test_stacks_without_runs_fall_short_of_their_parents_and_no_others() -> None:
    measured = {row["stack"] for row in packaged()}
    falls = {slug: load("stacks", slug).residual.shortfall for slug in names("stacks") if family_of(slug) == slug}
    assert all(falls[slug] == 0.0 for slug in measured)
    assert (
        len({falls[slug] for slug in falls if slug not in measured and "nvidia" in load("stacks", slug).vendors}) == 1
    )
    assert all(0.0 <= fall < 0.1 for fall in falls.values())


@pytest.mark.slow
def test_packaged_residuals_are_what_the_fits_give() -> None:
    """Two sources anew, and their parents' rows: to what numbers of grandparents written in four digits move.

    That is more where a group is held out: half of B200's 28 rows tell its eight numbers badly.
    """
    fits = FamilyFit(row for row in read_rows(packaged_rows()) if row["source"] in SOURCES + PARENTS)
    fits.run()
    told = {row["id"]: row for row in packaged()}
    for found in left_out(fits):
        cells = found.cells()
        for column, digits in (("in_sample", 0.015), ("group_out", 0.03)):
            assert cells[column] == pytest.approx(float(told[found.row.run.id][column]), abs=digits), found.row.run.id


@pytest.mark.slow
def test_a_source_is_predicted_by_what_the_others_fell_short_of() -> None:
    fits = FamilyFit(ROWS)
    fits.run()
    found = left_out(fits)
    missed = {
        source: mean(
            row.inherited for row in found if row.row.run.source == source and row.row.run.quality == "complete"
        )
        for source in SOURCES
    }
    for source, other in (SOURCES, SOURCES[::-1]):
        expected = max(0.0, math.expm1(missed[other] / (1 + SHRINKING)))
        assert shortfall(found, "nvidia", source) == pytest.approx(expected)
        row = next(row for row in found if row.row.run.source == source)
        assert row.source_out == pytest.approx(row.inherited - math.log1p(expected))


@pytest.mark.slow
def test_remaking_writes_stacks_residuals_and_evidence(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    (catalog / "measured").mkdir(parents=True)
    for folder in ("stacks", "accelerators"):
        shutil.copytree(packaged_rows().parents[1] / folder, catalog / folder)
    found = remake([row for row in ROWS if row["source"].startswith("korthikanti")], catalog)
    text = (catalog / "stacks" / "megatron-lm-2022.yaml").read_text(encoding="utf-8")
    assert "Fitted to 4 measured runs in 2 groups" in text
    assert "4 measured runs in 2 groups (korthikanti2022-via-calculon), each group held out in turn" in text
    assert len((catalog / "measured" / "left_out.csv").read_text(encoding="utf-8").splitlines()) == 1 + len(found)
    document = json.loads((catalog / "measured" / "evidence.json").read_text(encoding="utf-8"))
    assert document["stacks"]["Megatron-LM (2022)"]["groups"] == 2
    assert 0.0 < document["quantiles"]["80"] <= document["quantiles"]["95"]


def test_a_stack_without_runs_takes_what_was_missed_by_inheritance() -> None:
    found = [row for row in _residuals() if row.stack == "megatron-lm-2022"]
    spreads = stack_spreads(found)
    own, words = spreads["megatron-lm-2022"]
    assert "in 2 groups" in words
    assert own == pytest.approx(math.sqrt(math.pi / 2) * 0.02)
    other, words = spreads["torchtitan-2025"]
    assert "inheritance alone" in words
    assert other == pytest.approx(math.sqrt(math.pi / 2) * 0.1)


def _residuals() -> list[LeftOut]:
    fits = FamilyFit([row for row in ROWS if row["source"].startswith("korthikanti")])
    return [LeftOut(row, slug, 0.01, 0.02, 0.1, 0.15) for slug, rows in fits.predictors.items() for row in rows.rows]
