"""What a device stores for its share of the model: parameters, gradients, optimizer states."""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.inputs.kinds import chosen
from clustersim.inputs.layout import Offload
from clustersim.inputs.precisions import BYTES, FP32_BYTES, HALF_BYTES
from clustersim.inputs.training import Training
from clustersim.workload.arrays import Array

GRADIENT_BYTES = {precision: BYTES[precision] for precision in ("fp32", "bf16", "fp16")}
BLOCK = 256  # moments that share an fp32 scale (Dettmers et al. 2022, arXiv 2110.02861; bitsandbytes)
MOMENT_BYTES = {precision: BYTES[precision] for precision in ("fp32", "bf16")} | {"int8": 1.0 + 4.0 / BLOCK}
# Of each optimizer, a parameter. Adafactor keeps sums of rows and columns: next to nothing (Shazeer and Stern 2018,
# arXiv 1804.04235, section 3).
MOMENTS = {"adam": 2, "adafactor": 0, "sgd": 0}
CUT = {  # by each sharding: parameters, gradients, optimizer states
    "none": (False, False, False),
    "zero1": (False, False, True),
    "zero2": (False, True, True),
    "zero3": (True, True, True),
    "fsdp": (True, True, True),
    "hybrid": (True, True, True),
}


@dataclass(frozen=True)
class StateBytes:
    """Bytes of each kind of state a parameter."""

    parameters: float = HALF_BYTES
    gradients: float = FP32_BYTES
    master: float = FP32_BYTES  # a copy in fp32, where parameters are in 16 bits
    moments: float = 2 * FP32_BYTES  # Adam's two

    @property
    def optimizer(self) -> float:
        """Master copy and moments."""
        return self.master + self.moments

    def least(self, offload: Offload) -> float:
        """Bytes that devices hold at least, whatever the sharding: gradients can go as they come, or to the host."""
        if not isinstance(offload, str):
            return self.parameters + self.optimizer
        held = {"none": self.optimizer, "optimizer": 0.0, "activations": self.optimizer}
        return self.parameters + chosen("layout.offload", offload, held)


def state_bytes_of(training: Training, reduced_in: str) -> StateBytes:
    """Bytes of each kind of state; `reduced_in`: precision of gradients where the training doesn't say.

    In 16 bits or less 2 of weight, 2 or 4 of gradient (Megatron-LM: fp32), 4 of master and 8 of moments, or 4 in bf16.
    In fp32 weights are their own masters; without master weights 16-bit ones are. Source: Rajbhandari et al. 2020
    (ZeRO), arXiv 1910.02054, section 3.1; DeepSeek-V3, arXiv 2412.19437, section 3.3.3.
    """
    moment = chosen("training.moment_precision", training.moment_precision, MOMENT_BYTES)
    moments = chosen("training.optimizer", training.optimizer, MOMENTS) * moment
    if training.in_fp32:
        return StateBytes(FP32_BYTES, FP32_BYTES, 0.0, moments)
    reduced = training.grad_reduce_precision or reduced_in
    gradients = chosen("training.grad_reduce_precision", reduced, GRADIENT_BYTES)
    return StateBytes(HALF_BYTES, gradients, FP32_BYTES if training.master_weights else 0.0, moments)


@dataclass(frozen=True)
class ShardSizes:
    """Over how many ranks each kind of state is cut beyond tensor, pipeline and expert parallelism."""

    parameters: Array
    gradients: Array
    optimizer: Array
    whole_precision: bool = False  # the shard of a parameter is its fp32 master, and so is the gradient's


def shard_sizes(sharding: str, ranks: Array) -> ShardSizes:
    """ZeRO's stages: 1 cuts optimizer states, 2 gradients too, 3 (and FSDP) parameters too, over `ranks` replicas.
    Hybrid cuts like FSDP, over the replicas inside a scale-up domain, which is what `ranks` is then.

    Source: Rajbhandari et al. 2020, arXiv 1910.02054, section 5; Zhao et al. 2023, PyTorch FSDP, arXiv 2304.11277,
    section 4.4 (mixed precision: shards in full precision, 16 bits while they are gathered).
    """
    parameters, gradients, optimizer = (ranks if cut else 1.0 for cut in chosen("layout.sharding", sharding, CUT))
    return ShardSizes(parameters, gradients, optimizer, whole_precision=sharding in ("fsdp", "hybrid"))


def held_states(
    parameters: Array, trained: Array, spared: Array, sizes: ShardSizes, each: StateBytes
) -> dict[str, Array]:
    """Bytes that `parameters` of one rank take, by kind; gradients and optimizer of those that are `trained`.

    Frozen ones in few bits take less by `spared` of 16 bits. FSDP's shards are the fp32 masters themselves, with fp32
    gradients, and 16-bit weights exist only while gathered.
    """
    own_master = sizes.whole_precision and each.master > 0
    return {
        "parameters": each.parameters * (parameters - spared - (trained if own_master else 0.0)) / sizes.parameters,
        "gradients": (FP32_BYTES if own_master else each.gradients) * trained / sizes.gradients,
        "optimizer": each.optimizer * trained / sizes.optimizer,
    }
