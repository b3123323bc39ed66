"""`clustersim plot memory`: what every pipeline stage holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from clustersim.cli.options import examples
from clustersim.cli.scenario_figure import Drawn, scenario_figure

if TYPE_CHECKING:
    from clustersim.inputs.scenario import Scenario


@click.command(
    "memory",
    short_help="What every pipeline stage of SCENARIO holds when it holds most.",
    epilog=examples(
        "clustersim plot memory deepseek_v3_h800_2048",
        "clustersim plot memory gpt3_175b_a100 --set layout.recompute=none --output held.png --json",
    ),
)
@scenario_figure("memory")
def command(scenario: Scenario, engine: str, title: str) -> Drawn:
    """Draw the memory of every pipeline stage of SCENARIO at its peak: states, activations, buffers, and the limit.

    A layout that does not fit is drawn, too. --json prints the bytes. Memory over time is in `clustersim trace`.
    """
    from clustersim.simulation.step.step import simulate_step
    from clustersim.views.memory_plot import draw_memory, stage_document
    from clustersim.views.words import layout_words

    memory = simulate_step(scenario, engine=engine, intervals=False).memory
    figure = draw_memory(memory, title=title, about=layout_words(scenario.resolved_layout))
    stages = [stage_document(stage) for stage in memory.stages]
    return figure, {"usable": memory.usable_bytes, "fits": memory.fits, "stages": stages}
