"""Every kind that the schema accepts is played as itself, and a kind that it may accept one day is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

import pytest
from builders import accelerator, gpt, moe, scenario, shape, stack
from serving_scenarios import serving

from clustersim.costs.links import TOPOLOGIES
from clustersim.costs.scans import scan_rate
from clustersim.errors import InputError
from clustersim.inputs.hardware import Tier
from clustersim.inputs.kinds import chosen, handled
from clustersim.inputs.layout import Layout, ResolvedLayout
from clustersim.inputs.model import CHANNEL_KINDS, MIXER_KINDS, BlockKind, Model
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.stack import Stack
from clustersim.inputs.training import Training
from clustersim.simulation.serving.serving import simulate_serving
from clustersim.simulation.step.step import simulate_step
from clustersim.workload.blocks import block_elements
from clustersim.workload.flops import model_flops_per_token
from clustersim.workload.layers.registry import CHANNEL_MIXERS, LATENT_MIXERS, MIXERS, channel_mixer_of, mixer_of
from clustersim.workload.parameters import block_parameters, embedding_parameters
from clustersim.workload.passes import element_pass, saved_bytes
from clustersim.workload.shape import shape_of
from clustersim.workload.states import StateBytes, shard_sizes, state_bytes_of

UNKNOWN = "of-tomorrow"


def words(kind: type, field: str) -> list[str]:
    """The words that a field of a description accepts, however deep in unions."""

    def literals(annotation: Any) -> list[str]:
        if isinstance(annotation, str):
            return [annotation]
        return [word for part in get_args(annotation) for word in literals(part)]

    return literals(kind.model_fields[field].annotation)  # type: ignore[attr-defined]


def played(**changes: Any) -> float:
    return simulate_step(scenario(**changes)).step_time_s


MODEL_KINDS = [
    *(("attention_pattern", word) for word in MIXER_KINDS),
    *((field, word) for field in ("position", "norm") for word in words(Model, field)),
]
ATTENTION_KINDS = ("full", "sliding", "chunked")
PARTS: dict[str, Any] = {
    "window": 64,
    "chunk": 64,
    "indexer": {"heads": 4, "head_dim": 32, "top_k": 64},
    "native_sparse": {},
    "compressed": {"q_lora_rank": 256, "output_groups": 4, "output_lora_rank": 128},
    "mamba": {"inner": 2048, "rank": 64},
    "mamba2": {"heads": 32},
    "gated_delta": {"key_heads": 8, "value_heads": 16},
    "kimi_delta": {"heads": 16, "head_dim": 64},
    "lightning": {"heads": 16, "head_dim": 64},
    "short_conv": {},
}


def model_of(field: str, word: str) -> Model:
    if word == "sparse":
        return moe(indexer=PARTS["indexer"], attention_pattern=(word,))
    value = (word,) if field == "attention_pattern" else word
    sizes = {"layers": 4, "hidden": 1024, "heads": 16, "kv_heads": 16, "ffn_hidden": 4096}
    return gpt(**sizes, **PARTS, **{field: value})


@pytest.mark.parametrize(("field", "word"), MODEL_KINDS)
def test_every_kind_of_a_model_is_trained_and_served(field: str, word: str) -> None:
    model = model_of(field, word)
    assert played(model=model) > 0.0
    assert simulate_serving(serving(model)).phases["decode"].central.tokens_per_s > 0.0


@pytest.mark.parametrize("word", ATTENTION_KINDS)
@pytest.mark.parametrize("latent", [False, True])
def test_a_kind_of_attention_is_not_played_as_another(word: str, latent: bool) -> None:
    """Of as many tokens as a window is long all kinds reach all; of more, each reaches its own number."""
    model = moe(window=64, chunk=64, attention_pattern=(word,)) if latent else model_of("attention_pattern", word)
    layer = mixer_of(model, model.block_kind(0))
    pair = 2.0 * model.heads * (model.qk_head_size + model.v_head_size)
    assert layer.core_flops(model, 64.0, causal=False) == 64.0 * pair
    rest = 1000 % 64  # a chunk that is shorter than the others
    reached = {"full": 1000.0, "sliding": 64.0, "chunked": (15 * 64**2 + rest**2) / 1000}[word]
    kept = {"full": 1000.0, "sliding": 64.0, "chunked": 64.0}[word]
    assert layer.core_flops(model, 1000.0, causal=False) == reached * pair
    assert layer.kept_elements(model, 1.0, 1000.0) == kept * layer.kept_elements(model, 1.0, 1.0)


TRAINED = [
    *(("context_kind", word) for word in words(Layout, "context_kind")),
    *(("sharding", word) for word in words(Layout, "sharding")),
    *(("recompute", word) for word in words(Layout, "recompute")),
    *(("selective_recompute", word) for word in words(Stack, "selective_recompute")),
    *(("offload", word) for word in words(Layout, "offload")),
    *(("overlap", word) for word in words(Layout, "overlap")),
    *(("precision", word) for word in ("fp16", "bf16", "fp8")),  # the test chip's
    *(("fp8_recipe", word) for word in words(Training, "fp8_recipe")),
    *(("grad_reduce_precision", word) for word in words(Training, "grad_reduce_precision")),
    *(("moment_precision", word) for word in words(Training, "moment_precision")),
    *(("optimizer", word) for word in words(Training, "optimizer")),
]


@pytest.mark.parametrize(("field", "word"), TRAINED)
def test_every_kind_of_a_layout_and_a_training_is_played(field: str, word: str) -> None:
    if field == "selective_recompute":
        software = stack(selective_recompute=[word])
        assert played(model=moe(), expert=4, recompute="selective", stack_=software) > 0.0
        return
    value = [word] if field == "overlap" else word
    more = {"context": 2} if field == "context_kind" else {"precision": "fp8"} if field == "fp8_recipe" else {}
    assert played(**{field: value}, **more) > 0.0


def with_model(**changes: Any) -> Scenario:
    base = scenario()
    return base.model_copy(update={"model": base.model.model_copy(update=changes)})


def with_layout(**changes: Any) -> ResolvedLayout:
    return scenario().resolved_layout.model_copy(update=changes)


def with_training(**changes: Any) -> Training:
    return scenario().training.model_copy(update=changes)


def shaped(layout: ResolvedLayout | None = None, training: Training | None = None, stack_: Stack | None = None) -> Any:
    base = scenario()
    return shape_of(base.model, training or base.training, layout or base.resolved_layout, stack_ or base.stack)


TOMORROW: Any = BlockKind(UNKNOWN, "dense")
REFUSED: Mapping[str, Callable[[], Any]] = {
    "model.attention_pattern": lambda: block_elements(gpt(), TOMORROW, shape()),
    "model.attention_pattern (latent)": lambda: mixer_of(moe(), TOMORROW),
    "model.attention_pattern (parameters)": lambda: block_parameters(gpt(), TOMORROW),
    "model.channel_pattern": lambda: channel_mixer_of(gpt(), BlockKind("full", UNKNOWN)),
    "model.position": lambda: block_elements(
        with_model(position=UNKNOWN).model, BlockKind("full", "dense"), shape(fused_attention=True)
    ),
    "model.position (table)": lambda: embedding_parameters(with_model(position=UNKNOWN).model),
    "model.norm": lambda: block_parameters(with_model(norm=UNKNOWN).model, BlockKind("full", "dense")),
    "layout.context_kind": lambda: block_elements(
        moe(), BlockKind("full", "dense"), shape(context_kind=UNKNOWN, fused_attention=True)
    ),
    "layout.sharding": lambda: shard_sizes(UNKNOWN, 8.0),
    "layout.overlap": lambda: shaped(with_layout(overlap=frozenset({UNKNOWN}))),
    "layout.offload": lambda: StateBytes().least(UNKNOWN),  # type: ignore[arg-type]
    "layout.recompute": lambda: element_pass([], "backward", UNKNOWN),  # type: ignore[arg-type]
    "layout.recompute (kept)": lambda: saved_bytes([], UNKNOWN, 0.0),  # type: ignore[arg-type]
    "stack.selective_recompute": lambda: shaped(
        stack_=scenario().stack.model_copy(update={"selective_recompute": (UNKNOWN,)})
    ),
    "training.fp8_recipe": lambda: shaped(training=with_training(fp8_recipe=UNKNOWN)),
    "training.grad_reduce_precision": lambda: shaped(training=with_training(grad_reduce_precision=UNKNOWN)),
    "training.moment_precision": lambda: state_bytes_of(with_training(moment_precision=UNKNOWN), "fp32"),
    "training.optimizer": lambda: state_bytes_of(with_training(optimizer=UNKNOWN), "fp32"),
    "convention": lambda: model_flops_per_token(gpt(), with_training(), UNKNOWN),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("key", REFUSED)
def test_an_unknown_kind_is_refused_by_name(key: str) -> None:
    with pytest.raises(InputError) as caught:
        REFUSED[key]()
    (problem,) = caught.value.problems
    assert problem.key == key.split(" ")[0]
    assert f'"{UNKNOWN}" is not modelled. Accepted: ' in problem.message


@pytest.mark.parametrize(
    "changes",
    [
        {"sharding": UNKNOWN},
        {"offload": UNKNOWN},
        {"recompute": UNKNOWN},
        {"overlap": frozenset({UNKNOWN})},
        {"dispatcher": UNKNOWN, "expert": 8},
        {"context_kind": UNKNOWN, "context": 2},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_step_with_an_unknown_kind_is_refused(changes: dict[str, Any]) -> None:
    small = moe(moe={"experts": 16, "top_k": 2, "ffn_hidden": 512, "shared": 0, "leading_dense": 0})
    resolved = scenario(model=small).resolved_layout.model_copy(update=changes)
    with pytest.raises(InputError, match=UNKNOWN):
        simulate_step(scenario(model=small).model_copy(update={"layout": resolved}))


@pytest.mark.parametrize("tier", ["scale_up", "scale_out"])
def test_an_unknown_network_is_refused(tier: str) -> None:
    base = scenario()
    node = base.cluster.node
    unknown = node.model_copy(update={tier: getattr(node, tier).model_copy(update={"kind": UNKNOWN})})
    with pytest.raises(InputError, match=f'network kind: "{UNKNOWN}" is not modelled. Accepted: switched'):
        simulate_step(base.model_copy(update={"cluster": base.cluster.model_copy(update={"node": unknown})}))


def test_every_topology_of_the_schema_is_priced() -> None:
    assert set(words(Tier, "kind")) == set(TOPOLOGIES)


def test_an_unknown_scan_or_library_of_scans_is_refused() -> None:
    for kind, library, key in ((UNKNOWN, "triton", "scan"), ("lightning", UNKNOWN, "stack.scan_kernels")):
        with pytest.raises(InputError, match=f'{key}: "{UNKNOWN}" is not modelled'):
            scan_rate(accelerator(), library, kind)


def test_serving_refuses_unknown_attention() -> None:
    unknown = serving(gpt(layers=8, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096))
    model = unknown.model.model_copy(update={"attention_pattern": (UNKNOWN,)})
    with pytest.raises(InputError, match=r'model.attention_pattern: "of-tomorrow" is not modelled'):
        simulate_serving(unknown.model_copy(update={"model": model}))


def test_linear_attention_is_refused_where_it_is_read() -> None:
    with pytest.raises(ValueError, match=r"linear is neither a kind \(full, sliding, .*lightning"):
        gpt(attention_pattern=("full", "linear"))


def test_tables_of_kinds() -> None:
    assert chosen("key", "a", {"a": 1, "b": 2}) == 1
    handled("key", {"a"}, ("a", "b"))
    with pytest.raises(InputError) as caught:
        handled("key", {"d", "c", "a"}, ("a", "b"))
    assert [str(problem) for problem in caught.value.problems] == [
        'key: "c" is not modelled. Accepted: a, b',
        'key: "d" is not modelled. Accepted: a, b',
    ]


def test_registry_and_schema_hold_the_same_kinds() -> None:
    assert sorted({*MIXERS, *LATENT_MIXERS}) == sorted(MIXER_KINDS)
    assert set(LATENT_MIXERS) - set(MIXERS) == {"sparse"}  # of latents alone
    assert sorted(CHANNEL_MIXERS) == sorted(CHANNEL_KINDS)
