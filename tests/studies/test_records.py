"""Which published run may be held against a figure, and how it is counted."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from clustersim.inputs.catalog import document, load, names
from clustersim.inputs.precisions import Precision
from clustersim.studies.published import COMPARABLE, WORDS, Record, best_published, published_series, training_records

RECORDS = training_records()


def record(**changes: Any) -> Record:
    values: dict[str, Any] = {
        "id": "x",
        "accelerator": "chip",
        "label": "somebody",
        "kind": "dense",
        "devices": 64,
        "sequence_length": 2048,
        "convention": "full",
        "flops": 150e12,
    }
    return Record(**(values | changes))


def best(
    *records: Record,
    kind: str = "dense",
    convention: str = "full",
    longest: int = 4096,
    devices: int = 64,
    more_than: int = 8,
    **how: Any,
) -> Any:
    sizes = {"longest_sequence": longest, "devices": devices, "more_than": more_than, **how}
    return best_published(records, "chip", kind, convention, **sizes)


def test_every_series_gives_a_record_a_number_of_devices() -> None:
    series = document("records", "published-mfu")["series"]
    assert len(RECORDS) == sum(len(row["mfu_by_devices"]["value"]) for row in series)
    megascale = next(found for found in RECORDS if found.id == "megascale-175b" and found.devices == 256)
    assert megascale.flops == pytest.approx(203.7e12, rel=1e-3)
    assert megascale.accelerator == "NVIDIA A100 SXM4 80GB"
    assert (megascale.kind, megascale.convention) == ("dense", "unstated")


def test_the_catalogs_records_are_well_formed() -> None:
    ids = [row["id"] for row in document("records", "published-mfu")["series"]]
    assert len(set(ids)) == len(ids)
    assert len(published_series(ids)) == len(ids), "every series can be drawn"
    chips = {load("accelerators", name).name: load("accelerators", name) for name in names("accelerators")}
    for found in RECORDS:
        assert found.kind in ("dense", "moe")
        assert found.convention in WORDS
        assert found.precision in {*get_args(Precision), "unstated"}
        assert 0 < found.flops < chips[found.accelerator].kernels.best_rate * chips[found.accelerator].base_peak
        assert found.kind == "moe" or not found.per_token or found.per_token["6N"] < found.per_token["causal"]


def test_the_known_records_of_a_chip() -> None:
    a100 = best_published(
        RECORDS, "NVIDIA A100 SXM4 80GB", "dense", "full", longest_sequence=8192, devices=16, more_than=8
    )
    assert a100 is not None
    assert a100.flops / 312e12 == pytest.approx(0.653)
    assert a100.described == "204 TFLOP/s (convention unstated), MegaScale, GPT 175B (dense), 256 devices"
    one_node = best_published(
        RECORDS, "NVIDIA A100 SXM4 80GB", "dense", "full", longest_sequence=8192, devices=16, more_than=0
    )
    assert one_node is not None
    assert one_node.flops / 312e12 == pytest.approx(0.72)
    ascend = best_published(RECORDS, "Ascend 910B2", "moe", "full", longest_sequence=8192, devices=16, more_than=8)
    assert ascend is not None
    assert ascend.flops == pytest.approx(117e12, rel=2e-3)


def test_a_known_model_is_recounted() -> None:
    ascend = best_published(RECORDS, "Ascend 910B2", "moe", "causal", longest_sequence=8192, devices=16, more_than=8)
    assert ascend is not None
    assert ascend.flops == pytest.approx(117e12 * 72 / 87, rel=0.02), "the source's rates recount to 87 full, 72 causal"
    assert "(causal attention, recounted from full attention)" in ascend.described
    v3 = next(found for found in RECORDS if found.id == "deepseek-v3-6n")
    assert v3.flops_by("full") == pytest.approx(432e12, rel=0.02), "43.7 % of 989 (recalled)"


def test_a_record_counts_no_more_than_the_figure_it_is_held_against() -> None:
    held = {
        convention: [own for own in WORDS if record(convention=own).flops_by(convention) is not None]
        for convention in COMPARABLE
    }
    assert held == {
        "full": ["full", "causal", "6N", "unstated"],
        "causal": ["causal", "6N", "unstated"],
        "6N": ["6N", "unstated"],
        "hardware": list(WORDS),
    }
    assert record(convention="6N").counted_by("full") == "6N"


def test_the_highest_of_the_same_kind_and_of_another_only_without_one() -> None:
    dense, moe = record(flops=100e12), record(kind="moe", flops=300e12)
    assert best(dense, record(flops=90e12), moe).flops == 100e12
    found = best(moe)
    assert (found.flops, found.same_kind) == (300e12, False)


def test_runs_of_the_very_model_come_before_those_of_its_kind() -> None:
    own, other = record(id="own", flops=100e12, model="Qwen2-57B-A14B"), record(flops=300e12, model="Mixtral-8x22B")
    found = best(own, other, model="qwen2_57b_a14b")
    assert (found.flops, found.same_model, found.groups) == (100e12, True, 1)
    assert (best(own, other).flops, best(own, other, model="dbrx").same_model) == (300e12, False)
    assert best(own, record(kind="moe", flops=300e12, model="Qwen2-57B-A14B"), model="Qwen2-57B-A14B").flops == 100e12
    assert best(own, other, at_most=200e12).flops == 100e12
    assert best(other, at_most=200e12) is None
    assert {each.model for each in RECORDS} >= {"GPT-3-175B", "Llama-3.1-405B", ""}


@pytest.mark.parametrize(
    "changes", [{"accelerator": "other"}, {"sequence_length": 8192}, {"devices": 8}, {"convention": "hardware"}]
)
def test_what_cannot_be_compared_is_left_out(changes: dict[str, Any]) -> None:
    assert best(record(**changes)) is None
    assert best(record(**changes), record(flops=1e12)).flops == 1e12


def test_runs_on_far_smaller_clusters_are_left_out_unless_there_are_no_others() -> None:
    small, large = record(devices=64, flops=200e12), record(id="y", devices=4096, flops=100e12)
    assert best(small, large, devices=4096).flops == 200e12
    assert best(small, large, devices=8192).flops == 100e12
    assert best(small, devices=8192).flops == 200e12
    assert [best(small, large).groups, best(small, record(kind="moe")).groups] == [2, 1]
