"""What a device stores for its share of the model: parameters, gradients, optimizer states."""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.workload.arrays import Array

MASTER_AND_MOMENTS = 12.0  # fp32 master copy and Adam's two moments: Rajbhandari et al. 2020 (ZeRO), section 3.1
PARAMETER_BYTES = 2.0
MASTER_BYTES = 4.0  # of a parameter in fp32
GRADIENT_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0}


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
    return ShardSizes(
        parameters=ranks if sharding in ("zero3", "fsdp", "hybrid") else 1.0,
        gradients=ranks if sharding in ("zero2", "zero3", "fsdp", "hybrid") else 1.0,
        optimizer=ranks if sharding != "none" else 1.0,
        whole_precision=sharding in ("fsdp", "hybrid"),
    )


def state_bytes(parameters: Array, sizes: ShardSizes, gradient_precision: str) -> dict[str, Array]:
    """Bytes that `parameters` of one rank take, by kind.

    Mixed precision with Adam keeps 2 bytes of weight, 2 or 4 of gradient (Megatron-LM: fp32), 12 of optimizer. FSDP's
    shards are the fp32 masters themselves, with fp32 gradients: 16 in all, and 16-bit weights only while gathered.
    """
    gradient = MASTER_BYTES if sizes.whole_precision else GRADIENT_BYTES[gradient_precision]
    return {
        "parameters": 0.0 * parameters if sizes.whole_precision else PARAMETER_BYTES * parameters / sizes.parameters,
        "gradients": gradient * parameters / sizes.gradients,
        "optimizer": MASTER_AND_MOMENTS * parameters / sizes.optimizer,
    }
