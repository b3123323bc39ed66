"""From peak to achieved: where the FLOP/s went, in shares of the peak.

The mean device has peak x step time to spend. What its breakdown spends elsewhere is lost; in matrix products and
attention, what they take beyond their FLOPs at the peak. What is left it executed. Model FLOPs, which an MFU counts,
are not quite those: attention counts in full where masked blocks are skipped, and routers or unfilled experts execute
what nobody counts. These differences are steps of their own, so that all steps sum to the MFU exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from clustersim.costs.machine import Machine
from clustersim.engines.graph import Floats
from clustersim.inputs.scenario import Scenario
from clustersim.schedules.program import COMPUTE_PASSES, Kind
from clustersim.simulation.results import BREAKDOWN_PARTS
from clustersim.simulation.step.step import PlayedStep, breakdown_of
from clustersim.workload.flops import model_flops_per_token
from clustersim.workload.operations import Attention, Gemm, Pass

COUNTED = ("gemm", "attention")  # parts that model FLOPs are spent in
FLOPS, IDEAL_S = 0, 1
ADJUSTMENTS = ("masked_attention", "uncounted")  # from what is executed to what is counted


class WaterfallStep(NamedTuple):
    """One step down (below 0) or up, in shares of the peak."""

    name: str  # a part of the breakdown, "precision" or a name of ADJUSTMENTS
    share: float


@dataclass(frozen=True)
class Waterfall:
    """All steps from the peak (1) to the MFU."""

    base_flops: float  # FLOP/s of a device at the base of the MFU
    falls: tuple[WaterfallStep, ...]
    mfu: float  # full attention; 1 + all falls

    @property
    def executed(self) -> float:
        """Share of the peak that the mean device executed in products and attention."""
        return 1.0 + sum(fall.share for fall in self.falls if fall.name not in ADJUSTMENTS)

    def to_dict(self) -> dict[str, Any]:
        """The document that `--json` prints."""
        return {
            "base_flops": self.base_flops,
            "falls": {fall.name: fall.share for fall in self.falls},
            "executed": self.executed,
            "mfu": self.mfu,
        }


def waterfall(step: PlayedStep) -> Waterfall:
    """The steps from peak FLOP/s to the MFU of a played step.

    A part of the breakdown that takes t of T seconds loses t/T; products and attention (t - ideal)/T, where ideal is
    FLOPs / peak of their precision. `precision`: what a peak above the base adds, (FLOPs / base - ideal)/T.
    """
    scenario = step.scenario
    base = scenario.cluster.accelerator.base_peak
    budget = base * step.seconds  # FLOPs of a device at the peak
    works = [_work(step, stage) for stage in range(step.program.stages)]
    (flops, ideal), counted = np.mean(works, axis=0), _counted(scenario)
    shares = {name: 0.0 - seconds / step.seconds for name, seconds in breakdown_of(step).items()}
    for column, name in enumerate(COUNTED):
        shares[name] += float(ideal[column]) / step.seconds
    uncounted, masked = ((counted - flops) / budget).tolist()
    changes = {
        "precision": float(flops.sum()) / budget - float(ideal.sum()) / step.seconds,
        "masked_attention": masked,
        "uncounted": uncounted,
    }
    ordered = ("precision", *BREAKDOWN_PARTS, *ADJUSTMENTS)
    return Waterfall(
        base, tuple(WaterfallStep(name, (shares | changes)[name]) for name in ordered), float(counted.sum()) / budget
    )


def _counted(scenario: Scenario) -> Floats:
    """Model FLOPs a device and step, full attention: [parts of COUNTED]."""
    tokens = scenario.training.tokens_per_step / scenario.cluster.devices
    full = model_flops_per_token(scenario.model, scenario.training, "full")
    products = model_flops_per_token(scenario.model, scenario.training, "6N")
    return np.array([products, full - products]) * tokens


def _work(step: PlayedStep, stage: int) -> Floats:
    """What the device of one pipeline stage executes in a step: [FLOPS and IDEAL_S, parts of COUNTED]."""
    program = step.program
    rows, times = np.unique(program.graph.kind[program.stage == stage], return_counts=True)
    total = np.zeros((2, len(COUNTED)))
    for row, played in zip(rows.tolist(), times.tolist(), strict=True):
        kind = program.kinds[row]
        if kind.operation in COMPUTE_PASSES:
            total += played * _pass_work(step, kind)
    return total


def _pass_work(step: PlayedStep, kind: Kind) -> Floats:
    """What one pass of a virtual stage executes, as `_work`."""
    stage = step.stages[int(step.program.placement.virtual[kind.chunk, kind.stage])]
    total = np.zeros((2, len(COUNTED)))
    for unit in stage.units:
        total += unit.times * _executed(unit.piece.work[kind.operation], step.machine)
    return total


def _executed(work: Pass, machine: Machine) -> Floats:
    """What a pass executes, without what is computed again, as `_work`; fused attention computes in 16 bits."""
    total = np.zeros((2, len(COUNTED)))
    for operation in work.operations:
        if isinstance(operation, Gemm | Attention) and operation.part in COUNTED:
            fused = isinstance(operation, Attention)
            peak = machine.accelerator.base_peak if fused else machine.peak(operation.precision)
            flops = float(np.max(operation.flops))
            total[:, COUNTED.index(operation.part)] += flops, flops / peak
    return total
