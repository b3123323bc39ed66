"""Kimi delta attention: the delta rule with a decay a channel. Source: Kimi Linear, arXiv 2510.26692, section 3."""

from __future__ import annotations

from clustersim.inputs.mixers import KimiDelta
from clustersim.inputs.model import Model
from clustersim.workload.layers.gated_delta import DELTA_BACKWARD, delta_flops
from clustersim.workload.layers.linear_mixer import LinearMixerLayer, Widths
from clustersim.workload.layers.scan import GATE, HALF, ScanWork


class KimiDeltaLayer(LinearMixerLayer):
    """Queries, keys, values and a scalar a head of one projection; decay and output gate of narrow ones, widened."""

    name = "kimi delta"

    def widths(self, model: Model) -> Widths:
        """Three convolutions, decays of heads and channels, a norm a head (fla, layers/kda.py: recalled)."""
        if model.kimi_delta is None:
            raise ValueError(f"{model.name} has no Kimi delta attention")
        delta = model.kimi_delta
        width = float(delta.heads * delta.head_dim)
        return Widths(
            inputs=3.0 * width + delta.heads,
            mixed=3.0 * width,
            taps=float(delta.conv),
            gate=width,
            output=width,
            scan=kimi_delta_scan(delta),
            vectors=3.0 * delta.conv * width + width + delta.heads + delta.head_dim,
            narrow=float(delta.head_dim),
        )


def kimi_delta_scan(delta: KimiDelta) -> ScanWork:
    """The core: the gated delta rule's products over blocks of C tokens, with a decay of K numbers a token in fp32.

    Source: as the module; cuDNN frontend, linear attention benchmarks (2026-09-28).
    """
    size, chunk = float(delta.head_dim), float(delta.chunk)
    flops = delta_flops(chunk, size, size)
    moved = HALF * 4.0 * size + GATE * (size + 1.0)
    return ScanWork(
        kind="kimi-delta",
        heads=float(delta.heads),
        state=size * size,
        forward_flops=flops,
        backward_flops=DELTA_BACKWARD * flops,
        recurrent_flops=8.0 * size * size,
        forward_bytes=moved,
        backward_bytes=2.0 * moved + 2.0 * HALF * size * size / chunk,
        kept_bytes=HALF * (3.0 * size + chunk) + GATE * (size + 1.0),
        forward_kernels=10,
        backward_kernels=17,
    )
