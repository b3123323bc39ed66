"""Whether a price of tokens, or a saving on somebody's list price, covers what serving the model costs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from clustersim.errors import InfeasibleError, InputError
from clustersim.inputs.load import config_names
from clustersim.inputs.load_serving import load_serving
from clustersim.simulation.intervals import serving_error
from clustersim.simulation.serving.serving import ServingResult, simulate_serving
from clustersim.studies.serving.list_prices import listed
from clustersim.studies.serving.price import Kind, Spread, break_even_rent, cost_of, mixed_price

EVEN, LEAST = 0.5, 0.05  # probabilities from which a figure is supported, and plausible
GRID = 200  # quantiles of each distribution
TOKENS: dict[Kind, str] = {
    "input": "a million prompt tokens",
    "computed_input": "a million prompt tokens that are computed",
    "output": "a million tokens of answers",
    "mix": "a million tokens of prompts and answers together",
}


@dataclass(frozen=True)
class Attainable:
    """A price of tokens held against the cost of serving them, without any margin."""

    claimed: float  # USD a million tokens
    cost: Spread | None  # of the cheapest scenario whose rent is known
    interval_80: tuple[float, float] | None  # of that cost, overlap and model error together
    probability: float | None  # that the price covers it
    reason: str

    @property
    def verdict(self) -> str:
        """By the probability, as for other figures; a price below cost breaks no bound."""
        if self.probability is None:
            return "untestable"
        return "supported" if self.probability >= EVEN else "plausible" if self.probability >= LEAST else "implausible"


def attainable_saving(model: str, against: str, claimed: float) -> Attainable:
    """Whether prices `claimed` below the list prices of `against` would cover what serving the model costs.

    `model` is the model's name. The traffic's mix of prompts, cache hits and answers is priced on both sides.
    """
    theirs = listed(against)
    prices = {name: mixed_price(theirs, result.serving) * (1.0 - claimed) for name, result in _served(model).items()}
    return _held(model, "mix", prices)


def attainable_price(model: str, kind: Kind, claimed: float) -> Attainable:
    """Whether a price covers what serving the model's tokens costs; prompts count with those found in the cache."""
    return _held(model, kind, dict.fromkeys(_served(model), claimed))


@cache
def _served(model: str) -> dict[str, ServingResult]:
    """The serving scenarios of a model, by name, simulated; files of the user's that can't be are not our subject."""
    found = {}
    for name in config_names("serving"):
        with suppress(InputError, InfeasibleError):
            serving = load_serving(name)
            if serving.model.name == model:
                found[name] = simulate_serving(serving)
    return found


def _held(model: str, kind: Kind, prices: dict[str, float]) -> Attainable:
    """The prices against the cost where a rent is known, and the rent that they would pay for elsewhere."""
    served = _served(model)
    priced = {
        name: cost_of(result).of(kind) for name, result in served.items() if result.serving.device_price is not None
    }
    rents = [_rent(served[name], kind, prices[name]) for name in served if name not in priced]
    if not priced:
        reason = "; ".join(rents) or f"no serving scenario of {model} says what it costs to serve"
        return Attainable(next(iter(prices.values()), 0.0), None, None, None, reason)
    name = min(priced, key=lambda name: priced[name].central / prices[name])
    cost, claimed, serving = priced[name], prices[name], served[name].serving
    costs = _distribution(cost, serving_error(serving.stack.software).spread)
    low, high = np.quantile(costs, [0.1, 0.9])
    spread = f"${cost.central:.2g} (${cost.low:.2g} to ${cost.high:.2g})"
    reason = (
        f"${claimed:.2g} for {TOKENS[kind]}, whose serving costs {spread} on {serving.node.accelerator.name} at "
        f"${serving.device_price:.2f} an hour, without margin and idle devices"
    )
    likely = float(np.mean(costs <= claimed))
    return Attainable(claimed, cost, (float(low), float(high)), likely, "; ".join([reason, *rents]))


def _distribution(cost: Spread, spread: float) -> NDArray[np.float64]:
    """Costs by how much communication hides, half of them on either side of the prediction, times the model's error.

    Assumes the error of training's software, log-normal, for serving on the same chip.
    """
    share = (np.arange(GRID) + 0.5) / GRID
    hidden = np.interp(share, [0.0, 0.5, 1.0], np.log([cost.low, cost.central, cost.high]))
    error = spread * np.array([NormalDist().inv_cdf(each) for each in share])
    return np.exp(np.add.outer(hidden, error)).ravel()


def _rent(result: ServingResult, kind: Kind, price: float) -> str:
    """What an hour of a device may cost where nobody says what it does."""
    rent = break_even_rent(result, price, kind)
    spread = f"${rent.central:.2g} an hour (${rent.low:.2g} to ${rent.high:.2g})"
    return f"on {result.serving.node.accelerator.name}, whose rent isn't known, it would pay for {spread}"
