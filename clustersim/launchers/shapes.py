"""A model by its sizes, or as the catalog model whose sizes agree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from clustersim.errors import InputError
from clustersim.inputs import catalog, search_path
from clustersim.inputs.model import Model
from clustersim.launchers.notes import Draft

AGREE = ("layers", "hidden", "heads", "kv_heads", "ffn_hidden", "gated")
EXPERTS_AGREE = ("experts", "top_k", "ffn_hidden")
# Words of tables that go with tokenizers whose name alone a script has.
# Source: the config.json of each family, as in the catalog's models.
VOCABULARIES = (
    (r"llama[-_]?3|llama-?4", 128256),
    (r"llama[-_]?2|llama2tokenizer|llama|mistral|mixtral|sentencepiece", 32000),
    (r"qwen", 151936),
    (r"deepseek[-_]?v3|deepseek[-_]?r1", 129280),
    (r"deepseek", 102400),
    (r"gpt2|gptbpe", 50257),
)


@lru_cache(maxsize=8)
def _models(stamp: tuple[str, ...]) -> dict[str, Model]:
    found = {}
    for name in stamp:
        try:
            found[name] = catalog.load("models", name)
        except InputError:  # a broken entry of the user's own is complained of where it is asked for
            continue
    return found


def catalog_models() -> dict[str, Model]:
    """Every model of the catalog by name."""
    return _models(tuple(catalog.names("models")))


def loaded_model(name: str, source: str) -> Model:
    """A model by the catalog's name or a path. Raises InputError where there is none."""
    try:
        return catalog.load("models", name)
    except InputError as error:
        raise InputError(source, error.problems) from None


def put_model(draft: Draft, fields: Mapping[str, Any], assumed: frozenset[str] = frozenset(), line: int = 0) -> None:
    """State a model of these fields: the catalog's where its sizes agree, with what differs; else the sizes alone."""
    found = [(name, model) for name, model in catalog_models().items() if _agrees(model, fields)]
    if not found:
        draft.put("model", {"name": str(draft.parts.get("name") or "imported"), **fields})
        return
    differing = {name: _differing(model, fields, assumed) for name, model in found}
    name = min(differing, key=lambda each: (len(differing[each]), len(catalog.lineage("models", each)), each))
    differs = differing[name]
    draft.put("model", {"extends": name, **differs} if differs else name)
    but = f", but for {', '.join(differs)}" if differs else ""
    draft.note(line, f"model: its sizes are those of {name} in the catalog{but}", "taken")


def _agrees(model: Model, fields: Mapping[str, Any]) -> bool:
    if any(getattr(model, key) != fields.get(key) for key in AGREE if key in fields or key != "gated"):
        return False
    moe = fields.get("moe")
    if (model.moe is None) != (moe is None) or (model.latent is None) != (fields.get("latent") is None):
        return False
    return moe is None or all(getattr(model.moe, key) == moe.get(key) for key in EXPERTS_AGREE)


def _differing(model: Model, fields: Mapping[str, Any], assumed: frozenset[str]) -> dict[str, Any]:
    """The fields that are other than the catalog's, those that are assumed left out."""
    found: dict[str, Any] = {}
    for key, value in fields.items():
        if key in assumed or key == "name":
            continue
        own = getattr(model, key)
        if isinstance(value, Mapping):
            parts = {inner: item for inner, item in value.items() if _plain(getattr(own, inner)) != _plain(item)}
            found |= {key: parts} if parts else {}
        elif _plain(own) != _plain(value) and not (key == "head_dim" and model.head_size == value):
            found[key] = value
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def vocabulary_of(text: str) -> int | None:
    """Words of the table that goes with a tokenizer's name; None where no name is known."""
    lower = text.lower()
    return next((words for pattern, words in VOCABULARIES if re.search(pattern, lower)), None)


def model_named(text: str) -> str | None:
    """The catalog model that a path or a Hugging Face id names, such as `meta-llama/Llama-3.1-8B`; the longest."""
    lower = search_path.slug(text).replace("/", " ")
    words = {word: name for name in catalog.names("models") for word in _spellings(name)}
    found = [word for word in words if re.search(rf"(?<![a-z0-9.]){re.escape(word)}(?![0-9.]*[0-9a-z])", lower)]
    return words[max(found, key=len)] if found else None


def _spellings(name: str) -> list[str]:
    file = search_path.find(search_path.catalog_folders(), "models", name)
    aliases = search_path.file_aliases(file) if file is not None else ()
    return [name, *aliases]
