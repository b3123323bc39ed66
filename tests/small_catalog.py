"""A small catalog of the user's own, before the packaged one."""

from __future__ import annotations

import textwrap
from pathlib import Path

ENTRIES = {
    "accelerators/acme-one": """
        about: A chip for tests.
        aliases: [acme, Acme_Uno]
        name: Acme One
        vendor: acme
        peak:
          bf16: {value: 100 TFLOP/s, source: sheet, status: read}
          fp16: 100 TFLOP/s
        memory:
          capacity: {value: 64 GiB, source: sheet}
          bandwidth: 1 TB/s
        kernels: {gemm_ceiling: 80 %, attention_forward: 0.5, attention_backward: 0.4, memory: 0.9}
        power: 400 W
        node: acme-box
        background: {anything: [1, 2, {a: b}]}
        sources: {sheet: "The data sheet, page 3."}
        """,
    "accelerators/acme-two": """
        extends: acme-one
        aliases:
          - acme-duo
        name: Acme Two
        peak: {fp8: 200 TFLOP/s}
        memory: {capacity: 96 GiB}
        """,
    "accelerators/loner": """
        extends: acme-one
        name: Loner
        node: null
        """,
    "nodes/acme-box": """
        name: Acme box
        accelerator: acme-one
        devices: {value: 8, source: sheet}
        scale_up: {kind: switched, bandwidth: 100 GB/s, latency: 5 us}
        scale_out: {kind: tree, bandwidth: 200 Gb/s, latency: 10 us, efficiency: 90 %}
        sources: {sheet: "The data sheet, page 4."}
        """,
    "clusters/acme-64": """
        node: acme-box
        devices: 64
        price: 2 USD/h
        """,
    "models/tiny": """
        name: Tiny
        layers: 16
        hidden: 1024
        heads: 16
        kv_heads: 4
        ffn_hidden: 4096
        gated: true
        vocab: 32000
        """,
    "models/tiny-moe": """
        extends: tiny
        name: Tiny MoE
        moe: {experts: 8, top_k: 2, ffn_hidden: 512}
        """,
    "stacks/acme-soft-2024": """
        name: Acme Soft
        year: 2024
        vendors: [acme]
        sustained: 0.9
        memory_factor: 1.1
        defaults: {overlap: [grad_reduce, param_gather], recompute: selective, grad_reduce_precision: bf16}
        residual: {spread: 0.1, evidence: assumed}
        """,
    "stacks/acme-soft-2025": """
        extends: acme-soft-2024
        year: 2025
        defaults: {sharding: zero2}
        """,
}

SCENARIO = """\
model: tiny
cluster: {node: acme-box, nodes: 8}
training:
  sequence_length: 2048
  global_batch: 64
  tokens: 1T
layout:
  tensor: 4
  pipeline: 4
  micro_batch: 2
stack: acme-soft-2024
"""


def write_entry(folder: Path, name: str, text: str) -> Path:
    """Write `<section>/<name>.yaml` into a catalog folder."""
    file = folder / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")
    return file
