"""Serving a model: tokens a second of prefill and decode, with batches as large as memory and latency allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from clustersim.answer import Answer
from clustersim.engines.graph import Floats
from clustersim.errors import InfeasibleError
from clustersim.inputs.amounts import number
from clustersim.inputs.serving import Serving
from clustersim.inputs.units import format_quantity
from clustersim.simulation.serving.memory import cache_bytes_of, weights, workspace
from clustersim.simulation.serving.passes import pass_times, unit_of
from clustersim.workload.layers.serving_batch import ServingPhase

PHASES: tuple[ServingPhase, ...] = ("prefill", "decode")
OVERLAPS = ("no_overlap", "central", "full_overlap")  # from the least to the most that can be hidden
SIZES = 96  # batch sizes priced at once
LARGEST = {"prefill": 16_384, "decode": 4_096}  # batches where nothing else limits them: tokens, answers a device
PASSES_TO_FIRST_TOKEN = 1.5  # half of the running pass on average, then one's own


@dataclass(frozen=True)
class Operating:
    """Where a unit runs: its largest batch, and what it then serves."""

    batch: float  # a device: tokens (prefill) or answers (decode)
    latency_s: float  # to the first token, or between two tokens of an answer
    pass_s: float
    tokens_per_s: float  # a device; prompt tokens count with those found in the cache
    limit: str  # what keeps the batch from growing


@dataclass(frozen=True)
class Curve:
    """Throughput and latency at every batch size [batches]."""

    batch: Floats
    latency_s: Mapping[str, Floats]  # by overlap
    tokens_per_s: Mapping[str, Floats]


@dataclass(frozen=True)
class PhaseResult:
    """One phase of serving."""

    phase: ServingPhase
    devices: int  # of a unit
    at: Mapping[str, Operating]  # by overlap
    parts: Mapping[str, float]  # seconds of the central pass, by part
    memory: Mapping[str, float]  # bytes of a device at the central batch
    usable_bytes: float
    curve: Curve

    @property
    def central(self) -> Operating:
        """The prediction between the bounds."""
        return self.at["central"]

    def to_dict(self) -> dict[str, Any]:
        """Without the curve."""
        return {
            "devices": self.devices,
            **{name: asdict(point) for name, point in self.at.items()},
            "breakdown": dict(self.parts),
            "memory_bytes": sum(self.memory.values()),
            "usable_bytes": self.usable_bytes,
        }


@dataclass(frozen=True, repr=False)
class ServingResult(Answer):
    """Both phases of a serving scenario."""

    serving: Serving
    phases: Mapping[ServingPhase, PhaseResult]

    def headline(self) -> tuple[str, dict[str, str]]:
        """Model, accelerator, and tokens a second and device of both phases."""
        rates = {phase: self.phases[phase].central.tokens_per_s for phase in PHASES}
        what = f"{self.serving.model.name} on {self.serving.node.accelerator.name}"
        return what, {phase: f"{number(rate)} tokens/s a device" for phase, rate in rates.items()}

    def table(self) -> list[dict[str, Any]]:
        """A row for each phase and share of communication that is hidden."""
        return [
            {"phase": phase, "devices": self.phases[phase].devices, "overlap": overlap, **asdict(point)}
            for phase in PHASES
            for overlap, point in self.phases[phase].at.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Both phases, without their curves."""
        return {phase: self.phases[phase].to_dict() for phase in PHASES}

    def nodes(self, overlap: str = "central") -> dict[ServingPhase, float] | None:
        """Nodes that the day's tokens need in the mean; None where the traffic states none."""
        traffic = self.serving.traffic
        if traffic.input_per_day is None or traffic.output_per_day is None:
            return None
        a_day = 86_400.0 * self.serving.node.devices * self.serving.utilization
        demand: dict[ServingPhase, float] = {"prefill": traffic.input_per_day, "decode": traffic.output_per_day}
        return {phase: demand[phase] / (a_day * self.phases[phase].at[overlap].tokens_per_s) for phase in PHASES}


def simulate_serving(serving: Serving) -> ServingResult:
    """Prefill and decode of a scenario. Raises InfeasibleError where a phase can serve nothing."""
    return ServingResult(serving, {phase: _phase(serving, phase) for phase in PHASES})


def _phase(serving: Serving, phase: ServingPhase) -> PhaseResult:
    unit, drafts = unit_of(serving, phase), serving.decode.draft_tokens
    usable = serving.node.accelerator.memory.usable_bytes
    fixed = {"weights": weights(serving, unit, bool(drafts)), "buffers": serving.stack.software.buffers}
    a_token = _bytes_of_one(serving, phase)
    room = (usable - sum(fixed.values())) / sum(a_token.values())
    if room < 1.0:
        raise InfeasibleError(_too_small(serving, phase, fixed, a_token, usable))
    most = min(room, float(unit.batch or LARGEST[phase]))
    batch = np.unique(np.round(np.geomspace(1.0, np.floor(most), SIZES)))
    times = pass_times(serving, phase, batch)
    passes = {"no_overlap": times.no_overlap, "central": times.central, "full_overlap": times.full_overlap}
    latency = {name: seconds * _latency_passes(serving, phase) for name, seconds in passes.items()}
    rate = {name: batch * _tokens_of_one(serving, phase) / seconds for name, seconds in passes.items()}
    limited = "batch" if unit.batch and unit.batch <= room else "memory" if room < LARGEST[phase] else "largest pass"
    at = {name: _operate(serving, phase, batch, latency[name], passes[name], limited) for name in OVERLAPS}
    if at["central"].batch < 1.0:
        raise InfeasibleError(_too_slow(serving, phase, float(latency["central"][0])))
    chosen = at["central"].batch
    return PhaseResult(
        phase,
        unit.devices,
        at,
        {name: float(np.interp(chosen, batch, seconds)) for name, seconds in times.parts.items()},
        fixed | {name: chosen * size for name, size in a_token.items()},
        usable,
        Curve(batch, latency, rate),
    )


def _operate(
    serving: Serving, phase: ServingPhase, batch: Floats, latency: Floats, passes: Floats, limited: str
) -> Operating:
    """The largest batch within the latency target, and what it serves; none where a batch of one is too slow."""
    target = _target(serving, phase)
    chosen, limit = float(batch[-1]), limited
    if target is not None and latency[-1] > target:
        limit = "latency"
        chosen = float(np.floor(np.interp(target, latency, batch) + 1e-9)) if latency[0] <= target else 0.0
    if chosen < 1.0:
        return Operating(0.0, float(latency[0]), float(passes[0]), 0.0, limit)
    seconds = float(np.interp(chosen, batch, passes))
    rate = chosen * _tokens_of_one(serving, phase) / seconds
    return Operating(chosen, seconds * _latency_passes(serving, phase), seconds, rate, limit)


def _target(serving: Serving, phase: ServingPhase) -> float | None:
    return serving.prefill.time_to_first_token if phase == "prefill" else serving.decode.time_per_token


def _tokens_of_one(serving: Serving, phase: ServingPhase) -> float:
    """Tokens served a pass and unit of the batch: a computed prompt token brings those found in the cache with it."""
    if phase == "prefill":
        return 1.0 / (1.0 - serving.traffic.cache_hits)
    return 1.0 + serving.decode.draft_tokens * serving.decode.acceptance


def _latency_passes(serving: Serving, phase: ServingPhase) -> float:
    """Passes that a user waits: for the first token, or for each further one."""
    return PASSES_TO_FIRST_TOKEN if phase == "prefill" else 1.0 / _tokens_of_one(serving, phase)


def _bytes_of_one(serving: Serving, phase: ServingPhase) -> dict[str, float]:
    """Bytes a device for each token or answer of its batch; tensor ranks hold the batch of all of them."""
    unit, traffic, drafts = unit_of(serving, phase), serving.traffic, serving.decode.draft_tokens
    if phase == "prefill":
        length = traffic.prompt
        kept = cache_bytes_of(serving, unit, length, bool(drafts)) / (length * (1.0 - traffic.cache_hits))
        return {"cache": unit.tensor * kept, "workspace": float(workspace(serving.model, 1.0))}
    kept = cache_bytes_of(serving, unit, traffic.answer_span, bool(drafts))
    return {"cache": unit.tensor * kept, "workspace": float(workspace(serving.model, 1.0 + drafts))}


def _too_small(
    serving: Serving, phase: ServingPhase, fixed: Mapping[str, float], one: Mapping[str, float], usable: float
) -> str:
    sizes = [format_quantity(size, "bytes") for size in (sum(fixed.values()), sum(one.values()), usable)]
    more = "more devices" if serving.model.moe is not None else "more tensor ranks"
    return (
        f"{phase}: {sizes[0]} of weights and buffers and {sizes[1]} for one in the batch don't fit into {sizes[2]}. "
        f"What helps: {more} ({phase}.{'devices' if serving.model.moe else 'tensor'}), or a smaller precision"
    )


def _too_slow(serving: Serving, phase: ServingPhase, fastest: float) -> str:
    key = "prefill.time_to_first_token" if phase == "prefill" else "decode.time_per_token"
    target = _target(serving, phase) or 0.0
    return (
        f"{key}: {format_quantity(target, 's')} can't be met: a batch of one takes {format_quantity(fastest, 's')}. "
        f"What helps: a longer time, or more ranks to share the work ({phase}.tensor)"
    )
