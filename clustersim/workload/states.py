"""What a device stores for its share of the model: parameters, gradients, optimizer states."""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.workload.arrays import Array

MASTER_AND_MOMENTS = 12.0  # fp32 master copy and Adam's two moments: Rajbhandari et al. 2020 (ZeRO), section 3.1
PARAMETER_BYTES = 2.0
GRADIENT_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0}


@dataclass(frozen=True)
class ShardSizes:
    """Over how many ranks each kind of state is cut beyond tensor, pipeline and expert parallelism."""

    parameters: Array
    gradients: Array
    optimizer: Array


def shard_sizes(sharding: str, ranks: Array) -> ShardSizes:
    """ZeRO's stages: 1 cuts optimizer states, 2 gradients too, 3 (and FSDP) parameters too, over `ranks` replicas.
    Hybrid cuts like FSDP, over the replicas inside a scale-up domain, which is what `ranks` is then.

    Source: Rajbhandari et al. 2020, arXiv 1910.02054, section 5.
    """
    return ShardSizes(
        parameters=ranks if sharding in ("zero3", "fsdp", "hybrid") else 1.0,
        gradients=ranks if sharding in ("zero2", "zero3", "fsdp", "hybrid") else 1.0,
        optimizer=ranks if sharding != "none" else 1.0,
    )


def state_bytes(parameters: Array, sizes: ShardSizes, gradient_precision: str) -> dict[str, Array]:
    """Bytes that `parameters` of one rank take, by kind.

    Mixed precision with Adam keeps 2 bytes of weight, 2 or 4 of gradient (Megatron-LM: fp32), 12 of optimizer.
    """
    return {
        "parameters": PARAMETER_BYTES * parameters / sizes.parameters,
        "gradients": GRADIENT_BYTES[gradient_precision] * parameters / sizes.gradients,
        "optimizer": MASTER_AND_MOMENTS * parameters / sizes.optimizer,
    }
