"""A scenario: everything that one simulation needs, read, resolved and checked against itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from clustersim.errors import InfeasibleError
from clustersim.inputs.base import Description
from clustersim.inputs.hardware import Cluster
from clustersim.inputs.layout import Layout, ResolvedLayout
from clustersim.inputs.model import Model
from clustersim.inputs.stack import Stack
from clustersim.inputs.training import Training


class Scenario(Description):
    """Model, cluster, training, layout and stack. `layout: search` (or none) asks for the best layout."""

    name: str = "scenario"
    model: Model
    cluster: Cluster
    training: Training
    layout: Layout | Literal["search"] = "search"
    stack: Stack
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def plan(self) -> ResolvedLayout:
        """The layout with nothing left open. Raises InfeasibleError where it is still to be searched."""
        if not isinstance(self.layout, ResolvedLayout):
            raise InfeasibleError("the layout is still open: give one, or search for it")
        return self.layout
