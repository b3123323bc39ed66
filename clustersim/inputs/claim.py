"""Claims: what a source states, what it leaves open, and what it asserts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from clustersim.inputs.base import Description, refusal
from clustersim.inputs.units import Fraction, Ratio, parse_quantity, shown

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
WITH_BASE = frozenset({"unstated", "mfu", "mfu_causal", "hfu", "gemm_efficiency"})  # definitions over a peak
DIMENSIONS = {
    "utilization": "ratio",  # above 1 it is a claim all the same
    "achieved_flops": "FLOP/s",
    "achieved_flops_ratio": "ratio",
    "step_time_s": "s",
    "tokens_per_s": "count",
    "training_days": "s",
    "device_hours": "count",
    "cost_usd": "count",
    "token_price_saving": "fraction",
}
SECONDS_A_DAY = 86_400.0
LEAST, MOST = 1e-9, 1e30  # figures outside say nothing, and their quotients overflow


def read_figure(metric: str, value: float | str) -> float:
    """A claimed figure in SI, days for `training_days`. A plain number is in the metric's own unit.

    Raises ValueError, saying what would be accepted.
    """
    number = parse_quantity(value, DIMENSIONS[metric])
    if metric == "training_days" and isinstance(value, str) and not _is_plain(value):
        number /= SECONDS_A_DAY
    if not LEAST <= number <= MOST:
        raise ValueError(f"{shown(value)} is not a figure that anybody asserts")
    return number


def _is_plain(text: str) -> bool:
    """Whether a string is a number without a unit."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def comparison(metric: str, op: Comparison | None) -> Comparison:
    """How a figure is read: as `op` says, else as a boast."""
    return op or ("<=" if metric in AT_MOST else ">=")


def check_op(op: Comparison | None, metric: str) -> Comparison | None:
    """The operator; refused where it asserts that no more is attained than the figure."""
    if op in (None, "==", comparison(metric, None)):
        return op
    raise refusal(f"{metric} is asserted with {comparison(metric, None)} or ==")


class Source(Description):
    """Who said it, where, when, and how far it can be trusted."""

    text: Annotated[str, Field(description="the words, or a summary that says so")]
    date: Annotated[str, Field(description="ISO date")]
    who: str
    reliability: Literal["rumour", "report", "vendor", "paper", "measured"]
    links: Annotated[tuple[str, ...], Field(strict=False, description="where it was read")] = ()


class Assertion(Description):
    """One figure that the source asserts. Without `op` it is a boast: at least, or for times and costs at most."""

    id: Annotated[str, Field(min_length=1, description="what the figure is called in the verdict")]
    metric: Metric
    op: Comparison | None = None
    value: Annotated[float | str, Field(description="a number, or a string with units")]
    tolerance: Annotated[Fraction, Field(lt=1, description="of an equality")] = 0.05
    definition: Annotated[Definition, Field(description="of utilization, as the source says it")] = "unstated"
    base: Annotated[
        str | None,
        Field(description="peak that a utilization refers to: `matrix peak`, or a name of the chip's other_peaks"),
    ] = None

    @field_validator("op")
    @classmethod
    def _op_boasts(cls, op: Comparison | None, info: ValidationInfo) -> Comparison | None:
        return check_op(op, info.data["metric"]) if "metric" in info.data else op

    @field_validator("value")
    @classmethod
    def _value_is_a_figure(cls, value: float | str, info: ValidationInfo) -> float | str:
        if "metric" in info.data:
            try:
                read_figure(info.data["metric"], value)
            except ValueError as error:
                raise refusal(str(error)) from None
        return value

    @field_validator("definition")
    @classmethod
    def _only_utilization_is_defined(cls, definition: Definition, info: ValidationInfo) -> Definition:
        if definition != "unstated" and info.data.get("metric", "utilization") != "utilization":
            raise refusal("only a utilization has a definition")
        return definition

    @field_validator("base")
    @classmethod
    def _only_shares_of_a_peak_have_a_base(cls, base: str | None, info: ValidationInfo) -> str | None:
        utilization = info.data.get("metric", "utilization") == "utilization"
        if base is not None and not (utilization and info.data.get("definition", "mfu") in WITH_BASE):
            raise refusal("only a utilization that is a share of a peak has a base")
        return base

    @property
    def claimed(self) -> float:
        """The figure in SI; days for `training_days`."""
        return read_figure(self.metric, self.value)

    @property
    def comparison(self) -> Comparison:
        """How the figure is read."""
        return comparison(self.metric, self.op)


class RelationAssertion(Description):
    """A ratio to the other system."""

    metric: Literal["achieved_flops_ratio"]
    op: Comparison | None = None
    value: Annotated[Ratio, Field(ge=LEAST, le=MOST, description="the claim's system over the other")]
    tolerance: Annotated[Fraction, Field(lt=1, description="of an equality")] = 0.05

    @field_validator("op")
    @classmethod
    def _op_boasts(cls, op: Comparison | None) -> Comparison | None:
        return check_op(op, "achieved_flops_ratio")

    @property
    def comparison(self) -> Comparison:
        """How the ratio is read."""
        return comparison(self.metric, self.op)


class Relation(Description):
    """Another system that the source compares with: the same but for `change`."""

    id: Annotated[str, Field(min_length=1, description="what the ratio is called in the verdict")]
    same: Annotated[Literal["devices"], Field(description="what both systems have as many of")]
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

    @field_validator("open")
    @classmethod
    def _layouts_are_searched(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("layout", "search") != "search":
            raise refusal("layout: the only way to leave a layout open is `search`; a stated one belongs under given")
        empty = [key for key, value in values.items() if isinstance(value, list) and not value]
        if empty:
            raise refusal(f"{', '.join(empty)}: no value to try")
        return values

    @field_validator("assertions", "relations")
    @classmethod
    def _ids_are_unique(cls, items: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        ids = [item.id for item in (*info.data.get("assertions", ()), *items)]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise refusal(f"more than one figure is called {', '.join(twice)}")
        return items
