"""How far attention reaches: the one place that knows the kinds of attention."""

from __future__ import annotations

from clustersim.inputs.kinds import chosen
from clustersim.inputs.model import AttentionKind, Model


def reach(model: Model, kind: AttentionKind, span: float) -> float:
    """Tokens of `span` that a layer of this kind attends to at most."""
    window = span if model.window is None else min(span, model.window)
    return chosen("model.attention_pattern", kind, {"full": span, "sliding": window})


def mean_keys(model: Model, kind: AttentionKind, mean: float, spread: float) -> float:
    """Keys that a query meets on average behind the causal mask; positions lie evenly within `mean` +- `spread`.

    The mean of min(position, reach). Over a whole sequence of s tokens, s/2 +- s/2, that is r (1 - r / 2s) for a reach
    r: s/2 in full attention, and next to w in a window of w tokens that is much shorter, for a query in the steady part
    sees all of it. Source: counted; FlashAttention-2 skips blocks that the mask hides (Dao 2023, arXiv 2307.08691,
    section 3), and those beyond a window.
    """
    first, last = mean - spread, mean + spread
    most = reach(model, kind, last)
    if most == last:
        return mean
    if most <= first:
        return most
    return (0.5 * (most**2 - first**2) + most * (last - most)) / (2.0 * spread)


def causal_keys(model: Model, kind: AttentionKind, span: float) -> float:
    """Keys that a query of a sequence (or packed document) of `span` tokens meets on average."""
    return mean_keys(model, kind, span / 2.0, span / 2.0)
