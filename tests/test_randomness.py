"""Random streams by name."""

from __future__ import annotations

from clustersim.randomness import rng


def test_a_stream_depends_on_seed_and_name_alone() -> None:
    first = rng(0, "failures", 3).random(4).tolist()
    rng(0, "something new").random(100)
    assert rng(0, "failures", 3).random(4).tolist() == first
    others = [rng(1, "failures", 3), rng(0, "failures", 4), rng(0, "failures"), rng(0, "jitter", 3)]
    assert all(other.random(4).tolist() != first for other in others)


def test_streams_are_uncorrelated() -> None:
    """The correlation of two independent samples of n stays within 4 / sqrt(n)."""
    import numpy as np

    left, right = rng(0, "a").normal(size=10_000), rng(0, "b").normal(size=10_000)
    assert abs(np.corrcoef(left, right)[0, 1]) < 4 / 100
