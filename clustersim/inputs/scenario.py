"""A scenario: everything that one simulation needs, read, resolved and checked against itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from clustersim.answer import page, short
from clustersim.errors import InfeasibleError
from clustersim.inputs.base import Description, Reference, refusal
from clustersim.inputs.hardware import Cluster
from clustersim.inputs.layout import Layout, ResolvedLayout
from clustersim.inputs.model import Model
from clustersim.inputs.reliability import Reliability
from clustersim.inputs.stack import Stack
from clustersim.inputs.training import Training


def _may_extend(schema: dict[str, Any]) -> None:
    schema["properties"]["extends"] = {"type": "string", "description": "a scenario that this one differs from"}
    needed = [key for key in schema.pop("required") if key != "stack"]  # the usual one of the chip's vendor if absent
    schema["anyOf"] = [{"required": needed}, {"required": ["extends"]}]


class Scenario(Description):
    """Model, cluster, training, layout and stack. `layout: search` (or none) asks for the best layout."""

    model_config = ConfigDict(json_schema_extra=_may_extend)

    name: Annotated[str, Field(min_length=1, description="of the scenario; its file's unless given")] = "scenario"
    model: Annotated[
        Model,
        Reference("models"),
        Field(description="catalog name, path (YAML or Hugging Face config.json) or mapping"),
    ]
    cluster: Annotated[
        Cluster,
        Reference("clusters", ("node", "accelerator", "nodes", "devices")),
        Field(description="catalog name, path or mapping"),
    ]
    training: Annotated[Training, Field(description="sequence length, batch, tokens, precision, optimizer")]
    layout: Annotated[Layout | Literal["search"], Field(description="how the work is laid out; searched if absent")] = (
        "search"
    )
    stack: Annotated[
        Stack,
        Reference("stacks"),
        Field(description="catalog name, path or mapping; the usual one of the chip's vendor if absent"),
    ]
    reliability: Annotated[
        Reliability | None,
        Reference("failures"),
        Field(description="what goes wrong in the run: catalog name, path or mapping; absent: nothing does"),
    ] = None
    implausible_ok: Annotated[
        bool, Field(description="values that no hardware has had, by four orders of magnitude, are played all the same")
    ] = False
    seed: Annotated[int, Field(ge=0, description="root of all random numbers")] = 0
    notes: Annotated[
        tuple[str, ...], Field(strict=False, description="what a reader of the results should know; reading adds to it")
    ] = ()

    @field_validator("reliability")
    @classmethod
    def _counted_once(cls, profile: Reliability | None, info: ValidationInfo) -> Reliability | None:
        cluster = info.data.get("cluster")
        if profile is not None and cluster is not None and cluster.availability < 1.0:
            raise refusal(f"cluster.availability is {cluster.availability:g} already: give one of the two")
        return profile

    @property
    def about(self) -> str:
        """GPT-3 175B on 64 A100 80GB."""
        return f"{self.model.name} on {self.cluster.devices:,} {self.cluster.accelerator.name}"

    def __repr__(self) -> str:
        return short(type(self).__name__, self.about, self._said)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return page(self.about, self._said)

    @property
    def _said(self) -> dict[str, str]:
        return {
            "sequences of": f"{self.training.sequence_length:,} tokens",
            "batch": f"{self.training.global_batch:,}",
            "precision": self.training.precision,
            "stack": self.stack.name,
        }

    @property
    def reliability_name(self) -> str:
        """The failure profile as people write it; none where there is none."""
        return self.reliability.name if self.reliability is not None else "none"

    @property
    def resolved_layout(self) -> ResolvedLayout:
        """The layout with nothing left open. Raises InfeasibleError where it is still to be searched."""
        if not isinstance(self.layout, ResolvedLayout):
            raise InfeasibleError("the layout is still open: give one, or search for it")
        return self.layout
