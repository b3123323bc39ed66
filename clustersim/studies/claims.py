"""Judge a claim: search what it leaves open, read its figures every way, compare with bounds and records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from clustersim.errors import InfeasibleError
from clustersim.inputs.claim import DIMENSIONS, Assertion, Claim
from clustersim.inputs.load import load_claim, load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.units import parse_quantity
from clustersim.simulation.intervals import interval
from clustersim.simulation.results import Interval, RunResult
from clustersim.studies.consistency import Equation, chips_of, other_utilization
from clustersim.studies.readings import Reading, bases, readings
from clustersim.studies.records import best_record
from clustersim.studies.search import search_layouts
from clustersim.studies.verdicts import VERDICTS, judge, worst

Progress = Callable[[int, int], None]

PROBABILITY_FLOOR = 1.0 / 103.0  # 1 / (groups + 1): the packaged measured runs fall into 102 groups
NOT_SIMULATED = "nothing given ties this figure to the physics of training"


@dataclass(frozen=True)
class AssertionRow:
    """One assertion under one definition and base."""

    id: str
    definition: str
    base: str
    claimed: float
    best_attainable: float | None
    interval_80: Interval | None
    probability: float | None
    record: str | None
    verdict: str
    reason: str
    counts: bool  # whether the claim's verdict rests on it
    unit: str


@dataclass(frozen=True)
class ClaimReport:
    """Everything that `check` shows."""

    claim: Claim
    assertions: tuple[AssertionRow, ...]
    contradictions: tuple[Equation, ...]
    verdict: str
    points: tuple[RunResult, ...]  # the best layout at every point of what was left open
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """The document that `clustersim check --json` prints."""
        from clustersim import __version__

        return {
            "name": self.claim.name,
            "assertions": [asdict(row) for row in self.assertions],
            "contradictions": [equation.to_dict() for equation in self.contradictions],
            "verdict": self.verdict,
            "assumptions": list(self.claim.assumptions),
            "points": [point.to_dict() for point in self.points],
            "version": __version__,
            "seed": self.seed,
        }


def check_claims(
    source: str | Path | Mapping[str, Any], *, seed: int = 0, progress: Progress | None = None
) -> ClaimReport:
    """Judge a claim file (or a name in configs/claims).

    Raises InputError for a malformed claim and InfeasibleError when no layout of any open point can run.
    """
    claim = load_claim(source)
    scenarios = open_scenarios(claim)
    points = best_points(scenarios, progress)
    rows: list[AssertionRow] = []
    for assertion in claim.assertions:
        rows += _rows(assertion, points)
    equations: list[Equation] = []
    for relation in claim.relations:
        changed = [load_scenario(_merged(claim, values | relation.change)) for values in _open_values(claim)]
        others = best_points(changed, progress)
        rows.append(_ratio_row(relation.id, relation.asserted.value, points, others))
        equations += _relation_equations(claim, relation.asserted.value, points[0], others[0])
    equations += _chip_equations(claim, points[0])
    return ClaimReport(claim, tuple(rows), tuple(equations), overall(rows, equations), tuple(points), seed)


def open_scenarios(claim: Claim) -> list[Scenario]:
    """A scenario, its layout still open, for every combination of the open values."""
    return [load_scenario(_merged(claim, values)) for values in _open_values(claim)]


def best_points(scenarios: list[Scenario], progress: Progress | None = None) -> list[RunResult]:
    """The best layout of every scenario that has one that runs. Raises InfeasibleError when none has."""
    points, reason = [], "nothing was left to try"
    for number, scenario in enumerate(scenarios, start=1):
        try:
            points.append(search_layouts(scenario, top=1).best[0])
        except InfeasibleError as error:
            reason = str(error)
        if progress is not None:
            progress(number, len(scenarios))
    if not points:
        raise InfeasibleError(f"no layout can run what the claim describes: {reason}")
    return points


def _open_values(claim: Claim) -> list[dict[str, Any]]:
    """Every combination of the open values but the layout, which is searched."""
    axes = {key: value for key, value in claim.open.items() if key != "layout"}
    choices = [value if isinstance(value, list) else [value] for value in axes.values()]
    return [dict(zip(axes, combination, strict=True)) for combination in product(*choices)]


def _merged(claim: Claim, values: Mapping[str, Any]) -> dict[str, Any]:
    """The claim's scenario with dotted keys set."""
    mapping: dict[str, Any] = {"name": claim.name, **_copy(claim.given)}
    for key, value in values.items():
        place = mapping
        *parents, last = key.split(".")
        for parent in parents:
            place = place.setdefault(parent, {})
        if last == "node":
            place.pop("accelerator", None)
        place[last] = value
    return mapping


def _copy(value: Any) -> Any:
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def _value(assertion: Assertion) -> float:
    dimension = DIMENSIONS.get(assertion.metric)
    if dimension is None or not isinstance(assertion.value, str):
        return float(assertion.value)
    return parse_quantity(assertion.value, dimension)


def _rows(assertion: Assertion, points: list[RunResult]) -> list[AssertionRow]:
    if assertion.metric == "utilization":
        return _utilization_rows(assertion, points)
    if assertion.metric == "achieved_flops":
        return [_flops_row(assertion, points)]
    if assertion.metric in ("token_price_saving", "achieved_flops_ratio"):
        claimed = _value(assertion)
        return [_row(assertion, claimed, None, None, None, None, "untestable", NOT_SIMULATED, unit="%")]
    return [_figure_row(assertion, points)]


def _row(
    assertion: Assertion,
    claimed: float,
    best: float | None,
    bounds: Interval | None,
    probability: float | None,
    record: str | None,
    verdict: str,
    reason: str,
    *,
    definition: str = "",
    base: str = "",
    counts: bool = True,
    unit: str = "",
) -> AssertionRow:
    return AssertionRow(
        assertion.id,
        definition or assertion.metric,
        base,
        claimed,
        best,
        bounds,
        probability,
        record,
        verdict,
        reason,
        counts,
        unit,
    )


def _utilization_rows(assertion: Assertion, points: list[RunResult]) -> list[AssertionRow]:
    """Every meaning of a utilization; an unstated one counts by its MFU rows."""
    claimed = _value(assertion)
    return [_reading_row(assertion, reading, claimed, points) for reading in readings(_chip(points))]


def _reading_row(assertion: Assertion, reading: Reading, claimed: float, points: list[RunResult]) -> AssertionRow:
    scenario = points[0].step.scenario
    spread = scenario.stack.residual.spread
    best = max(points, key=lambda point: reading.value(point.step)).step
    attained, bound = reading.value(best), max(reading.bound(point.step) for point in points)
    record = None
    if reading.convention is not None and reading.base_flops is not None:
        longest = max(point.step.scenario.training.sequence_length for point in points)
        record = best_record(
            scenario.cluster.accelerator.name, "moe" if scenario.model.moe else "dense", reading.convention, longest
        )
    reached = None if record is None or reading.base_flops is None else record.flops / reading.base_flops
    judgement = judge(claimed, attained, bound, reached, spread=spread, floor=PROBABILITY_FLOOR)
    stated = assertion.definition
    counts = reading.counts if stated == "unstated" else reading.definition == stated
    if counts and assertion.base is not None:
        counts = reading.base == assertion.base
    if counts and stated != "unstated" and assertion.base is None:
        counts = reading.base in ("matrix peak", "wall clock")
    bounds = interval(attained, scenario.stack.residual, -1.0)["80"]
    return _row(
        assertion,
        claimed,
        attained,
        (bounds[0], min(bounds[1], 1.0) if reading.base_flops is None else bounds[1]),
        judgement.probability,
        None if record is None else record.described,
        judgement.verdict,
        judgement.reason,
        definition=reading.definition,
        base=_base_name(reading),
        counts=counts,
        unit="%",
    )


def _base_name(reading: Reading) -> str:
    return reading.base if reading.base_flops is None else f"{reading.base_flops / 1e12:.4g} ({reading.base})"


def _chip(points: list[RunResult]) -> Any:
    return points[0].step.scenario.cluster.accelerator


def _flops_row(assertion: Assertion, points: list[RunResult]) -> AssertionRow:
    """Total FLOP/s: at the largest cluster left open, and how many devices it takes."""
    claimed = _value(assertion)
    best = max(points, key=lambda point: point.step.achieved_flops).step
    each = max(point.step.achieved_flops / point.step.devices for point in points)
    residual = best.scenario.stack.residual
    bound = best.devices * _chip(points).kernels.gemm_ceiling * _chip(points).base_peak * best.mfu / best.mfu_causal
    wanted = claimed * (1 - assertion.tolerance) if assertion.comparison == "==" else claimed
    judgement = judge(
        wanted / 1e15,
        best.achieved_flops / 1e15,
        bound / 1e15,
        None,
        spread=residual.spread,
        floor=PROBABILITY_FLOOR,
        unit="PFLOP/s",
    )
    reason = (
        f"about {claimed / each:,.0f} devices at the {each / 1e12:.0f} TFLOP/s that the best layout reaches on each"
        if judgement.verdict in ("supported", "plausible")
        else judgement.reason
    )
    return _row(
        assertion,
        claimed,
        best.achieved_flops,
        interval(best.achieved_flops, residual, -1.0)["80"],
        judgement.probability,
        None,
        judgement.verdict,
        reason,
        unit="FLOP/s",
    )


def _figure_row(assertion: Assertion, points: list[RunResult]) -> AssertionRow:
    """A time, rate or cost: lower is the boast for times and costs."""
    claimed = _value(assertion)
    lower = assertion.comparison == "<="
    values = [(_figure(point, assertion.metric), point) for point in points]
    known = [(value, point) for value, point in values if value is not None]
    if not known:
        return _row(assertion, claimed, None, None, None, None, "untestable", "the inputs do not reach this figure")
    best, point = min(known, key=lambda pair: pair[0]) if lower else max(known, key=lambda pair: pair[0])
    step = point.step
    kernels = step.scenario.cluster.accelerator.kernels
    bound_mfu = kernels.gemm_ceiling * step.mfu / step.mfu_causal
    bound = best * (step.mfu / bound_mfu) ** (1 if lower else -1)
    residual = step.scenario.stack.residual
    pair = (1 / claimed, 1 / best, 1 / bound) if lower else (claimed, best, bound)
    judgement = judge(*pair, None, spread=residual.spread, floor=PROBABILITY_FLOOR, unit="")
    reason = f"the best layout found gives {best:.4g}, the kernel bound {bound:.4g}"
    return _row(
        assertion,
        claimed,
        best,
        interval(best, residual)["80"],
        judgement.probability,
        None,
        judgement.verdict,
        reason,
    )


def _figure(point: RunResult, metric: str) -> float | None:
    holder = point.step if hasattr(point.step, metric) else point
    value = getattr(holder, metric)
    return None if value is None else float(value)


def _ratio_row(name: str, claimed: float, points: list[RunResult], others: list[RunResult]) -> AssertionRow:
    """Achieved FLOP/s over those of the other system of as many devices: the ratio nearest to the claim."""
    ratios = [
        point.step.achieved_flops / other.step.achieved_flops
        for point in points
        for other in others
        if point.step.devices == other.step.devices and point.step.scenario.training == other.step.scenario.training
    ]
    best = max(ratios)
    mine, theirs = points[0].step.scenario, others[0].step.scenario
    spread = (mine.stack.residual.spread**2 + theirs.stack.residual.spread**2) ** 0.5
    judgement = judge(claimed, best, float("inf"), None, spread=spread, floor=PROBABILITY_FLOOR)
    residual = mine.stack.residual.model_copy(update={"spread": spread})
    return AssertionRow(
        name,
        "achieved_flops_ratio",
        f"to {theirs.cluster.accelerator.name}",
        claimed,
        best,
        interval(best, residual, -1.0)["80"],
        judgement.probability,
        None,
        judgement.verdict,
        judgement.reason,
        True,
        "%",
    )


def _stated(claim: Claim, metric: str) -> float | None:
    return next((_value(assertion) for assertion in claim.assertions if assertion.metric == metric), None)


def _relation_equations(claim: Claim, ratio: float, point: RunResult, other: RunResult) -> list[Equation]:
    utilization = _stated(claim, "utilization")
    if utilization is None:
        return []
    theirs = other.step.scenario.cluster.accelerator
    return [
        other_utilization(utilization, name, peak, ratio, theirs.name, theirs.base_peak)
        for name, peak in bases(point.step.scenario.cluster.accelerator).items()
    ]


def _chip_equations(claim: Claim, point: RunResult) -> list[Equation]:
    total, utilization = _stated(claim, "achieved_flops"), _stated(claim, "utilization")
    if total is None or utilization is None:
        return []
    chip = point.step.scenario.cluster.accelerator
    return [chips_of(total, utilization, name, peak) for name, peak in bases(chip).items()]


def overall(rows: list[AssertionRow], equations: list[Equation]) -> str:
    """The worst assertion; a utilization is as good as its best base that contradicts nothing."""
    contradicted = {equation.base for equation in equations if equation.verdict == "inconsistent"}
    verdicts = []
    for name in dict.fromkeys(row.id for row in rows):
        counting = [row for row in rows if row.id == name and row.counts]
        shown = [
            "inconsistent" if _contradicted(row, contradicted) and _better(row.verdict, "inconsistent") else row.verdict
            for row in counting
        ]
        if shown:
            verdicts.append(min(shown, key=VERDICTS.index))
    return worst(verdicts)


def _contradicted(row: AssertionRow, contradicted: set[str]) -> bool:
    return any(f"({base})" in row.base for base in contradicted)


def _better(verdict: str, other: str) -> bool:
    return VERDICTS.index(verdict) < VERDICTS.index(other)
