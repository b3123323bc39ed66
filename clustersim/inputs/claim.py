"""Claims: what a source states, what it leaves open, and what it asserts. docs/claims.md shows the language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from clustersim.inputs.base import Description, refusal
from clustersim.inputs.claim_metrics import (
    LEAST,
    MEANINGS,
    METRICS,
    MFU,
    MOST,
    STATED,
    WITH_BASE,
    Definition,
    Metric,
    long_name,
    read_figure,
)
from clustersim.inputs.claim_open import OpenValue, read_open
from clustersim.inputs.units import Fraction, Ratio

Comparison = Literal[">=", "<=", "=="]


def comparison(metric: str, op: Comparison | None) -> Comparison:
    """How a figure is read: as `op` says, else as a boast."""
    return op or ("<=" if METRICS[metric].lower else ">=")


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
    reliability: Annotated[
        Literal["rumour", "report", "vendor", "paper", "measured", "invented"],
        Field(description="how far it can be trusted; a control that nobody claims is invented"),
    ]
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
        metric = info.data.get("metric", "utilization")
        meaning = info.data.get("definition", "mfu") if metric == "utilization" else metric
        if base is not None and meaning not in WITH_BASE:
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

    @property
    def granted(self) -> float:
        """The tolerance of an equality; a boast has none."""
        return self.tolerance if self.comparison == "==" else 0.0

    @property
    def meaning(self) -> str:
        """Which utilization it is, `unstated` where nobody says; empty for any other metric."""
        return self.definition if self.metric == "utilization" else self.metric if self.metric in MEANINGS else ""

    @property
    def is_mfu(self) -> bool:
        """Whether it may be a share of a peak that model FLOP/s reach."""
        return self.meaning in ("unstated", *MFU)


class RelationAssertion(Description):
    """A ratio to the other system."""

    metric: Annotated[
        Literal["achieved_flops_ratio", "scaling_efficiency", "token_price_saving"], BeforeValidator(long_name)
    ]
    op: Comparison | None = None
    value: Annotated[Ratio, Field(ge=LEAST, le=MOST, description="the claim's system over the other")]
    tolerance: Annotated[Fraction, Field(lt=1, description="of an equality")] = 0.05

    @field_validator("op")
    @classmethod
    def _op_boasts(cls, op: Comparison | None, info: ValidationInfo) -> Comparison | None:
        return check_op(op, info.data.get("metric", "achieved_flops_ratio"))

    @property
    def comparison(self) -> Comparison:
        """How the ratio is read."""
        return comparison(self.metric, self.op)

    @property
    def granted(self) -> float:
        """The tolerance of an equality; a boast has none."""
        return self.tolerance if self.comparison == "==" else 0.0


class Relation(Description):
    """Something that the source compares with: another system, the same but for `change`, or a model's list price."""

    id: Annotated[str, Field(min_length=1, description="what the ratio is called in the verdict")]
    same: Annotated[Literal["devices"] | None, Field(description="what both systems have as many of")] = None
    change: Annotated[dict[str, Any], Field(description="dotted scenario keys of the other system")] = {}
    list_price: Annotated[str | None, Field(description="model whose list price of tokens is compared with")] = None
    asserted: Annotated[RelationAssertion, Field(alias="assert")]

    @model_validator(mode="after")
    def _compares_with_one_thing(self) -> Relation:
        wanted = {
            "token_price_saving": self.list_price is not None and not self.change and self.same is None,
            "achieved_flops_ratio": self.list_price is None and self.same == "devices",
            "scaling_efficiency": self.list_price is None and bool(self.change) and self.same is None,
        }
        words = {
            "token_price_saving": "list_price and nothing else",
            "achieved_flops_ratio": "same: devices, and what to change",
            "scaling_efficiency": "a change of cluster.nodes or cluster.devices, and no `same`",
        }
        if not wanted[self.asserted.metric]:
            raise refusal(f"{self.asserted.metric} needs {words[self.asserted.metric]}")
        return self


class Variant(Description):
    """What else a word of the source may mean of its model; played beside it, and judged as part of no figure."""

    id: Annotated[str, Field(min_length=1, description="what it is called in the report")]
    about: Annotated[str, Field(description="what it is, and what it rests on")] = ""
    change: Annotated[dict[str, Any], Field(min_length=1, description="`model`, or dotted keys of it")]

    @field_validator("change")
    @classmethod
    def _of_the_model(cls, change: dict[str, Any]) -> dict[str, Any]:
        others = sorted(key for key in change if key.split(".")[0] != "model")
        if others:
            raise refusal(f"a variant is one of the model; {', '.join(others)} belongs under open or relations")
        return change


class Claim(Description):
    """A published claim, ready to be judged."""

    name: Annotated[str, Field(description="of the claim; its file's unless given")]
    source: Source
    given: Annotated[
        dict[str, Any],
        Field(description=f"the part of a scenario that the source states, and figures: {', '.join(STATED)}"),
    ]
    open: Annotated[
        dict[str, Any],
        Field(
            description="what it leaves open: dotted scenario keys with a list of values to try, "
            "{from, to, likely, scale} or {median, spread}; and `layout: search`"
        ),
    ] = {}
    assertions: Annotated[tuple[Assertion, ...], Field(strict=False, alias="assert", min_length=1)]
    relations: Annotated[tuple[Relation, ...], Field(strict=False)] = ()
    variants: Annotated[tuple[Variant, ...], Field(strict=False, description="other readings of the model")] = ()
    assumptions: Annotated[
        tuple[str, ...], Field(strict=False, description="what had to be invented, said to the reader")
    ] = ()

    @field_validator("given")
    @classmethod
    def _stated_figures_are_figures(cls, given: dict[str, Any]) -> dict[str, Any]:
        told = []
        for name, value in given.items():
            if name in STATED:
                try:
                    read_figure(name, value)
                except ValueError as error:
                    told.append(f"{name}: {error}")
        if told:
            raise refusal("; ".join(told))
        return given

    @field_validator("open")
    @classmethod
    def _open_values_can_be_tried(cls, values: dict[str, Any]) -> dict[str, Any]:
        told = []
        if values.get("layout", "search") != "search":
            told.append("layout: the only way to leave a layout open is `search`; a stated one belongs under given")
        for key, value in values.items():
            try:
                read_open(value)
            except ValueError as error:
                told.append(f"{key}: {error}")
        if told:
            raise refusal("; ".join(told))
        return values

    @field_validator("assertions", "relations")
    @classmethod
    def _ids_are_unique(cls, items: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        ids = [item.id for item in (*info.data.get("assertions", ()), *items)]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise refusal(f"more than one figure is called {', '.join(twice)}")
        return items

    @property
    def scenario_part(self) -> Mapping[str, Any]:
        """What `given` states of a scenario."""
        return {key: value for key, value in self.given.items() if key not in STATED}

    @property
    def stated(self) -> dict[str, float]:
        """The figures that `given` states, in SI."""
        return {key: read_figure(key, value) for key, value in self.given.items() if key in STATED}

    @property
    def open_values(self) -> dict[str, OpenValue]:
        """What is left open, read; the layout is searched and no value of its own."""
        return {key: read_open(value) for key, value in self.open.items() if key != "layout" or value != "search"}
