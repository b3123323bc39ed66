"""Whether the parts of a scenario fit each other: what divides what, and what would.

Every check looks at the parts that it is given and returns problems with the remedy; a part that couldn't be read is
None, and the checks that need it say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from clustersim.errors import Problem
from clustersim.inputs.hardware import Cluster
from clustersim.inputs.layout import Dispatcher, Layout, Schedule
from clustersim.inputs.model import Model
from clustersim.inputs.schedule_checks import (
    context_overlap_problems,
    exclusive_overlap_problems,
    micro_batch_problems,
    overlap_problems,
    pipeline_problems,
    schedule_of,
)
from clustersim.inputs.stack import Stack
from clustersim.inputs.training import Training
from clustersim.inputs.where import satisfies

UNPRICED_DISPATCHERS = ("sequential",)

LARGEST_SEARCHED = 1_000_000


def layout_problems(
    layout: Layout,
    model: Model | None,
    cluster: Cluster | None,
    training: Training | None,
    stack: Stack | None = None,
) -> list[Problem]:
    """Everything that keeps a layout from running this model on this cluster with this batch and software."""
    schedule = schedule_of(layout, stack)
    problems = [
        *pipeline_problems(layout, schedule),
        *context_overlap_problems(layout),
        *exclusive_overlap_problems(layout),
    ]
    if model is not None:
        problems += head_problems(layout, model) if model.attends else ()
        problems += _layers(layout, model)
        problems += _experts(layout, model)
        problems += overlap_problems(layout, model, schedule)
    if training is not None and training.sequence_length % layout.context:
        near = divisors_near(layout.context, training.sequence_length)
        message = f"{layout.context} does not divide the sequence of {training.sequence_length:,} tokens. {near}"
        problems.append(Problem(message, "layout.context"))
    if cluster is not None:
        data = replicas(layout, cluster)
        if data is None:
            problems.append(_wrong_size(layout, cluster))
        else:
            if model is not None and model.moe is not None:
                problems += _expert_groups(layout, data)
            problems += _zero_group(layout, data, experts=model is not None and model.moe is not None)
            if training is not None:
                problems += _batch(layout, schedule, data, training)
            problems += _condition(layout, data, cluster)
    return problems


def precision_problems(cluster: Cluster, training: Training) -> list[Problem]:
    """A precision that the chip doesn't have."""
    chip = cluster.accelerator
    if training.precision in chip.peak:
        return []
    message = f"{chip.name} has no {training.precision}. It has {', '.join(chip.peak)}"
    return [Problem(message, "training.precision")]


def replicas(layout: Layout, cluster: Cluster) -> int | None:
    """Data-parallel replicas, or None where the layout doesn't fill the cluster exactly."""
    model_ranks = layout.tensor * layout.pipeline * layout.context
    data = cluster.devices // model_ranks
    fills = data * model_ranks == cluster.devices and data > 0 and layout.data in ("auto", data)
    return data if fills else None


def expert_tensor_of(layout: Layout, experts: bool) -> int:
    """Tensor size of the experts' own grouping: as given; else 1 where experts are spread, and tensor where not."""
    return layout.expert_tensor or (1 if experts and layout.expert > 1 else layout.tensor)


def divisors_near(size: int, total: int) -> str:
    """A hint at the divisors of `total` next below and above `size`; none where they would be long to find."""
    if total > LARGEST_SEARCHED:
        return ""
    below = next((d for d in range(min(size, total), 0, -1) if total % d == 0), 1)
    above = next((d for d in range(size + 1, total + 1) if total % d == 0), below)
    return f"Divisors near it: {below}, {above}" if above != below else f"The nearest divisor: {below}"


def multiples_near(size: int, unit: int) -> str:
    """A hint at the multiples of `unit` next below and above `size`."""
    below = size // unit * unit
    return f"Near it: {', '.join(f'{count:,}' for count in (below, below + unit) if count)}"


def head_problems(layout: Layout, model: Model) -> Iterator[Problem]:
    """Heads of attention that the tensor group, or it with the context group, can't share."""
    tensor, heads, kv_heads = layout.tensor, model.heads, model.kv_heads
    if heads % tensor:
        message = f"{tensor} does not divide the {heads} attention heads. {divisors_near(tensor, heads)}"
        yield Problem(message, "layout.tensor")
    elif kv_heads % tensor and tensor % kv_heads:
        message = f"{tensor} is neither a divisor nor a multiple of the {kv_heads} key-value heads."
        yield Problem(f"{message} {divisors_near(tensor, kv_heads)}", "layout.tensor")
    elif layout.context_kind == "ulysses" and heads % (tensor * layout.context):
        yield Problem(
            f"with ulysses, tensor {tensor} x context {layout.context} must divide the {heads} attention heads",
            "layout.context",
        )


def _layers(layout: Layout, model: Model) -> Iterator[Problem]:
    stages = layout.pipeline * layout.virtual_stages
    given = layout.stage_layers
    if (given is None or len(given) < stages) and stages > model.layers + 2:  # embedding and head can fill one each
        yield Problem(
            f"pipeline {layout.pipeline} x virtual_stages {layout.virtual_stages} = {stages} virtual stages, "
            f"but the model has {model.layers} layers",
            "layout.pipeline",
        )
    if given is None:
        return
    if len(given) not in (layout.pipeline, stages):
        wanted = f"{layout.pipeline}" if stages == layout.pipeline else f"{layout.pipeline} or {stages}"
        yield Problem(f"has {len(given)} entries, but the pipeline has {wanted} stages", "layout.stage_layers")
    if sum(given) != model.layers:
        yield Problem(f"adds up to {sum(given)}, but the model has {model.layers} layers", "layout.stage_layers")


def _experts(layout: Layout, model: Model) -> Iterator[Problem]:
    if layout.dispatcher in UNPRICED_DISPATCHERS:
        priced = [word for word in get_args(Dispatcher) if word not in UNPRICED_DISPATCHERS]
        yield Problem(f"{layout.dispatcher} can't be priced yet. Use one of {', '.join(priced)}", "layout.dispatcher")
    if model.moe is None:
        if layout.expert > 1:
            yield Problem(f"{model.name} has no experts: leave it out", "layout.expert")
        if layout.expert_tensor not in (None, 1, layout.tensor):
            yield Problem(f"{model.name} has no experts: leave it out", "layout.expert_tensor")
    elif model.moe.experts % layout.expert:
        near = divisors_near(layout.expert, model.moe.experts)
        yield Problem(f"{layout.expert} does not divide the {model.moe.experts} experts. {near}", "layout.expert")


def _expert_groups(layout: Layout, data: int) -> Iterator[Problem]:
    expert_tensor = expert_tensor_of(layout, experts=True)
    ranks, group = layout.tensor * layout.context * data, layout.expert * expert_tensor
    if ranks % group:
        yield Problem(
            f"expert {layout.expert} x expert_tensor {expert_tensor} = {group} does not divide tensor x context x data "
            f"= {ranks}. {divisors_near(group, ranks)}",
            "layout.expert",
        )


def _zero_group(layout: Layout, data: int, *, experts: bool) -> Iterator[Problem]:
    group, ranks = layout.zero_group, data * layout.context
    if group in (None, ranks):
        return
    if layout.sharding == "none":
        yield Problem("nothing is sharded: leave it out, or give another layout.sharding", "layout.zero_group")
    elif ranks % group:
        near = divisors_near(group, ranks)
        yield Problem(f"{group} does not divide data x context = {ranks}. {near}", "layout.zero_group")
    elif experts and (layout.tensor * ranks) % (
        ranks // group * layout.expert * expert_tensor_of(layout, experts=True)
    ):
        yield Problem(
            f"{ranks // group} groups of {group} do not divide the ranks that hold the same experts: tensor x context "
            f"x data / (expert x expert_tensor). Leave it out, or give data x context = {ranks}",
            "layout.zero_group",
        )


def _wrong_size(layout: Layout, cluster: Cluster) -> Problem:
    ranks, devices = layout.tensor * layout.pipeline * layout.context, cluster.devices
    if devices % ranks:
        return Problem(
            f"tensor {layout.tensor} x pipeline {layout.pipeline} x context {layout.context} = {ranks:,} does not "
            f"divide the {devices:,} devices. {divisors_near(ranks, devices)}",
            "layout.pipeline" if layout.pipeline > 1 else "layout.tensor",
        )
    return Problem(
        f"{layout.data} replicas of {ranks:,} devices make {int(layout.data) * ranks:,}, but the cluster has "
        f"{devices:,}. data: {devices // ranks} (or auto) fills it",
        "layout.data",
    )


def _batch(layout: Layout, schedule: Schedule | None, data: int, training: Training) -> Iterator[Problem]:
    batch, together = training.global_batch, data * layout.micro_batch
    if batch % together:
        yield Problem(
            f"{batch:,} sequences are no multiple of data {data} x micro_batch {layout.micro_batch} = {together:,}. "
            f"{multiples_near(batch, together)}",
            "training.global_batch",
        )
    else:
        yield from micro_batch_problems(layout, schedule, data, batch)


def _condition(layout: Layout, data: int, cluster: Cluster) -> Iterator[Problem]:
    if layout.where is None:
        return
    values = layout.model_dump() | {"data": data, "devices": cluster.devices}
    values["expert_tensor"] = expert_tensor_of(layout, experts=True)
    try:
        holds = satisfies(layout.where, values)
    except ValueError as error:
        yield Problem(str(error), "layout.where")
        return
    if not holds:
        yield Problem(f"this layout does not meet {layout.where}", "layout.where")
