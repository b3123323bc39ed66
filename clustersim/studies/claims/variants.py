"""What else a word of the claim may mean of its model: every variant played where the claim's own was."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clustersim.errors import InfeasibleError, InputError
from clustersim.inputs.claim import Claim, Variant
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.intervals import scan_error
from clustersim.simulation.results import StepResult
from clustersim.simulation.run import simulate_run
from clustersim.studies.claims.outcomes import BestLayout, Outcome
from clustersim.studies.claims.scenarios import Setting, changed_settings
from clustersim.studies.layouts.search import search_layouts
from clustersim.workload.counts import counts_of
from clustersim.workload.flops import model_flops_per_token

EIGHTY = 1.2816  # standard deviations around the middle within which eight of ten lie


@dataclass(frozen=True)
class VariantPoint:
    """A variant at one of the points at which the claim's model was played, beside that."""

    devices: int
    sequence_length: int
    step_time_s: float
    time_ratio: float  # its step over that of the claim's own model
    time_ratio_80: tuple[float, float]  # by what kernels whose rate nobody published leave open
    mfu: float
    mfu_causal: float
    own_mfu_causal: float  # of the claim's own model
    flops_ratio: float  # model FLOPs a token, behind the causal mask
    same_layout: bool  # False: searched anew, for the claim's own layout can't run it


@dataclass(frozen=True)
class VariantRow:
    """A variant of the claim's model."""

    id: str
    about: str
    parameters: int
    active_parameters: int
    points: tuple[VariantPoint, ...]
    wider: str = ""  # why its interval is wider than that of the claim's own model

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def variant_rows(claim: Claim, outcomes: Sequence[Outcome]) -> tuple[VariantRow, ...]:
    """Every variant at every point that has a layout; one that runs at none of them is left out.

    Layouts are those of the claim's own model where they fit, so that nothing but the model differs.
    """
    found = [outcome for outcome in outcomes if isinstance(outcome, BestLayout)]
    rows = (_row(claim, variant, found) for variant in claim.variants)
    return tuple(row for row in rows if row is not None)


def _row(claim: Claim, variant: Variant, found: Sequence[BestLayout]) -> VariantRow | None:
    played = list(_played(claim, variant, found))
    if not played:
        return None
    first = played[0][0].scenario
    counts = counts_of(first.model)
    points = tuple(_point(step, own.result.step, same) for step, own, same in played)
    return VariantRow(
        variant.id, variant.about, counts.parameters, counts.active_parameters, points, scan_error(first)[1]
    )


def _played(
    claim: Claim, variant: Variant, found: Sequence[BestLayout]
) -> Iterator[tuple[StepResult, BestLayout, bool]]:
    """The variant's step, the point that it stands beside, and whether it has that one's layout."""
    for own in found:
        (setting,) = changed_settings(claim, variant.change, [own.setting], same_devices=False)
        if not isinstance(setting, Setting):
            continue
        step = _with_layout(setting.scenario, own)
        same = step is not None
        step = step or _searched(setting.scenario)
        if step is not None:
            yield step, own, same


def _with_layout(scenario: Scenario, own: BestLayout) -> StepResult | None:
    layout = own.result.step.scenario.resolved_layout
    try:
        step = simulate_run(scenario.model_copy(update={"layout": layout})).step
    except (InfeasibleError, InputError):
        return None
    return step if step.fits else None


def _searched(scenario: Scenario) -> StepResult | None:
    if scenario.layout != "search":
        return None
    try:
        return search_layouts(scenario, top=1).best[0].step
    except InfeasibleError:
        return None


def _point(step: StepResult, own: StepResult, same: bool) -> VariantPoint:
    scenario, training = step.scenario, step.scenario.training
    ratio = step.step_time_s / own.step_time_s
    away = math.exp(EIGHTY * scan_error(scenario)[0])
    flops = [model_flops_per_token(one.model, training, "causal") for one in (scenario, own.scenario)]
    return VariantPoint(
        devices=step.devices,
        sequence_length=training.sequence_length,
        step_time_s=step.step_time_s,
        time_ratio=ratio,
        time_ratio_80=(ratio / away, ratio * away),
        mfu=step.mfu,
        mfu_causal=step.mfu_causal,
        own_mfu_causal=own.mfu_causal,
        flops_ratio=float(flops[0] / flops[1]),
        same_layout=same,
    )
