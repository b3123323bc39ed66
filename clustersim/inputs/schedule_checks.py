"""Whether a layout's sizes are those that its schedule takes, and whether it hides what the layout says."""

from __future__ import annotations

from collections.abc import Iterator

from clustersim.errors import Problem
from clustersim.inputs.layout import Layout, Schedule
from clustersim.inputs.model import Model
from clustersim.inputs.stack import Stack
from clustersim.schedules.registry import schedule_names, traits_of, usual_schedule
from clustersim.schedules.sizes import misfits

COME_FIRST = ("all-gather", "ulysses")  # kinds of context parallelism whose messages end before attention begins

EXCLUSIVE = {  # overlaps that no software has together
    ("tensor", "tensor_fused"): "products are cut in four for user buffers, or in two for fused kernels",
    # Megatron Core, overlap_moe_expert_parallel_comm: not with moe_shared_expert_overlap
    ("expert", "shared_expert"): "experts' traffic hides behind another micro-batch, or behind shared experts",
}


def schedule_of(layout: Layout, stack: Stack | None) -> Schedule | None:
    """The order of passes: as given, or what the software does; None where that isn't known."""
    if layout.schedule is not None:
        return layout.schedule
    if stack is None:
        return usual_schedule(layout.virtual_stages) if layout.virtual_stages > 1 else None
    return usual_schedule(layout.virtual_stages, stack.defaults.schedule)


def pipeline_problems(layout: Layout, schedule: Schedule | None) -> Iterator[Problem]:
    """Chunks and stages that the schedule can't take."""
    chunks = layout.virtual_stages
    if chunks > 1 and layout.pipeline == 1:
        yield Problem(f"{chunks} virtual stages need a pipeline of 2 or more", "layout.virtual_stages")
    if schedule is None:
        return
    for misfit in misfits(schedule, layout.pipeline, chunks):
        if misfit.what == "chunks":
            yield Problem(misfit.reason, "layout.schedule")
        else:
            yield Problem(f"{misfit.reason}. Near it: {_listed(misfit.near)}", "layout.pipeline")


def micro_batch_problems(layout: Layout, schedule: Schedule | None, data: int, batch: int) -> Iterator[Problem]:
    """Micro-batches a replica that the schedule can't take, of a `batch` that `data` replicas share evenly."""
    if schedule is None:
        return
    together = data * layout.micro_batch
    for misfit in misfits(schedule, layout.pipeline, layout.virtual_stages, batch // together):
        if misfit.what == "micro_batches":
            near = _listed([count * together for count in misfit.near])
            yield Problem(f"{misfit.reason}. global_batch near it: {near}", "training.global_batch")


def can_hide_experts(model: Model, schedule: Schedule, stages: int, chunks: int) -> bool:
    """Whether there is experts' traffic, and another micro-batch's pass that it can hide behind."""
    return model.moe is not None and traits_of(schedule).runs_beside(stages, chunks)


def overlap_problems(layout: Layout, model: Model, schedule: Schedule | None) -> Iterator[Problem]:
    """Experts' traffic that is to be hidden, with nothing to hide it behind."""
    asked = layout.overlap is not None and "expert" in layout.overlap
    if not asked or schedule is None or can_hide_experts(model, schedule, layout.pipeline, layout.virtual_stages):
        return
    if model.moe is None:
        yield Problem(f"expert: {model.name} has no experts: leave it out", "layout.overlap")
        return
    fewest = {name: traits_of(name).chunks.start for name in schedule_names}
    others = [
        f"{name} (virtual_stages {chunks})"
        for name, chunks in fewest.items()
        if traits_of(name).runs_beside(layout.pipeline, chunks) and traits_of(name).stages.take(layout.pipeline)
    ]
    yield Problem(
        f"expert: {schedule} runs no forward pass beside a backward one that experts' traffic could hide behind. "
        f"Accepted: {', '.join(others)}",
        "layout.overlap",
    )


def exclusive_overlap_problems(layout: Layout) -> Iterator[Problem]:
    """Overlaps of which software has one or the other."""
    for pair, why in EXCLUSIVE.items():
        if layout.overlap is not None and layout.overlap.issuperset(pair):
            yield Problem(f"{' and '.join(pair)}: {why}. Accepted: one of them", "layout.overlap")


def context_overlap_problems(layout: Layout) -> Iterator[Problem]:
    """Context traffic that is to be hidden, with no compute that could go on without it.

    A ring passes beside the kernels that have their keys and values already, whether that is asked for or not.
    """
    asked = layout.overlap is not None and "context" in layout.overlap
    if asked and layout.context > 1 and layout.context_kind in COME_FIRST:
        message = f"context: with {layout.context_kind} keys and values come before the kernel, which hides nothing"
        yield Problem(f"{message}. Accepted with: context_kind ring", "layout.overlap")


def _listed(sizes: tuple[int, ...] | list[int]) -> str:
    return ", ".join(f"{size:,}" for size in sizes)
