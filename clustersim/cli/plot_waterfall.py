"""`clustersim plot waterfall`: where the peak FLOP/s went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from clustersim.cli.options import examples
from clustersim.cli.scenario_figure import Drawn, scenario_figure

if TYPE_CHECKING:
    from clustersim.inputs.scenario import Scenario


@click.command(
    "waterfall",
    short_help="From the peak FLOP/s of SCENARIO down to its MFU, a bar a loss.",
    epilog=examples(
        "clustersim plot waterfall deepseek_v3_h800_2048",
        "clustersim plot waterfall --model llama-3.1-70b --cluster a100-1024 --output losses.png --json",
    ),
)
@scenario_figure("waterfall")
def command(scenario: Scenario, engine: str, title: str) -> Drawn:
    """Draw what SCENARIO loses between the peak and its MFU: slow kernels, waiting, exposed communication and the rest.

    The losses are those of the mean device; the bars sum to the MFU. --json prints them.
    """
    from clustersim.simulation.inspect.waterfall import waterfall
    from clustersim.simulation.step.step import play_step
    from clustersim.views.waterfall_plot import draw_waterfall
    from clustersim.views.words import scenario_words

    falls = waterfall(play_step(scenario, engine=engine))
    return draw_waterfall(falls, title=title, about=scenario_words(scenario)), falls.to_dict()
