"""Measured runs: from a row of a `measured_runs.csv` to the scenario that ran.

A row's empty cell means that the source doesn't say. A catalog model of that name supplies the architecture's empty
cells, the stack the rest (its file lists its defaults); what was taken so is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clustersim.inputs.catalog import load
from clustersim.studies.measured.csv_cells import CsvRow, given, number, problem, text, whole
from clustersim.studies.measured.layout import layout_of
from clustersim.studies.measured.model import model_of
from clustersim.studies.measured.router import router_of
from clustersim.studies.measured.software import stack_as_run, stack_of
from clustersim.studies.measured.words import GRADIENTS, known_word, precision_words


@dataclass(frozen=True)
class MeasuredRun:
    """One row: the scenario as a mapping for `load_scenario`, and what was measured."""

    id: str
    source: str
    group: str
    stack: str  # as the row states it
    stack_as_run: str  # the name in the catalog of what was simulated
    accelerator: str
    quality: str
    mapping: Mapping[str, Any]
    measured_step_time_s: float | None
    notes: tuple[str, ...]


def measured_run(row: CsvRow) -> MeasuredRun:
    """The scenario of a row. Raises InputError where the row can't be read."""
    notes: list[str] = []
    stack = stack_of(row, notes)
    model = model_of(row, notes, tied=load("stacks", stack).defaults.tied_embeddings)
    router = {"router": router_of(row, stack, notes)} if "moe" in model else {}
    mapping = {
        "name": text(row, "id") or "row",
        "model": model,
        "cluster": _cluster(row),
        "training": _training(row, stack, notes) | router,
        "layout": layout_of(row, notes, load("stacks", stack)),
        "stack": stack_as_run(row, stack, notes),
    }
    return MeasuredRun(
        id=text(row, "id"),
        source=text(row, "source"),
        group=group_of(row),
        stack=text(row, "stack"),
        stack_as_run=stack,
        accelerator=text(row, "accelerator"),
        quality=text(row, "quality"),
        mapping=mapping,
        measured_step_time_s=_step_time(row),
        notes=tuple(notes),
    )


def group_of(row: CsvRow) -> str:
    """Rows of one source, chip and model belong together, whether or not a column says so."""
    return text(row, "group") or "/".join(text(row, column) for column in ("source", "accelerator", "model"))


def _step_time(row: CsvRow) -> float | None:
    """Seconds a step as measured, or from the tokens a second and device."""
    seconds, rate = number(row, "measured_step_time_s"), number(row, "measured_tokens_per_s_per_device")
    sizes = [whole(row, column) for column in ("global_batch_seqs", "seq_len", "n_devices")]
    if seconds or not rate or not all(sizes):
        return seconds or None
    batch, sequence, devices = (size or 0 for size in sizes)
    return batch * sequence / (rate * devices)


def _cluster(row: CsvRow) -> dict[str, Any]:
    devices = whole(row, "n_devices")
    if not devices:
        raise problem(row, "n_devices", "at least 1 device is needed")
    usual = load("accelerators", text(row, "accelerator")).node
    if usual is None:
        raise problem(row, "accelerator", "the catalog names no usual node of this chip")
    per_node = whole(row, "devices_per_node") or load("nodes", usual).devices
    per_node = per_node if devices % per_node == 0 else _largest_divisor(devices, per_node)
    node: dict[str, Any] = {"extends": usual, "accelerator": text(row, "accelerator"), "devices": per_node}
    network = number(row, "node_network_gbps")
    if network:
        node["scale_out"] = {"bandwidth": f"{network / per_node} Gb/s"}
    node |= given({"scale_up_domain": whole(row, "scale_up_domain") or None})
    return {"node": node, "devices": devices}


def _largest_divisor(devices: int, most: int) -> int:
    """Devices a node where its usual number doesn't divide them all: a part of the nodes is used."""
    return next(size for size in range(min(devices, most), 0, -1) if devices % size == 0)


def _training(row: CsvRow, stack: str, notes: list[str]) -> dict[str, Any]:
    precision, recipe = precision_words(row, notes)
    if not precision and "bf16" not in load("accelerators", text(row, "accelerator")).peak:
        precision = "fp16"
        notes.append("precision not stated: fp16 assumed, for the chip has no bf16")
    elif not precision and load("stacks", stack).defaults.precision == "fp16":
        precision = "fp16"
        notes.append(f"precision not stated: fp16, as {stack} trained")
    columns = {
        "sequence_length": whole(row, "seq_len"),
        "global_batch": whole(row, "global_batch_seqs"),
        "precision": precision,
        "fp8_recipe": recipe,
        "grad_reduce_precision": known_word(row, "grad_reduce_precision", GRADIENTS),
        "document_length": whole(row, "document_len"),
    }
    return given(columns)
