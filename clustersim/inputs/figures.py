"""Every figure of a result, stated once: what it measures, what it is called, how it goes with the step's time.

The keys of `--json`, the columns of sweeps, the tables of `run` and `sweep`, the axes of plots, the metrics that claims
assert, their words and their intervals all come from this list. A new figure is a property of `StepResult` or
`RunResult` and one line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from clustersim.inputs.kinds import chosen

Better = Literal["higher", "lower"]
Of = Literal["step", "run", "claim"]  # whose property it is; a claim's own has none and is judged by a rule of its own
Place = Literal["json", "column", "claim", "given", "interval", "sweep", "run"]
Places = frozenset[Place]

RECORDED: Places = frozenset({"json", "column"})  # `--json`, the table that a sweep writes, and so its plots
ASSERTED: Places = frozenset({"claim"})  # a metric of claims
STATED: Places = frozenset({"claim", "given"})  # and one that they may state beside a scenario, tied to the others
PAGE: Places = frozenset({"run"})  # the page that `run` prints
TABLE: Places = frozenset({"sweep"})  # the table that `sweep` prints
BAND: Places = frozenset({"interval"})  # 80 and 95 % intervals, in all of these
USUAL = RECORDED | STATED
MOST = USUAL | PAGE | BAND
SHARE = RECORDED | ASSERTED | PAGE

OF_PEAK = ("% of 16-bit matrix peak", 100.0)
OF_STEP = ("% of the step", 100.0)


@dataclass(frozen=True)
class Figure:
    """One figure, with everything that a view or a claim has to know of it."""

    name: str  # of the property, the key, the column and the metric
    dimension: str  # a key of units.DIMENSIONS: how people write it
    label: str  # in a sentence and on an axis
    unit: str  # that it is shown in; what is in days is stored in days, everything else in SI
    better: Better = "higher"  # the side of the greater claim
    power: float = 0  # of the step's time that it goes as; 0: it doesn't follow it
    of: Of = "step"
    shown_in: Places = USUAL
    heading: str = ""  # of a table; the label unless given
    axis: tuple[str, float] = ("", 1.0)  # a plot's unit, and the scale to it; the unit as stored unless given
    aliases: tuple[str, ...] = ()  # what people write for it

    @property
    def lower(self) -> bool:
        """Whether less is the greater claim: times, costs, memory."""
        return self.better == "lower"

    @property
    def title(self) -> str:
        """What a table calls it."""
        return self.heading or self.label

    @property
    def axis_label(self) -> str:
        """What an axis calls it, with the unit."""
        return f"{self.label} ({self.axis[0] or self.unit})"


# fmt: off
FIGURES: tuple[Figure, ...] = (
    Figure("step_time_s", "s", "step time", "s", "lower", 1, "step", MOST | TABLE, aliases=("step_time",)),
    Figure("mfu", "ratio", "MFU, full attention", "%", "higher", -1, "step", SHARE | TABLE | BAND, "MFU full", OF_PEAK),
    Figure("mfu_causal", "ratio", "MFU, causal attention", "%", "higher", -1, "step",
           SHARE | TABLE | BAND, "MFU causal", OF_PEAK),
    Figure("hfu", "ratio", "HFU, recomputed work counted", "%", "higher", -1, "step", SHARE, "HFU", OF_PEAK),
    Figure("busy_any", "ratio", "busy, any stream", "%", "higher", 0, "step", SHARE, axis=OF_STEP),
    Figure("busy_compute", "ratio", "busy, compute stream", "%", "higher", 0, "step", SHARE, axis=OF_STEP),
    Figure("gemm_efficiency", "ratio", "efficiency of matrix kernels", "%", "higher", 0, "step",
           SHARE - PAGE, axis=OF_PEAK),
    Figure("achieved_flops", "FLOP/s", "model compute, full attention", "FLOP/s", "higher", -1,
           axis=("PFLOP/s", 1e-15)),
    Figure("achieved_flops_per_device", "FLOP/s", "model compute a device, full attention", "FLOP/s", "higher", -1,
           "step", STATED),
    Figure("tokens_per_s", "count", "throughput", "tokens/s", "higher", -1, "step",
           USUAL | PAGE, "tokens/s", ("thousand tokens/s", 1e-3), ("tokens_per_second",)),
    Figure("tokens_per_s_per_device", "count", "throughput a device", "tokens/s", "higher", -1, "step",
           USUAL | PAGE | TABLE, "tokens/s a device"),
    Figure("memory_bytes", "bytes", "peak memory a device", "bytes", "lower", 0, "step",
           SHARE | TABLE, "memory", ("GiB", 2.0**-30), ("memory",)),
    Figure("training_days", "s", "training time", "days", "lower", 1, "run", MOST | TABLE, "training"),
    Figure("ideal_days", "s", "training time without interruptions", "days", "lower", 1, "run", RECORDED),
    Figure("device_hours", "count", "device-hours", "device-hours", "lower", 1, "run", MOST, axis=("millions", 1e-6)),
    Figure("cost_usd", "USD", "cost", "USD", "lower", 1, "run", MOST, axis=("million USD", 1e-6), aliases=("cost",)),
    Figure("energy_kwh", "count", "energy", "kWh", "lower", 1, "run",
           USUAL | PAGE, axis=("GWh", 1e-6), aliases=("energy",)),
    Figure("goodput", "ratio", "goodput", "%", "higher", 0, "run",
           SHARE | TABLE, axis=("% of wall-clock time undisturbed", 100.0)),
    Figure("mtti_s", "s", "mean time to an interruption", "s", "higher", 0, "run",
           RECORDED | PAGE, "MTTI", ("h", 1 / 3600)),
    Figure("utilization", "ratio", "utilization", "%", of="claim", shown_in=ASSERTED),
    Figure("mfu_6n", "ratio", "MFU, 6N", "%", of="claim", shown_in=ASSERTED),
    Figure("scaling_efficiency", "ratio", "scaling efficiency", "%", of="claim", shown_in=ASSERTED),
    Figure("achieved_flops_ratio", "ratio", "ratio of achieved FLOP/s", "%",
           of="claim", shown_in=ASSERTED, aliases=("ratio",)),
    Figure("parameters", "count", "parameters", "parameters",
           of="claim", shown_in=STATED, aliases=("total_parameters",)),
    Figure("active_parameters", "count", "active parameters", "parameters", of="claim", shown_in=STATED),
    Figure("data_bytes", "bytes", "data", "bytes", of="claim", shown_in=STATED, aliases=("data",)),
    Figure("input_token_price", "USD", "price of a million prompt tokens", "USD", "lower", of="claim", shown_in=STATED),
    Figure("output_token_price", "USD", "price of a million tokens of answers", "USD", "lower",
           of="claim", shown_in=STATED),
    Figure("token_price_saving", "fraction", "saving on the price of tokens", "%",
           of="claim", shown_in=ASSERTED, aliases=("price_saving",)),
)
# fmt: on


def figure(name: str) -> Figure:
    """The figure of a name. Raises InputError for a name that stands for none."""
    return chosen("figure", name, {each.name: each for each in FIGURES})


@cache
def shown(place: Place, of: tuple[Of, ...] = ("step", "run")) -> tuple[Figure, ...]:
    """The figures of a step or a run that a place shows, in order."""
    return tuple(each for each in FIGURES if place in each.shown_in and each.of in of)
