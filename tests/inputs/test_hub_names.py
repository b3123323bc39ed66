"""Models by their ids on Hugging Face, as far as the catalog knows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustersim.errors import InputError
from clustersim.inputs.load import load_scenario
from clustersim.inputs.search_path import hub_model

KNOWN = {
    "meta-llama/Llama-3.1-70B": "llama-3.1-70b",
    "meta-llama/Llama-3.1-8B-Instruct": "llama-3.1-8b",
    "meta-llama/Llama-2-70b-chat-hf": "llama-2-70b",
    "mistralai/Mixtral-8x7B-Instruct-v0.1": "mixtral-8x7b",
    "deepseek-ai/DeepSeek-V3": "deepseek-v3",
    "Qwen/Qwen2.5-72B": "qwen2.5-72b",
}


def scenario_of(model: str) -> dict[str, object]:
    return {
        "model": model,
        "cluster": {"node": "dgx-h100", "nodes": 16},
        "training": {"sequence_length": 4096, "global_batch": 512},
        "stack": "megatron-core-2025",
    }


@pytest.mark.parametrize("name", KNOWN)
def test_an_id_is_the_catalogs_model(name: str) -> None:
    by_id, by_name = load_scenario(scenario_of(name)), load_scenario(scenario_of(KNOWN[name]))
    assert by_id.model == by_name.model


@pytest.mark.parametrize("name", ["meta-llama/Llama-9-900B", "./llama-3.1-8b/x", "a/b/llama-3.1-8b", "/llama-3.1-8b"])
def test_other_words_with_a_slash_are_paths(name: str) -> None:
    assert hub_model(name) is None
    with pytest.raises(InputError, match="no such file"):
        load_scenario(scenario_of(name))


def test_a_folder_of_that_name_stands_before_the_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meta-llama" / "Llama-3.1-70B").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert hub_model("meta-llama/Llama-3.1-70B") is None
