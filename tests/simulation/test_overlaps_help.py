"""Hiding more never makes a step slower, where neither kernels nor messages take longer in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any, get_args

import pytest
from builders import moe, scenario

from clustersim.inputs.layout import Overlap
from clustersim.inputs.schedule_checks import EXCLUSIVE
from clustersim.simulation.step.step import simulate_step

MODEL = moe(
    hidden=4096,
    layers=8,
    heads=32,
    kv_heads=32,
    moe={"experts": 32, "top_k": 4, "ffn_hidden": 2048, "shared": 1, "leading_dense": 0},
)
INTERLEAVED = {"tensor": 4, "expert": 8, "pipeline": 2, "virtual_stages": 2}
LAYOUTS: dict[str, dict[str, Any]] = {
    "interleaved": INTERLEAVED,
    "recomputed": INTERLEAVED | {"recompute": "full"},
    "context ranks": INTERLEAVED | {"tensor": 2, "context": 2},
    "experts cut by a tensor group": INTERLEAVED | {"expert": 4, "expert_tensor": 2},
    "from both ends": {"tensor": 2, "expert": 8, "pipeline": 4, "schedule": "dualpipe"},
    "sharded": {"tensor": 2, "expert": 8, "sharding": "fsdp"},
}


def sets_and_one_more() -> Iterator[tuple[frozenset[str], str]]:
    """Up to two overlaps, and each that may come beside them."""
    for count in range(3):
        for some in combinations(get_args(Overlap), count):
            for more in get_args(Overlap):
                if more not in some and not any({*some, more}.issuperset(pair) for pair in EXCLUSIVE):
                    yield frozenset(some), more


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_hiding_more_never_makes_a_step_slower(layout: dict[str, Any]) -> None:
    played: dict[frozenset[str], float] = {}

    def seconds(overlap: frozenset[str]) -> float:
        if overlap not in played:
            one = scenario(model=MODEL, sequence_length=4096, sequence_parallel=True, overlap=overlap, **layout)
            played[overlap] = simulate_step(one, intervals=False).step_time_s
        return played[overlap]

    slower = {
        (tuple(sorted(some)), more): seconds(some | {more}) / seconds(some) - 1.0
        for some, more in sets_and_one_more()
        if seconds(some | {more}) > seconds(some) * (1.0 + 1e-9)
    }
    assert slower == {}
    assert seconds(frozenset({"tensor", "grad_reduce"})) < seconds(frozenset())
