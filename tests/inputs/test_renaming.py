"""Other words for keys: read, noted, and refused where a key comes under two words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_catalog import SCENARIO, write_entry

from clustersim.errors import InputError, Problem
from clustersim.inputs.layout import Layout
from clustersim.inputs.load import load_scenario
from clustersim.inputs.megatron_keys import INSTEAD, instead
from clustersim.inputs.merging import kind_of
from clustersim.inputs.renaming import Renaming
from clustersim.inputs.stack import Stack
from clustersim.inputs.synonyms import SYNONYMS, Synonym
from clustersim.inputs.table import Table

STACK_WORDS = list(SYNONYMS["stacks"].items())


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
    for section, words in SYNONYMS.items():
        kind = kind_of(section)
        assert kind is not None
        assert {synonym.name.split(".")[0] for synonym in words.values() if synonym.of != "gone"} <= set(
            kind.model_fields
        )
        assert not set(words) & set(kind.model_fields)
        assert not set(words) & set(INSTEAD.get(section, {}))


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


# What a user who comes from Megatron-LM writes.
MEGATRON = {
    "model": "tiny",
    "cluster": "acme-64",
    "training": {"seq_length": 2048, "global_batch_size": 64},
    "layout": {"tensor_model_parallel_size": 8, "micro_batch_size": 1, "recompute_granularity": "full"},
    "stack": "acme-soft-2024",
}


def test_megatrons_words_that_mean_a_key_are_read_and_noted(catalog: Path) -> None:
    found = load_scenario(MEGATRON)
    layout = found.resolved_layout
    assert (layout.tensor, layout.micro_batch, layout.recompute) == (8, 1, "full")
    assert (found.training.sequence_length, found.training.global_batch) == (2048, 64)
    assert found.notes == (
        "training.seq_length: seq_length is sequence_length here",
        "training.global_batch_size: global_batch_size is global_batch here",
        "layout.tensor_model_parallel_size: tensor_model_parallel_size is tensor here",
        "layout.micro_batch_size: micro_batch_size is micro_batch here",
        "layout.recompute_granularity: recompute_granularity is recompute here",
    )
    assert load_scenario(MEGATRON, ["layout.pipeline_model_parallel_size=2"]).resolved_layout.pipeline == 2
    model = {"extends": "tiny-moe", "num_layers": 4, "moe": {"num_experts": 4, "moe_router_topk": 1}}
    tiny = load_scenario(MEGATRON, {"model": model}).model
    assert tiny.moe is not None
    assert (tiny.layers, tiny.moe.experts, tiny.moe.top_k) == (4, 4, 1)
    both = {"training": {"seq_length": 2048, "sequence_length": 2048, "global_batch": 64}}
    assert complaints(MEGATRON | both) == ["training.sequence_length: the same as seq_length, which is given too"]


@pytest.mark.parametrize(
    ("key", "value", "answer"),
    [
        ("layout.use_distributed_optimizer", True, "layout.sharding: zero1"),
        ("layout.use_distributed_optimizer", False, "layout.sharding: none"),
        ("layout.overlap_grad_reduce", True, "layout.overlap: [grad_reduce]"),
        ("layout.overlap_grad_reduce", False, "layout.overlap without grad_reduce"),
        ("layout.decoder_first_pipeline_num_layers", 4, "layout.stage_layers, the layers of every stage: [4, ...]"),
        ("layout.cp_comm_type", "a2a", "layout.context_kind: ulysses"),
        ("layout.cp_comm_type", "a2a+p2p", "layout.context_kind: ring or all-gather or ulysses"),
        ("layout.recompute_num_layers", 3, "layout.recompute: {layers: 3} where the method is block, or full"),
        ("layout.moe_token_dispatcher_type", "flex", "layout.dispatcher: deepep"),
        ("training.bf16", True, "training.precision: bf16"),
        ("training.train_iters", 500, "training.tokens: 500 x global_batch x sequence_length"),
        ("training.moe_router_force_load_balancing", True, "training.router: balanced"),
        ("model.untie_embeddings_and_output_weights", True, "tied_embeddings: false"),
        ("stack.attention_backend", "unfused", "fused_attention: false"),
    ],
)
def test_others_are_answered_with_our_key_and_value(catalog: Path, key: str, value: Any, answer: str) -> None:
    (found,) = complaints(scenario(), {key: value})
    assert found.startswith(f"{key}: Megatron's word. For {key.split('.')[1]}: ")
    assert found.endswith(f" write {answer}")


def test_every_answer_can_be_given() -> None:
    for section, words in INSTEAD.items():
        assert kind_of(section) is not None
        for word in words:
            for value in (True, False, 4, "block", ["moe"]):
                assert instead(section, word, value)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("training.tensor", "stands under layout: layout.tensor"),
        ("training.micro_batch_size", "stands under layout: layout.micro_batch"),
        ("layout.seq_length", "stands under training: training.sequence_length"),
        ("layout.tokens", "stands under training: training.tokens"),
        ("sequence_length", "stands under training: training.sequence_length"),
        ("tp", "stands under layout: layout.tensor"),
        ("layout.stack", "stands by itself: stack"),
        ("layout.nonsense", "unknown key"),
    ],
)
def test_a_key_of_another_part_is_told_where_it_stands(catalog: Path, key: str, message: str) -> None:
    (found,) = complaints(scenario(), {key: 4})
    assert message in found
