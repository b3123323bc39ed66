"""The layout of a measured run, in our words."""

from __future__ import annotations

import re
from typing import Any, get_args

from clustersim.inputs.layout import Dispatcher, Overlap
from clustersim.inputs.stack import Stack
from clustersim.inputs.units import shown
from clustersim.studies.measured.csv_cells import CsvRow, flag, given, known_words, one_of, text, whole, whole_list
from clustersim.studies.measured.script_flags import script_flags

COLUMNS = {
    "tp": "tensor",
    "pp": "pipeline",
    "vpp": "virtual_stages",
    "dp": "data",
    "cp": "context",
    "ep": "expert",
    "expert_tp": "expert_tensor",
    "micro_batch": "micro_batch",
}
# Marks in the source's words, without hyphens and blanks; the first that occurs decides.
SHARDINGS = (
    ("none", ("none", "zero0", "ddp")),
    ("zero1", ("zero1", "distributedoptimizer", "paralleloptimizer")),
    ("zero2", ("zero2", "shard_grad_op")),
    ("hybrid", ("hybrid", "hsdp")),
    ("fsdp", ("zero3", "fsdp", "full_shard")),
)
# PyTorch's option: torch.distributed._symmetric_memory cuts products and their collectives into pieces that alternate.
ASYNC_TP = re.compile(r"\basync ?tp\b", re.IGNORECASE)
RANKS = re.compile(r"\((all|\d+) ranks?\)")
# MindSpeed's --context-parallel-algo; a hybrid is both, and isn't played.
CONTEXT_ALGORITHMS = {"megatron_cp_algo": "ring", "ulysses_cp_algo": "ulysses", "kvallgather_cp_algo": "all-gather"}
OFFLOADS = ("none", "optimizer", "activations")
BETWEEN = ("partial", "auto")  # recomputation between none and full: selective stands for it


def layout_of(row: CsvRow, notes: list[str], stack: Stack) -> dict[str, Any]:
    """The layout as a mapping; what the row leaves empty is the stack's default. Raises InputError for bad cells."""
    sizes: dict[str, Any] = {name: whole(row, column) for column, name in COLUMNS.items()}
    if sizes["micro_batch"] is None:
        notes.append("micro-batch not stated: 1 assumed")
    choices = {
        "sequence_parallel": flag(row, "sequence_parallel"),
        "stage_layers": whole_list(row, "stage_layers") or None,
        "sharding": _sharding(row, notes),
        "recompute": _recompute(row, notes),
        "overlap": _overlap(row, stack, notes),
        "schedule": text(row, "schedule").lower() or None,
    }
    more = {
        "offload": _offload(row, notes),
        "dispatcher": _dispatcher(row),
        "zero_group": _zero_group(row, notes),
        "context_kind": CONTEXT_ALGORITHMS.get(script_flags(row).get("context-parallel-algo", "")),
    }
    return given(sizes | choices | more)


def _dispatcher(row: CsvRow) -> str | None:
    """How tokens reach experts: the column's word, else the flag of its script."""
    word = text(row, "dispatcher").lower().replace("-", "").replace("_", "")
    if not word:
        flag_word = script_flags(row).get("moe-token-dispatcher-type", "")
        return flag_word if flag_word in get_args(Dispatcher) else None
    return one_of(row, "dispatcher", get_args(Dispatcher), word)


def _zero_group(row: CsvRow, notes: list[str]) -> int | None:
    """Ranks that a distributed optimizer shards over.

    `sharding` may say it, too ("ZeRO-1 (8 ranks)", "(all ranks)"): those are the source's own words, and win.
    """
    told = RANKS.search(text(row, "sharding"))
    column = whole(row, "zero_group")
    if told is None:
        return column
    group = None if told[1] == "all" else int(told[1])
    if column is not None and column != (group or _replicas(row)):
        notes.append(f"zero_group {column} is not what sharding says ({told[0]}), which is followed")
    return group


def _replicas(row: CsvRow) -> int | None:
    data = whole(row, "dp")
    return None if data is None else data * (whole(row, "cp") or 1)


def _overlap(row: CsvRow, stack: Stack, notes: list[str]) -> list[str] | None:
    """What overlaps: the column's words, else what the notes say beside the stack's default; None for that alone."""
    if text(row, "overlap"):
        return known_words(row, "overlap", get_args(Overlap), notes)
    if ASYNC_TP.search(text(row, "notes")):
        notes.append("asynchronous tensor parallelism: products are cut and fused with their collectives")
        return sorted(stack.defaults.overlap | {"tensor_fused"})
    return None


def _offload(row: CsvRow, notes: list[str]) -> str | None:
    """What is kept in the host's memory. `cpu_offload` of older files says only that something is."""
    word = text(row, "offload").lower()
    if word:
        return one_of(row, "offload", OFFLOADS, word)
    if flag(row, "cpu_offload"):
        notes.append("what is offloaded to the host isn't told by a column, and is ignored")
    return None


def _sharding(row: CsvRow, notes: list[str]) -> str | None:
    """Our name for the source's words."""
    words = text(row, "sharding")
    folded = words.lower().replace("-", "").replace(" ", "")
    for name, marks in SHARDINGS:
        if any(mark in folded for mark in marks):
            return name
    if words:
        notes.append(f"sharding {shown(words)} is not known: the stack's default")
    return None


def _recompute(row: CsvRow, notes: list[str]) -> str | None:
    word = text(row, "recompute").lower()
    if word in BETWEEN:
        notes.append(f"recompute {word} is taken as selective")
        return "selective"
    return word or None
