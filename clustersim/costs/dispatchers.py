"""How tokens reach experts, and what these return comes back: the layout's `dispatcher`.

`collective.bytes` counts all `copies` of the vectors that a rank routes, one for each expert that a token goes to. An
exchange ends when the busiest of its group has got all that it is sent (or has sent it back).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clustersim.costs.algorithms import Cost, Reach, algorithm
from clustersim.costs.exchanges import exchange_time, pairwise
from clustersim.costs.reductions import ring
from clustersim.workload.arrays import Array
from clustersim.workload.imbalance import largest_load
from clustersim.workload.operations import Collective

# Seconds around the kernels that move vectors, where ranks tell each other what is to come and lay out buffers, for
# 4,096 tokens a rank: what callers of HybridEP see less the kernels, 119 to 161 us among 8 B200 or GB200 and 155 to 237
# among 36 (DeepEP, branch hybrid-ep, docs/README_Hybrid-EP.md). DeepEP's lines through what takes 1 and 2 bytes an
# element start at 147 us (8 B200, 48 SMs) and at 188 to 234 us (8 to 24 GB200).
METADATA, METADATA_A_RANK = 115e-6, 2.4e-6


@algorithm("dispatch", "alltoall", named=True)
@algorithm("combine", "alltoall", named=True)
def alltoall(collective: Collective, reach: Reach) -> Cost:
    """A copy for every expert, pair by pair.

    Source: Megatron Core, moe/token_dispatcher.py, MoEAlltoAllTokenDispatcher.
    """
    busiest = largest_load(collective.spread, reach.group.ranks, collective.capacity)
    return pairwise(replace(collective, bytes=collective.bytes * busiest), reach)


@algorithm("dispatch", "allgather", named=True)
@algorithm("combine", "allgather", named=True)
def allgather(collective: Collective, reach: Reach) -> Cost:
    """Every rank receives all tokens of the group and keeps those of its experts; sums are scattered back as a
    reduce-scatter: MindSpeed-LLM's and Megatron Core's default. However loads are, all get as much.

    Source: Megatron Core, moe/token_dispatcher.py, MoEAllGatherTokenDispatcher.
    """
    whole = collective.bytes / collective.copies * reach.group.ranks
    return ring(replace(collective, bytes=whole), reach)


@algorithm("dispatch", "deepep", named=True)
@algorithm("combine", "deepep", named=True)
@algorithm("dispatch", "hybridep", named=True)
@algorithm("combine", "hybridep", named=True)
def once_a_rank(collective: Collective, reach: Reach) -> Cost:
    """Each vector once to every domain that needs it, and on inside once to every rank, by kernels of its own.

    Of D domains a vector with k copies meets D (1 - (1 - 1/D)^k) on average, at most `most_domains` where routing is
    limited, and of the ranks in these as many by the same formula. A round for each other domain and for each other
    rank inside, once all know what comes. Between domains the busiest domain counts, for its ranks share what arrives;
    inside, the busiest rank.
    Source: DeepSeek-V3, arXiv 2412.19437, section 3.2.2 (and DeepEP).
    """
    group, copies = reach.group, collective.copies
    most = collective.most_domains
    domains = np.maximum(1.0, group.across if most is None else np.minimum(group.across, most))
    vectors = collective.bytes / copies
    busiest_domain, busiest = (
        largest_load(collective.spread, sharers, collective.capacity) for sharers in (group.across, group.ranks)
    )
    far = busiest_domain * vectors * met(domains, copies) * (group.across - 1.0) / group.across
    near = busiest * vectors * met(domains * group.inside, copies) * (group.inside - 1.0) / group.inside
    begun = reach.launch + (METADATA + METADATA_A_RANK * group.ranks if reach.announces else 0.0)
    seconds = exchange_time(near, far / reach.out.bandwidth, group.across - 1.0, reach, start=begun)
    return Cost(seconds, near, far)


def met(places: Array, copies: float) -> Array:
    """Of so many places, how many a vector meets on average whose copies are drawn evenly: p (1 - (1 - 1/p)^k)."""
    found: Array = places * (1.0 - (1.0 - 1.0 / places) ** copies)
    return found
