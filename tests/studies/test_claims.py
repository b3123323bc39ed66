"""Whole claims judged: the rumour, controls known to be true, bent ones, and malformed or hostile files."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from clustersim.errors import InfeasibleError, InputError
from clustersim.inputs.load import load_claim
from clustersim.studies.claims.assertion_rows import ClaimContext
from clustersim.studies.claims.equations import Equation
from clustersim.studies.claims.judge import AssertionRow, ClaimReport, check_claim, verdicts_by_figure
from clustersim.studies.claims.outcomes import best_points, feasible
from clustersim.studies.claims.scenarios import possible_settings
from clustersim.studies.published import Record

SMALL: dict[str, Any] = {
    "name": "a small claim",
    "source": {"text": "so it is said", "date": "2025-01-01", "who": "somebody", "reliability": "rumour"},
    "given": {
        "model": "llama-2-7b",
        "cluster": {"node": "dgx-a100-80gb", "nodes": 2},
        "training": {"sequence_length": 2048, "global_batch": 64, "tokens": "1T"},
        "layout": {"tensor": 2, "micro_batch": 2},
        "stack": "megatron-lm-2022",
    },
    "assert": [{"id": "u", "metric": "utilization", "value": "40 %", "definition": "mfu"}],
}


def claim(*assertions: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """The small claim with other assertions, or parts of it changed; keys of `given` by name."""
    made = deepcopy(SMALL)
    made["given"] |= {key: parts.pop(key) for key in list(parts) if key in made["given"]}
    if assertions:
        made["assert"] = [{"id": f"a{number}"} | values for number, values in enumerate(assertions)]
    return made | parts


def rows(report: ClaimReport, name: str, definition: str = "") -> dict[str, AssertionRow]:
    """Rows of one figure by the base that they hang on."""
    found = [row for row in report.assertions if row.id == name and definition in ("", row.definition)]
    return {row.base_name: row for row in found}


def only(report: ClaimReport, name: str) -> AssertionRow:
    (row,) = [row for row in report.assertions if row.id == name]
    return row


@pytest.fixture(scope="module")
def rumour() -> ClaimReport:
    return check_claim("deepseek_r2")


@pytest.mark.slow
class TestTheRumour:
    """DeepSeek R2, April 2025: 82 %, 512 PFLOP/s, 91 % of an A100 cluster, 97.4 % cheaper."""

    def test_as_mfu_it_is_no_better_than_implausible(self, rumour: ClaimReport) -> None:
        assert max(point.step.scenario.training.sequence_length for point in rumour.points) <= 8192
        for definition in ("mfu", "mfu_causal"):
            by_base = rows(rumour, "utilization", definition)
            for base in ("matrix peak", "marketed-cube-plus-vector"):
                row = by_base[base]
                assert row.verdict in ("implausible", "inconsistent", "impossible")
                assert row.counts
                assert row.best_attainable is not None
                assert 0.25 < row.best_attainable < 0.5
                assert row.record is not None
                assert "Pangu Ultra MoE" in row.record
        assert rumour.figures["utilization"] in ("implausible", "inconsistent", "impossible")
        assert rumour.verdict in ("implausible", "inconsistent", "impossible")

    def test_every_meaning_has_a_row(self, rumour: ClaimReport) -> None:
        found = {(row.definition, row.base_name) for row in rumour.assertions if row.id == "utilization"}
        assert {definition for definition, _ in found} == {
            "mfu",
            "mfu_causal",
            "mfu_6n",
            "hfu",
            "gemm_efficiency",
            "busy_any",
            "busy_compute",
            "scaling_efficiency",
            "goodput",
            "ratio",
        }
        assert len([base for definition, base in found if definition == "mfu" and base]) == 6
        busy = rows(rumour, "utilization", "busy_any")["wall clock"]
        assert busy.verdict in ("supported", "plausible")
        assert not busy.counts

    def test_long_sequences_are_shown_and_do_not_count(self, rumour: ClaimReport) -> None:
        """Full attention counts the masked half, so that the two conventions lie further apart than at 8 K."""
        by_length = {
            length: [
                next(row for row in rumour.assertions if row.definition == definition and row.base == base)
                for definition in ("mfu", "mfu_causal")
            ]
            for length, base in (("8 K", "353.9 (matrix peak)"), ("32 K", "353.9 (matrix peak), 32,768 tokens"))
        }
        assert not any(row.counts for row in by_length["32 K"])
        ratio = {
            length: full.best_attainable / causal.best_attainable  # type: ignore[operator]
            for length, (full, causal) in by_length.items()
        }
        assert 1.03 * ratio["8 K"] < ratio["32 K"] < 2

    def test_its_own_numbers_exclude_each_other_on_some_bases(self, rumour: ClaimReport) -> None:
        relations = {equation.base: equation for equation in rumour.contradictions if "a100" in equation.ties}
        verdicts = {base: (round(100 * found.implied), found.verdict) for base, found in relations.items()}
        assert verdicts == {
            "matrix peak": (102, "inconsistent"),
            "quoted-400": (116, "inconsistent"),
            "marketed-cube-plus-vector": (109, "inconsistent"),
            "data-sheet-320": (92, "consistent"),
            "data-sheet-313": (90, "consistent"),
            "data-sheet-280": (81, "consistent"),
        }

    def test_elsewhere_the_a100_cluster_is_judged_beside_its_own_record(self, rumour: ClaimReport) -> None:
        implied = rows(rumour, "a100 implied")
        assert set(implied) == {"data-sheet-320", "data-sheet-313", "data-sheet-280"}
        for row in implied.values():
            assert row.follows_from == "utilization"
            assert row.verdict == "implausible"
            assert row.record is not None
            assert "MegaScale" in row.record
            assert "256 devices" in row.record
        assert implied["data-sheet-280"].claimed == pytest.approx(0.809, abs=1e-3)

    def test_512_petaflops_say_how_many_devices_they_take(self, rumour: ClaimReport) -> None:
        row = only(rumour, "compute")
        assert row.verdict in ("supported", "plausible")
        assert row.reason.startswith("it takes about 4,")
        assert "2,048 to 6,144 were tried" in row.reason
        devices = {
            equation.base: round(equation.implied) for equation in rumour.contradictions if "compute" in equation.ties
        }
        assert devices["matrix peak"] == 1764
        assert devices["data-sheet-280"] == 2230

    def test_the_ratio_and_the_price_are_judged_apart(self, rumour: ClaimReport) -> None:
        ratio = only(rumour, "a100")
        assert ratio.best_attainable is not None
        assert 0.5 < ratio.best_attainable < 1.1
        assert ratio.verdict in ("supported", "plausible", "implausible")
        for other in ("GPT-4", "GPT-4 Turbo", "GPT-4o"):
            assert only(rumour, f"saving on {other}").base == f"list price of {other.lower().replace(' ', '-')}"
            assert "whose serving costs" in only(rumour, f"saving on {other}").reason
        saved = [only(rumour, f"saving on {other}") for other in ("GPT-4", "GPT-4 Turbo", "GPT-4o")]
        chances = [row.probability or 0.0 for row in saved]
        assert chances == sorted(chances, reverse=True), "the lower the list price, the less is left for the cost"
        assert [row.verdict for row in saved[:2]] == ["supported", "supported"]
        assert chances[2] < 0.2
        assert saved[2].best_attainable == pytest.approx(0.96, abs=0.01)
        assert "deepseek-v3's cached input price" in only(rumour, "input price").reason
        assert "deepseek-v3's input price" in only(rumour, "output price").reason

    def test_its_prices_fit_gpt_4o_alone(self, rumour: ClaimReport) -> None:
        prices = {
            (equation.ties[0].removeprefix("saving on "), round(100 * equation.implied, 1)): equation.verdict
            for equation in rumour.contradictions
            if equation.ties[0].startswith("saving on ")
        }
        assert prices == {
            ("GPT-4", 99.8): "informative",
            ("GPT-4", 99.6): "informative",
            ("GPT-4 Turbo", 99.3): "informative",
            ("GPT-4 Turbo", 99.1): "informative",
            ("GPT-4o", 97.2): "consistent",
            ("GPT-4o", 97.3): "consistent",
        }

    def test_its_data_are_not_what_it_was_trained_on(self, rumour: ClaimReport) -> None:
        years = next(equation for equation in rumour.contradictions if equation.equation.endswith("years"))
        assert years.implied == pytest.approx(38, abs=1)
        assert [row.verdict for row in rumour.assertions if row.id == "data"] == ["untestable", "implausible"]
        assert rumour.figures["data"] == "untestable"

    def test_the_report_prints_and_holds_its_seed(self, rumour: ClaimReport) -> None:
        document = json.loads(json.dumps(rumour.to_dict(), allow_nan=False))
        assert document["seed"] == 0
        assert {"assertions", "contradictions", "verdict", "figures", "assumptions"} <= set(document)
        wanted = {"id", "definition", "base", "claimed", "best_attainable", "interval_80", "probability", "record"}
        assert wanted | {"verdict", "reason"} <= set(document["assertions"][0])


def test_the_same_bytes_for_the_same_seed_and_any_number_of_workers() -> None:
    from concurrent.futures import ThreadPoolExecutor

    opened = claim(open={"cluster.nodes": [1, 2, 4], "training.sequence_length": [1024, 2048]})
    plain = json.dumps(check_claim(opened, seed=3).to_dict())
    with ThreadPoolExecutor(3) as executor:
        assert json.dumps(check_claim(opened, seed=3, executor=executor).to_dict()) == plain
    assert json.loads(plain)["seed"] == 3
    assert {point["seed"] for point in json.loads(plain)["points"]} == {3}


def test_points_come_in_the_order_of_what_is_open_and_progress_is_told() -> None:
    seen: list[tuple[int, int]] = []
    opened = claim(open={"cluster.nodes": [1, 2], "training.sequence_length": [1024, 2048]})
    report = check_claim(opened, progress=lambda done, of: seen.append((done, of)))
    steps = [(point.step.devices, point.step.scenario.training.sequence_length) for point in report.points]
    assert steps == [(8, 1024), (8, 2048), (16, 1024), (16, 2048)]
    assert seen == [(number, 4) for number in range(1, 5)]


def test_a_layout_left_open_is_searched() -> None:
    stated = claim(cluster={"node": "dgx-a100-80gb", "nodes": 1})
    searched = deepcopy(stated)
    del searched["given"]["layout"]
    report, stated = check_claim(searched | {"open": {"layout": "search"}}), check_claim(stated)
    assert report.points[0].step.step_time_s < stated.points[0].step.step_time_s


def test_a_stated_definition_counts_alone() -> None:
    report = check_claim(claim({"metric": "utilization", "value": 0.3, "definition": "mfu_causal"}))
    assert [row.definition for row in report.assertions if row.counts] == ["mfu_causal"]
    busy = check_claim(claim({"metric": "utilization", "value": 0.3, "definition": "busy_any"}))
    assert [row.definition for row in busy.assertions if row.counts] == ["busy_any"]
    assert busy.verdict == "supported"


def test_a_stated_base_counts_alone() -> None:
    on_910b: dict[str, Any] = {"cluster": {"accelerator": "ascend-910b", "nodes": 1}, "stack": "mindspeed-llm-2024"}
    based = {"metric": "utilization", "value": 0.4, "base": "data-sheet-280"}
    report = check_claim(claim(based, **on_910b))
    assert [(row.definition, row.base) for row in report.assertions if row.counts] == [
        ("mfu", "280 (data-sheet-280)"),
        ("mfu_causal", "280 (data-sheet-280)"),
        ("mfu_6n", "280 (data-sheet-280)"),
    ]
    with pytest.raises(InputError, match='Ascend 910B2 has no peak "data-sheet-28"') as caught:
        check_claim(claim(based | {"base": "data-sheet-28"}, **on_910b))
    assert "Did you mean" in str(caught.value)


def test_a_ratio_without_another_system_is_untestable() -> None:
    report = check_claim(claim({"metric": "utilization", "value": 0.9, "definition": "ratio"}))
    assert report.figures == {"a0": "untestable"}


def test_chips_left_open_have_their_own_peaks() -> None:
    opened = {"cluster.node": ["dgx-a100-80gb", "dgx-h100"]}
    share = {"metric": "utilization", "value": "45 %", "definition": "mfu"}
    given = {key: value for key, value in SMALL["given"].items() if key != "stack"} | {"cluster": {"nodes": 2}}
    row = only_counting(check_claim(claim(share, given=given, open=opened)))
    assert row.best_attainable is not None
    assert row.best_attainable < 0.7, "an H100's rate isn't a share of an A100's peak"


def test_an_equality_of_utilization_is_granted_its_tolerance() -> None:
    boast = {"metric": "utilization", "value": 0.653 * 1.02, "definition": "mfu"}  # just past MegaScale's
    probabilities = [
        only_counting(check_claim(claim(boast | how, layout="search"))).probability or 0.0
        for how in ({}, {"op": "==", "tolerance": 0.05})
    ]
    assert probabilities[0] < 0.5 < probabilities[1]


def only_counting(report: ClaimReport) -> AssertionRow:
    (row,) = [row for row in report.assertions if row.counts]
    return row


def test_total_flops_on_a_stated_cluster() -> None:
    report = check_claim(claim({"metric": "achieved_flops", "value": "2 PFLOP/s"}))
    row = only(report, "a0")
    assert row.best_attainable == pytest.approx(report.points[0].step.achieved_flops, rel=0.1)
    assert row.reason.startswith("it takes 125 TFLOP/s on each of the 16 devices, and the best layouts reach ")
    past = only(check_claim(claim({"metric": "achieved_flops", "value": "5 PFLOP/s"})), "a0")
    assert past.verdict == "impossible", "16 x 312 TFLOP/s are 4.99 PFLOP/s"
    assert "best measured kernel" in past.reason


def test_total_flops_on_clusters_left_open() -> None:
    opened = {"open": {"cluster.nodes": [1, 2]}}
    assertion = {"metric": "achieved_flops", "op": "==", "tolerance": "5 %"}
    within = only(check_claim(claim(assertion | {"value": "1.2 PFLOP/s"}, **opened)), "a0")
    assert within.verdict == "supported"
    assert within.reason.endswith("of the best layouts, and 8 to 16 were tried")
    larger = only(check_claim(claim(assertion | {"value": "3.6 PFLOP/s"}, open={"cluster.nodes": [1, 2, 3, 4]})), "a0")
    assert larger.probability == pytest.approx(1 / 3, abs=0.08), "three nodes don't divide the batch: it takes all four"
    beyond = only(check_claim(claim(assertion | {"value": "4.4 PFLOP/s"}, **opened)), "a0")
    assert beyond.verdict == "implausible"
    assert "more than the 16 of the largest cluster left open" in beyond.reason


def test_times_rates_and_costs() -> None:
    point = check_claim(claim()).points[0]
    figures = {
        "step_time_s": point.step.step_time_s,
        "tokens_per_s": point.step.tokens_per_s,
        "training_days": point.training_days,
        "device_hours": point.device_hours,
        "cost_usd": point.cost_usd,
    }
    for metric, value in figures.items():
        assert value is not None
        more = 0.5 if metric == "tokens_per_s" else 2.0
        verdicts = [
            only(check_claim(claim({"metric": metric, "value": value * factor})), "a0").verdict
            for factor in (more, 1 / more**0.9, 1 / more**2)
        ]
        assert verdicts == ["supported", "implausible", "impossible"], metric
        row = only(check_claim(claim({"metric": metric, "value": value})), "a0")
        assert row.best_attainable == pytest.approx(value, rel=0.1)
        assert row.unit in row.reason or metric == "training_days"


def test_a_published_rate_supports_the_times_that_it_makes() -> None:
    """MegaScale's 204 TFLOP/s a device on 256 is past what one claims here; a figure past it is not supported."""
    point = check_claim(claim(layout="search")).points[0]
    rate = point.step.achieved_flops / point.step.devices
    assert rate < 190e12
    seconds = [point.step.step_time_s * rate / reached for reached in (203e12, 215e12, 1.3 * 204e12)]
    steps = [claim({"metric": "step_time_s", "value": value}, layout="search") for value in seconds]
    rows = [only(check_claim(made), "a0") for made in steps]
    assert [row.verdict for row in rows] == ["supported", "plausible", "implausible"]
    at = rows[0]
    assert at.record is not None
    assert at.record.startswith("204 TFLOP/s")


POOR = {  # the small claim with what keeps its devices waiting, whatever others reached on the chip
    "a tensor group over two nodes": {"layout": {"tensor": 16, "micro_batch": 1}},
    "a pipeline of two micro-batches": {
        "layout": {"tensor": 2, "pipeline": 8, "micro_batch": 1},
        "training": {"sequence_length": 2048, "global_batch": 2, "tokens": "1T"},
    },
    "two sequences": {
        "layout": "search",
        "training": {"sequence_length": 2048, "global_batch": 2, "tokens": "1T"},
    },
}


@pytest.mark.parametrize("parts", POOR.values(), ids=POOR)
def test_what_others_reached_says_nothing_of_a_system_that_is_far_slower(parts: dict[str, Any]) -> None:
    """204 TFLOP/s were reached on the chip, 65 %, and this layout or batch is predicted at a fraction of that."""
    figures = [{"metric": "mfu", "value": value} for value in ("50 %", "60 %")]
    report = check_claim(claim(*figures, {"metric": "achieved_flops_per_device", "value": "190 TFLOP/s"}, **parts))
    assert {row.verdict for row in report.assertions if row.counts} == {"implausible"}
    row = only(report, "a2")
    assert row.best_attainable is not None
    assert row.best_attainable < 90e12
    assert row.record is not None, "shown all the same"
    assert "of the best published run, of a faster system" in row.reason


@pytest.mark.parametrize("factor", [1.02, 1.2])
def test_a_rate_far_past_every_record_is_not_plausible(factor: float) -> None:
    """The record itself, a little above it, and a fifth past it, where predictions don't reach it."""
    figure = {"metric": "achieved_flops_per_device", "value": 203.7e12 * factor}
    report = check_claim(claim(figure, layout="search"))
    assert report.points[0].step.mfu < 0.6
    row = only(report, "a0")
    assert row.verdict == ("plausible" if factor < 1.1 else "implausible")


def test_a_mixture_is_held_against_dense_runs_where_nobody_published_one() -> None:
    parts: dict[str, Any] = {
        "model": "mixtral-8x7b",
        "cluster": {"node": "dgx-a100-80gb", "nodes": 16},
        "training": {"sequence_length": 4096, "global_batch": 2048, "router": "balanced"},
        "layout": "search",
    }
    report = check_claim(claim({"metric": "achieved_flops_per_device", "value": "250 TFLOP/s"}, **parts))
    row = only(report, "a0")
    assert row.record is not None
    assert "GPT 175B (dense)" in row.record
    assert row.verdict == "implausible"
    context = ClaimContext(
        feasible(best_points(possible_settings(load_claim(claim(**parts))).settings)), (dense_record(150e12),)
    )
    held = np.median(context.rate("full"))
    assert held < np.median(replace(context, records=()).rate("full")), "pulled to what dense models reached"
    dense = ClaimContext(
        feasible(best_points(possible_settings(load_claim(claim())).settings)), (dense_record(90e12, "moe"),)
    )
    assert np.array_equal(dense.rate("full"), replace(dense, records=()).rate("full"))


def dense_record(flops: float, kind: str = "dense") -> Record:
    return Record("r", "NVIDIA A100 SXM4 80GB", "somebody", kind, 128, 2048, "full", flops)


def test_a_figure_that_the_inputs_do_not_reach_is_untestable() -> None:
    no_tokens = SMALL["given"]["training"] | {"tokens": None}
    no_tokens.pop("tokens")
    report = check_claim(claim({"metric": "training_days", "value": 3}, training=no_tokens))
    assert report.verdict == "untestable"
    assert only(report, "a0").reason == "training.tokens is not given"
    ratio = check_claim(claim({"metric": "achieved_flops_ratio", "value": 1.2}))
    assert "state it under relations" in only(ratio, "a0").reason


def relation(value: str, change: dict[str, Any], **asserted: Any) -> dict[str, Any]:
    asserted = {"metric": "achieved_flops_ratio", "value": value} | asserted
    return {"id": "other", "same": "devices", "change": change, "assert": asserted}


H100 = {"cluster.node": "dgx-h100", "stack": "megatron-core-2024"}


def test_systems_are_compared_at_the_same_devices_and_training() -> None:
    opened = {"cluster.nodes": [1, 2], "training.sequence_length": [1024, 2048]}
    report = check_claim(claim(relations=[relation("50 %", H100)], open=opened))
    row = only(report, "other")
    assert row.base == "to NVIDIA H100 SXM5 80GB"
    other = [
        point.step
        for point in check_claim(
            claim(
                cluster={"node": "dgx-h100", "nodes": 1},
                stack="megatron-core-2024",
                open={"cluster.nodes": [1, 2], "training.sequence_length": [1024, 2048]},
            )
        ).points
    ]
    ratios = [
        mine.step.achieved_flops / theirs.achieved_flops for mine, theirs in zip(report.points, other, strict=True)
    ]
    assert row.best_attainable is not None
    assert min(ratios) * 0.9 < row.best_attainable < max(ratios) * 1.1
    far = only(check_claim(claim(relations=[relation("1 %", H100, op="==")], open=opened)), "other")
    assert far.verdict == "implausible", "an equality fails from below, too"


def test_the_other_system_gets_as_many_devices_whatever_its_nodes() -> None:
    change = {"cluster.node": {"extends": "dgx-h100", "devices": 4}, "stack": "megatron-core-2024"}
    row = only(check_claim(claim(relations=[relation("50 %", change)])), "other")
    assert row.reason.startswith("on 16 devices the best layouts reach ")
    odd = {"cluster.node": {"extends": "dgx-h100", "devices": 5}, "stack": "megatron-core-2024"}
    with pytest.raises(InputError, match="16 is no multiple of the node's 5 devices"):
        check_claim(claim(relations=[relation("50 %", odd)]))


def test_a_system_that_cannot_run_leaves_the_ratio_untestable() -> None:
    change = H100 | {"layout.tensor": 1, "layout.micro_batch": 64, "layout.data": "auto", "cluster.node": "dgx-h100"}
    change |= {"training.global_batch": 1024}
    report = check_claim(claim(relations=[relation("50 %", change)]))
    assert only(report, "other").verdict == "untestable"
    assert not [row for row in report.assertions if row.follows_from]


def test_points_that_cannot_run_are_told_and_left_out() -> None:
    opened = claim(open={"layout.micro_batch": [2, 64]}, training=SMALL["given"]["training"] | {"global_batch": 512})
    report = check_claim(opened)
    assert len(report.points) == 1
    assert len(report.infeasible) == 1
    assert report.infeasible[0].startswith("the stated layout needs ")
    only_that = check_claim(opened | {"open": {"layout.micro_batch": [64]}})
    assert (only_that.verdict, only_that.points) == ("implausible", ())
    assert only(only_that, "u").reason.startswith("the stated layout needs ")


def test_a_model_whose_states_are_more_than_all_devices_hold_is_impossible() -> None:
    given = {key: value for key, value in SMALL["given"].items() if key != "layout"} | {"model": "gpt3-175b"}
    report = check_claim(SMALL | {"given": given, "relations": [relation("50 %", H100)]})
    assert report.figures == {"u": "impossible", "other": "impossible"}
    assert only(report, "u").reason.endswith("are 2.22 TiB, and 16 devices hold 1.24 TiB")
    json.dumps(report.to_dict(), allow_nan=False)


def test_what_no_layout_divides_is_infeasible() -> None:
    given = {key: value for key, value in SMALL["given"].items() if key != "layout"}
    odd = given | {
        "training": {"sequence_length": 2048, "global_batch": 1},
        "cluster": {"node": "dgx-a100-80gb", "nodes": 97},
    }
    with pytest.raises(InfeasibleError, match="no layout can run what the claim describes: no layout divides 776"):
        check_claim(SMALL | {"given": odd})


ODD: dict[str, Any] = {
    "cluster": {"node": "dgx-a100-80gb", "nodes": 97},
    "training": {"sequence_length": 2048, "global_batch": 1, "tokens": "1T"},
}
SUMMED_PEAK = 776 * 312e12  # of its devices


@pytest.mark.parametrize(
    ("assertion", "reason"),
    [
        ({"metric": "achieved_flops", "value": "300 PFLOP/s"}, "300 PFLOP/s is past the "),
        ({"metric": "achieved_flops", "value": "300 PFLOP/s", "op": "=="}, "300 PFLOP/s is past the "),
        ({"metric": "achieved_flops_per_device", "value": "330 TFLOP/s"}, "330 TFLOP/s is past the "),
        ({"metric": "utilization", "value": "104 %"}, "104.0 % is past the "),
        ({"metric": "mfu", "value": "104 %"}, "104.0 % is past the "),
        ({"metric": "busy_any", "value": "104 %"}, "104.0 % is past the 100.0 % of the whole time"),
        ({"metric": "goodput", "value": "104 %"}, "104.0 % is past the 100.0 % of the whole time"),
        ({"metric": "step_time_s", "value": "0.1 ms"}, "100 us is less than the "),
        ({"metric": "tokens_per_s_per_device", "value": "9000"}, "9,000 tokens/s is past the "),
        ({"metric": "training_days", "value": "1.5 days"}, "1.5 days is less than the "),
        ({"metric": "memory_bytes", "value": "0.1 GiB"}, "of the model's states shared by all devices"),
    ],
)
def test_past_all_peaks_is_impossible_though_no_layout_divides(assertion: dict[str, Any], reason: str) -> None:
    """776 devices and one sequence: the chips' best kernels and memory speak without a layout."""
    report = check_claim(claim(assertion, {"metric": "tokens_per_s", "value": "9"}, layout="search", **ODD))
    assert report.figures == {"a0": "impossible", "a1": "untestable"}
    assert report.verdict == "impossible"
    assert reason in only(report, "a0").reason
    assert only(report, "a1").reason.startswith("no layout runs it: no layout divides 776 devices")
    json.dumps(report.to_dict(), allow_nan=False)


def test_the_bound_without_a_layout_is_that_of_the_summed_peak() -> None:
    """Full attention counts the masked half, so that the bound is a little above the best kernels' rate."""
    words = only(
        check_claim(claim({"metric": "achieved_flops", "value": "300 PFLOP/s"}, layout="search", **ODD)), "a0"
    ).reason
    bound = float(words.removeprefix("300 PFLOP/s is past the ").split(" PFLOP/s")[0]) * 1e15
    assert 0.9 * SUMMED_PEAK < bound < 1.1 * SUMMED_PEAK


def test_a_stated_layout_that_fits_nothing_is_no_way_out() -> None:
    report = check_claim(claim({"metric": "achieved_flops", "value": "900 PFLOP/s"}, layout={"tensor": 3}))
    assert report.figures == {"a0": "impossible"}
    assert "layout.tensor: 3 does not divide the 32 attention heads" in report.infeasible[0]
    with pytest.raises(InputError, match="3 does not divide the 32 attention heads"):
        check_claim(claim({"metric": "achieved_flops", "value": "900 TFLOP/s"}, layout={"tensor": 3}))


def test_what_is_within_the_peaks_stays_infeasible_where_no_layout_divides() -> None:
    with pytest.raises(InfeasibleError, match="no layout can run"):
        check_claim(claim({"metric": "achieved_flops", "value": "100 PFLOP/s"}, layout="search", **ODD))
    with pytest.raises(InputError, match="no peak"):
        check_claim(claim({"metric": "mfu", "value": "99 %", "base": "nothing"}, layout="search", **ODD))


def test_points_whose_parts_do_not_fit_each_other_are_told_and_left_out() -> None:
    report = check_claim(claim(open={"cluster.nodes": [2, 3]}, relations=[relation("50 %", H100)]))
    assert [point.step.devices for point in report.points] == [16]
    assert report.infeasible[0].startswith("training.global_batch: 64 sequences are no multiple of data 12")
    assert only(report, "other").reason.startswith("on 16 devices")
    with pytest.raises(InputError, match="no multiple of data 12"):
        check_claim(claim(open={"cluster.nodes": [3]}))
    misfit = check_claim(claim(relations=[relation("50 %", H100 | {"layout.micro_batch": 3})]))
    assert only(misfit, "other").verdict == "untestable"
    assert "no multiple of data 8 x micro_batch 3" in only(misfit, "other").reason


def test_stated_devices_must_agree_with_flops_and_utilization() -> None:
    utilization = {"metric": "utilization", "value": "40 %", "definition": "mfu"}
    for total, verdict in (("2 PFLOP/s", "supported"), ("1 PFLOP/s", "inconsistent")):
        report = check_claim(claim(utilization, {"metric": "achieved_flops", "value": total}))
        assert report.figures == {"a0": verdict, "a1": "supported"}
    assert [equation.verdict for equation in report.contradictions] == ["inconsistent"]
    busy = {"metric": "utilization", "value": "40 %", "definition": "busy_any"}
    assert not check_claim(claim(busy, {"metric": "achieved_flops", "value": "1 PFLOP/s"})).contradictions


def row(**values: Any) -> AssertionRow:
    made: dict[str, Any] = dict.fromkeys(("definition", "base", "reason", "unit"), "")
    made |= {"id": "u", "claimed": 1.0, "best_attainable": None, "interval_80": None, "probability": None}
    return AssertionRow(**(made | {"record": None, "counts": True} | values))


def test_the_joint_verdict_is_that_of_the_best_surviving_base() -> None:
    found = [
        row(base_name="big", verdict="plausible"),
        row(base_name="small", verdict="supported"),
        row(base_name="small", verdict="impossible", definition="other"),
        row(base_name="small", verdict="supported", counts=False, id="dim"),
        row(id="r", verdict="supported"),
    ]
    assert verdicts_by_figure(found, []) == {"u": "supported", "r": "supported"}
    against = Equation("small", "", 1.1, 1.0, "inconsistent", "", ("u", "r"))
    assert verdicts_by_figure(found, [against]) == {"u": "plausible", "r": "supported"}
    implied = row(id="r implied", base_name="big", follows_from="u", verdict="implausible")
    assert verdicts_by_figure([*found, implied], [against]) == {"u": "implausible", "r": "supported"}
    assert verdicts_by_figure([*found, implied], []) == {"u": "supported", "r": "supported"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"given": {}}, "required, but absent"),
        ({"given": {"model": "no such model"}}, "no model"),
        ({"given": SMALL["given"] | {"cluster": {"accelerator": "<script>"}}}, "<script>"),
        ({"given": SMALL["given"] | {"cluster": {"node": "no/such/file.yaml", "nodes": 1}}}, "no such file"),
        ({"open": {"cluster.nodez": [1]}}, "nodez"),
        ({"open": {"cluster.nodes": [10**30]}}, "cluster.nodes"),
        ({"open": {"": [1]}}, "not a dotted key"),
        ({"open": {"cluster.nodes": list(range(1, 100))}}, "99 combinations of open values are too many"),
        ({"open": {"cluster.nodes": [1] * 9, "training.global_batch": [64] * 9}}, "at most 64"),
        ({"relations": [relation("50 %", {"cluster.node": "dgx-h101"})]}, "Did you mean"),
    ],
)
def test_a_malformed_claim_is_an_input_error(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        check_claim(SMALL | change)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "[bold red]x[/]", "!!python/object:os.system", "\x1b[2J", "💥" * 999]
)
def test_hostile_strings_do_not_matter(text: str) -> None:
    hostile = claim(name=text, source=SMALL["source"] | {"text": text, "who": text}, assumptions=[text])
    hostile["assert"][0]["id"] = text
    report = check_claim(hostile)
    plain = check_claim(SMALL)
    assert report.verdict == plain.verdict
    assert [row.reason for row in report.assertions] == [row.reason for row in plain.assertions]


@pytest.mark.parametrize("value", [1e-9, 1e30, "1e-7 %", "999999999999999999999 %"])
def test_absurd_figures_are_judged_and_printed(value: Any) -> None:
    report = check_claim(claim({"metric": "utilization", "value": value}, {"metric": "achieved_flops", "value": 1e30}))
    assert max(len(row.reason) for row in report.assertions) < 300
    assert all(len(equation.equation) < 200 for equation in report.contradictions)
    json.dumps(report.to_dict(), allow_nan=False)
