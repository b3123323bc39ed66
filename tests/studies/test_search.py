"""The search against brute force over the same grid, what it counts, and what it says where nothing fits."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from statistics import median

import builders
import numpy as np
import pytest

from clustersim.errors import InfeasibleError, InputError
from clustersim.inputs.layout import Layout
from clustersim.inputs.model import Model
from clustersim.inputs.resolve import resolve_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.results import StepResult
from clustersim.simulation.run import simulate_run
from clustersim.simulation.step.step import simulate_step
from clustersim.studies.layouts.candidates import (
    USUAL,
    VIRTUAL_STAGES,
    Family,
    Space,
    candidate_families,
)
from clustersim.studies.layouts.search import search_layouts
from clustersim.studies.layouts.shares import StageTimes, longest_shares, turns_of


def open_scenario(model: Model, nodes: int = 1, memory_gib: float = 64.0, batch: int = 32, **stack: object) -> Scenario:
    """A cluster of 8 a node whose layout is left open."""
    made = builders.scenario(nodes=nodes, model=model, stack_=builders.stack(**stack), global_batch=batch)
    chip = builders.accelerator(memory={"capacity": memory_gib * builders.GIB, "bandwidth": 1e12})
    node = made.cluster.node.model_copy(update={"accelerator": chip})
    cluster = made.cluster.model_copy(update={"node": node})
    return made.model_copy(update={"layout": "search", "cluster": cluster})


def small_gpt() -> Model:
    return builders.gpt(layers=8, hidden=2048, heads=16, kv_heads=16, ffn_hidden=8192)


def brute_force(scenario: Scenario, space: Space = USUAL, experts: tuple[int, ...] = (1,)) -> dict[str, StepResult]:
    """Every layout of a space that can run and fits, played."""
    devices, found = scenario.cluster.devices, {}
    sizes = [size for size in (1, 2, 4, 8) if devices % size == 0]
    modes = ("none", "selective", "full")
    axes = (sizes, range(1, devices + 1), VIRTUAL_STAGES, space.contexts, experts, space.micro_batches, modes)
    words = (space.shardings or (None,), space.schedules)
    for tensor, pipeline, chunks, context, expert, micro_batch, mode, sharding, schedule in product(*axes, *words):
        if (chunks > 1 or pipeline == 1) and schedule != space.schedules[0]:  # one order each
            continue
        if chunks > 1 and pipeline == 1:
            continue
        for expert_tensor in {1, tensor} if scenario.model.moe else {None}:
            layout = Layout(
                tensor=tensor,
                pipeline=pipeline,
                virtual_stages=chunks,
                context=context,
                expert=expert,
                expert_tensor=expert_tensor,
                micro_batch=micro_batch,
                recompute=mode,
                sharding=sharding,
                schedule="interleaved-1f1b" if chunks > 1 else schedule,
            )
            try:
                step = simulate_step(resolve_scenario(scenario, layout), intervals=False)
            except (InputError, InfeasibleError):
                continue
            if step.fits:
                found[str(layout)] = step
    return found


MODELS = {
    "gpt": builders.gpt(layers=4, hidden=1024, heads=8, kv_heads=8, ffn_hidden=4096),
    "odd": builders.gpt(layers=5, hidden=512, heads=4, kv_heads=2, ffn_hidden=2048, vocab=100_000),
    "moe": builders.moe(),
    "mtp": builders.moe(layers=3, mtp_layers=1),  # its last stage gets fewer layers, or none
}
SPACES = {
    "usual": Space(micro_batches=(1, 2)),
    "shardings": Space(micro_batches=(1, 4), shardings=("none", "zero1", "zero2", "fsdp")),
    "schedules": Space(micro_batches=(1, 2), schedules=("1f1b", "gpipe", "zb-h1")),
    "contexts": Space(contexts=(1, 2, 4), micro_batches=(1, 2)),
}
SMALL = [
    (model, space, memory, overlap)
    for (model, memory), (space, overlap) in product(
        [("gpt", 64.0), ("gpt", 0.75), ("odd", 1.0), ("moe", 64.0), ("moe", 0.8), ("mtp", 64.0)],
        [("usual", True), ("shardings", False), ("schedules", True), ("contexts", False)],
    )
]


@pytest.mark.slow
@pytest.mark.parametrize(("model", "space", "memory_gib", "overlap"), SMALL)
def test_nothing_that_brute_force_finds_is_better(model: str, space: str, memory_gib: float, overlap: bool) -> None:
    """Two dozen spaces, each played whole: the best layout by time and by memory, and the front between them."""
    defaults = {"overlap": frozenset({"grad_reduce", "param_gather", "tensor", "expert"} if overlap else ())}
    stack = {"defaults": defaults, "blocking_transfers": overlap, "fused_attention": model != "odd"}
    scenario = open_scenario(MODELS[model], memory_gib=memory_gib, batch=16, **stack)
    every = brute_force(scenario, SPACES[space], experts=(1, 2, 4, 8) if MODELS[model].moe else (1,))
    fastest = min(step.step_time_s for step in every.values())
    leanest = min(step.memory_bytes for step in every.values())
    found = search_layouts(scenario, top=3, space=SPACES[space], front=True)
    assert found.best[0].step.step_time_s == pytest.approx(fastest, rel=1e-12)
    assert found.front[0].step.step_time_s == pytest.approx(fastest, rel=1e-12)
    assert found.front[-1].step.memory_bytes == pytest.approx(leanest, rel=1e-12)
    for step in every.values():
        assert any(
            kept.step.step_time_s <= step.step_time_s * (1 + 1e-9)
            and kept.step.memory_bytes <= step.memory_bytes * (1 + 1e-9)
            for kept in found.front
        )
    by_memory = search_layouts(scenario, top=1, space=SPACES[space], metric="memory")
    assert by_memory.best[0].step.memory_bytes == pytest.approx(leanest, rel=1e-12)


@pytest.mark.slow
def test_the_search_is_exact_where_tasks_share_cores_and_links() -> None:
    """Sharing only makes tasks longer, so that what bounds them alone bounds them coupled."""
    defaults = {"overlap": frozenset({"grad_reduce", "param_gather", "tensor"})}
    stack = {"defaults": defaults, "blocking_transfers": False, "overlap_slowdown": 0.3, "coupling": 2}
    scenario = open_scenario(MODELS["gpt"], nodes=2, batch=16, **stack)
    every = brute_force(scenario, SPACES["usual"])
    assert any(step.coupling_residual for step in every.values())
    found = search_layouts(scenario, top=1, space=SPACES["usual"])
    assert found.best[0].step.step_time_s == min(step.step_time_s for step in every.values())


def bounded(families: Iterable[Family]) -> list[tuple[float, float, Layout]]:
    """Every candidate with its bounds."""
    return [
        (float(family.bound_s[point]), float(family.bound_bytes[point]), family.layout(point))
        for family in families
        for point in range(len(family.data))
    ]


@pytest.mark.parametrize("model", ["gpt", "moe", "mtp"])
@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("meets", [True, False])
@pytest.mark.parametrize(
    "overlap", [(), ("grad_reduce", "param_gather", "fsdp", "tensor", "expert")], ids=["apart", "hidden"]
)
def test_no_step_beats_its_bounds(model: str, blocking: bool, meets: bool, overlap: tuple[str, ...]) -> None:
    """Whatever the stack does; and with blocking messages time's bound is close, so that few layouts are played."""
    stack = {"blocking_transfers": blocking, "synchronous_optimizer": meets, "overlap_slowdown": 0.2}
    scenario = open_scenario(MODELS[model], nodes=2, batch=32, defaults={"overlap": frozenset(overlap)}, **stack)
    space = Space((1, 2), (1, 2), ("zero1", "fsdp"), ("1f1b", "zb-h1"))
    candidates = bounded(candidate_families(scenario, space))
    ratios = []
    for bound_s, bound_bytes, layout in candidates[:: len(candidates) // 12]:
        step = simulate_step(resolve_scenario(scenario, layout), intervals=False)
        assert bound_s <= step.step_time_s, layout
        assert bound_bytes <= step.memory_bytes, layout
        ratios.append(bound_s / step.step_time_s)
    assert median(ratios) > (0.8 if blocking and meets else 0.2)


ORDERS = ("1f1b", "gpipe", "zb-h1", "zb-1p", "zb-2p", "zb-v", "dualpipe")


@pytest.mark.parametrize("model", ["gpt", "moe"])
@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("meets", [True, False])
def test_no_order_beats_its_bounds(model: str, blocking: bool, meets: bool) -> None:
    """Orders that are fixed or planned, with gradients apart, passes beside one another, and from both ends."""
    overlap = frozenset({"grad_reduce", "param_gather", "expert"} if blocking else ())
    stack = {"blocking_transfers": blocking, "synchronous_optimizer": meets, "defaults": {"overlap": overlap}}
    scenario = open_scenario(MODELS[model], nodes=2, batch=32, **stack)
    space = Space((1,), (1,), ("zero1", "zero3"), ORDERS, where="pipeline > 1 and tensor <= 2 and virtual_stages <= 2")
    by_order: dict[str | None, list[tuple[float, float, Layout]]] = {}
    for candidate in bounded(candidate_families(scenario, space)):
        by_order.setdefault(candidate[2].schedule, []).append(candidate)
    assert by_order.keys() == {*ORDERS, "interleaved-1f1b"}
    close = {}
    for name, candidates in by_order.items():
        for bound_s, bound_bytes, layout in candidates[:: len(candidates) // 4]:
            step = simulate_step(resolve_scenario(scenario, layout), intervals=False)
            assert bound_s <= step.step_time_s, layout
            assert bound_bytes <= step.memory_bytes, layout
            close.setdefault(name, []).append(bound_s / step.step_time_s)
    assert median(close["zb-h1"]) > 0.6


@pytest.mark.parametrize(("micro_batches", "stages"), [(4, 4), (12, 4), (8, 8)])
@pytest.mark.parametrize("weight", [0.5, 1.0])
@pytest.mark.parametrize("schedule", ["1f1b", "zb-h1"])
def test_the_share_of_a_stage_is_what_papers_say(micro_batches: int, stages: int, weight: float, schedule: str) -> None:
    """Of equal stages over free links, from p micro-batches on: Qi et al. 2023, table 2."""
    count, (forward, gradient) = np.full(1, float(micro_batches)), (1.0, 1.25)
    turns, idle = turns_of(schedule, stages, count), (stages - 1) * (forward + gradient - weight)
    if schedule == "1f1b":  # whose gradients are one pass
        gradient, weight = gradient + weight, 0.0
        idle = (stages - 1) * (forward + gradient)
    ones, free = np.ones((stages, 1)), np.zeros((stages, 1))
    busy, later = micro_batches * (forward + gradient + weight) * ones, weight * ones
    passes = StageTimes(busy, forward * ones, gradient * ones, later, later, free, free, turns.before * ones)
    assert longest_shares(passes, turns)[0, 0] == pytest.approx(busy[0, 0] + idle)


def test_results_are_sorted_counted_and_fit() -> None:
    seen: list[tuple[int, int]] = []
    found = search_layouts(open_scenario(small_gpt()), top=4, progress=lambda *done: seen.append(done))
    times = [result.step.step_time_s for result in found.best]
    assert times == sorted(times)
    assert all(result.step.fits for result in found.best)
    assert len(found.best) == 4
    assert [done for done, _ in seen] == list(range(1, found.played + 1))
    assert seen[-1][0] <= seen[-1][1]
    assert found.candidates >= found.feasible >= found.played
    assert found.candidates - found.feasible == found.rejected.get("out of memory", 0)
    assert found.complete
    assert found.front == ()


def test_every_layout_that_is_none_has_a_reason() -> None:
    """All combinations of the grid are candidates or counted by what keeps them from it."""
    scenario = open_scenario(builders.moe(), batch=12, memory_gib=1.0)
    space = Space(contexts=(1, 2), micro_batches=(1, 3), where="tensor <= 4")
    found = search_layouts(scenario, space=space)
    reasons = {"does not divide the batch", "condition not met", "out of memory"}
    assert reasons <= set(found.rejected)
    assert all(result.step.scenario.resolved_layout.tensor <= 4 for result in found.best)


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="'speed'; there are step_time, mfu"):
        search_layouts(open_scenario(small_gpt()), metric="speed")


def test_an_interrupted_search_keeps_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    import clustersim.studies.layouts.search as module

    played: list[Scenario] = []

    def interrupted(scenario: Scenario) -> object:
        played.append(scenario)
        if len(played) == 3:
            raise KeyboardInterrupt
        return simulate_run(scenario)

    monkeypatch.setattr(module, "simulate_run", interrupted)
    found = search_layouts(open_scenario(small_gpt()), top=5)
    assert not found.complete
    assert len(found.best) == 2
    played[:] = [played[0]] * 2
    with pytest.raises(KeyboardInterrupt):
        search_layouts(open_scenario(small_gpt()), top=5)


@pytest.mark.parametrize(("tokens", "contexts"), [(2048, {1}), (8192, {1}), (24576, {1, 2}), (65536, {1, 2, 4, 8})])
def test_long_sequences_are_cut_to_eight_thousand_tokens_a_rank(tokens: int, contexts: set[int]) -> None:
    scenario = open_scenario(small_gpt(), nodes=2)
    training = scenario.training.model_copy(update={"sequence_length": tokens})
    families = list(candidate_families(scenario.model_copy(update={"training": training})))
    assert {size for family in families for size in family.grid.context} == contexts


def test_less_memory_leaves_fewer_layouts_and_no_faster_one() -> None:
    wide, tight = (search_layouts(open_scenario(small_gpt(), memory_gib=gib), top=1) for gib in (64.0, 5.0))
    assert wide.candidates == tight.candidates
    assert tight.feasible < wide.feasible
    assert tight.best[0].step.step_time_s >= wide.best[0].step.step_time_s


def test_the_search_is_deterministic() -> None:
    first, second = (search_layouts(open_scenario(small_gpt()), top=2) for _ in range(2))
    assert [result.to_dict() for result in first.best] == [result.to_dict() for result in second.best]


def test_embedding_and_head_may_fill_virtual_stages_of_their_own() -> None:
    model = builders.gpt(layers=6, hidden=1024, heads=8, kv_heads=8, ffn_hidden=4096)
    scenario = open_scenario(model, batch=64)
    layouts = {(layout.pipeline, layout.virtual_stages) for _, _, layout in bounded(candidate_families(scenario))}
    assert (4, 2) in layouts
    assert (8, 1) in layouts
    assert (8, 2) not in layouts


@pytest.mark.parametrize(
    ("model", "fused", "modes"),
    [
        (small_gpt(), False, {"none", "selective", "full"}),
        (small_gpt(), True, {"none", "selective", "full"}),
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
    assert {layout.recompute for _, _, layout in bounded(candidate_families(scenario))} == modes


def test_a_model_too_large_says_by_how_much() -> None:
    with pytest.raises(InfeasibleError, match=r"the leanest needs [\d.]+ GiB a device of 1\.9 GiB usable") as caught:
        search_layouts(open_scenario(builders.gpt(), memory_gib=2.0))
    assert "8 devices" in str(caught.value)


def test_a_batch_that_nothing_divides_says_so() -> None:
    model = builders.gpt(layers=1, hidden=1000, heads=5, kv_heads=5, ffn_hidden=4000)
    with pytest.raises(InfeasibleError, match="no layout divides 8 devices and a batch of 3 sequences"):
        search_layouts(open_scenario(model, batch=3))


def test_layouts_that_turn_out_not_to_fit_are_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    import clustersim.studies.layouts.search as module

    def refuse(*_: object, **__: object) -> None:
        raise InfeasibleError("no")

    monkeypatch.setattr(module, "simulate_run", refuse)
    with pytest.raises(InfeasibleError, match="most promising"):
        search_layouts(open_scenario(small_gpt()))
