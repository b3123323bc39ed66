"""From what a layout leaves open to what the stack does: after this nothing is None and nothing is automatic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from clustersim.errors import InputError, Problem
from clustersim.inputs.checks import (
    expert_tensor_of,
    layout_problems,
    precision_problems,
    replicas,
)
from clustersim.inputs.hardware import Cluster
from clustersim.inputs.layout import Layout, Overlap, Recompute, ResolvedLayout, Schedule
from clustersim.inputs.model import Model
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.schedule_checks import can_hide_experts
from clustersim.inputs.stack import Stack
from clustersim.inputs.training import Training
from clustersim.schedules.registry import place_chunks, usual_schedule

Value = TypeVar("Value")


def resolve_scenario(scenario: Scenario, layout: Layout) -> Scenario:
    """The scenario with this layout, resolved, and with its training resolved. Raises InputError where it can't run."""
    resolved = resolve_layout(layout, scenario.model, scenario.cluster, scenario.training, scenario.stack)
    return scenario.model_copy(
        update={
            "layout": resolved,
            "training": resolve_training(scenario.training, scenario.stack),
            "notes": tuple(dict.fromkeys((*notes_of(scenario), *_layout_notes(layout, resolved, scenario)))),
        }
    )


def resolve_layout(layout: Layout, model: Model, cluster: Cluster, training: Training, stack: Stack) -> ResolvedLayout:
    """The layout with every None filled from the stack's defaults and every automatic choice made.

    Raises InputError with everything that keeps the layout from running; `layout_problems` gives the same as a list.
    """
    layout = _with_context_kind(_with_expert_tensor(layout, model, stack), stack)
    problems = layout_problems(layout, model, cluster, training, stack)
    data = replicas(layout, cluster)
    if problems or data is None:
        raise InputError("layout", problems)
    defaults = stack.defaults
    schedule = layout.schedule or usual_schedule(layout.virtual_stages, defaults.schedule)
    overlap = usual_overlap(defaults.overlap, model, schedule, layout.pipeline, layout.virtual_stages)
    chosen = {
        "data": data,
        "expert_tensor": expert_tensor_of(layout, model.moe is not None),
        "sequence_parallel": layout.tensor > 1 and _given(layout.sequence_parallel, defaults.sequence_parallel),
        "sharding": _given(layout.sharding, defaults.sharding),
        "recompute": _recompute(layout, defaults.recompute),
        "schedule": schedule,
        "overlap": _given(layout.overlap, overlap),
        "dispatcher": _given(layout.dispatcher, stack.dispatcher),
        "stage_layers": stage_layers_of(layout, model.layers, last_stage_load(model)),
    }
    return ResolvedLayout.model_validate(vars(layout) | chosen)


def _recompute(layout: Layout, usual: Recompute) -> Recompute:
    """What is recomputed; software that selects by operations means that where it says selective."""
    selects = layout.recompute == "selective" and usual == "operations"
    return usual if selects else _given(layout.recompute, usual)


def usual_overlap(
    usual: frozenset[Overlap], model: Model, schedule: Schedule, stages: int, chunks: int
) -> frozenset[Overlap]:
    """What the stack hides behind compute, as far as the schedule has something to hide it behind."""
    return usual if can_hide_experts(model, schedule, stages, chunks) else usual - {"expert"}


def _with_expert_tensor(layout: Layout, model: Model, stack: Stack) -> Layout:
    """The layout with experts cut by the tensor group, where that is what the stack does and nothing else is asked."""
    spread = model.moe is not None and layout.expert > 1 and layout.expert_tensor is None
    if not spread or stack.defaults.expert_tensor == "one":
        return layout
    return layout.model_copy(update={"expert_tensor": layout.tensor})


def _with_context_kind(layout: Layout, stack: Stack) -> Layout:
    """The layout with the stack's way of exchanging keys and values, where nothing else is asked."""
    if layout.context_kind is not None:
        return layout
    return layout.model_copy(update={"context_kind": stack.defaults.context_kind})


def resolve_training(training: Training, stack: Stack) -> Training:
    """The training with the stack's precision of gradient reduction where none is given."""
    if training.grad_reduce_precision is not None:
        return training
    defaults = stack.defaults
    usual = "fp16" if defaults.fp16_sums and training.precision == "fp16" else defaults.grad_reduce_precision
    return training.model_copy(update={"grad_reduce_precision": usual})


def notes_of(scenario: Scenario) -> tuple[str, ...]:
    """What a reader should know of a scenario whether or not its layout is known, after its own notes."""
    chip, stack, training = scenario.cluster.accelerator, scenario.stack, scenario.training
    notes = [*scenario.notes, *(f"model: {note}" for note in scenario.model.notes)]
    if chip.vendor not in stack.vendors:
        known = ", ".join(stack.vendors)
        notes.append(f"stack {stack.name} is known for chips of {known}, and this is {chip.name} of {chip.vendor}")
    if scenario.model.moe is not None:
        notes += _router_note(training)
    return tuple(dict.fromkeys(notes))


def _router_note(training: Training) -> Iterator[str]:
    """What is assumed of the load of experts where nothing was measured."""
    if training.expert_imbalance == 0.0 and training.capacity_factor is None:
        yield "experts are taken as evenly loaded (training.router: balanced)"
    elif training.router == "typical":
        spread = f"{100 * training.expert_imbalance:g} % of the mean"
        yield f"experts are taken as loaded by a typical router, a spread of {spread} (training.router: typical)"


def scenario_problems(
    layout: Layout | None,
    model: Model | None,
    cluster: Cluster | None,
    training: Training | None,
    stack: Stack | None = None,
) -> list[Problem]:
    """What is wrong between the parts of a scenario that could be read."""
    problems: list[Problem] = []
    if cluster is not None and training is not None:
        problems += precision_problems(cluster, training)
    if layout is not None:
        problems += layout_problems(layout, model, cluster, training, stack)
    return problems


def spread_layers(layers: int, stages: int, last_load: float = 0.0) -> tuple[int, ...]:
    """Layers of each (virtual) stage, as even as they go: what is left over goes to the middle.

    The last stage also holds the output head and the first the embedding, so these get fewer, the last before the first
    (Megatron-LM's options to count embedding and head as layers do the same). Where layers can't be even in any case,
    the last stage gets so many that it takes no longer than others with the `last_load` layers' worth that it holds
    besides (Megatron Core's flexible layouts of multi-token-prediction models).
    """
    if layers % stages == 0 or last_load == 0.0 or stages == 1:
        return _spread(layers, stages)

    def slowest(last: int) -> tuple[float, int]:
        return max(last + last_load, -(-(layers - last) // (stages - 1))), -last

    last = min(range(layers // stages + 1), key=slowest)
    return (*_spread(layers - last, stages - 1), last)


def _spread(layers: int, stages: int) -> tuple[int, ...]:
    each, more = divmod(layers, stages)
    first = (stages - more) // 2
    return tuple(each + (first <= stage < first + more) for stage in range(stages))


def last_stage_load(model: Model) -> float:
    """What the last stage of a multi-token-prediction model holds beside its layers, in layers: modules and heads.

    Parameters that a token meets, over those of a layer with experts, roughly: 4 h^2 of attention.
    """
    if not model.mtp_layers:
        return 0.0
    moe = model.moe
    inner = model.ffn_hidden if moe is None else (moe.top_k + moe.shared) * moe.ffn_hidden
    layer = model.hidden * (4 * model.hidden + (3 if model.gated else 2) * inner)
    return model.mtp_layers + (1 + model.mtp_layers) * model.hidden * model.vocab / layer


def stage_layers_of(layout: Layout, layers: int, last_load: float = 0.0) -> tuple[int, ...]:
    """Layers of each virtual stage in pipeline order, from those of stages where these are given."""
    stages, chunks, given = layout.pipeline, layout.virtual_stages, layout.stage_layers
    if given is None:
        return spread_layers(layers, stages * chunks, last_load)
    if len(given) == stages * chunks:
        return given
    split = [_over_chunks(count, chunks, stage == 0) for stage, count in enumerate(given)]
    virtual = place_chunks(layout.schedule or usual_schedule(chunks), stages, chunks).cells
    held = {virtual[chunk][stage]: split[stage][chunk] for chunk in range(chunks) for stage in range(stages)}
    return tuple(held[number] for number in range(stages * chunks))


def _over_chunks(layers: int, chunks: int, embeds: bool) -> Sequence[int]:
    """A stage's layers over its chunks, as even as they go; the last get fewer, or the first where it embeds."""
    each, more = divmod(layers, chunks)
    counts = [each + 1] * more + [each] * (chunks - more)
    return counts[::-1] if embeds else counts


def _given(value: Value | None, default: Value) -> Value:
    return default if value is None else value


def _layout_notes(layout: Layout, resolved: ResolvedLayout, scenario: Scenario) -> list[str]:
    notes, model, usual = [], scenario.model, scenario.stack.defaults.overlap
    if layout.stage_layers is None and len(set(resolved.stage_layers)) > 1:
        fewest, most = min(resolved.stage_layers), max(resolved.stage_layers)
        notes += [f"{model.layers} layers over {len(resolved.stage_layers)} virtual stages: {fewest} to {most} each"]
    if layout.overlap is None and model.moe is not None and "expert" in usual - resolved.overlap:
        notes += [f"experts' traffic is bare: {resolved.schedule} runs no forward pass beside a backward one"]
    return notes
