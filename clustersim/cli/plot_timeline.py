"""`clustersim plot timeline`: the passes of every pipeline stage over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from clustersim.cli.options import examples, figure_option, json_option, scenario_options, write_figure

if TYPE_CHECKING:
    from pathlib import Path


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
@click.option("--title", default=None, help="Above the picture.  [default: the scenario's name]")
@scenario_options
@figure_option("results/<scenario>_timeline")
@json_option
def command(
    scenario: str | None,
    changes: tuple[str, ...],
    engine: str,
    stages: str | None,
    start: float | None,
    end: float | None,
    title: str | None,
    output: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Draw one step of SCENARIO: a row a stage, a box a pass with the number of its micro-batch.

    A step that is too long to read is shown by its beginning and its end, unless --from and --to say more.
    """
    from clustersim.cli.scenarios import laid_out, result_path, scenario_from
    from clustersim.simulation.step.step import play_step
    from clustersim.views.timeline_boxes import excerpt_of
    from clustersim.views.timeline_plot import draw_timeline
    from clustersim.views.words import scenario_words

    described, _ = laid_out(scenario_from(scenario, changes, flags))
    step = play_step(described, engine=engine)
    span = None if start is None and end is None else (start or 0.0, end)
    figure = draw_timeline(
        step.program,
        step.timeline,
        title=described.name if title is None else title,
        about=scenario_words(described),
        excerpt=excerpt_of(step.program, step.timeline, span=span, stages=stages),
    )
    write_figure(figure, output, result_path(scenario, described, "timeline"), as_json)
