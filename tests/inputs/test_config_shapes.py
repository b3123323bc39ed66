"""Nested files, towers, forced types and hostile values of a config.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clustersim.errors import InputError
from clustersim.inputs.catalog import load
from clustersim.inputs.huggingface import model_from_config
from clustersim.inputs.huggingface.claimed import claimed_by
from clustersim.inputs.load import load_scenario
from clustersim.inputs.model import Model
from clustersim.workload.counts import counts_of

PUBLIC = Path(__file__).parents[1] / "data" / "hf2"
LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
}
GEMMA = {"model_type": "gemma3_text", "num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 4}
GPT2 = {"model_type": "gpt2", "n_layer": 1, "n_embd": 8, "n_head": 2}
MPT = {"model_type": "mpt", "n_layers": 1, "d_model": 8, "n_heads": 2}
WINDOWS = {"model_type": "qwen2", "use_sliding_window": True}


def public(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((PUBLIC / name / "config.json").read_text(encoding="utf-8"))
    return content


def model(config: dict[str, Any], read_as: str | None = None) -> Model:
    return Model.model_validate(model_from_config(config, "x/config.json", read_as))


def problems(config: dict[str, Any], read_as: str | None = None) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        model_from_config(config, "x/config.json", read_as)
    return {problem.key: problem.message for problem in caught.value.problems}


def test_a_language_model_in_a_section_takes_its_class_defaults_and_the_outer_tie() -> None:
    inner = {"model_type": "llama"}
    found = model({"model_type": "mistral3", "text_config": inner})
    assert (found.layers, found.hidden, found.vocab) == (32, 4096, 32000)
    assert found.tied_embeddings, "Mistral3Config ties unless the file says otherwise"
    assert not model({"model_type": "mistral3", "text_config": inner, "tie_word_embeddings": False}).tied_embeddings
    assert not model({"model_type": "mistral3", "text_config": inner | {"tie_word_embeddings": False}}).tied_embeddings
    assert any("hidden_size 4096" in note for note in found.notes), "what wasn't in the file is said"


def test_a_section_without_a_type_has_that_of_the_outer_class() -> None:
    assert model({"model_type": "gemma3", "text_config": GEMMA}).qk_norm
    untyped = {key: value for key, value in GEMMA.items() if key != "model_type"}
    assert model({"model_type": "gemma3", "text_config": untyped}) == model(
        {"model_type": "gemma3", "text_config": GEMMA}
    )
    assert "missing" in problems({"model_type": "somebody-vl", "text_config": untyped})["text_config.model_type"]


def test_problems_of_a_section_carry_its_name() -> None:
    found = problems({"model_type": "gemma3", "text_config": GEMMA | {"hidden_size": "wide", "vocab_size": 0}})
    assert set(found) == {"text_config.hidden_size", "text_config.vocab_size"}
    tower = {"model_type": "gemma3", "text_config": GEMMA, "vision_config": {"hidden_size": 1.5}}
    assert set(problems(tower)) == {"vision_config.hidden_size"}


def test_a_tower_that_nobody_counted_is_refused_unless_the_language_model_alone_is_asked_for() -> None:
    config = {"model_type": "somebody-vl", "text_config": LLAMA, "vision_config": {"hidden_size": 8}}
    assert "--as llama" in problems(config)["vision_config"]
    found = model(config, "llama")
    assert found.vision is None
    assert any("left out" in note for note in found.notes)
    heard = {"model_type": "gemma3", "text_config": GEMMA, "audio_config": {"hidden_size": 8}}
    assert "--as gemma3_text" in problems(heard)["audio_config"]


def test_towers_count_among_the_parameters_and_are_said_not_to_run() -> None:
    config = public("gemma-3-ome")
    alone = {key: value for key, value in config.items() if key != "vision_config"}
    assert counts_of(model(config)).parameters - counts_of(model(alone)).parameters == 423060336
    assert any("text alone" in note for note in model(config).notes)
    assert model(alone).vision is None


def test_an_unknown_type_can_be_read_as_llama_and_that_is_said() -> None:
    config = LLAMA | {"model_type": "brand_new"}
    assert "--as llama" in problems(config)["model_type"]
    found = model(config, "llama")
    assert found.notes[0] == 'read as llama, as asked; the file says "brand_new"'
    assert found.model_copy(update={"notes": ()}) == model(LLAMA).model_copy(update={"notes": ()})
    assert "no type" in problems(config, "lama")["as"]
    assert not any("read as" in note for note in model(LLAMA, "llama").notes)


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"model_type": "bert"}, "encoder of text"),
        ({"model_type": "t5", "d_model": 512}, "cross-attention"),
        ({"model_type": "whisper"}, "speech"),
        ({"model_type": "brand_new_seq2seq", "is_encoder_decoder": True}, "encoder and a decoder"),
        ({"model_type": "rwkv"}, "time mixing"),
        ({"model_type": "mllama", "text_config": {"model_type": "mllama_text_model"}}, "cross-attention"),
    ],
)
def test_what_is_no_decoder_of_text_is_refused_by_what_it_is(config: dict[str, Any], word: str) -> None:
    assert word in problems(config)["model_type"]


@pytest.mark.parametrize(
    ("changes", "key", "word"),
    [
        ({"model_type": "deepseek_v3", "num_nextn_predict_layers": 10**9}, "num_nextn_predict_layers", "at most 64"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers", "at most 10,000"),
        ({"hidden_size": 10**12}, "hidden_size", "at most 100,000,000"),
        ({"vocab_size": 10**400}, "vocab_size", "at most"),
        ({"vocab_size": -(10**400)}, "vocab_size", "less than 1"),
        ({"num_attention_heads": 1e400}, "num_attention_heads", "inf is not a whole number"),
        ({"hidden_size": float("nan")}, "hidden_size", "nan is not a whole number"),
        ({"hidden_size": [4096]}, "hidden_size", "not a whole number"),
        ({"num_key_value_heads": {"a": 1}}, "num_key_value_heads", "not a whole number"),
        ({"attention_bias": 2}, "attention_bias", "neither true nor false"),
        (GPT2 | {"resid_pdrop": float("nan")}, "resid_pdrop", "rate"),
        (MPT | {"expansion_ratio": 1e300}, "expansion_ratio", "ratio"),
        (WINDOWS | {"layer_types": ["full_attention"] * 10**5}, "layer_types", "entries"),
        ({"model_type": "qwen3_moe", "decoder_sparse_step": 10**9}, "decoder_sparse_step", "at most"),
        ({"model_type": "exaone4", "sliding_window_pattern": "LLXG"}, "sliding_window_pattern", "LLXG"),
        ({"model_type": "hunyuan_v1_moe", "num_experts": 4, "moe_topk": [1, 2]}, "moe_topk", "differ from layer"),
        ({"model_type": "ernie4_5_moe", "moe_layer_start_index": 99}, "moe_layer_start_index", "no layer with experts"),
        ({"model_type": "falcon", "multi_query": 3}, "multi_query", "neither true nor false"),
        ({"model_type": "nemotron"}, "num_key_value_heads", "no default"),
    ],
)  # fmt: skip
def test_hostile_and_slipped_values_are_errors_with_key_and_value(changes: dict[str, Any], key: str, word: str) -> None:
    found = problems(LLAMA | changes)
    assert word in found[key]
    assert all(len(message) < 2000 for message in found.values())


def test_widths_of_a_yaml_model_are_bounded_too() -> None:
    with pytest.raises(InputError, match="at most 64"):
        load_scenario(
            {
                "model": {"extends": "deepseek-v3", "mtp_layers": 10**9},
                "cluster": {"accelerator": "h800-sxm-80gb", "devices": 2048},
                "training": {"sequence_length": 4096, "global_batch": 8192},
                "stack": "megatron-core-2025",
            }
        )


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[" * 100 + "]" * 100, "no JSON object"),
        ('{"a": ' + "[" * 100 + "]" * 100 + "}", "nested more than 50 deep"),
        ('{"hidden_size": ' + "9" * 5000 + "}", "not valid JSON"),
        ('{"model_type": "llama"', "not valid JSON"),
    ],
)
def test_files_that_are_no_config_are_said_to_be_none(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=word):
        load("models", str(tmp_path / "config.json"))


def test_a_scenario_reads_a_config_as_another_type(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA | {"model_type": "brand_new"}), encoding="utf-8")
    described = {
        "cluster": {"accelerator": "a100-sxm-80gb", "devices": 8},
        "training": {"sequence_length": 2048, "global_batch": 8},
        "stack": "megatron-core-2025",
    }
    path = str(tmp_path / "config.json")
    scenario = load_scenario({"model": {"extends": path, "as": "llama", "vocab": 1000}} | described)
    assert (scenario.model.layers, scenario.model.vocab) == (32, 1000)
    from clustersim.inputs.resolve import notes_of

    assert 'model: read as llama, as asked; the file says "brand_new"' in notes_of(scenario)
    assert load_scenario({"model": path} | described, ["model.as=llama"]).model.layers == 32
    for wrong, word in (
        ({"extends": "llama-2-7b", "as": "llama"}, "no config.json"),
        ({"extends": path, "as": 3}, "expected a model_type"),
        ({"extends": path, "as": "lama"}, "no type"),
        ({"extends": f"{tmp_path}/none.json", "as": "llama"}, "no such file"),
        ({"as": "llama"}, "goes with"),
    ):
        with pytest.raises(InputError, match=word):
            load_scenario({"model": wrong} | described)


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [
        ("Qwen3-30B-A3B", "30B", "3B"),
        ("deepseek-v4-flash-284b", "284B", None),
        ("Mixtral-8x7B", None, None),
        ("gpt2-124M", "124M", None),
        ("Kimi-K2-1T", "1T", None),
        ("qwen3-0.6b", "0.6B", None),
        ("llama-3.2-11b-vision", "11B", None),
        ("opt-350m-layout", "350M", None),
        ("Ling-mini-16B-A1.4B", "16B", "1.4B"),
        ("DeepSeek-V3", None, None),
        ("a3b", None, "3B"),
    ],
)
def test_names_claim_parameters(name: str, total: str | None, active: str | None) -> None:
    assert claimed_by(name) == (total, active)
