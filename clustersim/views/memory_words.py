"""What a device holds, and what would help where that is too much."""

from __future__ import annotations

from clustersim.inputs.layout import ResolvedLayout
from clustersim.simulation.results import MemoryReport
from clustersim.views.words import gib, percent

STATES = ("parameters", "gradients", "optimizer")
ACTIVATIONS = ("activations", "working", "fragmentation", "logits")


def memory_words(memory: MemoryReport) -> str:
    """71.3 of 75.2 GiB usable, on stage 0."""
    held, usable = gib(memory.peak_bytes).removesuffix(" GiB"), gib(memory.usable_bytes)
    return f"{held} of {usable} usable, on stage {memory.stage}" + ("" if memory.fits else ": does not fit")


def shortage(memory: MemoryReport, layout: ResolvedLayout) -> str:
    """By how much a layout does not fit, what fills the device, and what would help."""
    over = memory.peak_bytes - memory.usable_bytes
    largest = sorted(memory.parts.items(), key=lambda part: -part[1])[:3]
    held = ", ".join(f"{name} {gib(size)}" for name, size in largest)
    return (
        f"the layout does not fit: stage {memory.stage} needs {gib(memory.peak_bytes)} of {gib(memory.usable_bytes)} "
        f"usable, {gib(over)} ({percent(over / memory.usable_bytes, 0)}) too much\n"
        f"  what fills it: {held}\n"
        f"  what would help: {', '.join(remedies(memory, layout))}"
    )


def remedies(memory: MemoryReport, layout: ResolvedLayout) -> list[str]:
    """Changes of the layout that lessen what fills the device, the largest part first."""
    states = sum(memory.parts.get(name, 0.0) for name in STATES)
    activations = sum(memory.parts.get(name, 0.0) for name in ACTIVATIONS)
    for_states = ["more layout.tensor or layout.pipeline"]
    if layout.data > 1 and layout.sharding == "none":
        for_states.insert(0, "layout.sharding=zero1")
    for_activations = []
    if layout.recompute != "full":
        for_activations.append("layout.recompute=full")
    if layout.micro_batch > 1:
        for_activations.append("a smaller layout.micro_batch")
    if layout.tensor > 1 and not layout.sequence_parallel:
        for_activations.append("layout.sequence_parallel=true")
    first, then = (for_states, for_activations) if states > activations else (for_activations, for_states)
    return [*first, *then, "layout=search"]
