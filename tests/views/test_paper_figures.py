"""Schedules drawn like the figures of their papers, with F = B = W and free links: looked at beside them, and kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import assert_looks_like

from clustersim.engines import play
from clustersim.schedules import TaskType, build_program
from clustersim.views.timeline_plot import draw_timeline

UNITS = {
    TaskType.FORWARD: 1.0,
    TaskType.BACKWARD: 2.0,
    TaskType.INPUT_GRADIENT: 1.0,
    TaskType.WEIGHT_GRADIENT: 1.0,
    TaskType.FORWARD_BESIDE: 1.0,
    TaskType.BACKWARD_BESIDE: 2.0,
}


@pytest.mark.parametrize(
    ("schedule", "sizes", "figure"),
    [
        ("zb-1p", (4, 8), "Qi et al. 2023, figure 3 (top)"),
        ("zb-2p", (4, 8), "Qi et al. 2023, figure 3 (bottom)"),
        ("zb-v", (4, 8, 2), "Qi et al. 2023, section 6"),
        ("dualpipe", (8, 20), "DeepSeek-V3, figure 5"),
    ],
)
def test_schedules_look_like_their_papers_figures(
    schedule: str, sizes: tuple[int, ...], figure: str, tmp_path: Path
) -> None:
    program = build_program(
        schedule,
        *sizes,
        blocking_transfers=False,
        gather="none",
        reduce=False,
        tied_embeddings=False,
        synchronous_optimizer=False,
    )
    durations = [UNITS.get(kind.operation, 0.0) for kind in program.kinds]
    timeline = play(program.graph, np.array(durations)[:, np.newaxis])
    picture = draw_timeline(program, timeline, title=schedule, about=figure)
    assert_looks_like(picture, f"paper_{schedule.replace('-', '_')}", tmp_path)
