"""What layers of linear attention and state spaces have in common: projection, short convolution, scan, gate, output.

A kind of layer states its widths; matrices, work, room and exchanges follow here. Tensor parallelism cuts heads, as in
attention. Context parallelism trades each rank's part of the sequence for a part of the heads before the convolution,
and back behind the scan, whatever attention does. Source: Megatron-LM, core/ssm/mamba_context_parallel.py, which
Megatron Core's Gated DeltaNet follows.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from clustersim.errors import Problem
from clustersim.inputs.checks import divisors_near
from clustersim.inputs.layout import Layout
from clustersim.inputs.model import Model
from clustersim.workload.arrays import Array
from clustersim.workload.layers.elements import Element, Exchange, MemoryBound
from clustersim.workload.layers.layer import Layer, Matrix
from clustersim.workload.layers.linear import Linear, column, row
from clustersim.workload.layers.scan import GATE, HALF, ScanCore, ScanWork, served_core
from clustersim.workload.layers.serving_batch import Batch, Forward
from clustersim.workload.shape import Shape


@dataclass(frozen=True)
class Widths:
    """Channels of a layer, over all tensor ranks."""

    inputs: float  # columns of the input projection
    mixed: float  # of them, what the convolution mixes and the scan takes; 0: there is no convolution
    taps: float
    gate: float  # of them, the gate on the output
    output: float  # what the output projection takes
    scan: ScanWork
    vectors: float  # parameters of convolution, decays, steps and norms
    groups: int | None = None  # that tensor ranks must share evenly, beside heads
    narrow: float = 0.0  # columns of each of two projections that every tensor rank makes, widened to the gate's width


class LinearMixerLayer(Layer):
    """A layer whose widths a kind of its own states."""

    name: str  # of the mixer, as its matrices and operations are called

    @property
    def label(self) -> str:
        """Its name."""
        return self.name

    @abstractmethod
    def widths(self, model: Model) -> Widths:
        """Its channels."""

    def matrices(self, model: Model) -> Sequence[Matrix]:
        """Input, two narrow ones and what widens them where a kind has them, output."""
        widths, hidden = self.widths(model), float(model.hidden)
        first = Matrix(f"{self.name} in", hidden, widths.inputs)
        last = Matrix(f"{self.name} out", widths.output, hidden)
        if not widths.narrow:
            return first, last
        narrow = Matrix(f"{self.name} narrow", hidden, 2.0 * widths.narrow, "whole")
        wide = Matrix(f"{self.name} wide", widths.narrow, widths.output, count=2.0, met=2.0)
        return first, narrow, wide, last

    def vectors(self, model: Model) -> float:
        """Of convolution, decays, steps and norms."""
        return self.widths(model).vectors

    def scans(self, model: Model) -> Sequence[ScanWork]:
        """One."""
        return (self.widths(model).scan,)

    def core_flops(self, model: Model, span: float, *, causal: bool) -> float:
        """Of the recurrence, whatever the span: nothing is masked."""
        scan = self.widths(model).scan
        return scan.heads * scan.recurrent_flops

    def train(self, model: Model, shape: Shape) -> list[Element]:
        """Projections, the trade of sequence for heads, convolution, scan, the trade back, gate and norm, output."""
        widths = self.widths(model)
        there, back = _traded("context", shape, widths.inputs), _traded("context return", shape, widths.output)
        return self._elements(model, shape, self._core(widths, shape), [there], [back])

    def serve(self, model: Model, shape: Shape, batch: Batch) -> Sequence[Forward]:
        """Prompts as in training; a token of each answer reads and writes its sequence's state."""
        states = batch.heads * self.state_bytes(model, 1.0) / shape.tensor
        core = served_core(f"{self.name} step", self.widths(model).scan, shape, batch, states)
        return self._elements(model, shape, core, [], [])

    def state_bytes(self, model: Model, tensor: float) -> float:
        """States in fp32, and the last inputs of the convolution."""
        widths = self.widths(model)
        convolution = max(0.0, widths.taps - 1.0) * widths.mixed * HALF
        return (GATE * widths.scan.heads * widths.scan.state + convolution) / tensor

    def problems(self, layout: Layout, model: Model) -> Sequence[Problem]:
        """Heads that tensor ranks, or these with context ranks, can't share; groups are made by several if fewer."""
        widths, tensor, ranks = self.widths(model), layout.tensor, layout.tensor * layout.context
        heads, groups = int(widths.scan.heads), widths.groups or layout.tensor
        if heads % tensor:
            message = f"{tensor} does not divide the {heads} heads of {self.name}. {divisors_near(tensor, heads)}"
            return (Problem(message, "layout.tensor"),)
        if groups % tensor and tensor % groups:
            message = f"{tensor} is neither a divisor nor a multiple of the {groups} groups of {self.name}."
            return (Problem(f"{message} {divisors_near(tensor, groups)}", "layout.tensor"),)
        if heads % ranks:
            message = f"tensor x context = {ranks} does not divide the {heads} heads of {self.name}."
            return (Problem(f"{message} {divisors_near(ranks, heads)}", "layout.context"),)
        return ()

    def _elements(
        self, model: Model, shape: Shape, core: Element, there: Sequence[Element], back: Sequence[Element]
    ) -> list[Element]:
        """All of them, with what context ranks exchange before the convolution and behind the core."""
        widths = self.widths(model)
        first, *narrow, last = self.matrices(model)
        return [
            column(first, shape),
            *self._narrow(narrow, shape),
            *there,
            *self._convolution(widths, shape),
            core,
            *back,
            *self._gate(widths, shape),
            row(last, shape),
        ]

    def _narrow(self, matrices: Sequence[Matrix], shape: Shape) -> list[Element]:
        if not matrices:
            return []
        narrow, wide = matrices
        rows, resident, width = shape.tokens, shape.resident_tokens, shape.activation_bytes
        return [
            Linear(narrow.name, resident, narrow.outputs, narrow.inputs, shape),
            Linear(
                wide.name,
                rows,
                wide.outputs / shape.tensor,
                wide.inputs,
                shape,
                count=wide.count,
                gathers=True,
                group_bytes=width * rows * narrow.outputs,
                saved=width * resident * narrow.outputs,
            ),
        ]

    def _convolution(self, widths: Widths, shape: Shape) -> list[Element]:
        """Read and write; backward read input and gradient, write the gradient: a kernel, with its activation."""
        if not widths.mixed:
            return []
        vector = shape.activation_bytes * shape.tokens * widths.mixed / shape.tensor
        return [MemoryBound(f"{self.name} convolution", 2.0 * vector, 3.0 * vector, saved=vector, fused=True)]

    def _core(self, widths: Widths, shape: Shape) -> ScanCore:
        heads = widths.scan.heads / shape.tensor
        return ScanCore(widths.scan, shape.micro_batch * heads / shape.context, shape.tokens * heads)

    def _gate(self, widths: Widths, shape: Shape) -> list[Element]:
        """The gated norm: output and gate in, one out; it keeps both."""
        if not widths.gate:
            return []
        vector = shape.activation_bytes * shape.tokens * widths.gate / shape.tensor
        return [MemoryBound(f"{self.name} gate", 3.0 * vector, 5.0 * vector, saved=2.0 * vector)]


def _traded(name: str, shape: Shape, width: float) -> Exchange:
    message: Array = shape.activation_bytes * shape.tokens * width / shape.tensor
    return Exchange(name, "context", "all-to-all", "all-to-all", message)
