"""The feed-forward part of a layer: up-projection, activation, down-projection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clustersim.inputs.model import Model
from clustersim.workload.arrays import Array
from clustersim.workload.layers.elements import Element, MemoryBound
from clustersim.workload.layers.layer import Layer, Matrix
from clustersim.workload.layers.linear import column, row
from clustersim.workload.layers.serving_batch import Batch, Forward
from clustersim.workload.shape import Shape
from clustersim.workload.software import FEED_FORWARD


class FeedForwardLayer(Layer):
    """Dense, cut by the tensor group."""

    @property
    def label(self) -> str:
        """Dense."""
        return "dense"

    def matrices(self, model: Model) -> Sequence[Matrix]:
        """Up and down."""
        return dense_matrices(model, model.ffn_hidden)

    def vectors(self, model: Model) -> float:
        """Biases of both."""
        return float(model.hidden + up_width(model, model.ffn_hidden)) if model.bias else 0.0

    def train(self, model: Model, shape: Shape) -> list[Element]:
        """As `dense_elements`."""
        return dense_elements(model, shape, model.ffn_hidden)

    def serve(self, model: Model, shape: Shape, batch: Batch) -> Sequence[Forward]:
        """As in training."""
        return self.train(model, shape)


def up_width(model: Model, ffn_hidden: float) -> float:
    """Columns of the up-projection: both halves when gated."""
    return (2 if model.gated else 1) * ffn_hidden


def dense_matrices(model: Model, ffn_hidden: float, prefix: str = "") -> tuple[Matrix, Matrix]:
    """Up-projection and down-projection.

    Every second product of a layer, counted from the queries' on, is the second of the gated up-projection's two, else
    the down-projection.
    """
    selected = "" if prefix else FEED_FORWARD  # shared experts are a module of their own
    again_up, again_down = (ffn_hidden, 0.0) if model.gated else (0.0, model.hidden)
    return (
        Matrix(f"{prefix}ffn up", model.hidden, up_width(model, ffn_hidden), repeated=again_up, selected=selected),
        Matrix(f"{prefix}ffn down", ffn_hidden, model.hidden, repeated=again_down, selected=selected),
    )


def dense_elements(model: Model, shape: Shape, ffn_hidden: float, prefix: str = "") -> list[Element]:
    """Up-projection (both halves when gated), activation, down-projection."""
    up, down = dense_matrices(model, ffn_hidden, prefix)
    inner = ffn_hidden / shape.tensor
    between = activation(f"{prefix}activation", model, shape, shape.tokens * inner)
    if not prefix and FEED_FORWARD in shape.software.selected:  # only the input is kept: Megatron-LM's `mlp`
        between = replace(between, recomputed_when_selective=True, dropped_when_selective=True)
        return [column(up, shape), between, replace(row(down, shape), input_dropped=True)]
    return [column(up, shape), between, row(down, shape)]


def activation(
    name: str, model: Model, shape: Shape, elements: Array, *, selective: bool = False, kept: float | None = None
) -> MemoryBound:
    """GeLU or the gated product; keeps its input, an element in `kept` bytes where that isn't the activations' own.

    Backward its gradient is read once more for that of the bias.

    `selective`: it runs again where recomputation is selective.
    """
    inputs = 2 if model.gated else 1
    between = 1 if model.gated and shape.software.eager_kernels else 0  # the activation, before it meets the other half
    summed = inputs if model.bias and shape.software.unfused_bias else 0
    return MemoryBound(
        name,
        shape.activation_bytes * (inputs + 1) * elements,
        shape.activation_bytes * (2 * inputs + 1 + summed) * elements,
        saved=(kept or shape.activation_bytes) * (inputs + between) * elements,
        recomputed_when_selective=selective,
        gradients=shape.activation_bytes * (inputs + 1) * elements,
    )
