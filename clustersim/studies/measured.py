"""Measured runs: from a row of a `measured_runs.csv` to the scenario that ran.

A row's empty cell means that the source doesn't say. A catalog model of that name supplies the architecture's empty
cells, the stack the rest (its file lists its defaults); what was taken so is said.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustersim.errors import InputError, Problem
from clustersim.inputs.catalog import load, names
from clustersim.inputs.model import Model
from clustersim.inputs.stack import Stack

Row = Mapping[str, str]

REQUIRED = ("id", "accelerator", "seq_len", "global_batch_seqs", "n_devices")
MODEL_COLUMNS = {
    "layers": "layers",
    "hidden": "hidden",
    "heads": "heads",
    "kv_heads": "kv_heads",
    "ffn_hidden": "ffn_hidden",
    "vocab": "vocab",
    "head_dim": "head_dim",
    "mtp_layers": "mtp_layers",
}
LAYOUT_COLUMNS = {
    "tp": "tensor",
    "pp": "pipeline",
    "vpp": "virtual_stages",
    "dp": "data",
    "cp": "context",
    "ep": "expert",
    "expert_tp": "expert_tensor",
    "micro_batch": "micro_batch",
}
MEGATRON_VOCAB = 51_200  # GPT-2's 50,257 tokens padded, what GPT benchmarks without a stated vocabulary use
OVERLAPS = ("grad_reduce", "param_gather", "tensor", "tensor_fused", "fsdp")


@dataclass(frozen=True)
class MeasuredRun:
    """One row: the scenario as a mapping for `load_scenario`, and what was measured."""

    id: str
    source: str
    group: str
    stack: str
    accelerator: str
    quality: str
    mapping: Mapping[str, Any]
    measured_step_time_s: float | None
    notes: tuple[str, ...]


def read_rows(path: str | Path) -> list[Row]:
    """All rows of a CSV file.

    Raises InputError when the file can't be read or lacks a column that nothing can stand in for.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows: list[Row] = [dict(row) for row in reader]
            columns = reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(str(path), [Problem(f"cannot be read: {error}")]) from error
    absent = [column for column in REQUIRED if column not in columns]
    if absent:
        raise InputError(str(path), [Problem("this column is required", key=column, line=1) for column in absent])
    return rows


def measured_run(row: Row) -> MeasuredRun:
    """The scenario of a row. Raises InputError where the row can't be read."""
    notes: list[str] = []
    stack = _stack(row, notes)
    model = _model(row, notes)
    mapping = {
        "name": row["id"],
        "model": model,
        "cluster": _cluster(row),
        "training": _training(row),
        "layout": _layout(row),
        "stack": stack,
    }
    measured = _number(row, "measured_step_time_s")
    return MeasuredRun(
        row["id"],
        row.get("source", ""),
        row.get("group", ""),
        row.get("stack", ""),
        row["accelerator"],
        row.get("quality", ""),
        mapping,
        measured,
        tuple(notes),
    )


def _number(row: Row, column: str) -> float | None:
    text = (row.get(column) or "").strip()
    if not text:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise InputError(row["id"], [Problem(f"{text!r} is not a number", key=column)]) from error


def _whole(row: Row, column: str) -> int | None:
    number = _number(row, column)
    return None if number is None else int(number)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _stack(row: Row, notes: list[str]) -> str:
    """The row's stack, or the nearest known one of the accelerator's vendor: by shared name, then by year."""
    wanted = (row.get("stack") or "").strip()
    known = names("stacks")
    if wanted in known:
        return wanted
    vendor = load("accelerators", row["accelerator"]).vendor
    stacks = {slug: load("stacks", slug) for slug in known}
    fitting = [slug for slug, stack in stacks.items() if isinstance(stack, Stack) and vendor in stack.vendors]
    if not fitting:
        raise InputError(row["id"], [Problem(f"no stack for chips of {vendor} in the catalog", key="stack")])
    year = _whole(row, "year") or _year_in(wanted)
    words = set(wanted.split("-"))
    nearest = max(
        fitting, key=lambda slug: (len(words & set(slug.split("-"))), -abs(stacks[slug].year - (year or 0)), slug)
    )
    notes.append(f"stack {wanted or '(not stated)'} is not in the catalog: {nearest} stands in")
    return nearest


def _year_in(slug: str) -> int | None:
    years = [int(word) for word in slug.split("-") if word.isdigit() and len(word) == 4]
    return years[0] if years else None


def _model(row: Row, notes: list[str]) -> dict[str, Any]:
    known = _catalog_model(row.get("model", ""))
    given: dict[str, Any] = {"name": row.get("model") or row["id"]}
    given |= {field: _whole(row, column) for column, field in MODEL_COLUMNS.items()}
    gated = _whole(row, "gated_mlp")
    position = {"alibi": "alibi", "learned": "learned", "rotary": "rotary", "rope": "rotary"}.get(
        row.get("position", "")
    )
    given |= {"gated": None if gated is None else bool(gated), "position": position}
    given = _given(given | {"moe": _experts(row), "latent": _latent(row)})
    if known is not None:
        base = known.model_dump(mode="json", exclude_none=True)
        empty = [field for field in ("layers", "hidden", "vocab") if field not in given]
        if empty:
            notes.append(f"the catalog's {known.name} supplies {', '.join(empty)}")
        return base | given
    return _fill_model(given, notes)


def _catalog_model(name: str) -> Model | None:
    try:
        model = load("models", name)
    except InputError:
        return None
    return model if isinstance(model, Model) else None


def _fill_model(given: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """Megatron's conventions for what a row of an unknown model leaves empty."""
    if "heads" in given:
        given.setdefault("kv_heads", given["heads"])
    if "hidden" in given and "moe" not in given:
        given.setdefault("ffn_hidden", 4 * given["hidden"])
    if "moe" in given:
        given.setdefault("ffn_hidden", given["moe"]["ffn_hidden"])
    if "vocab" not in given:
        given["vocab"] = MEGATRON_VOCAB
        notes.append(f"vocabulary not stated: {MEGATRON_VOCAB} assumed")
    gated = given.setdefault("gated", False)
    given.setdefault("position", "rotary" if gated else "learned")
    if not gated:  # the GPT family: layer norms, biases, dropout, one table for look-up and head
        given |= {"norm": "layer", "bias": True, "dropout": True, "tied_embeddings": True}
    return given


def _experts(row: Row) -> dict[str, Any] | None:
    experts = _whole(row, "n_experts")
    if not experts or experts < 2:
        return None
    return _given(
        {
            "experts": experts,
            "top_k": _whole(row, "experts_per_token"),
            "ffn_hidden": _whole(row, "moe_ffn_hidden") or _whole(row, "ffn_hidden"),
            "shared": _whole(row, "shared_experts"),
            "leading_dense": _whole(row, "dense_layers"),
        }
    )


def _latent(row: Row) -> dict[str, Any] | None:
    """MLA; the head sizes that no column holds are DeepSeek's (arXiv 2405.04434, section 3.1.2)."""
    rank = _whole(row, "kv_lora_rank")
    if not rank:
        return None
    sizes = {"qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128}
    return _given({"kv_lora_rank": rank, "q_lora_rank": _whole(row, "q_lora_rank"), **sizes})


def _cluster(row: Row) -> dict[str, Any]:
    devices = _whole(row, "n_devices") or 0
    per_node = min(_whole(row, "devices_per_node") or 8, devices)
    usual = load("accelerators", row["accelerator"]).node
    node: dict[str, Any] = {"extends": usual, "accelerator": row["accelerator"], "devices": per_node}
    domain = _whole(row, "scale_up_domain")
    if domain:
        node["scale_up_domain"] = domain
    network = _number(row, "node_network_gbps")
    if network:
        node["scale_out"] = {"bandwidth": f"{network / per_node} Gb/s"}
    return {"node": node, "devices": devices}


def _training(row: Row) -> dict[str, Any]:
    return _given(
        {
            "sequence_length": _whole(row, "seq_len"),
            "global_batch": _whole(row, "global_batch_seqs"),
            "precision": row.get("precision") or None,
            "grad_reduce_precision": row.get("grad_reduce_precision") or None,
            "document_length": _whole(row, "document_len"),
        }
    )


def _layout(row: Row) -> dict[str, Any]:
    layout = {field: _whole(row, column) for column, field in LAYOUT_COLUMNS.items()}
    sequence_parallel = _whole(row, "sequence_parallel")
    stages = [int(count) for count in (row.get("stage_layers") or "").split("|") if count]
    return _given(
        layout
        | {
            "sequence_parallel": None if sequence_parallel is None else bool(sequence_parallel),
            "stage_layers": stages or None,
            "sharding": _sharding(row.get("sharding") or ""),
            "recompute": _recompute(row.get("recompute") or ""),
            "overlap": _overlap(row.get("overlap") or ""),
            "schedule": (row.get("schedule") or "").lower() or None,
        }
    )


def _sharding(words: str) -> str | None:
    """Our name for the source's words."""
    folded = words.lower()
    for name, marks in (
        ("none", ("none", "zero-0", "ddp")),
        ("zero1", ("zero-1", "distributed-optimizer", "parallel-optimizer")),
        ("zero2", ("zero-2", "shard_grad_op")),
        ("fsdp", ("zero-3", "fsdp", "full_shard")),
    ):
        if any(mark in folded for mark in marks):
            return name
    return None


def _recompute(word: str) -> str | None:
    """`partial` and `auto` lie between none and full: selective stands for them where attention isn't fused."""
    return {"partial": "selective", "auto": "selective"}.get(word, word or None)


def _overlap(words: str) -> list[str] | None:
    if not words:
        return None
    return [word for word in words.split("|") if word in OVERLAPS]
