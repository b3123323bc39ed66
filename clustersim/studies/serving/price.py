"""What a million tokens cost to serve, and how far that is below list prices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from clustersim.errors import InputError, Problem
from clustersim.inputs.documents import Source
from clustersim.inputs.load import Overrides
from clustersim.inputs.load_serving import load_serving
from clustersim.inputs.serving import Serving
from clustersim.inputs.units import SECONDS_AN_HOUR
from clustersim.simulation.serving.serving import PhaseResult, ServingResult, simulate_serving
from clustersim.studies.serving.list_prices import ListPrice, listed

MILLION = 1e6
Kind = Literal["input", "computed_input", "output", "mix"]
GPT_4 = ("gpt-4", "gpt-4-turbo", "gpt-4o")  # what the R2 rumour is compared with, from text to text


@dataclass(frozen=True)
class Spread:
    """A figure between what full overlap and no overlap of communication make of it."""

    low: float
    central: float
    high: float

    def __mul__(self, factor: float) -> Spread:
        """All three times a factor."""
        return Spread(self.low * factor, self.central * factor, self.high * factor)


@dataclass(frozen=True)
class TokenCost:
    """USD a million tokens at the price of the devices' hours; no margin, no staff, no idle devices but by utilization.

    A cached prompt token costs next to nothing to serve: its keys and values are read, not computed.
    """

    input: Spread  # prompt tokens, those found in the cache counted too
    computed_input: Spread  # prompt tokens that aren't found
    output: Spread
    mix: Spread  # of prompts and answers, as the traffic has them
    price_per_hour: float  # USD a device
    utilization: float

    def of(self, kind: Kind) -> Spread:
        """The cost of one kind of tokens."""
        found: Spread = getattr(self, kind)
        return found


@dataclass(frozen=True)
class Saving:
    """How far below a list price something is: 1 - ours / theirs."""

    against: str
    kind: Kind
    theirs: float  # USD a million tokens
    ours: Spread
    saving: Spread  # low: the least


def price_a_million_tokens(serving: Source | Serving, overrides: Overrides = ()) -> TokenCost:
    """What tokens cost to serve: devices' USD an hour / (tokens a second and device x utilization).

    `serving` is a scenario (name, path, mapping) or one that is read already. Raises InputError where no price of an
    hour is known, and InfeasibleError where nothing can be served.
    """
    described = serving if isinstance(serving, Serving) else load_serving(serving, overrides)
    return cost_of(simulate_serving(described))


def cost_of(result: ServingResult) -> TokenCost:
    """The cost of a simulated deployment. Raises InputError where no price of an hour is known."""
    serving = result.serving
    price = serving.device_price
    if price is None:
        chip = serving.node.accelerator.name
        reason = f"the catalog has no price of an hour of {chip}: give one, such as price: 2 USD/h"
        raise InputError(serving.name, [Problem(reason, "price")])
    an_hour = price / serving.utilization
    prompt, answer = (_dollars(result.phases[phase], an_hour) for phase in ("prefill", "decode"))
    traffic = serving.traffic
    total = traffic.prompt + traffic.output
    mixed = [
        (traffic.prompt * getattr(prompt, name) + traffic.output * getattr(answer, name)) / total
        for name in ("low", "central", "high")
    ]
    computed = prompt * (1.0 / (1.0 - traffic.cache_hits))
    return TokenCost(prompt, computed, answer, Spread(*mixed), price, serving.utilization)


def break_even_rent(result: ServingResult, dollars: float, kind: Kind = "mix") -> Spread:
    """USD an hour of a device at which a million tokens cost so many dollars to serve."""
    serving = result.serving.model_copy(update={"price": 1.0})
    at_a_dollar = cost_of(ServingResult(serving, result.phases)).of(kind)
    return Spread(dollars / at_a_dollar.high, dollars / at_a_dollar.central, dollars / at_a_dollar.low)


def mixed_price(price: ListPrice, serving: Serving) -> float:
    """USD a million tokens of a traffic's prompts, cache hits and answers, by a list price."""
    traffic, prices = serving.traffic, price.prices
    hit = prices.get("cached_input", prices["input"])
    prompt = traffic.cache_hits * hit + (1.0 - traffic.cache_hits) * prices["input"]
    return (traffic.prompt * prompt + traffic.output * prices["output"]) / (traffic.prompt + traffic.output)


def cost_savings(cost: TokenCost, serving: Serving, against: Sequence[str] = GPT_4) -> tuple[Saving, ...]:
    """How far the cost of serving is below the list prices of other models: what a price could come down to."""
    return tuple(
        _saving(model, kind, theirs, cost.of(kind)) for model in against for kind, theirs in _by_kind(model, serving)
    )


def _dollars(phase: PhaseResult, an_hour: float) -> Spread:
    """USD a million tokens of one phase; infinite where nothing is served without overlap."""
    costs = [
        MILLION * an_hour / (SECONDS_AN_HOUR * rate) if rate else float("inf")
        for rate in (phase.at[name].tokens_per_s for name in ("full_overlap", "central", "no_overlap"))
    ]
    return Spread(*costs)


def _by_kind(model: str, serving: Serving) -> Iterator[tuple[Kind, float]]:
    price = listed(model)
    yield "computed_input", price.prices["input"]
    yield "output", price.prices["output"]
    yield "mix", mixed_price(price, serving)


def _saving(against: str, kind: Kind, theirs: float, ours: Spread) -> Saving:
    saved = [1.0 - cost / theirs for cost in (ours.high, ours.central, ours.low)]
    return Saving(against, kind, theirs, ours, Spread(*saved))
