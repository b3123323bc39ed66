"""Published peaks of memory: from a row of a `memory_runs.csv` to the scenario that ran, and what its figure counts.

The columns are those of the sources: framework, sharding, recompute, precision and trainable are their words, read by
meaning. What a source leaves out is assumed, and said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clustersim.inputs import search_path
from clustersim.inputs.catalog import load
from clustersim.studies.measured.csv_cells import CsvRow, number, problem, text, whole
from clustersim.studies.measured.memory_words import (
    NamedStack,
    precision_of,
    recompute_of,
    software_of,
    trainable_of,
)
from clustersim.studies.measured.runs import measured_run

REQUIRED = ("id", "model", "framework")
USUAL_LENGTH = 4096  # tokens of a sequence where a source doesn't say (assumed)
CHIPS = ((45.0, "a100-sxm-40gb"), (81.0, "h100-sxm-80gb"), (97.0, "h100-96gb-hbm2e-500w"), (145.0, "h200-sxm"))
LARGEST_CHIP = "b200"
VOCABULARY = re.compile(r"vocabulary ([\d,]{4,})")
KINDS = {"allocated": "allocated", "reserved": "reserved", "oom": "chip", "fits": "chip", "unknown": "reserved"}


@dataclass(frozen=True)
class MemoryRun:
    """One row: the scenario as a mapping for `load_scenario`, and what its figure counts."""

    id: str
    framework: str  # as the row states it
    family: str  # rows of a family are summarized together
    kind: str  # allocated, reserved or chip: what is compared
    outcome: str  # ran or oom
    last_stage: bool  # the figure is the last pipeline stage's, not the fullest one's
    measured_gib: float | None
    mapping: Mapping[str, Any]
    notes: tuple[str, ...]


def memory_run(row: CsvRow) -> MemoryRun:
    """The scenario of a row. Raises InputError where the row can't be read."""
    reader = _Reader(row)
    mapping = reader.mapping()
    kind = text(row, "kind").lower() or "allocated"
    if kind not in KINDS:
        raise problem(row, "kind", f"{kind} is not known. Known: {', '.join(KINDS)}")
    on_chip = "nvidia-smi;" in text(row, "notes") and kind == "reserved"
    return MemoryRun(
        id=text(row, "id"),
        framework=text(row, "framework"),
        family=reader.family,
        kind="chip" if on_chip else KINDS[kind],
        outcome="oom" if kind == "oom" else "ran",
        last_stage="last" in text(row, "rank_or_stage"),
        measured_gib=None if kind in ("oom", "fits") else number(row, "measured_gib"),
        mapping=mapping,
        notes=tuple(reader.notes),
    )


@dataclass
class _Reader:
    """One row on its way to a scenario."""

    row: CsvRow
    notes: list[str] = field(default_factory=list)

    def mapping(self) -> dict[str, Any]:
        """The scenario: the measured run's own columns first, then what these don't hold."""
        software = self.software
        cells = self._cells(software)
        run = measured_run(cells)
        self.notes += run.notes
        mapping = dict(run.mapping)
        mapping["cluster"] = self._cluster(mapping["cluster"])
        mapping["training"] = mapping["training"] | self._training(software)
        mapping["layout"] = mapping["layout"] | self._layout()
        mapping["stack"] = self._stack(mapping["stack"])
        return mapping

    @property
    def software(self) -> NamedStack:
        return software_of(self.row, self.notes if not self.notes else [])

    @property
    def family(self) -> str:
        """Framework, and what sets its rows apart: experts, pipelines, what is trained, how many devices."""
        name, experts = self.software.family, bool(whole(self.row, "n_experts"))
        if self.software.fine_tunes:
            trained = text(self.row, "trainable").split()[0:1]
            word = "full" if trained in ([], ["all"]) else trained[0]
            quantized = "4-bit" in text(self.row, "precision") or "nf4" in text(self.row, "precision")
            return f"{name}, {'QLoRA' if quantized and word == 'lora' else {'lora': 'LoRA'}.get(word, word)}"
        if name == "torchtitan":
            return f"{name}, FSDP + PP" if (whole(self.row, "pp") or 1) > 1 else f"{name}, FSDP"
        return f"{name}, experts" if experts else f"{name}, dense"

    def _cells(self, software: NamedStack) -> dict[str, str]:
        """The row with the columns of `measured_runs.csv`: our slugs, and what is assumed where a cell is empty."""
        row = self.row
        unsaid = not any(text(row, column) for column in ("n_devices", "micro_batch", "seq_len"))
        if unsaid and not software.fine_tunes and all((whole(row, column) or 1) == 1 for column in ("tp", "pp", "ep")):
            raise problem(row, "n_devices", "neither devices, layout, batch nor sequence length are stated")
        degrees = {column: whole(row, column) or 1 for column in ("tp", "pp", "cp", "ep")}
        ranks = degrees["tp"] * degrees["pp"] * degrees["cp"]
        devices, data = whole(row, "n_devices"), whole(row, "dp")
        if devices is None:
            spread = -(-degrees["ep"] // (degrees["tp"] * degrees["cp"]))
            data = data or max(1, spread)
            devices = ranks * data
            self.notes.append(f"devices not stated: the smallest possible, {devices}")
        data = data or max(1, devices // ranks)
        micro_batch, batch = whole(row, "micro_batch") or 1, whole(row, "global_batch_seqs")
        if software.family == "torchtitan" and degrees["pp"] > 1:
            micro_batch = 1
            self.notes.append("the local batch is split in micro-batches of 1, the pipeline's default")
        if batch is None:
            batch = micro_batch * data
            self.notes.append(f"batch not stated: a micro-batch of {micro_batch} a replica")
        cells = dict(row) | {
            "accelerator": self._accelerator(),
            "stack": software.stack,
            "model": _model_name(text(row, "model")),
            "n_devices": str(devices),
            "dp": str(data),
            "micro_batch": str(micro_batch),
            "global_batch_seqs": str(batch),
            "seq_len": str(self._length(software, devices)),
            "precision": precision_of(row, self.notes).compute,
            "recompute": recompute_of(row, software, self.notes).layout,
            "offload": "",
            "overlap": "",
            "notes": "",
            "framework": "",
        }
        if "no sequence parallel" in text(row, "notes"):
            cells["sequence_parallel"] = "0"
        if software.family == "Megatron-LM" and degrees["ep"] > 1 and not text(row, "expert_tp"):
            one = "etp1" in text(row, "locator")
            cells["expert_tp"] = "1" if one else str(degrees["tp"])
        if "MTP 1" in text(row, "notes"):
            cells["mtp_layers"] = "1"
        vocabulary = VOCABULARY.search(text(row, "notes"))
        if vocabulary:
            cells["vocab"] = vocabulary[1].replace(",", "")
        if software.fine_tunes and not text(row, "sharding"):
            cells["sharding"] = "none"
        return cells

    def _length(self, software: NamedStack, devices: int) -> int:
        """Tokens of a sequence. The tables of fms-acceleration print tokens a device of what several devices share."""
        length = whole(self.row, "seq_len")
        if length is None:
            self.notes.append(f"sequence length not stated: {USUAL_LENGTH} assumed")
            return USUAL_LENGTH
        if software.length_a_device and devices > 1:
            self.notes.append("the length is taken as a device's share, as this source's tables have it")
            return length * devices
        return length

    def _accelerator(self) -> str:
        """The chip; where none is named, one whose memory is nearest above the budget."""
        named, capacity = text(self.row, "accelerator"), number(self.row, "capacity_gib")
        if named:
            return named
        if not capacity:
            raise problem(self.row, "accelerator", "neither a chip nor capacity_gib is given")
        chip = next((name for most, name in CHIPS if capacity <= most), LARGEST_CHIP)
        self.notes.append(f"chip not stated: taken as {chip}, with a budget of {capacity:g} GiB")
        return chip

    def _cluster(self, cluster: Mapping[str, Any]) -> dict[str, Any]:
        """The cluster, with the row's capacity as what a program can allocate."""
        capacity = number(self.row, "capacity_gib")
        if not capacity:
            return dict(cluster)
        slug = self._accelerator_quietly()
        sold = load("accelerators", slug).memory.capacity / 2**30
        memory = {"usable": f"{capacity} GiB"} | ({"capacity": f"{capacity} GiB"} if capacity > sold else {})
        node = dict(cluster["node"]) | {"accelerator": {"extends": slug, "memory": memory}}
        return dict(cluster) | {"node": node}

    def _accelerator_quietly(self) -> str:
        noted = list(self.notes)
        chip = self._accelerator()
        self.notes[:] = noted
        return chip

    def _training(self, software: NamedStack) -> dict[str, Any]:
        """What the columns of a measured run don't hold: what is trained, and in which states."""
        found = precision_of(self.row, []).training | trainable_of(self.row, software, self.notes)
        optimizer = text(self.row, "optimizer").lower()
        if "8-bit" in optimizer or "8bit" in optimizer or "paged" in optimizer:
            found["moment_precision"] = "int8"
        elif "sgd" in optimizer:
            found["optimizer"] = "sgd"
        elif "adafactor" in optimizer:
            found["optimizer"] = "adafactor"
        if "bf16 gradients and moments" in text(self.row, "notes"):
            found |= {"grad_reduce_precision": "bf16", "moment_precision": "bf16"}
        return found

    def _layout(self) -> dict[str, Any]:
        offload = text(self.row, "offload").lower()
        if offload in ("", "none", "optimizer 0%"):
            return {}
        share = re.fullmatch(r"optimizer (\d+) ?%", offload)
        if offload in ("optimizer", "optimizer 100%") or (share and int(share[1]) >= 50):
            return {"offload": "optimizer"}
        if share:
            self.notes.append(f"{offload} of the optimizer on the host is taken as none")
            return {}
        return {"offload": "activations"} if "activation" in offload else {}

    def _stack(self, stack: Any) -> Any:
        changes = {**recompute_of(self.row, self.software, []).stack, **self.software.changes}
        if not changes:
            return stack
        base = {"extends": stack} if isinstance(stack, str) else dict(stack)
        return {**base, **changes}


SUFFIXES = re.compile(r"(-hf|-gptq|-awq|-v\d\.\d|-instruct|-chat|-base|-preview)+$")


def _model_name(name: str) -> str:
    """A name as the catalog has it: without its owner on the hub, and what doesn't change the architecture."""
    if search_path.find(search_path.catalog_folders(), "models", name):
        return name
    short = name.rpartition("/")[2].lower()
    if short.startswith("deepseekv3"):  # cut to fewer layers: the columns say how many
        return "deepseek-v3"
    while short and not search_path.find(search_path.catalog_folders(), "models", short):
        shorter = SUFFIXES.sub("", short)
        if shorter == short:
            return name
        short = shorter
    return short
