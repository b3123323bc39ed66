"""Gated DeltaNet: linear attention by the gated delta rule. Source: Yang et al. 2024, arXiv 2412.06464."""

from __future__ import annotations

from clustersim.inputs.mixers import GatedDelta
from clustersim.inputs.model import Model
from clustersim.workload.layers.linear_mixer import LinearMixerLayer, Widths
from clustersim.workload.layers.scan import GATE, HALF, ScanWork

DELTA_BACKWARD = 3.0  # FLOPs backward over forward. Source: cuDNN frontend, linear attention benchmarks (2026-09-28)


class GatedDeltaLayer(LinearMixerLayer):
    """S = g S (I - b k k^T) + b v k^T, o = S q; queries, keys and values pass a convolution, o a gated norm."""

    name = "gated delta"

    def widths(self, model: Model) -> Widths:
        """Input projection: queries, keys, values, a gate as wide, and two scalars a head (modeling_qwen3_next.py)."""
        if model.gated_delta is None:
            raise ValueError(f"{model.name} has no Gated DeltaNet")
        delta = model.gated_delta
        keys, values = float(delta.key_heads * delta.key_dim), float(delta.value_heads * delta.value_dim)
        mixed = 2.0 * keys + values
        return Widths(
            inputs=mixed + values + 2.0 * delta.value_heads,
            mixed=mixed,
            taps=float(delta.conv),
            gate=values,
            output=values,
            scan=gated_delta_scan(delta),
            vectors=delta.conv * mixed + 2.0 * delta.value_heads + delta.value_dim,
            groups=delta.key_heads,
        )


def gated_delta_scan(delta: GatedDelta) -> ScanWork:
    """The core. Executed in chunks of C: 2 (3 C K + 2 C V + 2 K V) FLOP a token and head (section 3.3).

    Recurrent: S k, its update, S q and the decay, K V multiply-adds each: 8 K V, as Megatron-LM counts (recalled).
    Bytes: the value head's share of queries and keys, values, outputs, two gates; backward their gradients, and a state
    a chunk written and read (cuDNN frontend). Kept: operands, gates and the inverse of each chunk; kernels:
    flash-linear-attention @bc3b101, ops/gated_delta_rule/chunk.py (recalled).
    """
    key, value, chunk = float(delta.key_dim), float(delta.value_dim), float(delta.chunk)
    shared = delta.key_heads / delta.value_heads
    flops = delta_flops(chunk, key, value)
    moved = HALF * (2.0 * key * shared + 2.0 * value) + 2.0 * GATE
    return ScanWork(
        kind="gated-delta",
        heads=float(delta.value_heads),
        state=key * value,
        forward_flops=flops,
        backward_flops=DELTA_BACKWARD * flops,
        recurrent_flops=8.0 * key * value,
        forward_bytes=moved,
        backward_bytes=2.0 * moved + 2.0 * HALF * key * value / chunk,
        kept_bytes=HALF * (2.0 * key * shared + value + chunk) + 2.0 * GATE,
        forward_kernels=9,
        backward_kernels=15,
    )


def delta_flops(chunk: float, key: float, value: float) -> float:
    """FLOP a token and head of the chunked delta rule, forward: 2 (3 C K + 2 C V + 2 K V)."""
    return 2.0 * (3.0 * chunk * key + 2.0 * chunk * value + 2.0 * key * value)
