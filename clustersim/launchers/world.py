"""How many devices a launch uses, and which: from torchrun, Slurm, accelerate, deepspeed, and hints in names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from clustersim.launchers.notes import Draft
from clustersim.launchers.settings import Settings, whole

NODE_NAMES = ("nnodes", "num_nodes", "num_machines", "n_nodes")
EACH_NAMES = ("nproc_per_node", "num_gpus", "npus_per_node", "nproc")
NODE_VARIABLES = ("NNODES", "NUM_NODES", "SLURM_NNODES", "SLURM_JOB_NUM_NODES", "N_NODES", "NODES", "NODE_NUM")
EACH_VARIABLES = ("GPUS_PER_NODE", "NPUS_PER_NODE", "NPROC_PER_NODE", "GPU_PER_NODE", "NGPU", "GPUS")
# A node by what scripts call its chip, most particular first: pattern, node, chip, devices a node.
A3 = ("cloudmatrix384", "ascend-910c", 16)  # a die of a 910C is a device to software
CHIPS: tuple[tuple[str, str, str, int], ...] = (
    (r"gb300", "gb300-nvl72", "gb300", 4),
    (r"gb200", "gb200-nvl72", "gb200", 4),
    (r"b300", "hgx-b300", "b300", 8),
    (r"b200", "hgx-b200", "b200", 8),
    (r"h200", "hgx-h200", "h200-sxm", 8),
    (r"h800", "h800-node", "h800-sxm-80gb", 8),
    (r"h100", "dgx-h100", "h100-sxm-80gb", 8),
    (r"a800", "hgx-a800", "a800-sxm-80gb", 8),
    (r"a100", "dgx-a100-80gb", "a100-sxm-80gb", 8),
    (r"mi355x?", "mi355x-platform", "mi355x", 8),
    (r"mi325x?", "mi325x-platform", "mi325x", 8),
    (r"mi300x?", "mi300x-platform", "mi300x", 8),
    (r"v100", "dgx-2", "v100-sxm-32gb", 16),
    (r"910c|(?<=[_-])a3(?=[_.-]|$)", *A3),
    (r"910b|(?<=[_-])a2(?=[_.-]|$)", "atlas-800t-a2", "ascend-910b2", 8),
)


@dataclass(frozen=True)
class World:
    """Devices of a launch, as far as the file says."""

    nodes: int | None = None
    each: int | None = None
    total: int | None = None
    line: int = 0
    source: str = ""

    @property
    def devices(self) -> int | None:
        """All of them; a node count that isn't said is one."""
        if self.total is not None:
            return self.total
        return None if self.each is None or self.nodes is None else self.nodes * self.each


def world_of(settings: Settings, variables: Mapping[str, str], directives: Settings) -> World:
    """What launcher flags, #SBATCH lines and variables say of nodes and devices."""
    total = settings.whole("world_size") or (
        settings.whole("num_processes") if settings.given("num_processes") else None
    )
    if total:
        return World(total=total, line=settings.line("world_size", "num_processes"), source="processes")
    nodes = _elastic(settings.text(*NODE_NAMES))
    each = settings.whole(*EACH_NAMES)
    line = settings.line(*NODE_NAMES, *EACH_NAMES)
    slurm_nodes = directives.whole("nodes", "N") or settings.whole("N", "nodes")
    tasks = directives.whole("ntasks_per_node", "tasks_per_node") or settings.whole("ntasks_per_node")
    gpus = _last_number(directives.text("gres", "gpus_per_node", "G")) or _last_number(
        settings.text("gres", "gpus_per_node")
    )
    all_tasks = directives.whole("ntasks", "n") or settings.whole("ntasks", "n")
    if nodes is None:
        nodes = slurm_nodes
        line = line or directives.line("nodes", "N")
    if each is None and not settings.given(*NODE_NAMES):
        each = max(tasks or 0, gpus or 0) or None
        line = line or directives.line("ntasks_per_node", "gres")
    if nodes is None and all_tasks and each:
        nodes = max(1, all_tasks // each)
    if nodes is None or each is None:
        nodes = nodes if nodes is not None else _variable(variables, NODE_VARIABLES)
        each = each if each is not None else _variable(variables, EACH_VARIABLES)
        world = _variable(variables, ("WORLD_SIZE",))
        if world and (nodes is None or each is None) and world >= (each or 1):
            return World(total=world, line=line, source="WORLD_SIZE")
    return World(nodes, each, None, line, "nodes x devices a node")


def place(draft: Draft, world: World, hint: str, needed: int, usual: tuple[str, str, int], batch_unit: int = 0) -> int:
    """State the cluster: the file's number of devices, or the fewest that its groups need; and return that number.

    `usual`: the node, chip and devices a node that are assumed where no name hints at another.
    """
    node, chip, each, why = _node(hint, world, usual)
    devices = world.devices
    if devices is None and world.nodes is not None:
        devices = world.nodes * (world.each or each)
    if devices is None and world.each is not None and world.each >= needed:
        devices = world.each
        draft.note(world.line, f"one node of {world.each} devices: how many there are isn't said", "assumed")
    if devices is None or devices % needed:
        fewest = _fewest(needed, batch_unit)
        reason = (
            "how many devices isn't said"
            if devices is None
            else f"{devices} devices can't be shared by groups of {needed}"
        )
        draft.note(world.line, f"{fewest} devices: {reason}; the fewest that its parallel groups need", "assumed")
        devices = fewest
    elif world.devices is not None:
        draft.note(world.line, f"{devices} devices ({world.source})", "taken")
    whole_nodes = devices % each == 0
    cluster = {"node": node, "nodes": devices // each} if whole_nodes else {"accelerator": chip, "devices": devices}
    draft.put("cluster", cluster, None, why)
    return devices


def _fewest(needed: int, batch_unit: int) -> int:
    return max(needed, batch_unit)


def _node(hint: str, world: World, usual: tuple[str, str, int]) -> tuple[str, str, int, str]:
    text = hint.lower()
    for pattern, node, chip, each in CHIPS:
        if match := re.search(rf"(?<![a-z0-9])(?:{pattern})(?![0-9])", text):
            return node, chip, each, f"{match[0]} stands in the file or its name"
    node, chip, each = usual
    if world.each == 16 and node.startswith("atlas"):
        return *A3, "16 devices a node are the dies of an A3 server's eight 910C"
    return node, chip, each, "the chip isn't said; --cluster names another"


def _elastic(text: str | None) -> int | None:
    return None if text is None else whole(text.split(":")[-1])


def _last_number(text: str | None) -> int | None:
    return None if text is None else whole(text.split(":")[-1])


def _variable(variables: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    return next((value for name in names if (value := whole(variables.get(name))) is not None and value > 0), None)
