"""The search against brute force over the same grid, what it counts, and what it says where nothing fits."""

from __future__ import annotations

from itertools import product
from statistics import median

import builders
import pytest

from clustersim.errors import InfeasibleError, InputError
from clustersim.inputs.layout import Layout
from clustersim.inputs.model import Model
from clustersim.inputs.resolve import resolve_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.step import simulate_step
from clustersim.studies.candidates import MICRO_BATCHES, VIRTUAL_STAGES, candidate_families
from clustersim.studies.search import search_layouts


def open_scenario(model: Model, nodes: int = 1, memory_gib: float = 64.0, batch: int = 32, **stack: object) -> Scenario:
    """A cluster of 8 a node whose layout is left open."""
    made = builders.scenario(nodes=nodes, model=model, stack_=builders.stack(**stack), global_batch=batch)
    chip = builders.accelerator(memory={"capacity": memory_gib * builders.GIB, "bandwidth": 1e12})
    node = made.cluster.node.model_copy(update={"accelerator": chip})
    cluster = made.cluster.model_copy(update={"node": node})
    return made.model_copy(update={"layout": "search", "cluster": cluster})


def small_gpt() -> Model:
    return builders.gpt(layers=8, hidden=2048, heads=16, kv_heads=16, ffn_hidden=8192)


def brute_force(scenario: Scenario, experts: tuple[int, ...] = (1,)) -> dict[str, float]:
    """Step time of every layout of the grid that can run and fits."""
    devices, found = scenario.cluster.devices, {}
    sizes = [size for size in (1, 2, 4, 8) if devices % size == 0]
    modes = ("none", "selective", "full")
    for tensor, pipeline, chunks, expert, micro_batch, mode in product(
        sizes, range(1, devices + 1), VIRTUAL_STAGES, experts, MICRO_BATCHES, modes
    ):
        if pipeline == 1 < chunks:
            continue
        layout = Layout(
            tensor=tensor,
            pipeline=pipeline,
            virtual_stages=chunks,
            expert=expert,
            expert_tensor=1 if expert > 1 else None,
            micro_batch=micro_batch,
            recompute=mode,
        )
        try:
            step = simulate_step(resolve_scenario(scenario, layout), intervals=False)
        except (InputError, InfeasibleError):
            continue
        if step.fits:
            found[str(layout)] = step.step_time_s
    return found


@pytest.mark.slow
@pytest.mark.parametrize("memory_gib", [64.0, 5.0])
def test_nothing_in_the_grid_beats_the_best_layout(memory_gib: float) -> None:
    scenario = open_scenario(small_gpt(), memory_gib=memory_gib)
    every = brute_force(scenario)
    found = search_layouts(scenario, top=3)
    assert found.best[0].step.step_time_s <= min(every.values()) * (1 + 1e-9)
    assert found.best[0].step.step_time_s == pytest.approx(min(every.values()))
    assert found.feasible >= len(found.best)


@pytest.mark.slow
def test_nothing_in_the_grid_of_a_mixture_beats_it_either() -> None:
    scenario = open_scenario(builders.moe(), batch=16)
    every = brute_force(scenario, experts=(1, 2, 4, 8))
    assert search_layouts(scenario).best[0].step.step_time_s == pytest.approx(min(every.values()))


def test_results_are_sorted_counted_and_fit() -> None:
    seen: list[tuple[int, int]] = []
    found = search_layouts(open_scenario(small_gpt()), top=4, play=6, progress=lambda *done: seen.append(done))
    times = [result.step.step_time_s for result in found.best]
    assert times == sorted(times)
    assert all(result.step.fits for result in found.best)
    assert len(found.best) == 4
    assert 4 <= found.played <= 6
    assert seen == [(number, 6) for number in range(1, found.played + 1)]
    assert found.candidates >= found.feasible >= found.played
    assert found.candidates - found.feasible == found.rejected.get("out of memory", 0)


@pytest.mark.parametrize("sharding", ["none", "zero1", "zero2", "zero3", "fsdp", "hybrid"])
@pytest.mark.parametrize("overlap", [frozenset(), frozenset({"grad_reduce", "param_gather", "fsdp"})])
def test_estimates_are_close_enough_to_choose_by(sharding: str, overlap: frozenset[str]) -> None:
    defaults = {"sharding": sharding, "overlap": overlap}
    scenario = open_scenario(small_gpt(), nodes=2, batch=64, defaults=defaults)
    fitting = [candidate for family in candidate_families(scenario) for candidate in family.fitting]
    fitting.sort(key=lambda candidate: candidate.estimate_s)
    ratios = []
    for candidate in fitting[:: len(fitting) // 12]:
        step = simulate_step(resolve_scenario(scenario, candidate.layout), intervals=False)
        assert step.fits, candidate.layout
        ratios.append(candidate.estimate_s / step.step_time_s)
    assert max(ratios) < 1.05, "never too long, so that no good layout is passed over"
    assert median(ratios) > 0.8


def test_less_memory_leaves_fewer_layouts_and_no_faster_one() -> None:
    wide, tight = (search_layouts(open_scenario(small_gpt(), memory_gib=gib), top=1) for gib in (64.0, 5.0))
    assert wide.candidates == tight.candidates
    assert tight.feasible < wide.feasible
    assert tight.best[0].step.step_time_s >= wide.best[0].step.step_time_s


def test_playing_ends_where_estimates_promise_no_more() -> None:
    few, many = (search_layouts(open_scenario(small_gpt()), top=1, play=play) for play in (500, 24))
    assert few.played == many.played < 24
    assert few.best[0].step.step_time_s == many.best[0].step.step_time_s


def test_the_search_is_deterministic() -> None:
    first, second = (search_layouts(open_scenario(small_gpt()), top=2) for _ in range(2))
    assert [result.to_dict() for result in first.best] == [result.to_dict() for result in second.best]


def test_embedding_and_head_may_fill_virtual_stages_of_their_own() -> None:
    model = builders.gpt(layers=6, hidden=1024, heads=8, kv_heads=8, ffn_hidden=4096)
    scenario = open_scenario(model, batch=64)
    layouts = {
        (candidate.layout.pipeline, candidate.layout.virtual_stages)
        for family in candidate_families(scenario)
        for candidate in family.fitting
    }
    assert (4, 2) in layouts
    assert (8, 1) in layouts
    assert (8, 2) not in layouts


@pytest.mark.parametrize(
    ("model", "fused", "modes"),
    [
        (small_gpt(), False, {"none", "selective", "full"}),
        (small_gpt(), True, {"none", "full"}),
        (
            builders.gpt(layers=4, hidden=1024, heads=8, kv_heads=8, position="alibi"),
            True,
            {"none", "selective", "full"},
        ),
        (builders.moe(), True, {"none", "selective", "full"}),
    ],
)
def test_selective_recomputation_is_tried_where_it_drops_something(model: Model, fused: bool, modes: set[str]) -> None:
    scenario = open_scenario(model, fused_attention=fused)
    assert {
        candidate.layout.recompute for family in candidate_families(scenario) for candidate in family.fitting
    } == modes


def test_a_model_too_large_says_by_how_much() -> None:
    with pytest.raises(InfeasibleError, match=r"the leanest needs [\d.]+ GiB a device of 1\.9 GiB usable") as caught:
        search_layouts(open_scenario(builders.gpt(), memory_gib=2.0))
    assert "8 devices" in str(caught.value)


def test_a_batch_that_nothing_divides_says_so() -> None:
    model = builders.gpt(layers=1, hidden=1000, heads=5, kv_heads=5, ffn_hidden=4000)
    with pytest.raises(InfeasibleError, match="no layout divides 8 devices and a batch of 3 sequences"):
        search_layouts(open_scenario(model, batch=3))


def test_layouts_that_turn_out_not_to_fit_are_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    import clustersim.studies.search as module

    def refuse(*_: object, **__: object) -> None:
        raise InfeasibleError("no")

    monkeypatch.setattr(module, "simulate_run", refuse)
    with pytest.raises(InfeasibleError, match="most promising"):
        search_layouts(open_scenario(small_gpt()))
