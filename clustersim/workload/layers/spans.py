"""How far attention reaches: the whole sequence, a window of so many tokens, or a chunk."""

from __future__ import annotations

from clustersim.inputs.model import Model


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


class AttentionSpan:
    """Which keys before a query it attends to: all of them."""

    label = ""

    def keys(self, model: Model, span: float) -> float:
        """Tokens of a sequence of `span` that a query reaches, masked or not."""
        return reach(self.window(model), span)

    def causal_keys(self, model: Model, span: float) -> float:
        """Keys that a query of such a sequence meets on average."""
        return causal_keys(self.window(model), span)

    def mean_keys(self, model: Model, mean: float, spread: float) -> float:
        """Keys that queries at positions within `mean` +- `spread` meet on average."""
        return mean_keys(self.window(model), mean, spread)

    def kept(self, model: Model, length: float) -> float:
        """Tokens whose keys and values serving must keep of a sequence of so many."""
        return reach(self.window(model), length)

    def window(self, model: Model) -> float | None:
        """Tokens back from the query; None: all."""
        return None


class Window(AttentionSpan):
    """The last `window` tokens."""

    label = "sliding attention"

    def window(self, model: Model) -> float | None:
        """The model's."""
        return model.window


class Chunk(AttentionSpan):
    """The tokens before the query in the same chunk of `chunk` tokens (Llama 4)."""

    label = "chunked attention"

    def keys(self, model: Model, span: float) -> float:
        """Tokens of the query's chunk, the last of which may be shorter: sum of squares over the span."""
        size = _chunk(model)
        whole, rest = divmod(span, size)
        return (whole * size**2 + rest**2) / span

    def causal_keys(self, model: Model, span: float) -> float:
        """Half of it, behind the mask."""
        return self.keys(model, span) / 2.0

    def mean_keys(self, model: Model, mean: float, spread: float) -> float:
        """Those before the query in its chunk: the mean of position mod chunk over the positions."""
        first, last = mean - spread, mean + spread
        if spread == 0.0:
            return mean % _chunk(model)
        return (self._before(model, last) - self._before(model, first)) / (last - first)

    def kept(self, model: Model, length: float) -> float:
        """A chunk at most."""
        return min(length, _chunk(model))

    def _before(self, model: Model, position: float) -> float:
        """Keys met by all queries up to a position."""
        size = _chunk(model)
        whole, rest = divmod(position, size)
        return 0.5 * (whole * size**2 + rest**2)


FULL, WINDOW, CHUNK = AttentionSpan(), Window(), Chunk()


def _chunk(model: Model) -> float:
    if model.chunk is None:
        raise ValueError(f"{model.name} has no chunks")
    return float(model.chunk)
