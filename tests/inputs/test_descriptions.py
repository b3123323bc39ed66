"""What the descriptions refuse about themselves."""

from __future__ import annotations

from typing import Any

import pytest
from builders import accelerator, cluster, gpt, moe
from pydantic import ValidationError

from clustersim.inputs.base import Description
from clustersim.inputs.hardware import Accelerator, Memory, Node, Tier
from clustersim.inputs.layout import Layout
from clustersim.inputs.model import Model
from clustersim.inputs.training import Training


def reason(kind: type[Description], values: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(values)
    (error,) = caught.value.errors()
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


def test_memory() -> None:
    values = {"capacity": "64 GiB", "bandwidth": "1 TB/s"}
    assert Memory.model_validate(values).usable_bytes == 0.94 * 2**36
    assert Memory.model_validate(values | {"usable": "60 GiB"}).usable_bytes == 60 * 2**30
    assert reason(Memory, values | {"usable": "65 GiB"}) == "usable: more than the capacity of 64 GiB"
    assert reason(Memory, values | {"bandwidth": 0}).startswith("bandwidth: ")


def test_accelerator_needs_a_base_for_mfu() -> None:
    values = accelerator().model_dump(exclude_none=True)
    assert accelerator().base_peak == 100e12
    assert Accelerator.model_validate(values | {"peak": {"fp16": 5e12}}).base_peak == 5e12
    assert reason(Accelerator, values | {"peak": {"fp8": 5e12}}).startswith("peak: needs bf16 or fp16")


@pytest.mark.parametrize("domain", [1, 2, 4, 8, 16, 72, None])
def test_scale_up_domains_that_fit_nodes_of_8(domain: int | None) -> None:
    values = cluster().node.model_dump(exclude_none=True) | {"scale_up_domain": domain}
    assert Node.model_validate(values).domain == (domain or 8)


def test_scale_up_domains_that_do_not_fit() -> None:
    values = cluster().node.model_dump(exclude_none=True) | {"scale_up_domain": 12}
    assert reason(Node, values) == "scale_up_domain: 12 is neither a multiple nor a divisor of the node's 8 devices"


def test_a_cluster_knows_its_devices() -> None:
    assert (cluster(4).devices, cluster(4).accelerator.name) == (32, "test chip")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kv_heads": 5}, "kv_heads: 5 does not divide the 96 heads"),
        ({"hidden": 1000}, "head_dim: required, because the 96 heads do not divide the hidden size 1000"),
        ({"attention_pattern": ["full", "sliding"]}, "attention_pattern: a sliding layer needs `window`"),
        ({"layers": 0}, "layers: Input should be greater than 0"),
        ({"layers": 20_000}, "layers: Input should be less than or equal to 10000"),
    ],
)
def test_models_that_contradict_themselves(changes: dict[str, Any], message: str) -> None:
    assert reason(Model, gpt().model_dump(exclude_none=True) | changes) == message


def test_models_that_do_not() -> None:
    assert gpt(hidden=1000, head_dim=16).head_size == 16
    assert gpt(attention_pattern=("full", "sliding"), window=128).block_kind(1).mixer == "sliding"
    values = moe().model_dump(exclude_none=True)
    values["moe"] |= {"top_k": 17}
    assert reason(Model, values) == "moe.top_k: 17 is more than the 16 experts"


def test_layouts() -> None:
    assert Layout.model_validate({"tp": 8, "pp": 4, "vpp": 2, "dp": 1, "cp": 1, "ep": 1, "etp": 1}).tensor == 8
    assert reason(Layout, {"rank_order": "tensor-tensor"}).startswith("rank_order: must name each of tensor")
    assert reason(Layout, {"where": "tensor >"}).startswith("where: not an expression. Accepted: conditions such as")
    layout = Layout.model_validate({"overlap": ["tensor", "grad_reduce"], "where": "tensor > 1"})
    assert layout.model_dump(mode="json")["overlap"] == ["grad_reduce", "tensor"]


def test_training() -> None:
    training = Training.model_validate({"sequence_length": 4096, "global_batch": 4, "document_length": 1000})
    assert (training.attention_span, training.tokens_per_step) == (1000, 16384)
    assert reason(Training, {"sequence_length": 1, "global_batch": 1, "tokens": 0}).startswith("tokens: ")


def test_infinite_numbers_are_refused_everywhere() -> None:
    values = cluster().node.scale_up.model_dump(exclude_none=True)
    assert reason(Tier, values | {"latency": float("inf")}).startswith("latency: inf is not a finite number")
    kernels = accelerator().model_dump(exclude_none=True)
    kernels["kernels"] |= {"gemm_short_k": float("nan")}
    assert "finite" in reason(Accelerator, kernels)
