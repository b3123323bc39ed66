"""What would make a layout fit in memory: every single change of it, played, and the nearest of each kind that fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from clustersim.errors import InfeasibleError, InputError
from clustersim.inputs.layout import Layout, PartialOffload, PartialRecompute, ResolvedLayout
from clustersim.inputs.resolve import resolve_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.step.step import simulate_step

Change = dict[str, Any]

SHARDINGS = ("none", "zero1", "zero2", "fsdp")  # each cuts more than the one before
POWERS = tuple(2**power for power in range(1, 11))
KEYS = (
    "recompute",
    "micro_batch",
    "sequence_parallel",
    "sharding",
    "offload",
    "tensor",
    "pipeline",
    "context",
    "expert",
)


@dataclass(frozen=True)
class Remedy:
    """One change of a layout, with which it fits."""

    key: str  # of the layout
    value: str  # as one would type it
    peak_bytes: float
    step_time_s: float

    @property
    def setting(self) -> str:
        """layout.recompute=full."""
        return f"layout.{self.key}={self.value}"


def remedies(scenario: Scenario, keys: tuple[str, ...] = KEYS) -> tuple[Remedy, ...]:
    """Of each kind of change the nearest one with which a scenario's layout fits; the fastest step first.

    `keys`: which keys of the layout may change, one at a time. Devices and batch stay.
    """
    found = [remedy for key in keys for remedy in [_nearest(scenario, key)] if remedy is not None]
    return tuple(sorted(found, key=_seconds))


def _seconds(remedy: Remedy) -> float:
    return remedy.step_time_s


def _nearest(scenario: Scenario, key: str) -> Remedy | None:
    if key == "recompute":
        return _least_recomputation(scenario)
    if key == "offload":
        return _least_offloading(scenario)
    for change in _changes(scenario, key):
        remedy = _tried(scenario, key, change)
        if remedy is not None:
            return remedy
    return None


def _changes(scenario: Scenario, key: str) -> Iterator[Any]:
    """Other values of a key, the mildest first."""
    layout = scenario.resolved_layout
    match key:
        case "micro_batch":
            yield from (size for size in range(layout.micro_batch - 1, 0, -1) if layout.micro_batch % size == 0)
        case "sequence_parallel":
            if layout.tensor > 1 and not layout.sequence_parallel:
                yield True
        case "sharding":
            if layout.sharding in SHARDINGS and layout.data * layout.context > 1:
                yield from SHARDINGS[SHARDINGS.index(layout.sharding) + 1 :]
        case _:
            most = _most(scenario, key)
            yield from takewhile(lambda size: size <= most, (getattr(layout, key) * factor for factor in POWERS))


def _most(scenario: Scenario, key: str) -> int:
    """How large a parallel group may become."""
    model = scenario.model
    match key:
        case "tensor":
            return min(model.heads, scenario.cluster.node.domain)
        case "pipeline":
            return model.layers
        case "expert":
            return model.moe.experts if model.moe is not None else 0
        case _:
            return scenario.cluster.devices


def _least_recomputation(scenario: Scenario) -> Remedy | None:
    """Selective recomputation if that is enough; else as few layers of every stage as fit, by bisection; else none."""
    layout = scenario.resolved_layout
    if layout.recompute == "full":
        return None
    selective = _tried(scenario, "recompute", "selective") if layout.recompute == "none" else None
    return selective or _fewest_layers(scenario, "recompute", PartialRecompute, "full")


def _least_offloading(scenario: Scenario) -> Remedy | None:
    """The optimizer if that is enough, or as few layers of every stage as fit: the faster of the two; else none."""
    if scenario.resolved_layout.offload != "none":
        return None
    optimizer = _tried(scenario, "offload", "optimizer")
    layers = _fewest_layers(scenario, "offload", PartialOffload, "activations")
    return min((remedy for remedy in (optimizer, layers) if remedy), key=_seconds, default=None)


def _fewest_layers(
    scenario: Scenario, key: str, partial: type[PartialRecompute | PartialOffload], every: str
) -> Remedy | None:
    """As few layers of every stage as fit, by bisection; None where not even all do."""
    best = _tried(scenario, key, every)
    if best is None:
        return None
    fewest, enough = 1, max(scenario.resolved_layout.stage_layers)
    while fewest < enough:
        middle = (fewest + enough) // 2
        remedy = _tried(scenario, key, partial(layers=middle))
        if remedy is None:
            fewest = middle + 1
        else:
            best, enough = remedy, middle
    return best


def _tried(scenario: Scenario, key: str, value: Any) -> Remedy | None:
    """The scenario with one key of its layout changed, played; None where it can't run or doesn't fit either."""
    try:
        step = simulate_step(
            resolve_scenario(scenario, _changed(scenario.resolved_layout, key, value)), intervals=False
        )
    except (InputError, InfeasibleError):
        return None
    return Remedy(key, _typed(value), step.memory_bytes, step.step_time_s) if step.fits else None


def _changed(layout: ResolvedLayout, key: str, value: Any) -> Layout:
    """The layout with what depends on the key left open again."""
    values: Change = {name: getattr(layout, name) for name in Layout.model_fields}
    values |= {"data": "auto", key: value}
    if key == "pipeline":
        values["stage_layers"] = None
    if key == "tensor":
        values["sequence_parallel"] = None if layout.tensor == 1 else layout.sequence_parallel
        values["expert_tensor"] = None if layout.expert_tensor in (1, layout.tensor) else layout.expert_tensor
    return Layout.model_validate(values)


def _typed(value: Any) -> str:
    if isinstance(value, PartialRecompute | PartialOffload):
        return f"{{layers: {value.layers}}}"
    return str(value).lower() if isinstance(value, bool) else str(value)
