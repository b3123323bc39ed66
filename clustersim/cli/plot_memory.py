"""`clustersim plot memory`: what every pipeline stage holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from clustersim.cli.options import examples, figure_option, json_option, scenario_options, write_figure

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    "memory",
    short_help="What every pipeline stage of SCENARIO holds when it holds most.",
    epilog=examples(
        "clustersim plot memory deepseek_v3_h800_2048",
        "clustersim plot memory gpt3_175b_a100 --set layout.recompute=none --output held.png --json",
    ),
)
@click.option("--title", default=None, help="Above the picture.  [default: the scenario's name]")
@scenario_options
@figure_option("results/<scenario>_memory")
@json_option
def command(
    scenario: str | None,
    changes: tuple[str, ...],
    engine: str,
    title: str | None,
    output: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Draw the memory of every pipeline stage of SCENARIO at its peak: states, activations, buffers, and the limit.

    A layout that does not fit is drawn, too. --json prints the bytes. Memory over time is in `clustersim trace`.
    """
    from clustersim.cli.scenarios import laid_out, result_path, scenario_from
    from clustersim.simulation.step.step import simulate_step
    from clustersim.views.memory_plot import draw_memory, stage_document
    from clustersim.views.words import layout_words

    described, _ = laid_out(scenario_from(scenario, changes, flags))
    memory = simulate_step(described, engine=engine, intervals=False).memory
    heading = described.name if title is None else title
    figure = draw_memory(memory, title=heading, about=layout_words(described.resolved_layout))
    stages = [stage_document(stage) for stage in memory.stages]
    document = {"usable": memory.usable_bytes, "fits": memory.fits, "stages": stages}
    write_figure(figure, output, result_path(scenario, described, "memory"), as_json, document)
