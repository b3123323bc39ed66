"""Attention in steps over context ranks: kernels a step, what merges them, and what they wait for."""

from __future__ import annotations

import numpy as np
import pytest
from builders import gpt, shape

from clustersim.inputs.model import BlockKind
from clustersim.workload.blocks import block_elements
from clustersim.workload.operations import Attention, Collective, Pass, Pointwise
from clustersim.workload.passes import Phase, element_pass

DENSE = BlockKind("full", "dense")


def work(kind: str, context: object, phase: Phase = "forward") -> Pass:
    here = shape(context=context, context_kind=kind, fused_attention=True)
    return element_pass(block_elements(gpt(), DENSE, here), phase)


def cores(made: Pass) -> list[Attention]:
    return [one for one in made.operations if isinstance(one, Attention)]


def merge(made: Pass) -> Pointwise:
    return next(one for one in made.operations if isinstance(one, Pointwise) and one.name.startswith("merge"))


@pytest.mark.parametrize("phase", ["forward", "backward"])
@pytest.mark.parametrize("kind", ["ring", "rotation"])
def test_as_many_kernels_as_ranks_do_the_work_of_one(kind: str, phase: Phase) -> None:
    whole = cores(work("all-gather", 4.0, phase))
    parts = cores(work(kind, 4.0, phase))
    assert (len(whole), sum(part.kernels for part in parts)) == (1, 4.0)
    assert sum(part.flops for part in parts) == pytest.approx(whole[0].flops)
    assert [part.kernels for part in parts] == ([3.0, 1.0] if kind == "ring" else [1.0, 3.0])


def test_every_step_after_the_first_is_merged() -> None:
    """GPT-3: local queries and output 12 KiB x 2048 / n, keys with values twice that; TransformerEngine's kernels."""
    for ranks in (2.0, 4.0, 8.0):
        queries = output = 2.0 * 2048 / ranks * 12288
        keys = 2 * queries
        ring, rotation = merge(work("ring", ranks)), merge(work("rotation", ranks))
        assert ring.kernels == 3.0 * (ranks - 1)
        assert ring.bytes == pytest.approx((ranks - 1) * (0.5 * (queries + keys) + 0.75 * 3 * output))
        assert rotation.kernels == 9.0 * (ranks - 1)
        assert rotation.bytes > 4.0 * ring.bytes  # eight kernels in fp32 for one in 16 bits
        back = merge(work("ring", ranks, "backward"))
        assert back.bytes == pytest.approx(
            (ranks - 1) * (0.5 * (queries + keys) + output + 0.75 * 3 * (queries + keys))
        )


def test_gradients_of_keys_and_values_go_round() -> None:
    """Backward: in a ring beside the kernels with keys and values; with gathered ones, alone."""
    for kind, kinds in (("ring", ["pass-on"]), ("rotation", ["all-gather", "pass-on"])):
        messages = [one for one in work(kind, 4.0, "backward").operations if isinstance(one, Collective)]
        assert [one.kind for one in messages if one.group == "context"] == kinds
        assert sum(one.bytes for one in messages if one.group == "context") == 2 * 2.0 * 2048 * 2 * 12288


@pytest.mark.parametrize("kind", ["ring", "rotation"])
def test_one_rank_alone_has_no_steps(kind: str) -> None:
    """Nothing more than without context parallelism; in an array of sizes, nothing that takes time or a launch."""
    alone = work(kind, 1.0)
    assert [one.kernels for one in cores(alone)] == [1.0]
    assert not any(one.name.startswith("merge") for one in alone.operations)
    many = work(kind, np.array([1.0, 4.0]))
    assert np.asarray(merge(many).bytes)[0] == np.asarray(merge(many).kernels)[0] == 0.0
    for at, ranks in enumerate((1.0, 4.0)):
        one = cores(work(kind, ranks))
        assert sum(np.asarray(part.kernels)[at] for part in cores(many)) == sum(part.kernels for part in one)
        assert sum(np.asarray(part.flops)[at] for part in cores(many)) == pytest.approx(sum(part.flops for part in one))
