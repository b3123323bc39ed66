"""What a claim leaves open: values to try, or a range or spread to draw from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from clustersim.inputs.base import Description, refusal

Bound = int | float | str  # a plain number in SI, or a string with a unit


class Range(Description):
    """Anything from one value to another, each equally likely; with `likely`, nearer to that. Whole numbers: a few."""

    low: Annotated[Bound, Field(alias="from")]
    high: Annotated[Bound, Field(alias="to")]
    likely: Annotated[Bound | None, Field(description="the likeliest value: a triangular distribution")] = None
    scale: Annotated[Literal["linear", "log"], Field(description="log: equally likely in every doubling")] = "linear"

    @model_validator(mode="after")
    def _one_shape(self) -> Range:
        if self.likely is not None and self.scale == "log":
            raise refusal("a range with a likeliest value is linear")
        return self

    @property
    def stated(self) -> tuple[Bound, ...]:
        """The values that it names."""
        return (self.low, self.high, *(() if self.likely is None else (self.likely,)))


class LogNormal(Description):
    """A log-normal distribution around a median."""

    median: Bound
    spread: Annotated[float, Field(gt=0, le=2, description="standard deviation of the logarithm")]

    @property
    def stated(self) -> tuple[Bound, ...]:
        """The value that it names."""
        return (self.median,)


Distribution = Range | LogNormal
OpenValue = Distribution | tuple[Any, ...]

KINDS: tuple[type[Range] | type[LogNormal], ...] = (Range, LogNormal)


def read_open(value: Any) -> OpenValue:
    """A value of `open`: a distribution, or the values to try. Raises ValueError with what is wrong with it."""
    if isinstance(value, Mapping):
        for kind in KINDS:
            names = {field.alias or name for name, field in kind.model_fields.items()}
            if names & set(value):
                return _distribution(kind, value)
    if isinstance(value, (list, tuple)):
        if not value:
            raise ValueError("no value to try")
        return tuple(value)
    return (value,)


def _distribution(kind: type[Range] | type[LogNormal], value: Mapping[str, Any]) -> Distribution:
    try:
        return kind.model_validate(dict(value))
    except ValidationError as error:
        told = [f"{'.'.join(map(str, detail['loc'][:1]))}: {detail['msg'].lower()}" for detail in error.errors()]
        raise ValueError("; ".join(dict.fromkeys(told))) from None
