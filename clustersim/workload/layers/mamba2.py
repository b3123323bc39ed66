"""Mamba-2: a state space with a scalar decay a head, in chunks (SSD). Source: Dao and Gu 2024, arXiv 2405.21060."""

from __future__ import annotations

from clustersim.inputs.mixers import Mamba2
from clustersim.inputs.model import Model
from clustersim.workload.layers.linear_mixer import LinearMixerLayer, Widths
from clustersim.workload.layers.scan import GATE, HALF, PRODUCTS_BACKWARD, ScanWork


class Mamba2Layer(LinearMixerLayer):
    """h = a h + dt B x, y = C h + D x; x, B and C pass a convolution, y a gated norm."""

    name = "mamba2"

    def widths(self, model: Model) -> Widths:
        """Input projection: gate, x, B, C and a step a head (section 6; transformers, modeling_mamba2.py)."""
        space = sizes(model)
        mixed, inner = float(space.mixed), float(space.inner)
        return Widths(
            inputs=inner + mixed + space.heads,
            mixed=mixed,
            taps=float(space.conv),
            gate=inner,
            output=inner,
            scan=state_space_scan(space),
            vectors=(space.conv + 1) * mixed + 3.0 * space.heads + (inner if space.norm else 0.0),
            groups=space.groups,
        )


def state_space_scan(space: Mamba2) -> ScanWork:
    """The core. Executed over all H heads in chunks of Q: 2 (G Q N + H Q P + 2 H N P) FLOP a token (section 6).

    Recurrent: 7 P N a head, as Megatron-LM counts a scan (training.py, mamba_layer_flops: recalled). A state a chunk is
    written and read, in fp32. Kernels of mamba_ssm's chunked scan, counted (recalled).
    """
    heads, head, state, chunk = float(space.heads), float(space.head_dim), float(space.state), float(space.chunk)
    shared = space.groups / heads
    flops = 2.0 * (shared * chunk * state + chunk * head + 2.0 * state * head)
    moved = HALF * (2.0 * head + 2.0 * shared * state) + GATE
    states = 2.0 * GATE * head * state / chunk
    return ScanWork(
        kind="state-space",
        heads=heads,
        state=head * state,
        forward_flops=flops,
        backward_flops=PRODUCTS_BACKWARD * flops,
        recurrent_flops=7.0 * head * state,
        forward_bytes=moved + states,
        backward_bytes=2.0 * (moved + states),
        kept_bytes=HALF * (head + 2.0 * shared * state) + GATE,
        forward_kernels=5,
        backward_kernels=9,
    )


def sizes(model: Model) -> Mamba2:
    """The sizes of a model's Mamba-2."""
    if model.mamba2 is None:
        raise ValueError(f"{model.name} has no Mamba-2")
    return model.mamba2
