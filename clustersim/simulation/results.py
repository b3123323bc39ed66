"""What a simulation returns: plain immutable records, and the documents that `--json` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from clustersim.answer import Answer
from clustersim.inputs.amounts import amount
from clustersim.inputs.figures import Figure, Of, shown
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.intervals import Intervals, ModelError, intervals_of
from clustersim.simulation.kernel_bound import above_best_kernel
from clustersim.simulation.memory.error import fit_probability, peak_interval

if TYPE_CHECKING:
    from clustersim.simulation.result_row import ResultRow
    from clustersim.simulation.run_clock.plan import RunPlan
    from clustersim.simulation.run_clock.runs import PlayedRuns

HOPELESS = 0.05  # probability below which a layout is infeasible

BREAKDOWN_PARTS = (
    "gemm",
    "attention",
    "memory_bound",
    "recompute",
    "tensor_comm",
    "expert_comm",
    "context_comm",
    "data_comm",
    "pipeline_comm",
    "bubble",
    "stage_wait",
    "imbalance",
    "optimizer",
    "host",
    "other",
)


CONTEXT = "buffers"  # the runtime's and the network's memory
OUTSIDE_TENSORS = (CONTEXT, "fragmentation")  # the runtime's and the network's memory, and what the allocator loses


@dataclass(frozen=True)
class StagePeak:
    """Bytes that a device of one pipeline stage holds when it holds most, by what they are."""

    stage: int
    parts: Mapping[str, float]  # parameters, gradients, optimizer, activations, logits, buffers, ...

    @property
    def peak_bytes(self) -> float:
        """All of them."""
        return sum(self.parts.values())

    @property
    def allocated_bytes(self) -> float:
        """Those of tensors: what PyTorch's `max_memory_allocated` counts."""
        return sum(held for name, held in self.parts.items() if name not in OUTSIDE_TENSORS)

    @property
    def reserved_bytes(self) -> float:
        """Those that PyTorch's allocator holds: `max_memory_reserved`."""
        return sum(held for name, held in self.parts.items() if name != CONTEXT)


@dataclass(frozen=True)
class MemoryReport:
    """Bytes a device of every pipeline stage, and how many can be used."""

    names: tuple[str, ...]  # of parts
    held: Sequence[Sequence[float]]  # [stages, parts]
    usable_bytes: float
    spread: float = 0.1  # one sd of log(measured / predicted)

    @cached_property
    def stages(self) -> tuple[StagePeak, ...]:
        """What every stage holds, by part."""
        return tuple(self._peak(stage) for stage in range(len(self.held)))

    def _peak(self, stage: int) -> StagePeak:
        return StagePeak(stage, dict(zip(self.names, self.held[stage], strict=True)))

    @cached_property
    def fullest(self) -> StagePeak:
        """The stage that holds most."""
        return self._peak(max(range(len(self.held)), key=lambda stage: sum(self.held[stage])))

    @property
    def stage(self) -> int:
        """Which stage holds most."""
        return self.fullest.stage

    @property
    def parts(self) -> Mapping[str, float]:
        """What the fullest stage holds."""
        return self.fullest.parts

    @property
    def peak_bytes(self) -> float:
        """Bytes on the fullest stage."""
        return self.fullest.peak_bytes

    @property
    def fit_probability(self) -> float:
        """How likely the peak is within what a program can allocate."""
        return fit_probability(self.peak_bytes, self.usable_bytes, self.spread)

    @property
    def interval_80(self) -> tuple[float, float]:
        """Bytes between which the fullest stage's peak lies with 80 %."""
        return peak_interval(self.peak_bytes, self.spread)

    @property
    def fits(self) -> bool:
        """Whether the peak is as likely as not within what a program can allocate: the prediction itself is."""
        return self.peak_bytes <= self.usable_bytes

    @property
    def hopeless(self) -> bool:
        """Whether it is all but sure that the layout does not fit."""
        return self.fit_probability < HOPELESS


@dataclass(frozen=True, repr=False)
class StepResult(Answer):
    """One optimizer step of a scenario."""

    scenario: Scenario
    step_time_s: float
    mfu: float  # full attention, over the device's dense bf16/fp16 peak
    mfu_causal: float
    hfu: float
    busy_any: float
    busy_compute: float
    gemm_efficiency: float
    model_flops: float  # of the whole step, full attention
    breakdown: Mapping[str, float]  # seconds, the keys of BREAKDOWN_PARTS; they sum to the step
    memory: MemoryReport
    error: ModelError | None  # how far a measurement may lie from this; None: not asked for
    engine: str
    notes: tuple[str, ...] = ()  # what was assumed or searched, said to the reader
    coupling_residual: float | None = None  # by how much the last pass of coupling moved the step; None without any

    @property
    def devices(self) -> int:
        """Accelerators that the step runs on."""
        return self.scenario.cluster.devices

    @property
    def tokens_per_s(self) -> float:
        """Tokens a second of the whole cluster."""
        return self.scenario.training.tokens_per_step / self.step_time_s

    @property
    def tokens_per_s_per_device(self) -> float:
        """Tokens a second and device."""
        return self.tokens_per_s / self.devices

    @property
    def achieved_flops(self) -> float:
        """Model FLOP/s of the whole cluster (full attention)."""
        return self.model_flops / self.step_time_s

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must be read beside its figures, because they lie where nothing was measured."""
        return above_best_kernel(self.scenario, self.mfu, self.mfu_causal)

    @property
    def achieved_flops_per_device(self) -> float:
        """Model FLOP/s a device (full attention)."""
        return self.achieved_flops / self.devices

    @cached_property
    def intervals(self) -> Intervals:
        """80 and 95 % intervals of the figures that have one."""
        return intervals_of(self, "step", self.error)

    @property
    def fits(self) -> bool:
        """Whether the layout fits in memory."""
        return self.memory.fits

    @property
    def memory_bytes(self) -> float:
        """Peak bytes a device."""
        return self.memory.peak_bytes

    def headline(self) -> tuple[str, dict[str, str]]:
        """Model, devices, and what a table says of a step."""
        return self.scenario.about, _in_words(self, "step")

    def table(self) -> tuple[ResultRow, ...]:
        """One row."""
        from clustersim.simulation.result_row import step_row

        return (step_row(self),)

    def to_dict(self) -> dict[str, Any]:
        """The document that `clustersim run --json` prints, as far as one step goes."""
        from clustersim.version import __version__

        scenario = self.scenario.model_dump(mode="json")
        return {
            **_documented(self, "step"),
            "devices": self.devices,
            "layout": scenario["layout"],
            "memory": {
                "stage": self.memory.stage,
                "parts": dict(self.memory.parts),
                "usable": self.memory.usable_bytes,
                "stages": [{"stage": each.stage, "parts": dict(each.parts)} for each in self.memory.stages],
            },
            "fits": self.fits,
            "fit_probability": self.memory.fit_probability,
            "memory_interval_80": list(self.memory.interval_80),
            "breakdown": dict(self.breakdown),
            "intervals": _listed(self.intervals),
            "engine": self.engine,
            "coupling_residual": self.coupling_residual,
            "notes": list(dict.fromkeys((*self.warnings, *self.scenario.notes, *self.notes))),
            "scenario": scenario,
            "version": __version__,
            "seed": self.scenario.seed,
        }


@dataclass(frozen=True, repr=False)
class RunResult(Answer):
    """A whole training run: the step, repeated until the last token, with what it costs."""

    step: StepResult
    training_days: float | None
    device_hours: float | None
    cost_usd: float | None
    energy_kwh: float | None
    missing: Mapping[str, str] = field(default_factory=dict)  # figure -> why it is None
    error: ModelError | None = None  # of its time: the step's, and wider by what the run adds
    ideal_days: float | None = None  # undisturbed: tokens / throughput
    goodput: float | None = None  # undisturbed over wall time
    expected_goodput: float | None = None  # the closed form's, beside what was played
    mtti_s: float | None = None  # mean time to an unexpected interruption
    plan: RunPlan | None = None  # what the run clock plays, where there is a failure profile
    runs: PlayedRuns | None = None  # played seed by seed; the figures above are then theirs

    @cached_property
    def intervals(self) -> Intervals:
        """80 and 95 % intervals of the run's own figures that have one."""
        return intervals_of(self, "run", self.error)

    def headline(self) -> tuple[str, dict[str, str]]:
        """Model, devices, and what a table says of a run and its step."""
        what, figures = self.step.headline()
        return what, figures | _in_words(self, "run")

    def table(self) -> tuple[ResultRow, ...]:
        """One row."""
        from clustersim.simulation.result_row import run_row

        return (run_row(self),)

    def to_dict(self) -> dict[str, Any]:
        """The document that `clustersim run --json` prints."""
        document = self.step.to_dict()
        if self.runs is not None:
            document["runs"] = self.runs.to_dict()
        return document | {
            "intervals": document["intervals"] | _listed(self.intervals),
            **_documented(self, "run"),
            "expected_goodput": self.expected_goodput,
            "missing": dict(self.missing),
        }


def value_of(result: RunResult, figure: Figure) -> float | None:
    """A figure of a run or of its step; None where the inputs don't reach it, or where it is neither's."""
    record = {"step": result.step, "run": result}.get(figure.of)
    value: float | None = None if record is None else getattr(record, figure.name)
    return value


def _in_words(record: StepResult | RunResult, of: Of) -> dict[str, str]:
    """The figures that a sweep's table shows, where they are known."""
    known = {figure: getattr(record, figure.name) for figure in shown("sweep", (of,))}
    return {
        figure.label if figure.unit in figure.title else figure.title: amount(value, figure.unit)
        for figure, value in known.items()
        if value is not None
    }


def _documented(record: StepResult | RunResult, of: Of) -> dict[str, float | None]:
    return {figure.name: getattr(record, figure.name) for figure in shown("json", (of,))}


def _listed(intervals: Intervals) -> dict[str, dict[str, list[float]]]:
    return {figure: {level: list(bounds) for level, bounds in levels.items()} for figure, levels in intervals.items()}
