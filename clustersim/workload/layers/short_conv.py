"""A gated causal convolution of a few taps in place of attention. Source: LFM2, arXiv 2511.23404, section 2."""

from __future__ import annotations

from collections.abc import Sequence

from clustersim.inputs.model import Model
from clustersim.workload.layers.elements import Element, MemoryBound
from clustersim.workload.layers.layer import Layer, Matrix
from clustersim.workload.layers.linear import column, row
from clustersim.workload.layers.scan import HALF
from clustersim.workload.layers.serving_batch import Batch, Forward
from clustersim.workload.shape import Shape


class ShortConvLayer(Layer):
    """y = C * conv(B * x), B, C and x of one projection (transformers, modeling_lfm2.py).

    Context ranks pass each other the last taps, a few tokens: left out.
    """

    @property
    def label(self) -> str:
        """Short convolution."""
        return "short convolution"

    def matrices(self, model: Model) -> Sequence[Matrix]:
        """In, out."""
        hidden = float(model.hidden)
        return Matrix("convolution in", hidden, 3.0 * hidden), Matrix("convolution out", hidden, hidden)

    def vectors(self, model: Model) -> float:
        """Taps of all channels."""
        return float(_taps(model) * model.hidden)

    def core_flops(self, model: Model, span: float, *, causal: bool) -> float:
        """A multiply-add a tap and channel."""
        return 2.0 * _taps(model) * model.hidden

    def train(self, model: Model, shape: Shape) -> list[Element]:
        """Projection, both gates with the convolution, output."""
        first, last = self.matrices(model)
        vector = shape.activation_bytes * shape.tokens * model.hidden / shape.tensor
        gated = MemoryBound("convolution", 4.0 * vector, 7.0 * vector, saved=3.0 * vector, kernels=3)
        return [column(first, shape), gated, row(last, shape)]

    def serve(self, model: Model, shape: Shape, batch: Batch) -> Sequence[Forward]:
        """As in training: what is kept of a sequence is a few vectors."""
        return self.train(model, shape)

    def state_bytes(self, model: Model, tensor: float) -> float:
        """The last inputs."""
        return HALF * (_taps(model) - 1) * model.hidden / tensor


def _taps(model: Model) -> int:
    if model.short_conv is None:
        raise ValueError(f"{model.name} has no short convolutions")
    return model.short_conv.taps
