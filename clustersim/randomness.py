"""Random streams by name: a new stream never changes the draws of another."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def rng(seed: int, *names: str | int) -> np.random.Generator:
    """A generator for one purpose, for instance `rng(seed, "failures", node)`.

    The name is hashed, so the stream depends on the root seed and on its own name alone.
    Source: numpy.random.SeedSequence (spawn keys), M. O'Neill 2015, "Developing a seed_seq alternative".
    """
    import numpy as np

    digest = hashlib.sha256("\x1f".join(str(name) for name in names).encode()).digest()
    key = [int.from_bytes(digest[at : at + 4], "little") for at in range(0, 16, 4)]
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=key))
