"""The numbers of a stack that measured runs can tell: their bounds, and how far stacks stray from their parents."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.errors import InputError, Problem
from clustersim.inputs.stack import Stack


@dataclass(frozen=True)
class Parameter:
    """A field of a stack; `low` and `high` are what physics allows, `spread` is one sd of a stack around its parent.

    Scale `log`: the spread is relative, and so is the step of a finite difference.
    """

    name: str
    scale: Literal["log", "linear"]
    low: float
    high: float
    spread: float
    step: float  # of a finite difference, on the scale
    usual: float  # where a stack without a parent is looked for first
    meaning: str

    def inner(self, value: float) -> float:
        """A value on the scale that is fitted."""
        return math.log(value) if self.scale == "log" else value

    def outer(self, value: float) -> float:
        """Back from the fitted scale."""
        return math.exp(value) if self.scale == "log" else value

    def deviation(self, value: float, inner_deviation: float) -> float:
        """One sd of the value itself, from that on the fitted scale (to first order)."""
        return value * inner_deviation if self.scale == "log" else inner_deviation


PARAMETERS = (
    Parameter("sustained", "log", 0.4, 1.0, 0.1, 0.01, 0.95, "matrix rate in a run over that of isolated kernels"),
    Parameter("memory_factor", "log", 0.7, 12.0, 0.35, 0.03, 2.0, "bytes of memory-bound work over the ideal ones"),
    Parameter("kernel_gap", "linear", 0.0, 100e-6, 8e-6, 1e-6, 3e-6, "idle seconds before each kernel"),
    Parameter("host_launch", "log", 1e-6, 150e-6, 0.7, 0.03, 20e-6, "seconds in which the host issues a kernel"),
    Parameter("attention_share", "log", 0.2, 1.0, 0.15, 0.02, 0.8, "fused attention over the chip's best"),
    Parameter("scale_up_efficiency", "log", 0.25, 1.0, 0.2, 0.03, 0.9, "collectives' bandwidth inside a domain"),
    Parameter("scale_out_efficiency", "log", 0.15, 1.0, 0.5, 0.03, 0.9, "collectives' bandwidth between domains"),
    Parameter(
        "overlap_slowdown", "linear", 0.0, 0.5, 0.08, 0.02, 0.1, "how much longer compute takes beside a collective"
    ),
    Parameter("fixed_overhead", "linear", 0.0, 2.0, 0.05, 0.01, 0.0, "seconds a step that no operation explains"),
)
NAMES = tuple(parameter.name for parameter in PARAMETERS)


def parameters_named(names: Collection[str]) -> tuple[Parameter, ...]:
    """The parameters of these names, in the order of the table."""
    return tuple(parameter for parameter in PARAMETERS if parameter.name in names)


def values_of(stack: Stack, parameters: Sequence[Parameter]) -> dict[str, float]:
    """A stack's own values, moved inside the bounds."""
    return {
        parameter.name: min(parameter.high, max(parameter.low, getattr(stack, parameter.name)))
        for parameter in parameters
    }


def inner_values(parameters: Sequence[Parameter], values: Mapping[str, float]) -> Floats:
    """Values on the scales that are fitted."""
    return np.array([parameter.inner(values[parameter.name]) for parameter in parameters])


def outer_values(parameters: Sequence[Parameter], inner: Floats) -> dict[str, float]:
    """Values by name, back from the fitted scales."""
    return {parameter.name: parameter.outer(float(at)) for parameter, at in zip(parameters, inner, strict=True)}


def checked_names(words: str) -> tuple[str, ...]:
    """Names of parameters from a list with commas. Raises InputError for an unknown one."""
    chosen = tuple(word.strip().replace("-", "_") for word in words.split(",") if word.strip())
    unknown = [word for word in chosen if word not in NAMES]
    if unknown or not chosen:
        accepted = f"accepted: {', '.join(NAMES)}"
        problems = [Problem(f"no number of a stack that runs can tell; {accepted}", key=word) for word in unknown]
        raise InputError("--only", problems or [Problem(f"no name given; {accepted}")])
    return chosen
