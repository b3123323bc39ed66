"""How far attention reaches, with a window (of so many tokens) or without."""

from __future__ import annotations


def reach(window: float | None, span: float) -> float:
    """Tokens of `span` that a query attends to at most."""
    return span if window is None else min(span, window)


def mean_keys(window: float | None, mean: float, spread: float) -> float:
    """Keys that a query meets on average behind the causal mask; positions lie evenly within `mean` +- `spread`.

    The mean of min(position, reach). Over a whole sequence of s tokens, s/2 +- s/2, that is r (1 - r / 2s) for a reach
    r: s/2 in full attention, and next to w in a window of w tokens that is much shorter, for a query in the steady part
    sees all of it. Source: counted; FlashAttention-2 skips blocks that the mask hides (Dao 2023, arXiv 2307.08691,
    section 3), and those beyond a window.
    """
    first, last = mean - spread, mean + spread
    most = reach(window, last)
    if most == last:
        return mean
    if most <= first:
        return most
    return (0.5 * (most**2 - first**2) + most * (last - most)) / (2.0 * spread)


def causal_keys(window: float | None, span: float) -> float:
    """Keys that a query of a sequence (or packed document) of `span` tokens meets on average."""
    return mean_keys(window, span / 2.0, span / 2.0)
