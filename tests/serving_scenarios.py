"""A small serving scenario of round numbers, nothing from the catalog."""

from __future__ import annotations

from typing import Any

from builders import cluster, gpt, moe, stack

from clustersim.inputs.model import Model
from clustersim.inputs.serving import Serving


def serving(model: Model | None = None, **changes: Any) -> Serving:
    """A mixture of experts on two nodes a phase; changes lie over its parts, mapping by mapping."""
    values: dict[str, Any] = {
        "model": model or moe(),
        "node": cluster().node,
        "stack": {"name": "ideal", "year": 2025, "software": stack()},
        "prefill": {"devices": 16, "batch": 4096},
        "decode": {"devices": 16, "batch": 64},
        "traffic": {"prompt": 1000.0, "output": 250.0},
    }
    for key, value in changes.items():
        values[key] = values[key] | value if isinstance(value, dict) and key in values else value
    return Serving.model_validate(values)


def dense(**changes: Any) -> Serving:
    """A dense model on one node a phase, its ranks together."""
    model = gpt(layers=8, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096)
    units = {"devices": 8, "tensor": 8, "micro_batches": 1}
    return serving(model, **({"prefill": units, "decode": units} | changes))
