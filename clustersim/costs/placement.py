"""Where the ranks of each parallel group sit: inside one scale-up domain, or across several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clustersim.workload.arrays import Array
from clustersim.workload.sizes import Sizes

DENSE_SIZES = ("tensor", "context", "data", "pipeline")


@dataclass(frozen=True)
class RankPlacement:
    """A group of `ranks`, `inside` of them in each scale-up domain, over `across` domains."""

    ranks: Array
    inside: Array
    across: Array


def place(ranks: Array, stride: Array, domain: float) -> RankPlacement:
    """Place a group whose neighbours are `stride` devices apart, in scale-up domains of `domain` devices.

    Devices are numbered domain by domain, so a domain holds domain / stride neighbours, one at least.
    """
    inside = np.minimum(ranks, np.maximum(1.0, np.floor(domain / stride)))
    return RankPlacement(ranks, inside, np.ceil(ranks / inside))


def place_groups(
    sizes: Mapping[str, Array], rank_order: str, domain: float, shard: Array | None = None
) -> dict[str, RankPlacement]:
    """Place every group of a layout; `shard`: ranks that share sharded states, where not all inside a domain do.

    `rank_order` names the fastest-varying group first, Megatron-LM's default being tensor-context-expert-data-pipeline.
    The group `data` holds all ranks with the same parameters, so context-parallel ranks belong to it; `data_shard` is
    `shard` neighbours of it, or its part inside a domain, and `data_replica` the ranks that hold the same shard.
    Experts have a grouping of their own over the ranks of tensor, context and data together: expert-tensor, expert,
    expert-data (Liu et al. 2025, MoE Parallel Folding, arXiv 2504.14960, section 3). A `shard` of their own cuts the
    ranks with the same experts in as many groups as those with the same dense parameters; else all of them share.
    Source: Megatron-LM, core/parallel_state.py (`num_distributed_optimizer_instances`, intra partial expert groups).
    """
    strides: dict[str, Array] = {}
    stride: Array = 1.0
    for group in rank_order.split("-"):
        if group in DENSE_SIZES:
            strides[group] = stride
            stride = stride * sizes[group]
    placements = {group: place(sizes[group], strides[group], domain) for group in DENSE_SIZES}
    replicas = sizes["context"] * sizes["data"]
    stride = np.minimum(strides["context"], strides["data"])
    data = place(replicas, stride, domain)
    instances = 1.0 if shard is None else replicas / shard  # groups that hold whole states
    shard = data.inside if shard is None else shard
    expert_tensor, expert = sizes["expert_tensor"], sizes["expert"]
    expert_data = sizes["tensor"] * replicas / (expert_tensor * expert)
    return placements | {
        "data": data,
        "data_shard": place(shard, stride, domain),
        "data_replica": place(replicas / shard, stride * shard, domain),
        "expert_tensor": place(expert_tensor, 1.0, domain),
        "expert": place(expert, expert_tensor, domain),
        "expert_data": place(expert_data, expert_tensor * expert, domain),
        "expert_data_shard": place(expert_data / instances, expert_tensor * expert, domain),
        "expert_data_replica": place(instances, expert_tensor * expert * expert_data / instances, domain),
    }


def mirrored(groups: Mapping[str, RankPlacement], copies: int) -> dict[str, RankPlacement]:
    """The groups where a pipeline holds the model `copies` times: as many times the ranks hold the same parameters.

    Assumes that the copies of a stage sit in different scale-up domains, as stages far from each other do.
    """
    widened = {}
    for name in ("data", "data_replica", "expert_data", "expert_data_replica"):
        group = groups[name]
        widened[name] = RankPlacement(group.ranks * copies, group.inside, group.across * copies)
    return {**groups, **widened}


def group_sizes(sizes: Sizes, pipeline: int) -> dict[str, Array]:
    """Sizes of the groups by name."""
    return {
        "tensor": sizes.tensor,
        "context": sizes.context,
        "data": sizes.data,
        "pipeline": float(pipeline),
        "expert": sizes.expert,
        "expert_tensor": sizes.expert_tensor,
    }
