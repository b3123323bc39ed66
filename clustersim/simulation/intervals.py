"""Intervals around a prediction, from residuals against the runs of sources that were held out whole.

A scenario is a new source: another site, another batch of hardware, another build of the software. What such a one
misses is measured by leaving each published source out, refitting every stack without it and predicting it. The
variance of log(measured / predicted) is a sum over what a run has that others don't (`traits`); an interval's
half-width is a quantile of |residual| / spread over held-out sources, every source counted alike, so that it covers
what it says whatever the distribution. A stack that was calibrated on its own runs carries the spread of those, wider
where the scenario leaves them, and never wider than a stranger's.

Sources: Dunn, Wasserman and Ramdas 2022, "Distribution-free prediction sets for two-layer hierarchical models" (pooling
groups); Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018 (locally weighted conformal intervals); Searle, Casella and
McCulloch 1992, "Variance Components" (random effects).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clustersim.costs.scans import scan_rate
from clustersim.inputs.figures import Of, shown
from clustersim.inputs.model import layer_kinds
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.stack import Residual, Stack
from clustersim.schedules.program import TaskType
from clustersim.schedules.registry import passes_of
from clustersim.simulation.evidence import evidence
from clustersim.workload.flops import matmul_parameters
from clustersim.workload.layers.registry import layer_types, layers_of

Interval = tuple[float, float]
Intervals = Mapping[str, Mapping[str, Interval]]  # figure -> {"80": (low, high), "95": (low, high)}

NORMAL_PER_ABSOLUTE = math.sqrt(math.pi / 2.0)  # sd of a normal distribution over its mean absolute deviation
LOW_PRECISION = ("fp8", "mxfp8", "nvfp4")
# A chip that no stack was measured on can't be held out, for chips aren't refitted. Assumed: training reaches 0.45 to
# 0.87 of a chip's peak, an sd of 0.29 of the logarithm, of which its kernels' sheet and its kin tell more than half.
UNKNOWN_CHIP = 0.12
PRODUCTS_REACH = 0.5  # of a chip's peak, where shares of a step are weighed


@dataclass(frozen=True)
class ModelError:
    """How far a prediction may lie from a measurement: one sd of log(measured / predicted), and what that rests on."""

    spread: float
    evidence: str
    stranger: float | None = None  # the spread that a new source's run would have, where this one's is its own


def interval(value: float, error: ModelError, power: float = 1.0) -> dict[str, Interval]:
    """80 % and 95 % intervals of a figure that goes as the `power` of the step time.

    The error is that of log(measured / predicted) step time; throughput and MFU go as its power -1.
    """
    return {
        level: (
            value * math.exp(-abs(power) * width * error.spread),
            value * math.exp(abs(power) * width * error.spread),
        )
        for level, width in evidence().quantiles.items()
    }


def intervals_of(result: object, of: Of, error: ModelError | None) -> Intervals:
    """Intervals of the figures that have one, of a step or of a run; none without an error."""
    if error is None:
        return {}
    return {
        figure.name: interval(value, error, figure.power)
        for figure in shown("interval", (of,))
        if (value := getattr(result, figure.name)) is not None
    }


def model_error(scenario: Scenario) -> ModelError:
    """How far a prediction of this scenario may lie from a measurement."""
    error = _of_runs(scenario)
    amount, reason = scan_error(scenario)
    return ModelError(math.hypot(error.spread, amount), f"{error.evidence}; wider: {reason}") if amount else error


def _of_runs(scenario: Scenario) -> ModelError:
    """The error that measured runs tell: the stack's own, or strangers'."""
    own, stranger = scenario.stack.residual, _stranger(scenario)
    if own is None:
        return stranger
    reasons = [(amount, reason) for amount, reason in _departures(scenario, own) if amount]
    spread = min(math.hypot(own.spread, *(amount for amount, _ in reasons)), max(own.spread, stranger.spread))
    words = "; ".join(reason for _, reason in reasons)
    return ModelError(spread, f"{own.evidence}; wider: {words}" if words else own.evidence, stranger.spread)


def serving_error(software: Stack) -> ModelError:
    """The error of serving with a training stack's software: that of any stranger's run with experts."""
    known = evidence()
    variance = known.variances.get("any run", 0.0) + known.variances.get("experts", 0.0)
    own = software.residual
    return ModelError(math.sqrt(variance) if own is None else own.spread, "training runs of other sources")


def traits(scenario: Scenario) -> dict[str, float]:
    """What sets a run apart, where predictions of strangers were seen to err more: how much of each."""
    layout, low = scenario.resolved_layout, scenario.training.precision in LOW_PRECISION
    experts = scenario.model.moe is not None
    found = {
        "any run": True,
        "experts": experts,
        "experts in low precision": experts and low,
        "context parallelism": layout.context > 1,
        "fully sharded parameters": layout.sharding in ("zero2", "zero3", "fsdp", "hybrid"),
        "eager software": scenario.cluster.accelerator.vendor == "huawei",
    }
    return {name: float(met) for name, met in found.items() if met}


def layout_kinds(scenario: Scenario) -> frozenset[str]:
    """What sets a scenario's model and layout apart from plain data, tensor and pipeline parallelism."""
    layout = scenario.resolved_layout
    kinds = {
        "experts": scenario.model.moe is not None,
        "linear attention": any(layer.scans(scenario.model) for layer in layer_types(scenario.model)),
        "sparse attention": scenario.model.indexer is not None or scenario.model.native_sparse is not None,
        "context parallelism": layout.context > 1,
        "fully sharded parameters": layout.sharding in ("zero2", "zero3", "fsdp", "hybrid"),
        "passes over weights apart": TaskType.WEIGHT_GRADIENT in passes_of(layout.schedule),
        "offloading": layout.offload != "none",
    }
    return frozenset(name for name, met in kinds.items() if met)


def spread_of(groups: Sequence[tuple[str, Sequence[float]]]) -> float:
    """One sd of log(measured / predicted): its mean absolute value, every group counted alike, as of a normal one."""
    means = [sum(abs(error) for error in errors) / len(errors) for _, errors in groups]
    return NORMAL_PER_ABSOLUTE * sum(means) / len(means)


def _stranger(scenario: Scenario) -> ModelError:
    """The error of a run by somebody who published none of the evidence."""
    known, found = evidence(), traits(scenario)
    variance = sum(known.variances.get(name, 0.0) * amount for name, amount in found.items())
    added = [_unknown_chip(scenario), _scale(scenario, known.devices)]
    spread = math.hypot(math.sqrt(variance), *(amount for amount, _ in added))
    words = [name for name in found if name != "any run" and known.variances.get(name)]
    words += [reason for amount, reason in added if amount]
    runs = known.stacks.get(scenario.stack.name)
    own = f"{runs.rows:,} of them with this software" if runs else "none of them with this software"
    text = f"{known.rows:,} measured runs of {known.sources} sources, each source predicted without it; {own}"
    return ModelError(spread, f"{text}; wider: {', '.join(words)}" if words else text)


def _departures(scenario: Scenario, own: Residual) -> list[tuple[float, str]]:
    """What a scenario leaves of the runs that its stack was calibrated on."""
    steps, name = evidence().departures, scenario.cluster.accelerator.name
    found = []
    if own.accelerators and name not in own.accelerators:
        found.append((steps["another_chip"], f"not measured on {name}"))
    if own.devices:
        found.append(_scale(scenario, own.devices))
    if own.accelerators:
        unmet = sorted(layout_kinds(scenario) - set(own.kinds))
        found.append((steps["another_kind"] * math.sqrt(len(unmet)), f"not measured with {', '.join(unmet)}"))
    return found


def _unknown_chip(scenario: Scenario) -> tuple[float, str]:
    name = scenario.cluster.accelerator.name
    return 0.0 if name in evidence().accelerators else UNKNOWN_CHIP, f"nothing was measured on {name}"


def _scale(scenario: Scenario, devices: int) -> tuple[float, str]:
    doublings = math.log2(max(1.0, scenario.cluster.devices / devices))
    return evidence().departures["a_doubling"] * doublings, f"measured on {devices:,} devices at most"


def scan_error(scenario: Scenario) -> tuple[float, str]:
    """What rates of linear attention that nobody published leave open, by the share of a step that they take, and why.

    One sd of the logarithm; 0 where all rates are published.

    The share is that of cores beside matrix products at half of the peak, forward and backward.
    """
    model, chip, library = scenario.model, scenario.cluster.accelerator, scenario.stack.scan_kernels
    seconds, off, kinds = 0.0, 0.0, set()
    for kind, times in Counter(layer_kinds(model)).items():
        for scan in (scan for layer in layers_of(model, kind) for scan in layer.scans(model)):
            rate, spread = scan_rate(chip, library, scan.kind)
            both = scan.forward_flops / rate.forward + scan.backward_flops / rate.backward
            seconds += times * scan.heads * both
            off += times * scan.heads * both * spread
            kinds |= {scan.kind} if spread else set()
    if not off:
        return 0.0, ""
    products = 6.0 * matmul_parameters(model) / (PRODUCTS_REACH * chip.base_peak)
    named = ", ".join(sorted(kinds))
    return off / (seconds + products), f"no rate of {named} kernels is published for {chip.name}"
