"""The feed-forward part of a layer, and the two ways in which the tensor group cuts a matrix."""

from __future__ import annotations

from clustersim.inputs.model import Model
from clustersim.workload.arrays import Array
from clustersim.workload.layers.elements import Element, MemoryBound
from clustersim.workload.layers.linear import Linear
from clustersim.workload.shape import Shape


def dense_elements(model: Model, shape: Shape, ffn_hidden: float, prefix: str = "") -> list[Element]:
    """Up-projection (both halves when gated), activation, down-projection, cut by the tensor group.

    Every second product, counted from the queries' on, is the second of the gated up-projection's two, else the
    down-projection.
    """
    inner, gated = ffn_hidden / shape.tensor, float(model.gated)
    return [
        column(
            f"{prefix}ffn up", model, shape, (2 if model.gated else 1) * inner, model.hidden, recomputed_share=gated / 2
        ),
        activation(f"{prefix}activation", model, shape, shape.tokens * inner),
        row(f"{prefix}ffn down", model, shape, inner, recomputed_share=1.0 - gated),
    ]


def activation(
    name: str, model: Model, shape: Shape, elements: Array, *, selective: bool = False, kept: float | None = None
) -> MemoryBound:
    """GeLU or the gated product; keeps its input, an element in `kept` bytes where that isn't the activations' own.

    Backward its gradient is read once more for that of the bias.

    `selective`: it runs again where recomputation is selective.
    """
    inputs = 2 if model.gated else 1
    summed = inputs if model.bias and shape.unfused_bias else 0
    return MemoryBound(
        name,
        shape.activation_bytes * (inputs + 1) * elements,
        shape.activation_bytes * (2 * inputs + 1 + summed) * elements,
        saved=(kept or shape.activation_bytes) * inputs * elements,
        recomputed_when_selective=selective,
        gradients=shape.activation_bytes * (inputs + 1) * elements,
    )


def column(
    name: str, model: Model, shape: Shape, outputs: Array, inputs: float, *, recomputed_share: float = 0.5
) -> Linear:
    """A matrix cut by its outputs: every tensor rank needs the whole input, `hidden` wide."""
    width = shape.activation_bytes * model.hidden
    return Linear(
        name,
        shape.tokens,
        outputs,
        float(inputs),
        shape,
        gathers=True,
        group_bytes=width * shape.tokens,
        saved=width * shape.resident_tokens,
        recomputed_share=recomputed_share,
    )


def row(name: str, model: Model, shape: Shape, inputs: Array, *, recomputed_share: float = 0.5) -> Linear:
    """A matrix cut by its inputs: tensor ranks hold partial sums of an output `hidden` wide."""
    return Linear(
        name,
        shape.tokens,
        float(model.hidden),
        inputs,
        shape,
        reduces=True,
        group_bytes=shape.activation_bytes * shape.tokens * model.hidden,
        saved=shape.activation_bytes * shape.tokens * inputs,
        recomputed_share=recomputed_share,
    )
