"""Prices of tokens: what a claim says of them beside the list prices in the catalog."""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.errors import InputError, Problem
from clustersim.inputs.catalog import plain_document
from clustersim.inputs.problems import did_you_mean
from clustersim.inputs.search_path import slug
from clustersim.inputs.units import parse_quantity, shown

KINDS = ("input", "output", "cached_input")
WORDS = {"input": "input", "output": "output", "cached_input": "cached input"}
PRICED = {"input_token_price": ("input", "cached_input"), "output_token_price": ("output",)}
SAME_PRICE = 0.002  # a saving is printed to a tenth of a percent


@dataclass(frozen=True)
class ListPrice:
    """What a model's tokens cost, USD a million, at some time."""

    model: str
    when: str
    prices: dict[str, float]  # input, output, cached_input


def list_prices() -> tuple[ListPrice, ...]:
    """Every list price in the catalog."""
    return tuple(
        ListPrice(
            row["model"],
            str(row["when"]),
            {kind: parse_quantity(row[kind], "USD") for kind in KINDS if row.get(kind) is not None},
        )
        for row in plain_document("prices", "tokens")["prices"]
    )


def listed(name: str) -> ListPrice:
    """The latest list price of a model. Raises InputError for one that has none in the catalog."""
    known = [price for price in list_prices() if price.prices]
    found = [price for price in known if slug(price.model) == slug(name)]
    if not found:
        models = list(dict.fromkeys(price.model for price in known))
        message = f"no list price of {shown(name)} in the catalog{did_you_mean(name, models)}"
        raise InputError("relations", [Problem(message, "list_price")])
    return found[-1]


def same_as(metric: str, value: float, own: str) -> str:
    """In words, whose list price a stated price repeats; empty where nobody's."""
    found = [
        f"{price.model}'s {WORDS[kind]} price ({price.when})"
        for price in list_prices()
        if slug(price.model) != slug(own)
        for kind, theirs in price.prices.items()
        if abs(theirs / value - 1) <= SAME_PRICE
    ]
    return f"the same as {' and '.join(found[:3])}" if found else ""
