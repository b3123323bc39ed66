"""`clustersim plot waterfall`: where the peak FLOP/s went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from clustersim.cli.options import examples, figure_option, json_option, scenario_options, write_figure

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    "waterfall",
    short_help="From the peak FLOP/s of SCENARIO down to its MFU, a bar a loss.",
    epilog=examples(
        "clustersim plot waterfall deepseek_v3_h800_2048",
        "clustersim plot waterfall --model llama-3.1-70b --cluster a100-1024 --output losses.png --json",
    ),
)
@click.option("--title", default=None, help="Above the picture.  [default: the scenario's name]")
@scenario_options
@figure_option("results/<scenario>_waterfall")
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
    """Draw what SCENARIO loses between the peak and its MFU: slow kernels, waiting, exposed communication and the rest.

    The losses are those of the mean device; the bars sum to the MFU. --json prints them.
    """
    from clustersim.cli.scenarios import laid_out, result_path, scenario_from
    from clustersim.simulation.inspect.waterfall import waterfall
    from clustersim.simulation.step.step import play_step
    from clustersim.views.waterfall_plot import draw_waterfall
    from clustersim.views.words import scenario_words

    described, _ = laid_out(scenario_from(scenario, changes, flags))
    falls = waterfall(play_step(described, engine=engine))
    heading = described.name if title is None else title
    figure = draw_waterfall(falls, title=heading, about=scenario_words(described))
    write_figure(figure, output, result_path(scenario, described, "waterfall"), as_json, falls.to_dict())
