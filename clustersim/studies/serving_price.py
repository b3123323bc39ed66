"""What a million tokens cost to serve, and how that and rumoured prices compare with list prices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clustersim.errors import InputError, Problem
from clustersim.inputs.catalog import plain_document
from clustersim.inputs.documents import Source
from clustersim.inputs.load import Overrides
from clustersim.inputs.load_serving import load_serving
from clustersim.inputs.problems import did_you_mean
from clustersim.inputs.serving import Serving
from clustersim.inputs.units import shown
from clustersim.simulation.serving import PhaseResult, ServingResult, simulate_serving

MILLION = 1e6
SECONDS_AN_HOUR = 3600.0
GPT_4 = ("gpt-4", "gpt-4-turbo", "gpt-4o")  # what the R2 rumour is compared with, from text to text
KINDS = ("input", "cached_input", "output", "mix")


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

    def of(self, kind: str) -> Spread:
        """The cost to hold against a list price: what isn't cached is computed."""
        return {"input": self.computed_input, "output": self.output, "mix": self.mix}[kind]


@dataclass(frozen=True)
class ListPrice:
    """USD a million tokens that somebody asks for."""

    model: str
    when: str
    input: float
    output: float
    cached_input: float | None = None

    def mix(self, serving: Serving) -> float:
        """USD a million tokens of a traffic's prompts, cache hits and answers."""
        traffic = serving.traffic
        hit = self.cached_input if self.cached_input is not None else self.input
        prompt = traffic.cache_hits * hit + (1.0 - traffic.cache_hits) * self.input
        return (traffic.prompt * prompt + traffic.output * self.output) / (traffic.prompt + traffic.output)


@dataclass(frozen=True)
class Saving:
    """How far below a list price something is: 1 - ours / theirs."""

    against: str
    kind: str  # input, output or mix
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


def break_even_rent(result: ServingResult, dollars: float) -> Spread:
    """USD an hour of a device at which a million tokens of the traffic's mix cost so many dollars to serve."""
    traffic = result.serving.traffic
    total = traffic.prompt + traffic.output
    hours = {
        name: (
            traffic.prompt / result.phases["prefill"].at[name].tokens_per_s
            + traffic.output / result.phases["decode"].at[name].tokens_per_s
        )
        for name in ("no_overlap", "central", "full_overlap")
        if result.phases["decode"].at[name].tokens_per_s and result.phases["prefill"].at[name].tokens_per_s
    }
    rents = [
        dollars * result.serving.utilization * SECONDS_AN_HOUR * total / (MILLION * hours[name])
        if name in hours
        else 0.0
        for name in ("no_overlap", "central", "full_overlap")
    ]
    return Spread(*rents)


def list_prices() -> tuple[ListPrice, ...]:
    """Every list price of the catalog that has both an input and an output price."""
    rows = plain_document("prices", "tokens")["prices"]
    return tuple(
        ListPrice(row["model"], str(row["when"]), _amount(row["input"]), _amount(row["output"]), _cached(row))
        for row in rows
        if row.get("input") is not None and row.get("output") is not None
    )


def list_price(model: str) -> ListPrice:
    """The latest list price of a model. Raises InputError for one without."""
    found = [price for price in list_prices() if price.model == model]
    if not found:
        known = list(dict.fromkeys(price.model for price in list_prices()))
        raise InputError(model, [Problem(f"no list price of {shown(model)}{did_you_mean(model, known)}", "model")])
    return found[-1]


def cost_savings(cost: TokenCost, serving: Serving, against: Sequence[str] = GPT_4) -> tuple[Saving, ...]:
    """How far the cost of serving is below the list prices of other models: what a price could come down to."""
    return tuple(
        _saving(model, kind, theirs, cost.of(kind))
        for model in against
        for kind, theirs in _by_kind(list_price(model), serving)
    )


def price_savings(price: ListPrice, serving: Serving, against: Sequence[str] = GPT_4) -> tuple[Saving, ...]:
    """How far a list price is below those of other models, for prompts, for answers and for a traffic's mix."""
    ours = dict(_by_kind(price, serving))
    return tuple(
        _saving(model, kind, theirs, Spread(ours[kind], ours[kind], ours[kind]))
        for model in against
        for kind, theirs in _by_kind(list_price(model), serving)
    )


def equal_prices(price: ListPrice) -> tuple[str, ...]:
    """Where a model's two prices stand in other models' lists: sentences, for prices that are somebody else's.

    The R2 rumour's $0.07 and $0.27 are DeepSeek-V3's two prices of prompts, with and without a cache hit.
    """
    words = {"input": "a prompt token", "cached_input": "a cached prompt token", "output": "a token of an answer"}
    return tuple(
        f"${ours:g} for {words[own]} is what {other.model} asked for {words[kind]} ({other.when})"
        for own in ("input", "output")
        for ours in [getattr(price, own)]
        for other in list_prices()
        if other.model != price.model and other.when[:4] >= "2025"
        for kind in ("cached_input", "input", "output")
        if getattr(other, kind) == ours
    )


def _dollars(phase: PhaseResult, an_hour: float) -> Spread:
    """USD a million tokens of one phase; infinite where nothing is served without overlap."""
    costs = [
        MILLION * an_hour / (SECONDS_AN_HOUR * rate) if rate else float("inf")
        for rate in (phase.at[name].tokens_per_s for name in ("full_overlap", "central", "no_overlap"))
    ]
    return Spread(*costs)


def _by_kind(price: ListPrice, serving: Serving) -> Iterator[tuple[str, float]]:
    yield "input", price.input
    yield "output", price.output
    yield "mix", price.mix(serving)


def _saving(against: str, kind: str, theirs: float, ours: Spread) -> Saving:
    saved = [1.0 - cost / theirs for cost in (ours.high, ours.central, ours.low)]
    return Saving(against, kind, theirs, ours, Spread(*saved))


def _amount(text: object) -> float:
    """`30 USD` as a number."""
    return float(str(text).removesuffix("USD"))


def _cached(row: dict[str, object]) -> float | None:
    return _amount(row["cached_input"]) if row.get("cached_input") is not None else None
