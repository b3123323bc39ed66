"""How fast graphs are built and played: 1F1B on 16 stages with 256 micro-batches, 15,922 tasks.

`make bench` prints the times of a group side by side, so that the ratios come from one run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clustersim.engines import array, plan, reference
from clustersim.schedules import Program, build_program

OPTIONS: dict[str, Any] = {
    "blocking_transfers": False,
    "gather": "after",
    "reduce": True,
    "tied_embeddings": True,
    "synchronous_optimizer": True,
}


@pytest.fixture(scope="module")
def program() -> Program:
    return build_program("1f1b", 16, 256, **OPTIONS)


def durations(program: Program, columns: int) -> np.ndarray:
    return np.random.default_rng(0).random((program.graph.kinds, columns))


@pytest.mark.benchmark(group="play a step of 16k tasks")
@pytest.mark.parametrize(("engine", "columns"), [("reference", 1), ("array", 1), ("array", 100)])
def test_play(benchmark: Any, program: Program, engine: str, columns: int) -> None:
    play = {"reference": reference.play, "array": array.play}[engine]
    timeline = benchmark.pedantic(play, (program.graph, durations(program, columns)), rounds=5, warmup_rounds=1)
    assert timeline.end.shape == (program.graph.tasks, columns)


@pytest.mark.benchmark(group="makespans of a step of 16k tasks")
@pytest.mark.parametrize("columns", [1, 100, 1000])
def test_makespan(benchmark: Any, program: Program, columns: int) -> None:
    last = benchmark.pedantic(array.makespan, (program.graph, durations(program, columns)), rounds=3, warmup_rounds=1)
    assert last.shape == (columns,)


@pytest.mark.benchmark(group="build a step")
@pytest.mark.parametrize("micro_batches", [64, 128, 256])
def test_build(benchmark: Any, micro_batches: int) -> None:
    built = benchmark.pedantic(build_program.__wrapped__, ("1f1b", 16, micro_batches), OPTIONS, rounds=5)
    assert built.graph.tasks == 62 * micro_batches + 50


@pytest.mark.benchmark(group="plan a step of 16k tasks")
def test_plan(benchmark: Any, program: Program) -> None:
    made = benchmark.pedantic(plan.make_plan, (program.graph,), rounds=5)
    assert len(made.task_row) == program.graph.tasks
