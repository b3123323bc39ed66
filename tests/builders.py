"""Small models, clusters and stacks for tests: round numbers, nothing from the catalog."""

from __future__ import annotations

from typing import Any

from clustersim.inputs.hardware import Accelerator, Cluster, Node
from clustersim.inputs.layout import ResolvedLayout
from clustersim.inputs.model import Model
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.stack import Stack
from clustersim.inputs.training import Training
from clustersim.workload.shape import Shape
from clustersim.workload.software import Software

GIB = 2.0**30
SOFTWARE = Software.__dataclass_fields__.keys()


def gpt(**changes: Any) -> Model:
    """GPT-3 175B's shape unless changed."""
    values: dict[str, Any] = {
        "name": "gpt",
        "layers": 96,
        "hidden": 12288,
        "heads": 96,
        "kv_heads": 96,
        "ffn_hidden": 49152,
        "gated": False,
        "vocab": 51200,
        "tied_embeddings": True,
        "position": "learned",
        "max_positions": 2048,
        "norm": "layer",
        "bias": True,
        "dropout": True,
    }
    return Model.model_validate(values | changes)


def moe(**changes: Any) -> Model:
    """A small mixture of experts with latent attention."""
    values: dict[str, Any] = {
        "name": "moe",
        "layers": 4,
        "hidden": 1024,
        "heads": 16,
        "kv_heads": 16,
        "ffn_hidden": 4096,
        "gated": True,
        "vocab": 32000,
        "moe": {"experts": 16, "top_k": 2, "ffn_hidden": 512, "shared": 1, "leading_dense": 1},
        "latent": {
            "kv_lora_rank": 256,
            "q_lora_rank": 512,
            "qk_nope_head_dim": 64,
            "qk_rope_head_dim": 32,
            "v_head_dim": 64,
        },
    }
    return Model.model_validate(values | changes)


def shape(**changes: Any) -> Shape:
    """One device, one sequence of 2,048 tokens, unfused attention."""
    values: dict[str, Any] = {
        "micro_batch": 1.0,
        "sequence": 2048.0,
        "span": 2048.0,
        "tensor": 1.0,
        "context": 1.0,
        "expert": 1.0,
        "expert_tensor": 1.0,
        "sequence_parallel": False,
        "fused_attention": False,
        "context_kind": "ring",
        "overlap": frozenset(),
        "precision": "bf16",
    }
    flags = {name: changes.pop(name) for name in SOFTWARE & changes.keys()}
    return Shape(**(values | {"software": Software(**flags)} | changes))


def accelerator(**changes: Any) -> Accelerator:
    """100 TFLOP/s, 1 TB/s, 64 GiB, ideal kernels."""
    values: dict[str, Any] = {
        "name": "test chip",
        "vendor": "acme",
        "peak": {"bf16": 100e12, "fp16": 100e12, "fp8": 200e12},
        "memory": {"capacity": 64 * GIB, "bandwidth": 1e12},
        "kernels": {
            "gemm_ceiling": 1.0,
            "sum_exposed": 0.0,
            "attention_forward": 1.0,
            "attention_backward": 1.0,
            "memory": 1.0,
            "launch": 0.0,
        },
        "power": 500.0,
        "price": 2.0,
    }
    return Accelerator.model_validate(values | changes)


def cluster(nodes: int = 1, devices: int = 8, **changes: Any) -> Cluster:
    """Switched nodes of 8 at 100 GB/s a device inside and 10 GB/s outside, without latency."""
    tier = {"kind": "switched", "latency": 0.0, "start": 0.0}
    node = Node.model_validate(
        {
            "name": "test node",
            "accelerator": accelerator(),
            "devices": devices,
            "scale_up": tier | {"bandwidth": 100e9},
            "scale_out": tier | {"bandwidth": 10e9},
        }
    )
    return Cluster.model_validate({"node": node, "nodes": nodes} | changes)


def stack(**changes: Any) -> Stack:
    """Software that loses nothing."""
    values: dict[str, Any] = {
        "name": "ideal",
        "year": 2025,
        "vendors": ("acme",),
        "sustained": 1.0,
        "memory_factor": 1.0,
        "residual": {"spread": 0.1, "evidence": "assumed"},
    }
    return Stack.model_validate(values | changes)


def scenario(nodes: int = 8, model: Model | None = None, stack_: Stack | None = None, **changes: Any) -> Scenario:
    """A resolved scenario: one model on `nodes` nodes of 8; changes go to the layout, or to training by name.

    `expert_imbalance` is the router's; experts are evenly loaded without it.
    """
    model = model or gpt(layers=16, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096)
    training: dict[str, Any] = {
        "sequence_length": 1024,
        "global_batch": 64,
        "grad_reduce_precision": "fp32",
        "tokens": 1e9,
        "router": {"imbalance": changes.pop("expert_imbalance", 0.0)},
    }
    training |= {key: changes.pop(key) for key in list(changes) if key in Training.model_fields}
    chunks = changes.get("pipeline", 1) * changes.get("virtual_stages", 1)
    layout: dict[str, Any] = {
        "tensor": 1,
        "pipeline": 1,
        "expert_tensor": 1,
        "sequence_parallel": False,
        "sharding": "zero1",
        "recompute": "none",
        "schedule": "interleaved-1f1b" if changes.get("virtual_stages", 1) > 1 else "1f1b",
        "overlap": frozenset(),
        "dispatcher": "alltoall",
        "context_kind": "ring",
        "stage_layers": (model.layers // chunks,) * chunks,
    }
    layout |= changes
    ranks = layout["tensor"] * layout["pipeline"] * layout.get("context", 1)
    layout.setdefault("data", nodes * 8 // ranks)
    return Scenario(
        model=model,
        cluster=cluster(nodes=nodes),
        training=Training.model_validate(training),
        layout=ResolvedLayout.model_validate(layout),
        stack=stack_ or stack(),
    )
