"""What the catalog holds: its sections, and their entries with key figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clustersim.errors import InputError, Problem
from clustersim.inputs import catalog
from clustersim.inputs.amounts import counted
from clustersim.inputs.hardware import Accelerator, Cluster, Node
from clustersim.inputs.model import Model
from clustersim.inputs.problems import did_you_mean
from clustersim.inputs.reliability import Reliability
from clustersim.inputs.serving import ServingStack
from clustersim.inputs.stack import Stack
from clustersim.inputs.units import format_quantity, shown
from clustersim.simulation.evidence import evidence
from clustersim.views.fitting_table import FittingTable, Heading
from clustersim.views.words import count, gib, percent
from clustersim.workload.counts import counts_of

DESCRIBED = catalog.sections()
SECTIONS = (*DESCRIBED, "prices", "records")
ABOUT = {
    "accelerators": "devices as software sees them",
    "nodes": "servers and racks with their networks",
    "clusters": "nodes by the number",
    "models": "architectures of transformers",
    "stacks": "generations of training software",
    "serving-stacks": "generations of serving software",
    "failures": "what interrupts long runs, and how they go on",
    "prices": "an hour of a device, a million tokens",
    "records": "published training throughput",
}
WORDY = ("as people write it", "about", "evidence", "devices", "scale-up, a device", "scale-out, a device")  # wrapped


def section_counts() -> dict[str, int]:
    """How many entries each section has."""
    return {section: len(catalog.names(section)) for section in SECTIONS}


def sections_view() -> RenderableType:
    """The sections with their counts."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("section")
    table.add_column("entries", justify="right")
    table.add_column("what they are")
    for section, entries in section_counts().items():
        table.add_row(section, str(entries), ABOUT[section])
    return Group(table, Text("clustersim show SECTION lists entries, clustersim show SECTION NAME explains one."))


def check_section(section: str) -> str:
    """The section; `accelerator` is `accelerators`. Raises InputError, with the nearest, for one that isn't there."""
    for known in SECTIONS:
        if section.lower() in (known, known.removesuffix("s")):
            return known
    hint = did_you_mean(section, SECTIONS)
    raise InputError("show", [Problem(f"no section {shown(section)} in the catalog{hint}", "SECTION")])


def section_rows(section: str) -> dict[str, dict[str, str]]:
    """The key figures of every entry of a section."""
    section = check_section(section)
    if section not in DESCRIBED:
        return {
            name: {"about": str(catalog.document(section, name).get("about", ""))} for name in catalog.names(section)
        }
    return {name: KEY_FIGURES[section](catalog.load(section, name)) for name in catalog.names(section)}


def section_view(section: str) -> RenderableType:
    """The entries of a section, one a line."""
    rows = section_rows(section)
    columns = list(next(iter(rows.values()), {}))
    headings = [Heading("name")]
    headings += [Heading(column, place, breaks=column in WORDY) for place, column in enumerate(columns, start=1)]
    return FittingTable(headings, [(name, *cells.values()) for name, cells in rows.items()])


def _accelerator(chip: Accelerator) -> dict[str, str]:
    fp8 = chip.peak.get("fp8")
    return {
        "16-bit peak": format_quantity(chip.base_peak, "FLOP/s"),
        "fp8": format_quantity(fp8, "FLOP/s") if fp8 else "-",
        "memory": gib(chip.memory.capacity),
        "bandwidth": format_quantity(chip.memory.bandwidth, "bytes/s"),
        "power": format_quantity(chip.power, "W") if chip.power else "-",
        "price": format_quantity(chip.price, "USD/h") if chip.price else "-",
        "node": chip.node or "-",
    }


def _node(node: Node) -> dict[str, str]:
    return {
        "devices": f"{node.devices} x {node.accelerator.name}",
        "scale-up domain": str(node.domain),
        "scale-up, a device": _tier(node.scale_up.technology, node.scale_up.bandwidth),
        "scale-out, a device": _tier(node.scale_out.technology, node.scale_out.bandwidth),
    }


def _tier(technology: str, bandwidth: float) -> str:
    return f"{format_quantity(bandwidth, 'bytes/s')} {technology.split(',')[0]}".strip()


def _cluster(cluster: Cluster) -> dict[str, str]:
    return {
        "devices": f"{cluster.devices:,}",
        "accelerator": cluster.accelerator.name,
        "nodes": f"{cluster.nodes:,} x {cluster.node.name}",
    }


def _model(model: Model) -> dict[str, str]:
    counts = counts_of(model)
    return {
        "as people write it": model.name,
        "parameters": count(counts.parameters),
        "active": count(counts.active_parameters) if model.moe else "-",
        "layers": str(model.layers),
        "hidden": f"{model.hidden:,}",
        "heads": f"{model.heads}" + (f" ({model.kv_heads} kv)" if model.kv_heads != model.heads else ""),
        "experts": f"{model.moe.experts}, top {model.moe.top_k}" if model.moe else "-",
    }


def _stack(stack: Stack) -> dict[str, str]:
    return {
        "as people write it": stack.name,
        "year": str(stack.year),
        "chips of": ", ".join(stack.vendors),
        "spread": percent(stack.residual.spread, 0) if stack.residual else "a new source's",
        "evidence": stack.residual.evidence if stack.residual else _measured(stack),
    }


def _measured(stack: Stack) -> str:
    runs = evidence().stacks.get(stack.name)
    return f"{counted(runs.rows, 'measured run')} of {', '.join(runs.sources)}" if runs else "no measured run"


def _serving_stack(stack: ServingStack) -> dict[str, str]:
    rates = [
        format_quantity(rate, "FLOP/s") if rate else "the chip's"
        for rate in (stack.prefill.gemm, stack.decode.attention)
    ]
    return {
        "as people write it": stack.name,
        "year": str(stack.year),
        "measured on": stack.accelerator or "any chip",
        "prefill products": rates[0],
        "decode attention": rates[1],
    }


def _failures(profile: Reliability) -> dict[str, str]:
    kept = profile.checkpoint
    return {
        "as people write it": profile.name,
        "causes": ", ".join(profile.failures) or "-",
        "checkpoint every": "-" if kept is None else _time(kept.interval),
        "spares": "-" if profile.spares is None else str(profile.spares),
        "slow nodes": f"{profile.stragglers.factor:g} x" if profile.stragglers else "-",
    }


def _time(seconds: float | str) -> str:
    return seconds if isinstance(seconds, str) else format_quantity(seconds, "s")


KEY_FIGURES: dict[str, Callable[[Any], dict[str, str]]] = {
    "accelerators": _accelerator,
    "nodes": _node,
    "clusters": _cluster,
    "models": _model,
    "stacks": _stack,
    "serving-stacks": _serving_stack,
    "failures": _failures,
}
