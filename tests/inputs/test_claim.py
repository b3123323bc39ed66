"""Claim files: figures with units, boasts, and every mistake at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clustersim.errors import InputError
from clustersim.inputs.claim import Assertion, Claim
from clustersim.inputs.claim_metrics import METRICS, STATED, read_figure
from clustersim.inputs.claim_open import LogNormal, Range
from clustersim.inputs.load import config_names, load_claim, load_scenario

CLAIM: dict[str, Any] = {
    "name": "a claim",
    "source": {"text": "so it is said", "date": "2025-01-01", "who": "somebody", "reliability": "rumour"},
    "given": {"model": "llama-2-7b"},
    "assert": [{"id": "u", "metric": "utilization", "value": "82 %"}],
}


def assertion(**values: Any) -> Assertion:
    return load_claim(CLAIM | {"assert": [{"id": "x", "metric": "utilization", "value": 0.5} | values]}).assertions[0]


def problems(claim: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        load_claim(claim)
    return {problem.key: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("metric", "value", "figure"),
    [
        ("utilization", "82 %", 0.82),
        ("utilization", 1.09, 1.09),
        ("achieved_flops", "512 PFLOP/s", 512e15),
        ("achieved_flops_ratio", "130 %", 1.3),
        ("step_time_s", "400 ms", 0.4),
        ("step_time_s", 13.75, 13.75),
        ("tokens_per_s", "1.46M", 1.46e6),
        ("training_days", "54 days", 54.0),
        ("training_days", "36 h", 1.5),
        ("training_days", 54, 54.0),
        ("training_days", "54", 54.0),
        ("device_hours", "2.664M", 2.664e6),
        ("cost_usd", 5.576e6, 5.576e6),
        ("token_price_saving", "97.4 %", 0.974),
        ("cost_usd", "$5.576M", 5.576e6),
        ("output_token_price", "0.27 USD", 0.27),
        ("memory_bytes", "60 GiB", 60 * 2**30),
        ("data_bytes", "5.2 PB", 5.2e15),
        ("active_parameters", "78B", 78e9),
        ("goodput", "97 %", 0.97),
    ],
)
def test_figures_are_read_with_their_units(metric: str, value: float | str, figure: float) -> None:
    assert read_figure(metric, value) == pytest.approx(figure)
    assert assertion(metric=metric, value=value).claimed == pytest.approx(figure)


def test_a_figure_is_a_boast_unless_it_says_otherwise() -> None:
    assert assertion().comparison == ">="
    assert assertion(metric="training_days", value=5).comparison == "<="
    assert assertion(op="==").comparison == "=="
    ratio = {"metric": "achieved_flops_ratio", "value": "210 %"}
    relation = {"id": "r", "same": "devices", "change": {}, "assert": ratio}
    (found,) = load_claim(CLAIM | {"relations": [relation]}).relations
    assert (found.asserted.comparison, found.asserted.value) == (">=", 2.1)


def test_every_mistake_is_told_at_once() -> None:
    wrong = CLAIM | {
        "source": CLAIM["source"] | {"reliability": "rumor"},
        "open": {"cluster.nodes": []},
        "assert": [
            {"id": "a", "metric": "utilization", "value": "eighty"},
            {"id": "b", "metric": "training_days", "value": "54 days", "op": ">="},
            {"id": "c", "metric": "step_time_s", "value": "5 s", "definition": "mfu"},
            {"id": "d", "metric": "utilization", "value": float("nan")},
            {"id": "e", "metric": "utilization", "value": 0},
            {"id": "f", "metric": "utilization", "definition": "busy_any", "base": "x", "value": 0.5},
            {"id": "", "metric": "tokens_per_s", "value": "1e300", "base": "x"},
        ],
        "relations": [
            {
                "id": "r",
                "same": "devices",
                "change": {},
                "assert": {"metric": "achieved_flops_ratio", "value": "-5 %", "op": "<="},
            }
        ],
        "rumoured": True,
    }
    found = problems(wrong)
    assert set(found) == {
        "source.reliability",
        "open",
        "assert[0].value",
        "assert[1].op",
        "assert[2].definition",
        "assert[3].value",
        "assert[4].value",
        "assert[5].base",
        "assert[6].id",
        "assert[6].value",
        "assert[6].base",
        "relations[0].assert.value",
        "relations[0].assert.op",
        "rumoured",
    }
    assert found["source.reliability"].endswith("Did you mean rumour?")
    assert found["assert[0].value"].startswith('"eighty" is not a quantity. Accepted: ')
    assert found["assert[1].op"] == "training_days is asserted with <= or =="
    assert found["assert[4].value"] == "0.0 is not a figure that anybody asserts"


def test_a_metric_may_go_by_a_shorter_name_or_by_its_meaning() -> None:
    assert assertion(metric="cost", value="5M USD").metric == "cost_usd"
    assert assertion(metric="memory", value="60 GiB").comparison == "<="
    named, stated = assertion(metric="mfu_causal"), assertion(definition="mfu_causal")
    assert named.meaning == stated.meaning == "mfu_causal"
    assert (assertion().meaning, assertion(metric="cost", value=5).meaning) == ("unstated", "")
    assert assertion(metric="mfu", base="x").base == "x"
    assert (
        "has a base"
        in problems(CLAIM | {"assert": [{"id": "g", "metric": "goodput", "value": 0.9, "base": "x"}]})["assert[0].base"]
    )
    assert [found.granted for found in (assertion(), assertion(op="==", tolerance=0.1))] == [0.0, 0.1]


def test_open_values_are_lists_ranges_and_spreads() -> None:
    opened = {
        "cluster.nodes": [1, 2],
        "training.sequence_length": 4096,
        "cluster.availability": {"from": "85 %", "to": 0.97, "likely": 0.9},
        "training.tokens": {"median": "10T", "spread": 0.3},
        "stack": {"extends": "megatron-lm-2022", "memory_factor": 2},
        "layout": "search",
    }
    values = load_claim(CLAIM | {"open": opened}).open_values
    assert values["cluster.nodes"] == (1, 2)
    assert values["training.sequence_length"] == (4096,)
    assert values["cluster.availability"] == Range.model_validate({"from": "85 %", "to": 0.97, "likely": 0.9})
    assert values["training.tokens"] == LogNormal(median="10T", spread=0.3)
    assert len(values["stack"]) == 1  # type: ignore[arg-type]
    assert "layout" not in values


def test_every_open_value_that_cannot_be_tried_is_told() -> None:
    opened = {
        "a": [],
        "b": {"from": 1},
        "c": {"from": 1, "to": 2, "scale": "log", "likely": 1.5},
        "d": {"median": 1, "spread": -1},
        "e": {"from": 1, "to": 2, "untill": 3},
        "layout": "guess",
    }
    told = problems(CLAIM | {"open": opened})["open"]
    for part in (
        "a: no value to try",
        "b: to: field required",
        "c: ",
        "d: spread: ",
        "e: untill: ",
        "layout: the only way",
    ):
        assert part in told


def test_figures_may_be_given_without_being_asserted() -> None:
    claim = load_claim(
        CLAIM | {"given": {"model": "llama-2-7b", "training_days": "36 h", "achieved_flops": "1 PFLOP/s"}}
    )
    assert claim.stated == {"training_days": 1.5, "achieved_flops": 1e15}
    assert claim.scenario_part == {"model": "llama-2-7b"}
    told = problems(CLAIM | {"given": {"cost_usd": "a lot", "data_bytes": "5 kg"}})["given"]
    assert "cost_usd: " in told
    assert "data_bytes: " in told
    assert not {"utilization", "mfu", "memory_bytes"} & set(STATED)
    assert set(STATED) < set(METRICS)


@pytest.mark.parametrize(
    ("relation", "message"),
    [
        ({"assert": {"metric": "token_price_saving", "value": 0.9}, "same": "devices"}, "needs list_price"),
        ({"assert": {"metric": "ratio", "value": 0.9}, "list_price": "gpt-4"}, "needs same: devices"),
        ({"assert": {"metric": "scaling_efficiency", "value": 0.9}}, "needs a change of cluster.nodes"),
    ],
)
def test_a_relation_compares_with_one_thing(relation: dict[str, Any], message: str) -> None:
    assert message in " ".join(problems(CLAIM | {"relations": [{"id": "r"} | relation]}).values())


def test_layouts_are_left_open_to_the_search_alone() -> None:
    assert load_claim(CLAIM | {"open": {"layout": "search"}}).open == {"layout": "search"}
    assert "a stated one belongs under given" in problems(CLAIM | {"open": {"layout": [{"tensor": 8}]}})["open"]


def test_a_metric_that_nobody_knows_is_the_only_thing_said_of_its_figure() -> None:
    unknown = {"id": "x", "metric": "coolness", "value": "very", "op": "<=", "definition": "mfu", "base": "y"}
    assert set(problems(CLAIM | {"assert": [unknown]})) == {"assert[0].metric"}


def test_what_is_wrong_with_the_stated_scenario_is_told_with_the_rest() -> None:
    given = {"model": "llama-2-7", "cluster": {"accelerator": "h101"}, "layout": {"tensr": 2}}
    told = problems(CLAIM | {"given": given, "assert": [{"id": "x", "metric": "cost", "value": "much"}]})
    assert set(told) == {"assert[0].value", "given.model", "given.cluster.accelerator", "given.layout.tensr"}
    assert "Did you mean llama-2-7b" in told["given.model"]
    assert set(problems(CLAIM | {"given": {"model": "llama-2-7b"}, "open": {"a": []}})) == {"open"}


def test_figures_have_names_of_their_own() -> None:
    twice = problems(CLAIM | {"assert": CLAIM["assert"] * 2})
    assert twice == {"assert": "more than one figure is called u"}
    ratio = {"metric": "achieved_flops_ratio", "value": 1.0}
    relation = {"id": "u", "same": "devices", "change": {}, "assert": ratio}
    assert problems(CLAIM | {"relations": [relation]}) == {"relations": "more than one figure is called u"}


def test_a_file_is_told_by_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "source: {text: x, date: '2025-01-01', who: y, reliability: rumour}\n"
        "given: {model: llama-2-7b}\n"
        "assert:\n"
        "  - {id: a, metric: utilization, value: 82 percent}\n",
        encoding="utf-8",
    )
    with pytest.raises(InputError) as caught:
        load_claim(file)
    assert [(problem.line, problem.key) for problem in caught.value.problems] == [(4, "assert[0].value")]
    file.write_text(
        file.read_text(encoding="utf-8").replace("percent", "'%'").replace("82 '%'", "82 %"), encoding="utf-8"
    )
    assert load_claim(file).name == "mine"


@pytest.mark.parametrize("name", config_names("claims"))
def test_shipped_claims_are_claims(name: str) -> None:
    claim = load_claim(name)
    assert isinstance(claim, Claim)
    assert claim.source.links or claim.source.reliability == "invented"


@pytest.mark.parametrize("metric", [[], {}, ["mfu"], {"mfu": 1}, 3, None])
def test_a_metric_that_is_no_word_is_refused(metric: Any) -> None:
    assert list(problems(CLAIM | {"assert": [{"id": "x", "metric": metric, "value": 0.5}]})) == ["assert[0].metric"]


@pytest.mark.parametrize("target", [{}, [], {"query": 1}, 3])
def test_adapters_beside_what_is_no_word_are_refused(target: Any) -> None:
    training = {"trainable": {"lora": {"rank": 8, "targets": ["q_proj", target]}}, "global_batch": 8}
    with pytest.raises(InputError) as caught:
        load_scenario({"model": "llama-3.1-8b", "cluster": "dgx-h100", "training": training})
    assert "training.trainable" in str(caught.value)
