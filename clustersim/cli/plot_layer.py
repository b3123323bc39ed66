"""`clustersim plot layer`: what runs beside what inside one layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from clustersim.cli.options import examples
from clustersim.cli.scenario_figure import Drawn, scenario_figure

if TYPE_CHECKING:
    from clustersim.inputs.scenario import Scenario


@click.command(
    "layer",
    short_help="The kernels and collectives of one layer of SCENARIO over time.",
    epilog=examples(
        "clustersim plot layer deepseek_v3_h800_2048",
        "clustersim plot layer gpt3_175b_a100 --layer head --output head.svg",
    ),
)
@click.option("--layer", "name", metavar="NAME", help="Such as head.  [default: the kind that the model has most of]")
@scenario_figure("layer")
def command(scenario: Scenario, engine: str, title: str, name: str | None) -> Drawn:
    """Draw the passes of one micro-batch over one layer of SCENARIO: a row a stream, a box a kernel or a collective.

    Where the software runs one micro-batch's forward beside another's backward pass, the two together come last.
    """
    from clustersim.simulation.inspect.pass_detail import played_passes, usual_layer
    from clustersim.simulation.step.step import play_step
    from clustersim.views.layer_plot import chosen_passes, draw_layer
    from clustersim.views.words import scenario_words

    step = play_step(scenario, engine=engine)
    layer = usual_layer(step) if name is None else name
    passes = chosen_passes(list(played_passes(step)), layer)
    return draw_layer(passes, title=title, about=f"{layer}\n{scenario_words(scenario)}"), None
