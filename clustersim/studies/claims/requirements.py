"""What would have to be true: the smallest change of a step with which a claimed figure holds.

The step of the best layout is cut into its parts. Each part can go from what it takes to the least that it can take:
matrix products and attention to the rate of the chip's best measured kernel, memory-bound work to ideal bytes at the
full bandwidth, communication, bubble, waiting and recomputation to nothing. Of all ways to the claimed speed the one
is taken that asks the least of all parts together (least squares of the shares of the way), by SLSQP: Kraft 1988.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from clustersim.inputs.amounts import amount, times
from clustersim.inputs.claim_metrics import METRICS, MFU
from clustersim.simulation.inspect.waterfall import COUNTED, Waterfall, waterfall
from clustersim.simulation.results import StepResult, value_of
from clustersim.simulation.step.step import play_step
from clustersim.studies.claims.assertion_rows import AssertionRow, ClaimContext
from clustersim.studies.claims.definitions import CONVENTIONS, bases, flops_a_token, kernel_rate
from clustersim.studies.claims.outcomes import BestLayout

MEMORY_BOUND = ("memory_bound", "optimizer")
LEAST_SHARE = 0.005  # of the step: parts below aren't spoken of
NOTHING = 0.0005  # shares below print as none
WORDS = {
    "gemm": "matrix kernels",
    "attention": "attention kernels",
    "memory_bound": "memory-bound work",
    "recompute": "recomputation",
    "tensor_comm": "exposed tensor-parallel traffic",
    "expert_comm": "exposed all-to-all of experts",
    "context_comm": "exposed context-parallel traffic",
    "data_comm": "exposed data-parallel traffic",
    "pipeline_comm": "exposed stage-to-stage traffic",
    "bubble": "the pipeline bubble",
    "stage_wait": "waiting for slower stages",
    "imbalance": "waiting for slower replicas",
    "optimizer": "the optimizer",
    "host": "the host",
    "other": "everything else",
}


@dataclass(frozen=True)
class Need:
    """What one part would have to come to: a rate over the base for kernels, else a share of the (shorter) step."""

    part: str
    now: float
    needed: float
    cut: float = 0.0  # share of its seconds that has to go

    @property
    def words(self) -> str:
        """For people."""
        now, needed = amount(self.now, "%"), amount(self.needed, "%")
        if self.part in COUNTED:
            return f"{WORDS[self.part]} at {needed} of the peak ({now} now)"
        if self.needed < NOTHING:
            return f"no {WORDS[self.part].removeprefix('the ')} ({now} of the step now)"
        if self.needed >= self.now:  # of a step that is shorter as a whole
            return f"{WORDS[self.part]} cut by {amount(self.cut, '%')} ({now} of the step now)"
        return f"{WORDS[self.part]} at most {needed} of the step ({now} now)"


@dataclass(frozen=True)
class Requirement:
    """What would have to be true for a figure of a claim."""

    id: str
    definition: str
    base: str
    speedup: float  # that the best layout's step needs
    most: float  # that every part at its best gives
    needs: tuple[Need, ...]
    sentence: str
    falls: Waterfall  # of that step
    claimed_mfu: float  # what the figure means as an MFU with full attention, of the matrix peak
    step: StepResult

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "id": self.id,
            "definition": self.definition,
            "base": self.base,
            "speedup": self.speedup,
            "most": self.most,
            "needs": [asdict(need) for need in self.needs],
            "sentence": self.sentence,
        }


def requirement(row: AssertionRow, context: ClaimContext) -> Requirement | None:
    """What would have to be true for a row's figure; None where it doesn't hang on the speed of the step."""
    found = [(speedup, point) for point in context.points if (speedup := _speedup(row, point, context)) is not None]
    if not found:
        return None
    speedup, point = min(found, key=lambda pair: pair[0])
    step = point.result.step
    falls = waterfall(play_step(step.scenario))
    now, least, ideal = _parts(step, falls)
    total = sum(now.values())
    most = total / sum(least.values())
    needs: tuple[Need, ...] = ()
    if 1 < speedup <= most:
        needs = _needs(now, least, ideal, total / speedup)
    words = _sentence(row, speedup, most, needs)
    return Requirement(row.id, row.definition, row.base, speedup, most, needs, words, falls, step.mfu * speedup, step)


def _speedup(row: AssertionRow, point: BestLayout, context: ClaimContext) -> float | None:
    """How much faster the best layout of a point would have to be."""
    step = point.result.step
    rate = step.scenario.training.tokens_per_step / step.step_time_s / step.devices
    boast = row.boast
    if boast is None or row.follows_from:
        return None
    least = boast.least
    if row.definition in MFU:
        peak = bases(context.chip, context.scenario.training.precision)[row.base_name]
        return least * peak / (rate * flops_a_token(step, CONVENTIONS[row.definition]))
    figure = METRICS.get(row.definition)
    value = None if figure is None or not figure.power or row.base_name else value_of(point.result, figure)
    return None if figure is None or value is None else (value / least) ** (1 / figure.power)


def _parts(step: StepResult, falls: Waterfall) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Seconds of every part now, at the least, and (kernels) at the whole peak."""
    scenario = step.scenario
    now = {part: seconds for part, seconds in step.breakdown.items() if seconds > 0}
    shares = {fall.name: fall.share for fall in falls.falls}
    ideal = {part: now[part] + shares[part] * step.step_time_s for part in COUNTED if part in now}
    best = kernel_rate(scenario) / scenario.cluster.accelerator.base_peak
    least = dict.fromkeys(now, 0.0)
    for part in now.keys() & ideal.keys():
        least[part] = min(now[part], ideal[part] / best)
    for part in MEMORY_BOUND:
        if part in now:
            wasted = scenario.stack.memory_factor if part == "memory_bound" else 1.0
            least[part] = now[part] * scenario.cluster.accelerator.kernels.memory / max(1.0, wasted)
    return now, least, ideal


def _needs(
    now: Mapping[str, float], least: Mapping[str, float], ideal: Mapping[str, float], target: float
) -> tuple[Need, ...]:
    """What every part comes to on the smallest way to a step of `target` seconds."""
    from scipy.optimize import minimize  # slow to import, and only claims past the best layout need it

    names = [part for part in now if now[part] > least[part]]
    whole = sum(now.values())
    room = np.array([now[part] - least[part] for part in names]) / whole
    wanted = 1.0 - target / whole
    start = np.full(len(names), min(1.0, wanted / room.sum()))
    found = minimize(
        lambda way: float(way @ way),
        start,
        jac=lambda way: 2.0 * way,
        bounds=[(0.0, 1.0)] * len(names),
        constraints={"type": "ineq", "fun": lambda way: float(room @ way) - wanted, "jac": lambda way: room},
        method="SLSQP",
    )
    gained = dict(zip(names, np.clip(found.x, 0.0, 1.0).tolist(), strict=True))
    after = {part: now[part] - gained.get(part, 0.0) * (now[part] - least[part]) for part in now}
    needs = []
    for part in sorted(names, key=lambda part: now[part] - after[part], reverse=True):
        if now[part] - after[part] < LEAST_SHARE * whole:
            continue
        cut = 1 - after[part] / now[part]
        if part in ideal:
            needs.append(Need(part, ideal[part] / now[part], ideal[part] / after[part], cut))
        else:
            needs.append(Need(part, now[part] / whole, after[part] / sum(after.values()), cut))
    return tuple(needs)


def _sentence(row: AssertionRow, speedup: float, most: float, needs: tuple[Need, ...]) -> str:
    claimed = amount(row.claimed, row.unit)
    if speedup <= 1:
        return f"{claimed} needs nothing more: the best layout is predicted to reach it"
    if not needs:
        return (
            f"{claimed} would need a step {times(speedup)} as fast; with every kernel at the best rate measured on the "
            f"chip, nothing exposed and no bubble it would be {times(most)} as fast"
        )
    listed = [need.words for need in needs]
    words = ", ".join(listed[:-1]) + (" and " if len(listed) > 1 else "") + listed[-1]
    return f"{claimed} would need, all at once, {words}"
