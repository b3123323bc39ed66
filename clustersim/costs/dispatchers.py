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
from clustersim.workload.imbalance import largest_load
from clustersim.workload.operations import Collective


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
def once_a_domain(collective: Collective, reach: Reach) -> Cost:
    """Each vector once to every domain that needs it, and on inside, by a kernel of its own.

    Of D domains a vector with k copies meets D (1 - (1 - 1/D)^k) on average, at most `most_domains` where routing is
    limited. A round for each other domain and for each other rank inside. Between domains the busiest domain counts,
    for its ranks share what arrives; inside, the busiest rank.
    Source: DeepSeek-V3, arXiv 2412.19437, section 3.2.2 (and DeepEP).
    """
    group, message, copies = reach.group, collective.bytes, collective.copies
    most = collective.most_domains
    domains = np.maximum(1.0, group.across if most is None else np.minimum(group.across, most))
    met = domains * (1.0 - (1.0 - 1.0 / domains) ** copies)
    busiest_domain, busiest = (
        largest_load(collective.spread, sharers, collective.capacity) for sharers in (group.across, group.ranks)
    )
    far = busiest_domain * message / copies * met * (group.across - 1.0) / group.across
    near = busiest * message * (group.inside - 1.0) / group.inside
    seconds = exchange_time(near, far / reach.out.bandwidth, group.across - 1.0, reach, start=reach.launch)
    return Cost(seconds, near, far)
