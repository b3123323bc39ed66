"""Which weights of a model a step trains, which stand frozen, and in how many bytes."""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.inputs.kinds import chosen
from clustersim.inputs.model import Model
from clustersim.inputs.precisions import HALF_BYTES
from clustersim.inputs.trainable import LoraTraining, PartlyFrozen
from clustersim.inputs.training import Training

PARTS = ("query", "key", "value")
# Bytes of a frozen weight with its share of the scales. int8: one a row, next to nothing. int4: GPTQ in groups of 128,
# a 16-bit scale and a 4-bit zero each. nf4: an fp32 scale for 64 weights; double: these in 8 bits, with an fp32 one for
# 256 of them. Source: Dettmers et al. 2023, QLoRA, arXiv 2305.14314, section 3; Frantar et al. 2022, arXiv 2210.17323.
BASE_BYTES = {
    "int8": 1.0,
    "int4": 0.5 + 2.5 / 128,
    "nf4": 0.5 + 4.0 / 64,
    "nf4-double": 0.5 + 1.0 / 64 + 4.0 / (64 * 256),
}


@dataclass(frozen=True)
class Trained:
    """What a step trains. Plain values, so that shapes which hold it can be compared and hashed."""

    everything: bool = True
    rank: int = 0  # of adapters; 0: there are none
    targets: frozenset[str] = frozenset()
    frozen: frozenset[str] = frozenset()
    base_bytes: float = HALF_BYTES  # of a frozen weight of a layer
    query_key_value: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)  # shares of the joint projection's outputs

    def trains(self, matrix: str) -> bool:
        """Whether a matrix's own weights are trained."""
        return self.everything or (not self.rank and part_of(matrix) not in self.frozen)

    @property
    def trains_vectors(self) -> bool:
        """Whether norms and biases are trained: with everything but adapters alone."""
        return not self.rank

    def adapter(self, matrix: str) -> tuple[float, float]:
        """How many adapters stand beside a matrix, and the share of its outputs that they reach; 0 and 0 without."""
        part = part_of(matrix)
        if not self.rank or part in ("head", "embedding", "router"):
            return 0.0, 0.0
        if part in self.targets:
            return (3.0 if matrix == "qkv" else 1.0), 1.0
        if matrix == "qkv":
            shares = [share for name, share in zip(PARTS, self.query_key_value, strict=True) if name in self.targets]
            return float(len(shares)), sum(shares)
        by_name = {"attention output": "output", "query up": "query", "key-value up": "value"}
        return (1.0, 1.0) if by_name.get(matrix) in self.targets else (0.0, 0.0)

    def adapter_parameters(self, matrix: str, inputs: float, outputs: float) -> float:
        """Parameters of the adapters beside one matrix: rank (inputs + outputs) each."""
        count, share = self.adapter(matrix)
        return self.rank * (count * inputs + share * outputs)

    @property
    def quantizes(self) -> bool:
        """Whether frozen weights are in fewer than 16 bits, and made 16 before each product."""
        return self.base_bytes < HALF_BYTES


ALL = Trained()


def part_of(matrix: str) -> str:
    """The part of a model that a matrix belongs to, as frozen parts are named."""
    if matrix in ("embedding", "router"):
        return matrix
    if matrix == "output head":
        return "head"
    if matrix.startswith("expert "):
        return "experts"
    return "feed_forward" if "ffn" in matrix else "attention"


def trained_of(model: Model, training: Training) -> Trained:
    """What a training trains of a model."""
    base = training.base_precision
    base_bytes = HALF_BYTES if base is None else chosen("training.base_precision", base, BASE_BYTES)
    trainable = training.trainable
    if isinstance(trainable, LoraTraining):
        query = model.heads * model.head_size
        widths = [query, model.kv_heads * model.head_size, model.kv_heads * model.head_size]
        query_share, key_share, value_share = (width / sum(widths) for width in widths)
        shares = (query_share, key_share, value_share)
        lora = trainable.lora
        return Trained(False, lora.rank, frozenset(lora.targets), frozenset(), base_bytes, shares)
    if isinstance(trainable, PartlyFrozen):
        return Trained(False, frozen=frozenset(trainable.frozen), base_bytes=base_bytes)
    return ALL
