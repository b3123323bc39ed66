"""Lightning attention: linear attention with a fixed decay a head. Source: MiniMax-01, arXiv 2501.08313, 2.2."""

from __future__ import annotations

from clustersim.inputs.mixers import Lightning
from clustersim.inputs.model import Model
from clustersim.workload.layers.linear_mixer import LinearMixerLayer, Widths
from clustersim.workload.layers.scan import HALF, PRODUCTS_BACKWARD, ScanWork


class LightningLayer(LinearMixerLayer):
    """S = l S + k^T v, o = q S; no convolution, a gated norm over all heads."""

    name = "lightning"

    def widths(self, model: Model) -> Widths:
        """Queries, keys, values and a gate as wide (transformers, modeling_minimax.py)."""
        if model.lightning is None:
            raise ValueError(f"{model.name} has no lightning attention")
        width = float(model.lightning.heads * model.lightning.head_dim)
        scan = lightning_scan(model.lightning)
        return Widths(4.0 * width, 0.0, 0.0, width, width, scan, vectors=width)


def lightning_scan(lightning: Lightning) -> ScanWork:
    """The core. Executed in blocks of B: 2 d (B + 2 d) FLOP a token and head; recurrent: two products of d d.

    Source: Qin et al. 2024, Lightning Attention-2, arXiv 2401.04658, section 3 (one kernel forward, two backward).
    """
    size, block = float(lightning.head_dim), float(lightning.block)
    flops = 2.0 * size * (block + 2.0 * size)
    moved = HALF * 4.0 * size
    return ScanWork(
        kind="lightning",
        heads=float(lightning.heads),
        state=size * size,
        forward_flops=flops,
        backward_flops=PRODUCTS_BACKWARD * flops,
        recurrent_flops=4.0 * size * size,
        forward_bytes=moved,
        backward_bytes=2.0 * moved,
        kept_bytes=HALF * 3.0 * size,
        forward_kernels=1,
        backward_kernels=2,
    )
