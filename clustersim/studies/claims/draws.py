"""What is attainable, drawn: open values, the software's quality and the model's error, with common random numbers.

Every unknown has a random stream of its own name, so that two systems that a claim compares meet the same draws and a
new unknown changes no other. Layouts are chosen on mean predictions before anything is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from clustersim.engines.graph import Floats
from clustersim.inputs.claim_open import LogNormal
from clustersim.inputs.scenario import Scenario
from clustersim.randomness import rng
from clustersim.simulation.evidence import evidence
from clustersim.simulation.intervals import model_error
from clustersim.studies.claims.outcomes import SOFTWARE, BestLayout, Played

DRAWS = 5_000
QUANTILES = {"80": 1.2815515655446004, "95": 1.959963984540054}  # of the normal distribution, two-sided
FARTHEST = 6.0  # standard deviations that no draw comes to
UNLIKELY = 0.05  # share of the draws below which nothing is expected
OF_A_LAYOUT = 0.1  # share of the error's variance that is a layout's own (assumed); the rest is the stack's
# Re-measured identical configurations differ by 3 % and releases of one software by 1 to 13 %, so what somebody showed
# may be bettered by as much. Source: Megatron-Bridge's and MindSpeed-LLM's tables, packaged measured runs.
RECORD_SPREAD = 0.10
# The same, of one system reached once more: 3 % between identical runs and, between releases that come to 1 to 13 %
# more, 4 % about their middle. The sources are the same.
REMEASURED = 0.05
SILENCE = 0.12  # how much more may be left where one group alone has tried (assumed); with n groups the n-th part


@dataclass(frozen=True)
class Draws:
    """Draws over the points of one system."""

    points: tuple[BestLayout, ...]  # at least one
    seed: int

    @cached_property
    def at(self) -> NDArray[np.int64]:
        """Which point each draw is about: all are equally likely."""
        return np.minimum(len(self.points) - 1, (self._uniform("point") * len(self.points)).astype(np.int64))

    @cached_property
    def error(self) -> Floats:
        """Error of the model in spreads: one draw of the stack and chip, and a little of each layout's own."""
        scenario = self.points[0].result.step.scenario
        shared = self._normal("model error", scenario.stack.name, scenario.cluster.accelerator.name)
        own = self._normal("layout", scenario.stack.name, scenario.cluster.accelerator.name, scenario.cluster.devices)
        return conformal(math.sqrt(1 - OF_A_LAYOUT) * shared + math.sqrt(OF_A_LAYOUT) * own)

    @cached_property
    def spread(self) -> Floats:
        """Spread of log(measured / predicted) in every draw."""
        return self.by_point([error_spread(point.result.step.scenario) for point in self.points])

    @cached_property
    def places(self) -> Mapping[str, Floats]:
        """Where on each axis a draw lies."""
        axes = {SOFTWARE: self._uniform(SOFTWARE)}
        for axis in self.points[0].setting.axes:
            if isinstance(axis.drawn, LogNormal):
                axes[axis.key] = self._normal("open", axis.key)
            elif axis.likely is not None:
                axes[axis.key] = _triangular(self._uniform("open", axis.key), axis.likely)
            else:
                axes[axis.key] = self._uniform("open", axis.key)
        return axes

    def figure(self, name: str) -> Floats | None:
        """A figure as it is predicted in every draw; None where the inputs don't reach it.

        Axes act one by one: the logarithm of the figure is read between the places where each was played.
        """
        if any(name not in point.axes[SOFTWARE].figures[0] for point in self.points):
            return None
        drawn = np.empty(DRAWS)
        for index, point in enumerate(self.points):
            mine = self.at == index
            base = point.axes[SOFTWARE].figures[0][name]
            moved = sum(_moved(played, name, base, self.places[key][mine]) for key, played in point.axes.items())
            drawn[mine] = base * np.exp(moved)
        return drawn

    def by_point(self, values: Sequence[float]) -> Floats:
        """A value of each point, in every draw."""
        return np.asarray(values, dtype=float)[self.at]

    def _uniform(self, *name: str | int) -> Floats:
        return rng(self.seed, "claims", *name).random(DRAWS)

    def _normal(self, *name: str | int) -> Floats:
        return rng(self.seed, "claims", *name).standard_normal(DRAWS)


def error_spread(scenario: Scenario) -> float:
    """Standard deviation of log(measured / predicted) step time: the one place where claims take it from."""
    return model_error(scenario).spread


def conformal(normal: Floats) -> Floats:
    """Normal errors stretched until eight and nineteen of twenty are as wide as those against held-out runs."""
    widths = evidence().quantiles
    inner, outer = QUANTILES["80"], QUANTILES["95"]
    slope = (widths["95"] - widths["80"]) / (outer - inner)
    places = (0.0, inner, outer, FARTHEST)
    sizes = (0.0, widths["80"], widths["95"], widths["95"] + slope * (FARTHEST - outer))
    return np.sign(normal) * np.interp(np.abs(normal), places, sizes)


def attainable(predicted: Floats, draws: Draws, record: float | None = None, groups: int = 0) -> Floats:
    """A rate that grows with throughput, as far as it can be had: predictions with their error, weighed by records.

    Where a prediction is past the best that `groups` have published for this chip and kind of model, their silence
    speaks against it: the two are weighed by their spreads, as two measurements of one thing. Where the record is past
    the prediction it says nothing of what this model and layout reach, but errors past it are as narrow as the two
    together; `reached_again` is what the record itself is worth.
    """
    erring = predicted * np.exp(draws.spread * draws.error)
    if record is None:
        return erring
    silence = math.hypot(RECORD_SPREAD, SILENCE / max(1, groups))
    model, shown = draws.spread**-2, silence**-2
    centre = (model * np.log(predicted) + shown * math.log(record)) / (model + shown)
    together = (model + shown) ** -0.5
    weighed = np.exp(centre + together * draws.error)
    past = np.log(erring / record)
    narrowed = np.where(past > 0, record * np.exp(past * together / draws.spread), erring)
    return np.where(predicted > record, weighed, narrowed)


def reached_again(record: Floats, draws: Draws, power: float = 1.0) -> Floats:
    """What somebody reached can be reached again, give or take what re-measuring and releases change."""
    return record * np.exp(power * REMEASURED * draws.error)


def within_reach(predicted: Floats, draws: Draws) -> float:
    """The highest rate that somebody's run may have for a system to be like it: the rate of one draw in twenty.

    Published runs are of other models and layouts. One that the system comes to in fewer draws, with errors wider by
    what software and measuring add, shows what the chip can do, not what this system can.
    """
    wider = np.hypot(draws.spread, RECORD_SPREAD)
    return float(np.quantile(predicted * np.exp(wider * draws.error), 1.0 - UNLIKELY))


def _moved(played: Played, name: str, base: float, places: Floats) -> Floats:
    """Change of the figure's logarithm at places of an axis."""
    values = [figures[name] for figures in played.figures]
    if base <= 0 or min(values) <= 0:
        return np.zeros_like(places)
    return np.interp(places, played.nodes, np.log(np.array(values) / base))


def _triangular(uniform: Floats, likely: float) -> Floats:
    """Places from 0 to 1, likeliest at `likely`, from uniform ones (inverse of the distribution function)."""
    rising = np.sqrt(uniform * likely)
    falling = 1 - np.sqrt((1 - uniform) * (1 - likely))
    return np.where(uniform < likely, rising, falling)
