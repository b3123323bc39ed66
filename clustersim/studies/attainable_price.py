"""Whether a price of tokens, or a saving on somebody's list price, covers what serving the model costs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from clustersim.errors import InfeasibleError, InputError
from clustersim.inputs.load import config_names
from clustersim.inputs.load_serving import load_serving
from clustersim.simulation.serving import ServingResult, simulate_serving
from clustersim.studies.serving_price import Spread, break_even_rent, cost_of, list_price


@dataclass(frozen=True)
class Attainable:
    """A price of the traffic's mix of tokens held against the cost of serving, without any margin."""

    claimed: float  # USD a million tokens
    cost: Spread | None  # of the cheapest scenario whose rent is known
    verdict: str  # supported: the predicted cost is covered; plausible: that with full overlap is; or implausible
    reason: str

    def saving(self, theirs: float) -> Spread | None:
        """How far below a list price the cost is: the least, the predicted and the most that a price could save."""
        cost = self.cost
        return None if cost is None else Spread(*(1.0 - each / theirs for each in (cost.high, cost.central, cost.low)))


def attainable_saving(model: str, against: str, claimed: float) -> Attainable:
    """Whether prices `claimed` below the list prices of `against` would cover what serving the model costs.

    `model` is the model's name. The traffic's mix of prompts, cache hits and answers is priced on both sides.
    """
    served = _served(model)
    if not served:
        return _unserved(model, claimed)
    theirs = list_price(against)
    return _held(served, {name: theirs.mix(result.serving) * (1.0 - claimed) for name, result in served.items()})


def attainable_price(model: str, prompt: float, answer: float) -> Attainable:
    """Whether prices of a prompt token and of a token of an answer cover what serving the model costs.

    USD a million; tokens found in the cache are taken to cost as much as others.
    """
    served = _served(model)
    if not served:
        return _unserved(model, answer)
    prices = {}
    for name, result in served.items():
        traffic = result.serving.traffic
        prices[name] = (traffic.prompt * prompt + traffic.output * answer) / (traffic.prompt + traffic.output)
    return _held(served, prices)


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


def _held(served: dict[str, ServingResult], prices: dict[str, float]) -> Attainable:
    """The prices against the cost where a rent is known, and the rent that they would pay for elsewhere."""
    priced = {name: cost_of(result).mix for name, result in served.items() if result.serving.device_price is not None}
    rents = [_rent(served[name], prices[name]) for name in served if name not in priced]
    if not priced:
        name, claimed = next(iter(prices.items()))
        return Attainable(claimed, None, "untestable", "; ".join(rents))
    name = min(priced, key=lambda name: priced[name].central / prices[name])
    cost, claimed, serving = priced[name], prices[name], served[name].serving
    verdict = "supported" if cost.central <= claimed else "plausible" if cost.low <= claimed else "implausible"
    spread = f"${cost.central:.2g} (${cost.low:.2g} to ${cost.high:.2g})"
    reason = (
        f"${claimed:.3g} a million tokens of prompts and answers together; serving them costs {spread} on "
        f"{serving.node.accelerator.name} at ${serving.device_price:.2f} an hour, without margin and idle devices"
    )
    return Attainable(claimed, cost, verdict, "; ".join([reason, *rents]))


def _rent(result: ServingResult, price: float) -> str:
    """What an hour of a device may cost where nobody says what it does."""
    rent = break_even_rent(result, price)
    chip, spread = (
        result.serving.node.accelerator.name,
        f"${rent.central:.2g} an hour (${rent.low:.2g} to ${rent.high:.2g})",
    )
    return f"on {chip}, whose rent isn't known, it would pay for {spread}"


def _unserved(model: str, claimed: float) -> Attainable:
    return Attainable(claimed, None, "untestable", f"no serving scenario of {model} says what it costs to serve")
