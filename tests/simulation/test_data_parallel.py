"""Compute beside messages, against every pair of intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.engines import play
from clustersim.simulation.step.data_parallel import COMPUTE_TASKS, _beside_messages, _graph


@given(st.integers(1, 7), st.booleans(), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_compute_beside_messages_is_what_intervals_share(layers: int, gathers: bool, points: int, seed: int) -> None:
    graph, draws = _graph(layers, gathers), np.random.default_rng(seed)
    durations = draws.random((graph.kinds, points)) * draws.integers(0, 2, (graph.kinds, points))
    timeline = play(graph, durations)
    messages = sorted(set(range(graph.tasks)) - set(range(graph.tasks)[COMPUTE_TASKS]))
    shared = [
        [
            sum(
                max(
                    0.0,
                    min(timeline.end[task, point], timeline.end[message, point])
                    - max(timeline.start[task, point], timeline.start[message, point]),
                )
                for message in messages
            )
            for point in range(points)
        ]
        for task in range(graph.tasks)[COMPUTE_TASKS]
    ]
    assert _beside_messages(timeline) == pytest.approx(np.array(shared), abs=1e-12)
