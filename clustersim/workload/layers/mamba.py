"""Mamba: a selective state space with a step for each channel. Source: Gu and Dao 2023, arXiv 2312.00752."""

from __future__ import annotations

from collections.abc import Sequence

from clustersim.errors import Problem
from clustersim.inputs.checks import divisors_near
from clustersim.inputs.layout import Layout
from clustersim.inputs.mixers import Mamba
from clustersim.inputs.model import Model
from clustersim.workload.layers.elements import Element, MemoryBound
from clustersim.workload.layers.layer import Layer, Matrix
from clustersim.workload.layers.linear import Linear, column, row
from clustersim.workload.layers.scan import GATE, HALF, PRODUCTS_BACKWARD, ScanCore, ScanWork, served_core
from clustersim.workload.layers.serving_batch import Batch, Forward
from clustersim.workload.shape import Shape


class MambaLayer(Layer):
    """x and a gate of one projection; step, B and C are made of x behind its convolution; channels are cut."""

    @property
    def label(self) -> str:
        """Mamba."""
        return "mamba"

    def matrices(self, model: Model) -> Sequence[Matrix]:
        """In, step with B and C, step widened, out (section 3.4; transformers, modeling_mamba.py)."""
        space, hidden = sizes(model), float(model.hidden)
        return (
            Matrix("mamba in", hidden, 2.0 * space.inner),
            Matrix("mamba step", float(space.inner), float(space.rank + 2 * space.state)),
            Matrix("mamba step wide", float(space.rank), float(space.inner)),
            Matrix("mamba out", float(space.inner), hidden),
        )

    def vectors(self, model: Model) -> float:
        """Convolution with its bias, step's bias, decays, skip; norms where it has them."""
        space = sizes(model)
        norms = space.rank + 2 * space.state if space.norms else 0
        return float(space.inner * (space.conv + 3 + space.state) + norms)

    def scans(self, model: Model) -> Sequence[ScanWork]:
        """One."""
        return (selective_scan(sizes(model)),)

    def core_flops(self, model: Model, span: float, *, causal: bool) -> float:
        """Of the recurrence, whatever the span."""
        scan = selective_scan(sizes(model))
        return scan.heads * scan.recurrent_flops

    def train(self, model: Model, shape: Shape) -> list[Element]:
        """Projections, convolution, the scan with its gate in one kernel, output."""
        channels = sizes(model).inner / shape.tensor
        core = ScanCore(selective_scan(sizes(model)), shape.micro_batch * channels, shape.tokens * channels)
        return self._elements(model, shape, core)

    def serve(self, model: Model, shape: Shape, batch: Batch) -> Sequence[Forward]:
        """Prompts as in training; a token of each answer reads and writes its sequence's state."""
        states = batch.heads * self.state_bytes(model, 1.0) / shape.tensor
        return self._elements(
            model, shape, served_core("mamba step", selective_scan(sizes(model)), shape, batch, states)
        )

    def _elements(self, model: Model, shape: Shape, core: Element) -> list[Element]:
        space = sizes(model)
        first, step, wide, last = self.matrices(model)
        rows, channels = shape.tokens, space.inner / shape.tensor
        vector = shape.activation_bytes * rows * channels
        made = shape.activation_bytes * rows * step.outputs
        return [
            column(first, shape),
            MemoryBound("mamba convolution", 2.0 * vector, 3.0 * vector, saved=vector, fused=True),
            Linear(step.name, rows, step.outputs, channels, shape, reduces=True, group_bytes=made, saved=vector),
            Linear(wide.name, rows, channels, wide.inputs, shape, saved=shape.activation_bytes * rows * wide.inputs),
            core,
            row(last, shape),
        ]

    def state_bytes(self, model: Model, tensor: float) -> float:
        """State in fp32, and the last inputs of the convolution."""
        space = sizes(model)
        return space.inner * (GATE * space.state + HALF * (space.conv - 1)) / tensor

    def problems(self, layout: Layout, model: Model) -> Sequence[Problem]:
        """Channels that tensor ranks can't share; context ranks, over which no software cuts this scan."""
        channels = sizes(model).inner
        found = []
        if channels % layout.tensor:
            near = divisors_near(layout.tensor, channels)
            found.append(
                Problem(f"{layout.tensor} does not divide the {channels} channels of mamba. {near}", "layout.tensor")
            )
        if layout.context > 1:
            found.append(Problem("mamba's scan runs over whole sequences: leave it at 1", "layout.context"))
        return found


def selective_scan(space: Mamba) -> ScanWork:
    """The core, channel by channel: 9 N FLOP a token, recurrent 7 N (arXiv 2312.00752, appendix D; as of Mamba-2).

    One kernel with the gate: reads x, step, gate, B and C, writes y; backward makes the states again.
    """
    state = float(space.state)
    shared = 2.0 * state / space.inner
    moved = HALF * (4.0 + shared)
    return ScanWork(
        kind="selective",
        heads=float(space.inner),
        state=state,
        forward_flops=9.0 * state,
        backward_flops=PRODUCTS_BACKWARD * 9.0 * state,
        recurrent_flops=7.0 * state,
        forward_bytes=moved,
        backward_bytes=2.0 * moved,
        kept_bytes=HALF * (4.0 + shared),
        forward_kernels=1,
        backward_kernels=1,
    )


def sizes(model: Model) -> Mamba:
    """The sizes of a model's Mamba."""
    if model.mamba is None:
        raise ValueError(f"{model.name} has no Mamba")
    return model.mamba
