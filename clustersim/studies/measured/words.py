"""What sources call things, in our words: the cells of a measured run that hold a word and no number.

Words are compared without case, hyphens, underscores and blanks. One that is not known is refused where it changes what
is played, never read as something else; one that says less than it seems to is said so in the row's notes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from clustersim.errors import InputError
from clustersim.inputs.layout import Dispatcher, Overlap
from clustersim.inputs.units import shown
from clustersim.studies.measured.csv_cells import CsvRow, problem, text, whole

NOTHING = ("none", "no", "off", "false", "0")
SEPARATORS = re.compile(r"[|,;/+():=]+")

DISPATCHERS: Mapping[str, Dispatcher] = {word: word for word in get_args(Dispatcher) if word != "sequential"} | {
    "ag": "allgather",
    "a2a": "alltoall",
    "all2all": "alltoall",
    "alltoallv": "alltoall",
}
# Words for a way that is played as one much like it, and what is said of it.
NEAR_DISPATCHERS: Mapping[str, tuple[Dispatcher, str]] = {
    **dict.fromkeys(
        ("alltoallseq", "sequential"),
        ("alltoall", "alltoall_seq is taken as alltoall: what tensor ranks swap before isn't counted"),
    ),
    "ncclep": ("deepep", "NCCL EP is taken as deepep: it sends a token once to a rank, too"),
    "flex": ("deepep", "the flex dispatcher is taken as deepep, its usual backend"),
}
LONG_NAMES = ("hybridep", "deepep", "alltoall", "allgather", "a2a")  # that may be part of a word
PRECISIONS: Mapping[str, tuple[str, str | None]] = {  # the precision, and how fp8 is scaled where the word says so
    **{word: (word, None) for word in ("fp32", "tf32", "fp16", "bf16", "fp8", "mxfp8", "nvfp4")},
    **dict.fromkeys(("bfloat16", "bf16mixed", "mixedbf16"), ("bf16", None)),
    **dict.fromkeys(("float16", "half", "fp16mixed", "16mixed"), ("fp16", None)),
    **dict.fromkeys(("float32", "single"), ("fp32", None)),
    **dict.fromkeys(("fp8mx", "mx"), ("mxfp8", None)),
    **dict.fromkeys(("fp4", "nvfp4mixed"), ("nvfp4", None)),
    **dict.fromkeys(("float8", "fp8mixed", "bf16withfp8"), ("fp8", None)),
    **dict.fromkeys(("fp8cs", "fp8ds", "fp8currentscaling", "fp8delayedscaling"), ("fp8", "per-tensor")),
    **dict.fromkeys(("fp8sc", "fp8blockwise", "fp8subchannel", "fp8subchannelscaling"), ("fp8", "blockwise")),
}
BLOCKWISE = ("blockwise", "block", "perblock", "groupwise", "subchannel", "1x128", "128x128", "sc", "fp8sc", "deepseek")
PER_TENSOR = ("pertensor", "tensorwise", "tensor", "delayed", "current", "delayedscaling", "currentscaling")
FP8_RECIPES: Mapping[str, str] = (
    dict.fromkeys((*BLOCKWISE, "blockscaling", "blockwisescaling"), "blockwise")
    | dict.fromkeys((*PER_TENSOR, "cs", "ds", "fp8cs", "fp8ds"), "per-tensor")
    | {"rowwise": "per-tensor"}
)
FORMATS = ("hybrid", "e4m3", "e5m2")  # of numbers: they say nothing of scales
SHARDINGS = (  # marks in the source's words; the first that occurs decides
    ("none", ("none", "zero0", "ddp", "stage0")),
    ("zero1", ("zero1", "distributedoptimizer", "paralleloptimizer", "stage1")),
    ("zero2", ("zero2", "shardgradop", "stage2")),
    ("hybrid", ("hybrid", "hsdp")),
    ("fsdp", ("zero3", "fsdp", "fullshard", "fullyshard", "stage3", "zeroinfinity", "optimgradsparams")),
)
OVERLAPS: Mapping[str, tuple[str, ...]] = {word.replace("_", ""): (word,) for word in get_args(Overlap)} | {
    "dp": ("grad_reduce", "param_gather"),
    "gradreduction": ("grad_reduce",),
    "paramallgather": ("param_gather",),
    "tp": ("tensor",),
    "tpcomm": ("tensor",),
    "ep": ("expert",),
    "a2a": ("expert",),
    "epa2a": ("expert",),
    "moea2a": ("expert",),
    "moefboverlap": ("expert",),
    "sharedexperts": ("shared_expert",),
    "cp": ("context",),
}
SCHEDULES: Mapping[str, str] = {
    "1f1b": "1f1b",
    "interleaved": "interleaved-1f1b",
    "interleaved1f1b": "interleaved-1f1b",
    "vpp": "interleaved-1f1b",
    "gpipe": "gpipe",
    "afab": "gpipe",
    "zbh1": "zb-h1",
    "zb1p": "zb-1p",
    "zb2p": "zb-2p",
    "zbv": "zb-v",
    "zbvzerobubble": "zb-v",
    "dualpipev": "zb-v",
    "dualpipe": "dualpipe",
}
OFFLOADS: Mapping[str, str] = (
    dict.fromkeys(NOTHING, "none")
    | dict.fromkeys(("optimizer", "optimizerstates", "optimizerstate", "moments", "cpuoptimizer"), "optimizer")
    | dict.fromkeys(("activations", "activation"), "activations")
)
RECOMPUTES: Mapping[str, str] = (
    dict.fromkeys(NOTHING, "none")
    | dict.fromkeys(("full", "uniform", "block", "all"), "full")
    | dict.fromkeys(("selective", "sel"), "selective")
    | dict.fromkeys(("operations", "op", "selectiveop"), "operations")
)
BETWEEN = ("partial", "auto")  # recomputation between none and full: selective stands for it
MODULES: Mapping[str, str] = {  # Megatron's --recompute-modules, in the words of `stack.selective_recompute`
    "coreattn": "core_attention",
    "coreattention": "core_attention",
    "mlaupproj": "latent_up",
    "moeact": "expert_activation",
    "layernorm": "norms",
    "norms": "norms",
    "mlp": "feed_forward",
}
LAYERS = re.compile(r"(?:full\D*)?(\d+)\s*layers?", re.IGNORECASE)
POSITIONS: Mapping[str, str] = (
    dict.fromkeys(("rotary", "rope", "yarn", "mrope", "partialrope", "ropeyarn"), "rotary")
    | dict.fromkeys(("learned", "absolute", "learnedabsolute"), "learned")
    | {"alibi": "alibi", "none": "none", "nope": "none"}
)
GRADIENTS: Mapping[str, str] = {
    word: name for word, (name, _) in PRECISIONS.items() if name in ("fp32", "bf16", "fp16")
}


def folded(word: str) -> str:
    """A word as words are compared: lower case, without hyphens, underscores, blanks and dots."""
    return re.sub(r"[-_\s.]", "", word.lower())


def known_word(row: CsvRow, column: str, known: Mapping[str, str]) -> str | None:
    """Our word for a cell; None where it is empty. Raises InputError for a word that isn't known."""
    word = folded(text(row, column))
    if word and word not in known:
        raise _unknown(row, column, known.values())
    return known.get(word)


def dispatcher_word(row: CsvRow, notes: list[str]) -> Dispatcher | None:
    """How tokens reach experts. Of several words ("flex/DeepEP") the one that says most. Raises InputError."""
    words = _parts(text(row, "dispatcher"))
    if all(word in NOTHING for word in words):
        return None
    for word in words:
        if word in DISPATCHERS:
            return DISPATCHERS[word]
    cell = folded(text(row, "dispatcher"))
    for word, (name, note) in NEAR_DISPATCHERS.items():
        if word in words:
            notes.append(note)
            return name
    for word in LONG_NAMES:
        if word in cell:
            return DISPATCHERS[word]
    raise _unknown(row, "dispatcher", DISPATCHERS.values())


def precision_words(row: CsvRow, notes: list[str]) -> tuple[str | None, str | None]:
    """The precision, and how fp8 is scaled, from the columns of both; None for what isn't said. Raises InputError."""
    word, recipe = folded(text(row, "precision")), folded(text(row, "fp8_recipe"))
    if word and word not in PRECISIONS:
        raise _unknown(row, "precision", (name for name, _ in PRECISIONS.values()))
    precision, scales = PRECISIONS.get(word, (None, None))
    if not recipe or recipe in NOTHING or recipe == word:
        return precision, scales
    if recipe in PRECISIONS and PRECISIONS[recipe][0] in ("mxfp8", "nvfp4"):
        if precision not in (PRECISIONS[recipe][0], "fp8", None):
            raise problem(row, "fp8_recipe", f"{shown(text(row, 'fp8_recipe'))} is no way to scale {precision}")
        return PRECISIONS[recipe][0], None
    if recipe in FORMATS:
        notes.append(f"{text(row, 'fp8_recipe')} names a format of numbers, not how they are scaled")
        return precision, scales
    if recipe not in FP8_RECIPES:
        raise _unknown(row, "fp8_recipe", FP8_RECIPES.values())
    if recipe == "rowwise":
        notes.append("scales by row are taken as one a tensor")
    return precision, FP8_RECIPES[recipe]


def sharding_word(row: CsvRow, notes: list[str]) -> str | None:
    """What data-parallel ranks share. A word that isn't known leaves it to the stack, which is said."""
    words = text(row, "sharding")
    whole_word = folded(words)
    if whole_word in ("dp", "full"):
        return "none" if whole_word == "dp" else "fsdp"
    for name, marks in SHARDINGS:
        if any(mark in whole_word for mark in marks):
            return name
    if words:
        notes.append(f"sharding {shown(words)} is not known: the stack's default")
    return None


def overlap_words(row: CsvRow, notes: list[str]) -> list[str] | None:
    """What overlaps, an empty list for nothing; None where no word is known, so that it is the stack's default."""
    words = [word for word in re.split(r"[|,;+/]+|\s+", text(row, "overlap")) if word]
    unknown = [word for word in words if folded(word) not in OVERLAPS and folded(word) not in NOTHING]
    found = {name for word in words for name in OVERLAPS.get(folded(word), ())}
    if unknown:
        rest = "" if found else ": the stack's default"
        notes.append(f"overlap {', '.join(unknown)} is not known and ignored{rest}")
    return None if unknown and not found else sorted(found)


def schedule_word(row: CsvRow, notes: list[str]) -> str | None:
    """The order of a pipeline's passes. 1F1B over several virtual stages a device is the interleaved one.

    Raises InputError for an unknown word.
    """
    word, stages = folded(text(row, "schedule")), whole(row, "vpp") or 1
    if (whole(row, "pp") or 1) == 1 or word in NOTHING:
        return None if word not in SCHEDULES else SCHEDULES[word] if stages == 1 else None
    name = known_word(row, "schedule", SCHEDULES)
    if word == "dualpipev":
        notes.append("DualPipeV is taken as zb-v: the same stages, but passes of two micro-batches don't run together")
    if name == "1f1b" and stages > 1:
        notes.append(f"1f1b over {stages} virtual stages a device is interleaved-1f1b")
        return "interleaved-1f1b"
    if name == "interleaved-1f1b" and stages == 1:
        notes.append("how many virtual stages are interleaved isn't stated: 1f1b")
        return "1f1b"
    return name


def offload_word(row: CsvRow, notes: list[str]) -> str | None:
    """What is kept in the host's memory; None where it isn't said what. Raises InputError for an unknown word."""
    word = folded(text(row, "offload"))
    if word in ("cpu", "yes", "true", "1"):
        notes.append("what is offloaded to the host isn't told by a column, and is ignored")
        return None
    return known_word(row, "offload", OFFLOADS)


def recompute_words(row: CsvRow, notes: list[str]) -> tuple[Any, tuple[str, ...]]:
    """What runs again backward, and the modules that the source lists for it (none: what the stack selects).

    Raises InputError for an unknown word.
    """
    cell = text(row, "recompute")
    layers = LAYERS.fullmatch(cell)
    if layers and int(layers[1]):
        return {"layers": int(layers[1])}, ()
    words = _parts(cell)
    modules = tuple(dict.fromkeys(MODULES[word] for word in words if word in MODULES))
    rest = [word for word in words if word not in MODULES and not word.isdecimal()] or words[:1]
    if not words:
        return None, ()
    if modules and rest[0] in (*MODULES, "selective", "sel"):
        return "selective", modules
    if rest[0] in BETWEEN:
        notes.append(f"recompute {rest[0]} is taken as selective")
        return "selective", ()
    rest = [next((start for start in ("full", "selective") if word.startswith(start)), word) for word in rest]
    first = next((word for word in rest if word in RECOMPUTES), None)
    if first is None or any(word not in RECOMPUTES for word in rest):
        raise _unknown(row, "recompute", (*RECOMPUTES.values(), *BETWEEN, *MODULES))
    return RECOMPUTES[first], ()


def position_word(row: CsvRow, notes: list[str]) -> str | None:
    """How tokens know their places; one that isn't known leaves it to the model, which is said."""
    word = folded(text(row, "position"))
    if word and word not in POSITIONS:
        notes.append(f"position {shown(text(row, 'position'))} is not known: the model's own, or the usual one")
    return POSITIONS.get(word)


def _parts(cell: str) -> list[str]:
    """The words of a cell, each as words are compared; a cell that is one word with separators in it counts as such."""
    return [part for part in map(folded, SEPARATORS.split(cell)) if part]


def _unknown(row: CsvRow, column: str, known: Iterable[str]) -> InputError:
    return problem(row, column, f"{shown(text(row, column))} is not known. Known: {', '.join(dict.fromkeys(known))}")
