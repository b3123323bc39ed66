"""Serving a model, and what somebody published of it: the report of `clustersim serve`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from clustersim.answer import Answer
from clustersim.errors import InputError
from clustersim.inputs.documents import Source
from clustersim.inputs.load import Overrides
from clustersim.inputs.load_serving import load_serving
from clustersim.simulation.serving.fleet import Fleet, fleet_of
from clustersim.simulation.serving.serving import PHASES, ServingResult, simulate_serving
from clustersim.studies.serving.price import Saving, Spread, TokenCost, cost_of, cost_savings

HOURS_A_DAY = 24.0


@dataclass(frozen=True)
class Comparison:
    """A published figure beside the prediction and its bounds."""

    figure: str  # prefill, decode, nodes or cost_per_day
    published: float
    predicted: Spread

    @property
    def between(self) -> bool:
        """Whether it lies between the prediction without any overlap and that with full overlap."""
        return self.predicted.low <= self.published <= self.predicted.high

    @property
    def error(self) -> float:
        """How far the central prediction lies from it: predicted / published - 1, as in `validate`."""
        return self.predicted.central / self.published - 1.0

    def to_dict(self) -> dict[str, Any]:
        """With what follows from it."""
        return asdict(self) | {"between": self.between, "error": self.error}


@dataclass(frozen=True, repr=False)
class ServingReport(Answer):
    """Everything that `serve` shows."""

    result: ServingResult
    cost: TokenCost | None
    missing: str  # why there is no cost
    fleet: Fleet | None  # on the scenario's devices
    nodes: Spread | None  # that the day's tokens need
    cost_per_day: Spread | None
    comparisons: tuple[Comparison, ...]
    savings: tuple[Saving, ...]

    def headline(self) -> tuple[str, dict[str, str]]:
        """The result's, with the cost of a million tokens."""
        what, figures = self.result.headline()
        cost = {} if self.cost is None else {"a million tokens of answers": f"{self.cost.output.central:,.2f} USD"}
        return what, figures | cost

    def table(self) -> list[dict[str, Any]]:
        """The result's."""
        return self.result.table()

    def to_dict(self) -> dict[str, Any]:
        """The document that `clustersim serve --json` prints."""
        from clustersim.version import __version__

        serving = self.result.serving
        return {
            "name": serving.name,
            "model": serving.model.name,
            "accelerator": serving.node.accelerator.name,
            **{phase: self.result.phases[phase].to_dict() for phase in PHASES},
            "cost_usd_per_million": None if self.cost is None else asdict(self.cost),
            "missing": self.missing,
            "fleet": None if self.fleet is None else asdict(self.fleet),
            "nodes": None if self.nodes is None else asdict(self.nodes),
            "cost_usd_per_day": None if self.cost_per_day is None else asdict(self.cost_per_day),
            "published": [comparison.to_dict() for comparison in self.comparisons],
            "unstated": list(serving.published.unstated),
            "savings": [asdict(saving) for saving in self.savings],
            "notes": list(serving.notes),
            "scenario": serving.model_dump(mode="json"),
            "version": __version__,
        }


def serve(source: Source, overrides: Overrides = ()) -> ServingReport:
    """Simulate a serving scenario: a file, a name in configs/serving or a mapping, with dotted keys laid over it.

    Raises InputError for a malformed one and InfeasibleError where a phase can serve nothing.
    """
    result = simulate_serving(load_serving(source, overrides))
    cost, missing = _cost(result)
    nodes = _nodes(result)
    per_day = None
    if nodes is not None and cost is not None:
        per_day = nodes * (cost.price_per_hour * HOURS_A_DAY * result.serving.node.devices)
    savings = cost_savings(cost, result.serving) if cost is not None else ()
    return ServingReport(
        result, cost, missing, fleet_of(result), nodes, per_day, tuple(_comparisons(result, nodes, per_day)), savings
    )


def _cost(result: ServingResult) -> tuple[TokenCost | None, str]:
    try:
        return cost_of(result), ""
    except InputError as error:
        return None, error.problems[0].message


def _nodes(result: ServingResult) -> Spread | None:
    """Nodes of both phases together; full overlap needs the fewest."""
    needed = [result.nodes(overlap) for overlap in ("full_overlap", "central", "no_overlap")]
    sums = [sum(phases.values()) for phases in needed if phases is not None]
    return Spread(*sums) if len(sums) == len(needed) else None


def _comparisons(result: ServingResult, nodes: Spread | None, per_day: Spread | None) -> Iterator[Comparison]:
    published = result.serving.published
    for phase in PHASES:
        rate = getattr(published, phase)
        if rate is not None:
            at = result.phases[phase].at
            rates = [at[name].tokens_per_s for name in ("no_overlap", "central", "full_overlap")]
            yield Comparison(phase, rate, Spread(*rates))
    if published.nodes is not None and nodes is not None:
        yield Comparison("nodes", published.nodes, nodes)
    if published.cost_per_day is not None and per_day is not None:
        yield Comparison("cost_per_day", published.cost_per_day, per_day)
