"""What a type of layer is: all that its weights, its work and its room follow from, stated in one file each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from clustersim.errors import Problem
from clustersim.inputs.kinds import chosen
from clustersim.inputs.layout import Layout
from clustersim.inputs.model import Model
from clustersim.workload.layers.elements import Element
from clustersim.workload.layers.scan import ScanWork
from clustersim.workload.layers.serving_batch import Batch, Forward
from clustersim.workload.shape import Shape

NORM_VECTORS = {"rms": 1, "layer": 2}  # a scale; a bias too


@dataclass(frozen=True)
class Matrix:
    """Weight matrices [inputs, outputs] that are alike, of the whole model."""

    name: str
    inputs: float
    outputs: float
    cut: Literal["tensor", "whole", "experts"] = "tensor"  # by which ranks
    count: float = 1.0  # so many are stored
    met: float = 1.0  # so many are multiplied with one token
    repeated: float | None = None  # columns that recomputation by operations multiplies again; None: half, as assumed
    selected: str = ""  # what selective recomputation must list to multiply it again

    @property
    def parameters(self) -> float:
        """Parameters of all of them."""
        return self.count * self.inputs * self.outputs

    @property
    def met_parameters(self) -> float:
        """Parameters that a token is multiplied by."""
        return self.met * self.inputs * self.outputs

    @property
    def repeated_parameters(self) -> float:
        """Parameters that a token is multiplied by once more where recomputation is by operations."""
        return 0.5 * self.met_parameters if self.repeated is None else self.met * self.inputs * self.repeated

    @property
    def repeated_share(self) -> float:
        """Share of the columns that recomputation by operations multiplies again."""
        return 0.5 if self.repeated is None else self.repeated / self.outputs


class Layer(ABC):
    """A type of layer between a norm and a residual sum: attention or what stands for it, or a feed-forward part.

    A new one is a file with a class like this and a line in `registry.py`.
    """

    @property
    def label(self) -> str:
        """What people call it beside others of its kind; nothing for the usual one."""
        return ""

    @abstractmethod
    def matrices(self, model: Model) -> Sequence[Matrix]:
        """Its weight matrices."""

    def vectors(self, model: Model) -> float:
        """Parameters of its own norms and biases, whole on every rank."""
        return 0.0

    def core_flops(self, model: Model, span: float, *, causal: bool) -> float:
        """FLOP a token of a forward pass beside the weights, in a sequence (or packed document) of `span` tokens.

        `causal`: what a causal mask hides is left out.
        """
        return 0.0

    def core_runs_again(self, model: Model, selected: Collection[str], *, fused: bool) -> bool:
        """Whether selective recomputation repeats these FLOP."""
        return False

    @abstractmethod
    def train(self, model: Model, shape: Shape) -> list[Element]:
        """Its elements in training, on one rank."""

    @abstractmethod
    def serve(self, model: Model, shape: Shape, batch: Batch) -> Sequence[Forward]:
        """Its elements in serving, on one rank."""

    def kept_elements(self, model: Model, tensor: float, length: float) -> float:
        """Elements that a served sequence of `length` tokens keeps on each of `tensor` ranks."""
        return 0.0

    def state_bytes(self, model: Model, tensor: float) -> float:
        """Bytes that a served sequence keeps on each of `tensor` ranks, however long it is."""
        return 0.0

    def scans(self, model: Model) -> Sequence[ScanWork]:
        """Cores of linear attention or of state spaces in it."""
        return ()

    def problems(self, layout: Layout, model: Model) -> Sequence[Problem]:
        """What keeps it from running in a layout."""
        return ()


def norm_parameters(model: Model, width: float) -> float:
    """Parameters of a norm over vectors of a width."""
    return width * chosen("model.norm", model.norm, NORM_VECTORS)
