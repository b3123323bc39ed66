"""The layout of a measured run, in our words."""

from __future__ import annotations

import math
import re
from typing import Any, get_args

from clustersim.inputs.layout import Dispatcher
from clustersim.inputs.stack import Stack
from clustersim.studies.measured.csv_cells import CsvRow, flag, given, text, whole, whole_list
from clustersim.studies.measured.script_flags import script_flags
from clustersim.studies.measured.words import (
    dispatcher_word,
    offload_word,
    overlap_words,
    recompute_words,
    schedule_word,
    sharding_word,
)

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
# PyTorch's option: torch.distributed._symmetric_memory cuts products and their collectives into pieces that alternate.
ASYNC_TP = re.compile(r"\basync ?tp\b", re.IGNORECASE)
RANKS = re.compile(r"\((all|\d+) ranks?\)")
# MindSpeed's --context-parallel-algo; a hybrid is both, and isn't played.
CONTEXT_ALGORITHMS = {"megatron_cp_algo": "ring", "ulysses_cp_algo": "ulysses", "kvallgather_cp_algo": "all-gather"}


def layout_of(row: CsvRow, notes: list[str], stack: Stack) -> dict[str, Any]:
    """The layout as a mapping; what the row leaves empty is the stack's default. Raises InputError for bad cells."""
    sizes = _sizes(row, notes)
    if sizes["micro_batch"] is None:
        notes.append("micro-batch not stated: 1 assumed")
    choices = {
        "sequence_parallel": flag(row, "sequence_parallel"),
        "stage_layers": whole_list(row, "stage_layers") or None,
        "sharding": sharding_word(row, notes),
        "recompute": recompute_words(row, notes)[0],
        "overlap": _overlap(row, stack, notes),
        "schedule": schedule_word(row, notes),
    }
    if choices["schedule"] == "zb-v" and sizes["virtual_stages"] is None:
        sizes["virtual_stages"] = 2  # there and back
    more = {
        "offload": _offload(row, notes),
        "dispatcher": _dispatcher(row, notes),
        "zero_group": _zero_group(row, notes),
        "context_kind": CONTEXT_ALGORITHMS.get(script_flags(row).get("context-parallel-algo", "")),
    }
    return given(sizes | choices | more)


def _sizes(row: CsvRow, notes: list[str]) -> dict[str, int | None]:
    """Sizes of the parallel groups; 0 is none of a kind. Of data-parallel ranks that count context ranks, the others.

    One size that isn't stated follows from the devices.
    """
    sizes = {name: whole(row, column) or None for column, name in COLUMNS.items()}
    devices, groups = whole(row, "n_devices"), ("tensor", "pipeline", "context", "data")
    if not devices or sizes["data"] is None:
        return sizes
    product = math.prod(sizes[name] or 1 for name in groups)
    context = sizes["context"] or 1
    if context > 1 and product == devices * context and sizes["data"] % context == 0:
        sizes["data"] //= context
        notes.append(f"dp counts {context} context ranks, too")
    missing = next((name for name in groups if sizes[name] is None), None)
    if missing is not None and product < devices and devices % product == 0:
        sizes[missing] = devices // product
        notes.append(f"{missing} isn't stated: {devices // product}, of {devices} devices")
    return sizes


def _dispatcher(row: CsvRow, notes: list[str]) -> str | None:
    """How tokens reach experts: the column's word, else the flag of its script."""
    if text(row, "dispatcher"):
        return dispatcher_word(row, notes)
    flag_word = script_flags(row).get("moe-token-dispatcher-type", "")
    return flag_word if flag_word in get_args(Dispatcher) else None


def _zero_group(row: CsvRow, notes: list[str]) -> int | None:
    """Ranks that a distributed optimizer shards over.

    `sharding` may say it, too ("ZeRO-1 (8 ranks)", "(all ranks)"): those are the source's own words, and win.
    """
    told = RANKS.search(text(row, "sharding"))
    everybody = text(row, "zero_group").lower() in ("all", "dp", "0", "-1")
    column = None if everybody else whole(row, "zero_group")
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
        return overlap_words(row, notes)
    if ASYNC_TP.search(text(row, "notes")):
        notes.append("asynchronous tensor parallelism: products are cut and fused with their collectives")
        return sorted(stack.defaults.overlap | {"tensor_fused"})
    return None


def _offload(row: CsvRow, notes: list[str]) -> str | None:
    """What is kept in the host's memory. `cpu_offload` of older files says only that something is."""
    if text(row, "offload"):
        return offload_word(row, notes)
    if flag(row, "cpu_offload"):
        notes.append("what is offloaded to the host isn't told by a column, and is ignored")
    return None
