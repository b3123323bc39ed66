"""The words in which sources of published memory name software, precisions, recomputation and what is trained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clustersim.inputs.catalog import names
from clustersim.studies.measured.csv_cells import CsvRow, text, whole


@dataclass(frozen=True)
class NamedStack:
    """Which stack of the catalog a framework's words name."""

    stack: str
    family: str
    fine_tunes: bool = False
    length_a_device: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)  # of the stack, as this row ran


# Marks in a framework's words, in lower case; the first that occurs decides: stack and family.
FRAMEWORKS = (
    ("fms-acceleration", "hf-trainer-2024", "HF Trainer"),
    ("litgpt", "litgpt-2024", "LitGPT"),
    ("lightning", "litgpt-2024", "LitGPT"),
    ("torchtune", "torchtune-2024", "torchtune"),
    ("torchtitan", "torchtitan-2025", "torchtitan"),
    ("bridge", "megatron-bridge-2026", "Megatron-Bridge"),
    ("nemo", "megatron-bridge-2026", "Megatron-Bridge"),
    ("internevo", "internevo-2024", "InternEvo"),
    ("mcore", "megatron-core-2025", "Megatron-LM"),
    ("megatron", "megatron-core-2025", "Megatron-LM"),
    ("deepspeed", "deepspeed-zero3-2021", "DeepSpeed"),
    ("swift", "hf-trainer-2024", "ms-swift"),
    ("llama-factory", "hf-trainer-2024", "LLaMA-Factory"),
    ("axolotl", "hf-trainer-2024", "Axolotl"),
    ("trl", "hf-trainer-2024", "TRL"),
    ("unsloth", "hf-trainer-2024", "Unsloth"),
    ("hf", "hf-trainer-2024", "HF Trainer"),
    ("hugging", "hf-trainer-2024", "HF Trainer"),
    ("automodel", "torchtitan-eager-2025", "NeMo Automodel"),
    ("fsdp2", "torchtitan-eager-2025", "FSDP2"),
)
FINE_TUNERS = ("hf-trainer-2024", "litgpt-2024", "torchtune-2024")
OLDER_MEGATRON = ((2022, "megatron-lm-2022"), (2023, "megatron-lm-2023"), (2024, "megatron-lm-2024"))
MEGATRON_RANKS = ("tp", "pp", "ep")
FUSED = re.compile(r"foak|liger|fused (loss|cross)|chunked loss", re.IGNORECASE)


def software_of(row: CsvRow, notes: list[str]) -> NamedStack:
    """The software of a row; of an unknown framework the nearest kin: Megatron's where ranks cut layers, else HF's."""
    words, prose = text(row, "framework").lower(), " ".join((text(row, "notes"), text(row, "locator")))
    year = whole(row, "year") or 2025
    for mark, stack, family in FRAMEWORKS:
        if mark in words:
            if family == "ms-swift" and "megatron" in words + prose.lower():
                return NamedStack("megatron-core-2025", family)
            return _as_run(row, stack, family, year, prose)
    ranks = any((whole(row, column) or 1) > 1 for column in MEGATRON_RANKS)
    stack = "megatron-core-2025" if ranks else "hf-trainer-2024"
    notes.append(f"framework {text(row, 'framework') or '(not stated)'} is not known: {stack} stands in")
    return _as_run(row, stack, text(row, "framework") or "other", year, prose)


def _as_run(row: CsvRow, stack: str, family: str, year: int, prose: str) -> NamedStack:
    """A stack as its release and the row's notes have it."""
    changes: dict[str, Any] = {}
    if family == "Megatron-LM":
        stack = next((older for last, older in OLDER_MEGATRON if year <= last), stack)
    if stack == "torchtitan-2025" and re.search(r"\beager\b", prose):
        stack = "torchtitan-eager-2025"
    if stack == "torchtitan-2025" and year >= 2026:
        changes["loss_chunks"] = 8
    if stack in FINE_TUNERS and FUSED.search(prose):
        changes["logit_bytes"] = 8.0  # 16-bit logits, cast and shifted; the gradient stands in their place
    if "accelerated-peft" in prose:
        changes["wide_residuals"] = False  # its own preparation of the model leaves norms in 16 bits
    stack = stack if stack in names("stacks") else "torchtitan-eager-2025"
    return NamedStack(stack, family, stack in FINE_TUNERS, "fms-acceleration" in text(row, "framework"), changes)


@dataclass(frozen=True)
class Precisions:
    """What multiplies, and in what the states are kept."""

    compute: str
    training: dict[str, Any]


QUANTIZED = (("nf4-dq", "nf4-double"), ("nf4", "nf4"), ("fp4", "nf4"), ("int8", "int8"), ("8-bit base", "int8"))


def precision_of(row: CsvRow, notes: list[str]) -> Precisions:
    """Precision of the products, and of parameters, gradients and moments where the words name these."""
    words = text(row, "precision").lower()
    found: dict[str, Any] = {}
    if re.search(r"\bpure\b|-true\b", words):
        found |= {"master_weights": False, "moment_precision": "bf16", "grad_reduce_precision": "bf16"}
    base = next((name for mark, name in QUANTIZED if mark in words), None)
    if "4-bit" in words and base is None:
        base = "int4" if "gptq" in text(row, "notes").lower() else "nf4-double"
    if base:
        found["base_precision"] = base
    if "fp32 gradients" in words:
        found["grad_reduce_precision"] = "fp32"
    for mark, compute in (("nvfp4", "nvfp4"), ("mxfp8", "mxfp8"), ("fp8", "fp8"), ("float8", "fp8")):
        if mark in words:
            if "layers" in words:
                notes.append(f"precision {words}: taken as {compute} in all layers")
            return Precisions(compute, found)
    half = "fp16" if "float16" in words.replace("bfloat16", "") or "fp16" in words else "bf16"
    return Precisions("fp32" if words.startswith(("fp32", "float32")) else half, found)


@dataclass(frozen=True)
class RecomputeWords:
    """Recomputation in our words: the layout's, and what the stack selects."""

    layout: str
    stack: dict[str, Any]


MODULES = {
    "core_attn": "core_attention",
    "mla_up_proj": "latent_up",
    "moe_act": "expert_activation",
    "layernorm": "norms",
    "mlp": "feed_forward",
    "moe": "experts",
    "shared_experts": "shared_experts",
}


def recompute_of(row: CsvRow, software: NamedStack, notes: list[str]) -> RecomputeWords:
    """The layout's word; of a list of modules, selective recomputation of these."""
    words = text(row, "recompute").lower().strip("[]")
    if words.startswith("full") or words in ("yes", "true", "activation checkpointing"):
        return RecomputeWords("full", {})
    if "op" in words.split():
        return RecomputeWords("operations", {})
    modules = [part for part in re.split(r"[,+ ]+", words) if part in MODULES]
    if modules:
        return RecomputeWords("selective", {"selective_recompute": [MODULES[part] for part in modules]})
    if words in ("none", "no", "false"):
        return RecomputeWords("none", {})
    if words.startswith("selective"):
        return RecomputeWords("selective", {})
    if not words and text(row, "recompute"):
        return RecomputeWords("none", {})
    notes.append(f"recomputation {words or 'not stated'}: {software.stack}'s default")
    return RecomputeWords("", {})


RANK = re.compile(r"r(?:ank)?\s*=?\s*(\d+)")
USUAL_RANK = 16
PARAMETERS = re.compile(r"trainable ([\d,]{4,})")


def trainable_of(row: CsvRow, software: NamedStack, notes: list[str]) -> dict[str, Any]:
    """`training.trainable` of a row: all, adapters of a rank, or all but what is frozen."""
    words = text(row, "trainable").lower()
    if words in ("", "all", "full"):
        return {}
    rank = RANK.search(words)
    if "lora" in words:
        if rank is None:
            notes.append(f"rank of the adapters not stated: {USUAL_RANK} assumed")
        targets = ["query", "value"] if software.family == "LitGPT" else ["attention"]
        if software.family in ("Megatron-Bridge", "ms-swift") or "all-linear" in words:
            targets = ["attention", "feed_forward"]
        return {"trainable": {"lora": {"rank": int(rank[1]) if rank else USUAL_RANK, "targets": targets}}}
    notes.append(f"{words}: taken as adapters of rank 1 on queries and values")
    return {"trainable": {"lora": {"rank": 1, "targets": ["query", "value"]}}}
