"""`clustersim plot timeline`: the passes of every pipeline stage over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from clustersim.cli.options import examples
from clustersim.cli.scenario_figure import Drawn, scenario_figure

if TYPE_CHECKING:
    from clustersim.inputs.scenario import Scenario


@click.command(
    "timeline",
    short_help="The passes of every pipeline stage of SCENARIO over time.",
    epilog=examples(
        "clustersim plot timeline gpt3_175b_a100",
        "clustersim plot timeline llama3_405b_h100_16384 --stages 0..3 --from 2 --to 3.5 --output steady.svg",
    ),
)
@click.option(
    "--stages", metavar="LIST", help="Pipeline stages to show, such as 0..7 or 0,15.  [default: as many as fit]"
)
@click.option("--from", "start", type=click.FloatRange(min=0.0), metavar="SECONDS", help="Where the picture begins.")
@click.option("--to", "end", type=click.FloatRange(min=0.0), metavar="SECONDS", help="Where the picture ends.")
@scenario_figure("timeline")
def command(
    scenario: Scenario, engine: str, title: str, stages: str | None, start: float | None, end: float | None
) -> Drawn:
    """Draw one step of SCENARIO: a row a stage, a box a pass with the number of its micro-batch.

    A step that is too long to read is shown by its beginning and its end, unless --from and --to say more.
    """
    from clustersim.simulation.step.step import play_step
    from clustersim.views.timeline_boxes import excerpt_of
    from clustersim.views.timeline_plot import draw_timeline
    from clustersim.views.words import scenario_words

    step = play_step(scenario, engine=engine)
    span = None if start is None and end is None else (start or 0.0, end)
    excerpt = excerpt_of(step.program, step.timeline, span=span, stages=stages)
    about = scenario_words(scenario)
    return draw_timeline(step.program, step.timeline, title=title, about=about, excerpt=excerpt), None
