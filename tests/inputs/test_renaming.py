"""Other words for keys: read, noted, and refused where a key comes under two words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_catalog import SCENARIO, write_entry

from clustersim.errors import InputError, Problem
from clustersim.inputs.layout import Layout
from clustersim.inputs.load import load_scenario
from clustersim.inputs.merging import KINDS
from clustersim.inputs.renaming import Renaming
from clustersim.inputs.stack import Residual, Stack
from clustersim.inputs.synonyms import SYNONYMS, Synonym
from clustersim.inputs.table import Table
from clustersim.inputs.training import Training

STACK_WORDS = sorted(SYNONYMS["stacks"].items())


def scenario(stack: Any = "acme-soft-2024", **parts: Any) -> dict[str, Any]:
    training = {"sequence_length": 2048, "global_batch": 64}
    return {
        "model": "tiny",
        "cluster": "acme-64",
        "training": training,
        "layout": {"tensor": 4},
        "stack": stack,
    } | parts


def complaints(source: Any, overrides: Any = ()) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_scenario(source, overrides)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(("word", "synonym"), STACK_WORDS)
def test_an_earlier_stack_file_loads_and_says_the_new_key(catalog: Path, word: str, synonym: Synonym) -> None:
    Path("mine.yaml").write_text(f"extends: acme-soft-2024\n\n{word}: true\n")
    found = load_scenario(scenario("mine.yaml"))
    assert getattr(found.stack, synonym.name) is True
    assert found.notes == (f"stack.{word} (mine.yaml, line 3): {word} is called {synonym.name} now",)
    assert found.stack == load_scenario(scenario({"extends": "acme-soft-2024", synonym.name: True})).stack


@pytest.mark.parametrize(("word", "synonym"), STACK_WORDS)
def test_so_do_mappings_in_place_and_overrides(catalog: Path, word: str, synonym: Synonym) -> None:
    note = f"stack.{word}: {word} is called {synonym.name} now"
    for source, overrides in (
        (scenario({"extends": "acme-soft-2024", word: True}), ()),
        (scenario(), {f"stack.{word}": True}),
        (scenario(), [f"stack.{word}=true"]),
        (scenario(), {"stack": {"extends": "acme-soft-2025", word: True}}),
    ):
        found = load_scenario(source, overrides)
        assert getattr(found.stack, synonym.name) is True
        assert found.notes == (note,)


def test_entries_of_an_own_catalog_and_what_they_extend(catalog: Path) -> None:
    write_entry(catalog, "stacks/older", "extends: acme-soft-2024\nearly_stop: true\n")
    write_entry(catalog, "stacks/newer", "extends: older\ncheckpoint_early_stop: false\n")
    assert not load_scenario(scenario("newer")).stack.checkpoint_early_stop
    found = load_scenario(scenario("older"))
    assert found.stack.checkpoint_early_stop
    assert len(found.notes) == 1
    assert "early_stop is called checkpoint_early_stop now" in found.notes[0]


def test_what_is_laid_over_counts_whatever_its_word(catalog: Path) -> None:
    base = scenario({"extends": "acme-soft-2024", "all_reduce_gradients": True})
    assert not load_scenario(base, {"stack.sums_everywhere": False}).stack.all_reduce_gradients
    older = scenario({"extends": "acme-soft-2024", "sums_everywhere": True})
    assert not load_scenario(older, {"stack.all_reduce_gradients": False}).stack.all_reduce_gradients
    Path("base.yaml").write_text(SCENARIO)
    over = {"extends": "base.yaml", "layout": {"tp": 8}, "stack": {"sums_everywhere": True}}
    found = load_scenario(over)
    assert (found.resolved_layout.tensor, found.stack.all_reduce_gradients) == (8, True)


def test_a_key_under_two_words_is_refused_wherever_they_stand(catalog: Path) -> None:
    same = "the same as all_reduce_gradients, which is given too"
    both = {"extends": "acme-soft-2024", "all_reduce_gradients": True, "sums_everywhere": True}
    assert complaints(scenario(both)) == [f"stack.sums_everywhere: {same}"]
    Path("mine.yaml").write_text("extends: acme-soft-2024\nall_reduce_gradients: true\nsums_everywhere: true\n")
    assert complaints(scenario("mine.yaml")) == [f"mine.yaml line 3 stack.sums_everywhere: {same}"]
    given = ["stack.all_reduce_gradients=true", "stack.sums_everywhere=false"]
    assert complaints(scenario(), given) == [
        "stack.sums_everywhere: the same as stack.all_reduce_gradients, which is given too"
    ]
    assert complaints(scenario(), ["layout.pp=2", "layout.pipeline=4"]) == [
        "layout.pipeline: the same as layout.pp, which is given too"
    ]


def test_the_same_override_twice_is_the_later_one(catalog: Path) -> None:
    assert load_scenario(scenario(), ["layout.tp=2", "layout.tp=8"]).resolved_layout.tensor == 8


def test_short_names_are_no_earlier_names(catalog: Path) -> None:
    assert load_scenario(scenario(layout={"tp": 8})).notes == ()


def test_a_wrong_value_is_complained_of_at_its_line(catalog: Path) -> None:
    Path("mine.yaml").write_text("extends: acme-soft-2024\nearly_stop: perhaps\n")
    assert complaints(scenario("mine.yaml")) == [
        'mine.yaml line 2 stack.checkpoint_early_stop: expected true or false; got "perhaps"'
    ]


def test_every_word_leads_to_a_key_and_is_none_itself() -> None:
    kinds = {**KINDS, "scenarios.layout": Layout, "scenarios.training": Training, "stacks.residual": Residual}
    for section, words in SYNONYMS.items():
        fields = kinds[section].model_fields
        assert {synonym.name.split(".")[0] for synonym in words.values() if not synonym.gone} <= set(fields)
        assert not set(words) & set(fields)


def test_the_schema_calls_earlier_names_deprecated() -> None:
    fields = Stack.model_json_schema()["properties"]
    assert fields["early_stop"]["deprecated"] is True
    assert fields["early_stop"]["type"] == fields["checkpoint_early_stop"]["type"]
    assert "deprecated" not in Layout.model_json_schema()["properties"]["tp"]


def test_a_key_that_nothing_has_taken_over_is_left_out_and_noted() -> None:
    problems: list[Problem] = []
    notes: list[str] = []
    residual = Table({"spread": 0.1, "shortfall": 0.05, "evidence": "own runs"})
    found = Renaming(problems, notes).document(Table({"residual": residual}), "stacks")
    assert found["residual"] == {"spread": 0.1, "evidence": "own runs"}
    assert not problems
    assert notes == ["residual.shortfall: no figure depends on it any more, and it is left out"]
