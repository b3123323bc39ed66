"""How fast graphs are built and played: 1F1B on 16 stages with 256 micro-batches, 15,922 tasks, and 64 with 512."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from benchmarks.measure import Measure

from clustersim.engines import array, compiled, plan, reference
from clustersim.engines.compiled import Compiler
from clustersim.engines.nodes import make_nodes
from clustersim.schedules import Program, build_program

OPTIONS: dict[str, Any] = {
    "blocking_transfers": False,
    "gather": "after",
    "reduce": True,
    "tied_embeddings": True,
    "synchronous_optimizer": True,
}
ENGINES: dict[str, Callable[..., Any]] = {"reference": reference.play, "array": array.play}


@lru_cache
def program(stages: int, micro_batches: int) -> Program:
    return build_program("1f1b", stages, micro_batches, **OPTIONS)


def durations(some: Program, columns: int) -> np.ndarray:
    return np.random.default_rng(0).random((some.graph.kinds, columns))


@pytest.fixture(autouse=True)
def _without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured needs no compiler."""
    monkeypatch.setattr(compiled, "walk_for", Compiler(worth=10**18).walk_for)


@pytest.mark.parametrize(("engine", "columns"), [("reference", 1), ("array", 1), ("array", 100)])
def test_play(measure: Measure, engine: str, columns: int) -> None:
    some = program(16, 256)
    table = durations(some, columns)
    measure(
        lambda: ENGINES[engine](some.graph, table), group="play a step of 16k tasks", name=f"{engine}, {columns}",
        count=some.graph.tasks * columns, unit="tasks",
    )  # fmt: skip


@pytest.mark.usefixtures("only_measured")
@pytest.mark.parametrize("columns", [250, 500, 1000])
def test_makespan(measure: Measure, columns: int) -> None:
    some = program(64, 512)
    table = durations(some, columns)
    measure(
        lambda: array.makespan(some.graph, table), group="makespans of a step of 130k tasks, points",
        name=f"{columns:,}", count=some.graph.tasks * columns, unit="tasks", size=columns, rounds=2,
    )  # fmt: skip


@pytest.mark.parametrize("micro_batches", [128, 256, 512])
def test_build(measure: Measure, micro_batches: int) -> None:
    tasks = program(16, micro_batches).graph.tasks
    measure(
        lambda: build_program.__wrapped__("1f1b", 16, micro_batches, **OPTIONS), group="build a step, tasks",
        name=f"{tasks:,}", count=tasks, unit="tasks", size=tasks,
    )  # fmt: skip


@pytest.mark.parametrize("micro_batches", [128, 256, 512])
def test_plan(measure: Measure, micro_batches: int) -> None:
    graph = program(16, micro_batches).graph
    measure(lambda: make_nodes(graph), group="nodes of a step, tasks", name=f"{graph.tasks:,}", size=graph.tasks)


@pytest.mark.parametrize("micro_batches", [128, 256, 512])
def test_waves(measure: Measure, micro_batches: int) -> None:
    graph = program(16, micro_batches).graph
    measure(lambda: plan.make_plan(graph), group="waves of a step, tasks", name=f"{graph.tasks:,}", size=graph.tasks)
