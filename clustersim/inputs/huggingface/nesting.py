"""Files that hold a language model in a section of their own: which section, of which type, with which tower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clustersim.inputs.huggingface.config import Fields

SECTIONS = ("text_config", "llm_config", "language_config")
SEES = ("vision_config", "vision_tower_config", "vit_config")
HEARS = ("audio_config", "audio_encoder_config", "speech_config")

# The language model's type where the section doesn't say: transformers 5.24.0, `sub_configs` of each outer class
INNER = {
    "gemma3": "gemma3_text",
    "gemma3n": "gemma3n_text",
    "gemma4": "gemma4_text",
    "kimi_k25": "kimi_k2",
    "llama4": "llama4_text",
    "llava": "llama",
    "mistral3": "mistral3_text",
    "ministral3": "ministral3",
    "qwen2_vl": "qwen2_vl",
    "qwen2_5_vl": "qwen2_5_vl",
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
    "qwen3_vl": "qwen3_vl_text",
    "qwen3_vl_moe": "qwen3_vl_moe_text",
}
TIED_OUTSIDE = {"gemma3": True, "gemma3n": True, "gemma4": True, "mistral3": True}  # what the outer class fills in
TOWER_OF = {"ministral3": "mistral3"}  # outer types that wear another one's tower
INSIDE_DBRX = ("attn_config", "ffn_config")


@dataclass(frozen=True)
class Opened:
    """What a file holds, once its sections are opened."""

    kind: str | None  # of the language model, as the file says
    text: Fields  # its keys
    outer: str | None  # the type of the whole, where the language model is a part of it
    vision: Fields | None = None
    hears: str | None = None  # the section of an audio encoder
    where: str = ""  # the section of the language model


def opened(config: Mapping[str, object]) -> Opened:
    """The language model's keys and what stands beside it."""
    outer = config.get("model_type")
    outer = outer if isinstance(outer, str) else None
    vision = next((config[key] for key in SEES if isinstance(config.get(key), Mapping)), None)
    hears = next((key for key in HEARS if isinstance(config.get(key), Mapping)), None)
    seen = dict(vision) if isinstance(vision, Mapping) else None
    where = next((key for key in SECTIONS if isinstance(config.get(key), Mapping)), None)
    if where is None:
        beside = outer if seen is not None or hears is not None else None
        return Opened(outer, flat(config), beside, seen, hears)
    section = config[where]
    assert isinstance(section, Mapping)
    text = flat(section)
    inner = section.get("model_type", INNER.get(outer or ""))
    if "tie_word_embeddings" in config:
        text["tie_word_embeddings"] = config["tie_word_embeddings"]
    elif outer in TIED_OUTSIDE and "tie_word_embeddings" not in text:
        text["tie_word_embeddings"] = TIED_OUTSIDE[outer]
    return Opened(inner if isinstance(inner, str) else None, text, outer, seen, hears, where)


def flat(config: Mapping[str, object]) -> Fields:
    """A mapping with DBRX's two sections laid open in it."""
    content = dict(config)
    if config.get("model_type") == "dbrx":
        for section in (config.get(key) for key in INSIDE_DBRX):
            if isinstance(section, Mapping):
                content |= section
    return content
