"""How far attention reaches: the one place that knows the kinds of attention."""

from __future__ import annotations

from clustersim.inputs.kinds import chosen
from clustersim.inputs.model import AttentionKind, Model


def reach(model: Model, kind: AttentionKind, span: float) -> float:
    """Tokens of `span` that a layer of this kind attends to at most."""
    window = span if model.window is None else min(span, model.window)
    return chosen("model.attention_pattern", kind, {"full": span, "sliding": window})
