"""Layers made of others: two side by side, and one whose sizes are not the model's own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from clustersim.errors import Problem
from clustersim.inputs.layout import Layout
from clustersim.inputs.model import Model
from clustersim.workload.layers.elements import Element
from clustersim.workload.layers.layer import Layer, Matrix
from clustersim.workload.layers.scan import ScanWork
from clustersim.workload.layers.serving_batch import Batch, Forward
from clustersim.workload.shape import Shape


@dataclass(frozen=True)
class Beside(Layer):
    """Several layers on one normed input, their outputs summed (Falcon-H1, arXiv 2507.22448): played in turn."""

    layers: tuple[Layer, ...]

    @property
    def label(self) -> str:
        """Both."""
        return " beside ".join(layer.label or "attention" for layer in self.layers)

    def matrices(self, model: Model) -> Sequence[Matrix]:
        """All of them."""
        return [matrix for layer in self.layers for matrix in layer.matrices(model)]

    def vectors(self, model: Model) -> float:
        """All of them."""
        return sum(layer.vectors(model) for layer in self.layers)

    def core_flops(self, model: Model, span: float, *, causal: bool) -> float:
        """All of them."""
        return sum(layer.core_flops(model, span, causal=causal) for layer in self.layers)

    def core_runs_again(self, model: Model, selected: Collection[str], *, fused: bool) -> bool:
        """Nothing: one of several cores can't be told apart here."""
        return False

    def train(self, model: Model, shape: Shape) -> list[Element]:
        """One after the other."""
        return [element for layer in self.layers for element in layer.train(model, shape)]

    def serve(self, model: Model, shape: Shape, batch: Batch) -> Sequence[Forward]:
        """One after the other."""
        return [element for layer in self.layers for element in layer.serve(model, shape, batch)]

    def kept_elements(self, model: Model, tensor: float, length: float) -> float:
        """All of them."""
        return sum(layer.kept_elements(model, tensor, length) for layer in self.layers)

    def state_bytes(self, model: Model, tensor: float) -> float:
        """All of them."""
        return sum(layer.state_bytes(model, tensor) for layer in self.layers)

    def scans(self, model: Model) -> Sequence[ScanWork]:
        """All of them."""
        return [scan for layer in self.layers for scan in layer.scans(model)]

    def problems(self, layout: Layout, model: Model) -> Sequence[Problem]:
        """All of them."""
        return [problem for layer in self.layers for problem in layer.problems(layout, model)]


@dataclass(frozen=True)
class Resized(Layer):
    """A layer in whose eyes the model has other sizes: fewer heads, another width, a shorter window."""

    layer: Layer
    name: str
    sizes: tuple[tuple[str, Any], ...]

    @property
    def label(self) -> str:
        """The layer's, and the name that the model calls it by."""
        return f"{self.layer.label} {self.name}".strip()

    def matrices(self, model: Model) -> Sequence[Matrix]:
        """Of these sizes."""
        return self.layer.matrices(self._seen(model))

    def vectors(self, model: Model) -> float:
        """Of these sizes."""
        return self.layer.vectors(self._seen(model))

    def core_flops(self, model: Model, span: float, *, causal: bool) -> float:
        """Of these sizes."""
        return self.layer.core_flops(self._seen(model), span, causal=causal)

    def core_runs_again(self, model: Model, selected: Collection[str], *, fused: bool) -> bool:
        """As the layer's."""
        return self.layer.core_runs_again(self._seen(model), selected, fused=fused)

    def train(self, model: Model, shape: Shape) -> list[Element]:
        """Of these sizes."""
        return self.layer.train(self._seen(model), shape)

    def serve(self, model: Model, shape: Shape, batch: Batch) -> Sequence[Forward]:
        """Of these sizes."""
        return self.layer.serve(self._seen(model), shape, batch)

    def kept_elements(self, model: Model, tensor: float, length: float) -> float:
        """Of these sizes."""
        return self.layer.kept_elements(self._seen(model), tensor, length)

    def state_bytes(self, model: Model, tensor: float) -> float:
        """Of these sizes."""
        return self.layer.state_bytes(self._seen(model), tensor)

    def scans(self, model: Model) -> Sequence[ScanWork]:
        """Of these sizes."""
        return self.layer.scans(self._seen(model))

    def problems(self, layout: Layout, model: Model) -> Sequence[Problem]:
        """Of these sizes."""
        return self.layer.problems(layout, self._seen(model))

    def _seen(self, model: Model) -> Model:
        return _with_sizes(model, self.sizes)


@lru_cache(maxsize=4096)
def _with_sizes(model: Model, sizes: tuple[tuple[str, Any], ...]) -> Model:
    changed: Mapping[str, Any] = dict(sizes)
    return model.model_copy(update=changed)
