"""Claims: what a source states, what it leaves open, and what it asserts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from clustersim.inputs.base import Description
from clustersim.inputs.units import Fraction

Metric = Literal[
    "utilization",
    "achieved_flops",
    "achieved_flops_ratio",
    "step_time_s",
    "tokens_per_s",
    "training_days",
    "device_hours",
    "cost_usd",
    "token_price_saving",
]
Definition = Literal["unstated", "mfu", "mfu_causal", "hfu", "busy_any", "busy_compute", "gemm_efficiency"]
Comparison = Literal[">=", "<=", "=="]

AT_MOST = frozenset({"step_time_s", "training_days", "device_hours", "cost_usd"})  # less is the greater boast
DIMENSIONS = {
    "utilization": "fraction",
    "achieved_flops": "FLOP/s",
    "achieved_flops_ratio": "fraction",
    "step_time_s": "s",
    "token_price_saving": "fraction",
}


class Source(Description):
    """Who said it, where, when, and how far it can be trusted."""

    text: Annotated[str, Field(description="the words, or a summary that says so")]
    date: Annotated[str, Field(description="ISO date")]
    who: str
    reliability: Literal["rumour", "report", "vendor", "paper", "measured"]
    links: Annotated[tuple[str, ...], Field(strict=False, description="where it was read")] = ()


class Assertion(Description):
    """One figure that the source asserts. Without `op` it is a boast: at least, or for times and costs at most."""

    id: str
    metric: Metric
    op: Comparison | None = None
    value: Annotated[float | str, Field(description="a number, or a string with units")]
    tolerance: Annotated[Fraction, Field(description="of an equality")] = 0.05
    definition: Annotated[Definition, Field(description="of utilization, as the source says it")] = "unstated"
    base: Annotated[
        str | None, Field(description="peak that a utilization refers to: a name of the chip's other_peaks")
    ] = None

    @property
    def comparison(self) -> Comparison:
        """How the figure is read."""
        return self.op or ("<=" if self.metric in AT_MOST else ">=")


class RelationAssertion(Description):
    """A ratio to the other system."""

    metric: Literal["achieved_flops_ratio"]
    op: Comparison | None = None
    value: Annotated[Fraction, Field(description="the claim's system over the other")]
    tolerance: Fraction = 0.05


class Relation(Description):
    """Another system that the source compares with: the same but for `change`."""

    id: str
    same: Literal["devices"]
    change: Annotated[dict[str, Any], Field(description="dotted scenario keys of the other system")]
    asserted: Annotated[RelationAssertion, Field(alias="assert")]


class Claim(Description):
    """A published claim, ready to be judged."""

    name: str
    source: Source
    given: Annotated[dict[str, Any], Field(description="the part of a scenario that the source states")]
    open: Annotated[
        dict[str, Any], Field(description="what it leaves open: dotted scenario keys with the values to try")
    ] = {}
    assertions: Annotated[tuple[Assertion, ...], Field(strict=False, alias="assert", min_length=1)]
    relations: Annotated[tuple[Relation, ...], Field(strict=False)] = ()
    assumptions: Annotated[
        tuple[str, ...], Field(strict=False, description="what had to be invented, said to the reader")
    ] = ()
