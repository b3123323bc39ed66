"""How much of its time a cluster can be productive: under every failure profile that somebody published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clustersim.inputs.amounts import amount, number
from clustersim.inputs.catalog import load, names
from clustersim.inputs.reliability import Reliability
from clustersim.randomness import rng
from clustersim.simulation.results import StepResult
from clustersim.simulation.run import expected_goodput
from clustersim.studies.claims.assertion_rows import AssertionRow, ClaimContext, judged_row
from clustersim.studies.claims.draws import DRAWS
from clustersim.studies.claims.verdicts import THE_WHOLE_TIME, ClaimedFigure

LONG_RUN_S = 30 * 86_400.0  # of the run whose goodput is asked for: long beside restarts and checkpoints


def goodput_row(name: str, claimed: float, tolerance: float, context: ClaimContext) -> AssertionRow:
    """The productive share of the time: which published profile holds is drawn, unless the claim gives one."""
    stated = context.scenario.reliability
    profiles = _published() if stated is None else (stated,)
    reached = np.array([[_goodput(step, profile) for profile in profiles] for step in context.steps])
    chosen = (rng(context.seed, "claims", "failures").random(DRAWS) * len(profiles)).astype(np.int64)
    drawn = reached[context.draws.at, chosen]
    boast = ClaimedFigure(claimed, drawn, 1.0, "%", tolerance=tolerance, limit=THE_WHOLE_TIME)
    worst, best = (amount(float(figure), "%") for figure in (reached.min(), reached.max()))
    words = f"under the {number(len(profiles))} published failure profiles" if stated is None else f"with {stated.name}"
    return judged_row(name, "goodput", boast, reason=f"{words} {worst} to {best} of the time are productive")


def _published() -> tuple[Reliability, ...]:
    """The profiles of the catalog in which something fails."""
    profiles = (load("failures", name) for name in names("failures"))
    return tuple(profile for profile in profiles if profile.failures)


def _goodput(step: StepResult, profile: Reliability) -> float:
    """Expected share of a long run on the step's cluster that is productive, by the closed form."""
    scenario = step.scenario
    training = scenario.training.model_copy(update={"tokens": step.tokens_per_s * LONG_RUN_S})
    cluster = scenario.cluster.model_copy(update={"availability": 1.0})
    changed = {"reliability": profile, "training": training, "cluster": cluster}
    return expected_goodput(replace(step, scenario=scenario.model_copy(update=changed)))
