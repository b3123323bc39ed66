"""One layer type, one file: what its matrices, its elements and its counts say of each other; and a new one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from builders import gpt, scenario, shape
from serving_scenarios import serving

from clustersim.errors import InputError, Problem
from clustersim.inputs.catalog import load, names
from clustersim.inputs.layout import Layout
from clustersim.inputs.model import BlockKind, Model, layer_kinds
from clustersim.inputs.training import Training
from clustersim.simulation.serving.memory import cache_bytes_of
from clustersim.simulation.serving.serving import simulate_serving
from clustersim.simulation.step.step import simulate_step
from clustersim.workload.blocks import block_elements
from clustersim.workload.flops import matmul_parameters, model_flops_per_token, recomputed_flops_per_token
from clustersim.workload.layers.attention_cores import FusedAttention
from clustersim.workload.layers.elements import Element
from clustersim.workload.layers.latent_attention import LatentAttentionLayer
from clustersim.workload.layers.layer import Layer, Matrix
from clustersim.workload.layers.linear import column, row
from clustersim.workload.layers.registry import MIXERS, layers_of, matrices_of, mixer_of
from clustersim.workload.layers.serving_batch import Batch, Forward
from clustersim.workload.operations import Attention, Gemm
from clustersim.workload.parameters import block_parameters, total_parameters
from clustersim.workload.passes import element_pass
from clustersim.workload.serving import forward_pass, layer_elements
from clustersim.workload.shape import Shape
from clustersim.workload.software import USUALLY_SELECTED

ALONE = shape(fused_attention=True)
LONG = shape(fused_attention=True, sequence=8192.0, span=8192.0)  # than what sparse attention picks
PRICED_AS_MEMORY = {"router"}  # a thin product, bound by reading the tokens


def kinds(name: str) -> Iterator[tuple[Model, BlockKind]]:
    """A model of the catalog with each kind of layer that it has."""
    model = load("models", name)
    for kind in sorted(set(layer_kinds(model))):
        yield model, kind


@pytest.mark.parametrize("name", names("models"))
def test_parameters_are_those_of_the_linears_on_one_rank(name: str) -> None:
    for model, kind in kinds(name):
        linears = [linear for element in block_elements(model, kind, LONG) for linear in element.linears]
        stated = {matrix.name: matrix.parameters for matrix in matrices_of(model, kind)}
        assert stated.keys() - PRICED_AS_MEMORY == {linear.name for linear in linears}
        in_linears = sum(linear.k * linear.n * linear.count for linear in linears)
        memory_bound = sum(stated[name] for name in stated.keys() & PRICED_AS_MEMORY)
        vectors = sum(layer.vectors(model) for layer in layers_of(model, kind))
        norms = len(layers_of(model, kind)) * model.hidden * {"rms": 1, "layer": 2}[model.norm]
        beside = (norms if model.post_norms else 0) + model.uncosted.layer
        assert block_parameters(model, kind).total == in_linears + memory_bound + vectors + norms + beside


@pytest.mark.parametrize("name", names("models"))
def test_products_of_a_pass_are_those_of_the_parameters_met(name: str) -> None:
    """Forward, and again where recomputation is by operations or selects matrices."""

    def flops(elements: list[Element], phase: str, mode: str, part: str) -> float:
        work = element_pass(elements, phase, mode)  # type: ignore[arg-type]
        return sum(float(op.flops) for op in work.operations if isinstance(op, Gemm) and op.part == part) / 8192

    for model, kind in kinds(name):
        elements = block_elements(model, kind, LONG)
        matrices = [matrix for matrix in matrices_of(model, kind) if matrix.name not in PRICED_AS_MEMORY]
        met = 2 * sum(matrix.met_parameters for matrix in matrices)
        assert flops(elements, "forward", "none", "gemm") == pytest.approx(met)
        repeated = 2 * sum(matrix.repeated_parameters for matrix in matrices)
        assert flops(elements, "backward", "operations", "recompute") == pytest.approx(repeated)
        selected = 2 * sum(matrix.met_parameters for matrix in matrices if matrix.selected in USUALLY_SELECTED)
        assert flops(elements, "backward", "selective", "recompute") == pytest.approx(selected)


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_a_layer_may_have_nothing_after_its_mixer(phase: Any) -> None:
    model, bare, whole = gpt(), BlockKind("full", "none"), BlockKind("full", "dense")
    elements = block_elements(model, bare, ALONE)
    assert elements == block_elements(model, whole, ALONE)[: len(elements)]
    counts = block_parameters(model, bare)
    assert counts.tensor == 4 * 12288**2
    assert counts.replicated == (2 + 3 + 1) * 12288  # one norm, biases of four matrices
    batch = Batch(phase, 8.0, 100.0, 800.0, 8.0)
    served = layer_elements(model, bare, ALONE, batch)
    assert served == layer_elements(model, whole, ALONE, batch)[: len(served)]


def test_latent_attention_needs_its_sizes() -> None:
    with pytest.raises(ValueError, match="gpt has no latent attention"):
        LatentAttentionLayer().matrices(gpt())


@dataclass(frozen=True)
class RecurrentCore(Element):
    """A core whose work grows with the tokens alone."""

    flops: float

    def forward(self, builder: Any) -> None:
        builder.run(Attention("recurrence", self.flops, 128.0, False))

    def input_gradient(self, builder: Any) -> None:
        builder.run(Attention("recurrence backward", 2.0 * self.flops, 128.0, True))


class Recurrent(Layer):
    """A mixer of a state of 1,024 elements a head of 8: what a new file would hold."""

    @property
    def label(self) -> str:
        return "recurrent"

    def matrices(self, model: Model) -> Sequence[Matrix]:
        return Matrix("in", model.hidden, 3 * model.hidden), Matrix("out", model.hidden, model.hidden)

    def core_flops(self, model: Model, span: float, *, causal: bool) -> float:
        return 2.0 * 8 * 1024

    def train(self, model: Model, shape: Shape) -> list[Element]:
        into, out = self.matrices(model)
        return [column(into, shape), RecurrentCore(2.0 * 8 * 1024 * float(shape.tokens)), row(out, shape)]

    def serve(self, model: Model, shape: Shape, batch: Batch) -> Sequence[Forward]:
        into, out = self.matrices(model)
        return [column(into, shape), row(out, shape)]

    def kept_elements(self, model: Model, tensor: float, length: float) -> float:
        return 8 * 1024 / tensor

    def problems(self, layout: Layout, model: Model) -> Sequence[Problem]:
        if layout.context == 1:
            return ()
        message = f"a recurrence can't be cut along the sequence in {layout.context}. Accepted: 1"
        return (Problem(message, "layout.context"),)


@pytest.fixture
def hybrid(monkeypatch: pytest.MonkeyPatch) -> Model:
    """Three recurrent layers, then one of attention, all with a feed-forward part."""
    monkeypatch.setitem(MIXERS, "recurrent", Recurrent())  # type: ignore[arg-type]
    plain = gpt(layers=8, hidden=1024, heads=16, kv_heads=16, ffn_hidden=4096, gated=True)
    return plain.model_copy(update={"attention_pattern": ("recurrent", "recurrent", "recurrent", "full")})


def test_a_new_type_is_counted_trained_and_served_with_a_line_in_the_registry(hybrid: Model) -> None:
    training = Training(sequence_length=1024, global_batch=64)
    plain = hybrid.model_copy(update={"attention_pattern": ("full",)})
    biases = 6 * 4 * 1024  # of three quarters of the layers' attention: the new type has none
    assert total_parameters(plain) - total_parameters(hybrid) == biases
    assert matmul_parameters(hybrid) == matmul_parameters(plain)
    attention = 2 * 3 * 2 * 2 * 1024 * 1024
    by_state = 6 * 3 * 2 * 8 * 1024
    bare = model_flops_per_token(hybrid, training, "6N")
    assert model_flops_per_token(hybrid, training) - bare == attention + by_state
    again = recomputed_flops_per_token(hybrid, training, {"full": 8}, fused=True, selected=())
    assert again == pytest.approx((model_flops_per_token(hybrid, training) - 6 * 1024 * 51200) / 3)
    step = simulate_step(scenario(model=hybrid, tensor=2, sequence_parallel=True))
    assert 0.0 < step.step_time_s < simulate_step(scenario(model=plain, tensor=2, sequence_parallel=True)).step_time_s
    assert simulate_serving(serving(hybrid)).phases["decode"].central.tokens_per_s > 0.0
    here = serving(hybrid)
    longer = [cache_bytes_of(here, here.decode, length, False) for length in (100.0, 200.0)]
    assert longer[1] - longer[0] == 2.0 * 2 * 100 * 2 * 1024  # two layers of attention grow, six states don't


def test_a_new_type_says_which_layouts_it_does_not_run_in(hybrid: Model) -> None:
    with pytest.raises(InputError, match=r"layout\.context: a recurrence can't be cut along the sequence in 2"):
        simulate_step(scenario(model=hybrid, context=2))


def test_a_type_that_is_not_registered_is_refused() -> None:
    model = gpt().model_copy(update={"attention_pattern": ("recurrent",)})
    for act in (
        lambda: mixer_of(model, model.block_kind(0)),
        lambda: total_parameters(model),
        lambda: simulate_step(scenario(model=model.model_copy(update={"layers": 8}))),
        lambda: forward_pass(
            layer_elements(model, model.block_kind(0), ALONE, Batch("decode", 1.0, 1.0, 1.0, 1.0)), frozenset()
        ),
    ):
        with pytest.raises(InputError, match=r'"recurrent" is not modelled\. Accepted: full, sliding'):
            act()


def test_elements_say_no_more_than_what_is_theirs() -> None:
    """Weights, room and repetition are nothing, nothing and all unless an element says otherwise."""
    core = RecurrentCore(4.0)
    assert (core.linears, core.saved_bytes(), core.gradients, core.results) == ((), 0.0, 0.0, 0.0)
    assert core.repeated() is core
    assert not core.recomputed_when_selective
    work = element_pass([core], "backward", "operations")
    assert [operation.name for operation in work.operations] == ["recurrence", "recurrence backward"]
    here = replace(ALONE, context_kind="all-gather")
    elements = block_elements(gpt(), BlockKind("full", "dense"), here)
    (fused,) = (element for element in elements if isinstance(element, FusedAttention))
    assert fused.repeated() is None
