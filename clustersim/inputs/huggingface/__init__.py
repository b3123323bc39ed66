"""A Hugging Face config.json as a model: read as plain JSON, no code executed, nothing fetched.

Keys that a file leaves out take the default of that model's configuration class (`defaults.py`), except the three that
no model can do without: layers, hidden size and heads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import PurePath

from clustersim.errors import InputError, Problem
from clustersim.inputs.huggingface import defaults, dense, experts
from clustersim.inputs.huggingface.config import Config, Fields

NESTED = ("text_config", "attn_config", "ffn_config")  # Gemma 3's text model, DBRX's sections

READERS: dict[str, tuple[defaults.Defaults, Callable[[Config], Fields]]] = {
    "chatglm": (defaults.CHATGLM, dense.chatglm),
    "dbrx": (defaults.DBRX, experts.dbrx),
    "deepseek_v2": (defaults.DEEPSEEK_V2, experts.deepseek),
    "deepseek_v3": (defaults.DEEPSEEK_V3, experts.deepseek),
    "deepseek_v4": (defaults.DEEPSEEK_V4, experts.deepseek_v4),
    "gemma": (defaults.GEMMA, dense.llama),
    "gemma2": (defaults.GEMMA2, dense.gemma2),
    "gemma3": (defaults.GEMMA3, dense.gemma3),
    "gemma3_text": (defaults.GEMMA3, dense.gemma3),
    "glm": (defaults.GLM, dense.llama),
    "glm4": (defaults.GLM, dense.llama),
    "glm4_moe": (defaults.GLM4_MOE, experts.glm4_moe),
    "gpt2": (defaults.GPT2, dense.gpt2),
    "gpt_neox": (defaults.GPT_NEOX, dense.gpt_neox),
    "kimi_k2": (defaults.KIMI_K2, experts.deepseek),
    "llama": (defaults.LLAMA, dense.llama),
    "mistral": (defaults.MISTRAL, dense.mistral),
    "mixtral": (defaults.MIXTRAL, experts.mixtral),
    "opt": (defaults.OPT, dense.opt),
    "pangu_ultra": (defaults.LLAMA, dense.llama),
    "pangu_ultra_moe": (defaults.PANGU_ULTRA_MOE, experts.deepseek),
    "qwen2": (defaults.QWEN2, dense.qwen2),
    "qwen2_moe": (defaults.QWEN2_MOE, experts.qwen2_moe),
    "qwen3": (defaults.QWEN3, dense.qwen3),
    "qwen3_moe": (defaults.QWEN3_MOE, experts.qwen3_moe),
}


def model_from_config(config: Mapping[str, object], source: str) -> Fields:
    """The fields of `Model` for a config.json, named after the folder that the file `source` lies in.

    Raises InputError with every problem: an unknown `model_type`, missing keys, wrong types, impossible sizes.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in READERS:
        raise InputError(source, [_unknown_type(kind)])
    filled_in, read = READERS[kind]
    reader = Config(_flat(config), filled_in)
    fields = read(reader)
    if reader.problems:
        raise InputError(source, tuple(dict.fromkeys(reader.problems)))
    return {"name": _name(source, kind), **fields}


def _unknown_type(kind: object) -> Problem:
    known = f"Known: {', '.join(sorted(READERS))}"
    if not isinstance(kind, str):
        return Problem(f"missing: say which architecture this is. {known}", "model_type")
    near = get_close_matches(kind, READERS, n=2)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return Problem(f'"{kind}" is not known.{hint} {known}', "model_type")


def _flat(config: Mapping[str, object]) -> Fields:
    """The keys of the file and of its nested sections side by side."""
    flat = dict(config)
    for section in (config.get(key) for key in NESTED):
        if isinstance(section, Mapping):
            flat |= section
    return flat


def _name(source: str, kind: str) -> str:
    path = PurePath(source)
    return (path.parent.name if path.stem == "config" else path.stem) or kind
