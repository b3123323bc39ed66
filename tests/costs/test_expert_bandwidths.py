"""Published bandwidths of libraries that carry tokens to experts, against what we say of the same exchange.

Of 4,096 tokens a rank (8,192 for DeepEP V2), hidden size 7,168, 8 experts a token, as a caller sees it, in GB/s.
Inside a domain the bytes are one vector a distinct rank, the own one included; between domains one a distinct domain,
as these libraries count. Sources: DeepEP, docs/legacy.md and README; its branch hybrid-ep, docs/README_Hybrid-EP.md.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from clustersim.costs.algorithms import Reach
from clustersim.costs.collectives import cost_of
from clustersim.costs.dispatchers import met
from clustersim.costs.links import link_of
from clustersim.costs.placement import RankPlacement
from clustersim.inputs.catalog import load
from clustersim.workload.operations import Collective

HIDDEN, COPIES = 7168.0, 8.0
WITHIN = 0.15


class Published(NamedTuple):
    library: str
    node: str
    algorithm: str
    ranks: int
    dispatch_fp8: float | None
    dispatch_bf16: float | None
    combine: float
    most_domains: float | None = None
    tokens: float = 4096.0


TABLE = (
    Published("DeepEP V1", "h800-node", "deepep", 8, 153, None, 158, 4.0),
    Published("DeepEP V1", "h800-node", "deepep", 16, 43, None, 43, 4.0),
    Published("DeepEP V1", "h800-node", "deepep", 32, 58, None, 57, 4.0),
    Published("DeepEP V1", "h800-node", "deepep", 64, 51, None, 50, 4.0),
    Published("DeepEP V2", "dgx-h100", "deepep", 16, 90, None, 81, tokens=8192.0),
    Published("DeepEP V2", "dgx-h100", "deepep", 32, 61, None, 61, tokens=8192.0),
    Published("DeepEP V2", "hgx-b200", "deepep", 8, 726, None, 740, tokens=8192.0),
    Published("HybridEP", "dgx-h100", "hybridep", 16, 48, 54, 53),
    Published("HybridEP", "dgx-h100", "hybridep", 32, 42, 47, 53),
    Published("HybridEP", "dgx-h100", "hybridep", 64, 35, 41, 47),
    Published("HybridEP", "hgx-b200", "hybridep", 8, 410, 536, 531),
    Published("DeepEP V1, 48 SMs", "hgx-b200", "deepep", 8, 494, 646, 586),
    Published("HybridEP", "gb200-nvl72", "hybridep", 8, 455, 546, 569),
    Published("HybridEP", "gb200-nvl72", "hybridep", 16, 445, 523, 522),
    Published("HybridEP", "gb200-nvl72", "hybridep", 24, 403, 507, 484),
    Published("HybridEP", "gb200-nvl72", "hybridep", 32, 393, 484, 465),
    Published("HybridEP", "gb200-nvl72", "hybridep", 36, 361, 479, 448),
    Published("DeepEP V1", "gb200-nvl72", "deepep", 8, 448, 616, 520),
    Published("DeepEP V1", "gb200-nvl72", "deepep", 16, 394, 521, 443),
    Published("DeepEP V1", "gb200-nvl72", "deepep", 24, 405, 503, 207),
)
# What nothing here explains: HybridEP over InfiniBand, two nodes most of all, where DeepEP V2 reaches the line's rate;
# combining by kernels of Hopper's time, over two nodes and on large domains; and that DeepEP V2 on B200 hardly has a
# start.
UNEXPLAINED = {
    "HybridEP dgx-h100 16 dispatch fp8",
    "HybridEP dgx-h100 16 dispatch bf16",
    "HybridEP dgx-h100 16 combine",
    "HybridEP dgx-h100 32 dispatch fp8",
    "HybridEP dgx-h100 32 dispatch bf16",
    "HybridEP dgx-h100 64 dispatch fp8",
    "HybridEP dgx-h100 64 dispatch bf16",
    "DeepEP V2 hgx-b200 8 dispatch fp8",
    "DeepEP V1 h800-node 16 combine",
    "DeepEP V1 gb200-nvl72 16 combine",
    "DeepEP V1 gb200-nvl72 24 combine",
}


def bandwidth(row: Published, kind: str, element_bytes: float) -> float:
    """GB/s a device."""
    node = load("nodes", row.node)
    inside = min(row.ranks, node.domain)
    group = RankPlacement(float(row.ranks), float(inside), row.ranks / inside)
    vectors = row.tokens * HIDDEN * element_bytes
    message = Collective(kind, kind, "expert", COPIES * vectors, row.algorithm, COPIES, row.most_domains)  # type: ignore[arg-type]
    reach = Reach(group, link_of(node.scale_up, 1.0), link_of(node.scale_out, 1.0), node.accelerator.kernels.launch)
    domains = min(group.across, row.most_domains or group.across)
    counted = met(domains, COPIES) if group.across > 1.0 else met(group.ranks, COPIES)
    return float(vectors * counted / cost_of(message, reach).seconds / 1e9)


def entries() -> dict[str, tuple[float, float]]:
    """Published and ours, by what is measured."""
    found = {}
    for row in TABLE:
        for name, kind, size, published in (
            ("dispatch fp8", "dispatch", 1.0, row.dispatch_fp8),
            ("dispatch bf16", "dispatch", 2.0, row.dispatch_bf16),
            ("combine", "combine", 2.0, row.combine),
        ):
            if published is not None:
                found[f"{row.library} {row.node} {row.ranks} {name}"] = published, bandwidth(row, kind, size)
    return found


def test_published_bandwidths_are_met() -> None:
    """Every entry within 15 %, but for those that are written down as unexplained, and these are beyond it."""
    found = entries()
    for name, (published, ours) in found.items():
        print(f"{name:42} {published:6.0f} {ours:6.0f} {ours / published - 1.0:+7.1%}")
    beyond = {name for name, (published, ours) in found.items() if abs(ours / published - 1.0) > WITHIN}
    assert beyond == UNEXPLAINED
    assert len(found) == 53


@pytest.mark.parametrize("ranks", [16, 24, 32])
def test_sizes_that_no_constant_was_read_off_are_met_as_well(ranks: int) -> None:
    """The start of an exchange is from 8 and 36 ranks of HybridEP; those between are 8 % off at most."""
    for name, (published, ours) in entries().items():
        if name.startswith(f"HybridEP gb200-nvl72 {ranks} "):
            assert ours == pytest.approx(published, rel=0.08)
