"""`clustersim plot layer`: what runs beside what inside one layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from clustersim.cli.options import examples, figure_option, json_option, scenario_options, write_figure

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    "layer",
    short_help="The kernels and collectives of one layer of SCENARIO over time.",
    epilog=examples(
        "clustersim plot layer deepseek_v3_h800_2048",
        "clustersim plot layer gpt3_175b_a100 --layer head --output head.svg",
    ),
)
@click.option("--layer", "name", metavar="NAME", help="Such as head.  [default: the kind that the model has most of]")
@click.option("--title", default=None, help="Above the picture.  [default: the scenario's name]")
@scenario_options
@figure_option("results/<scenario>_layer")
@json_option
def command(
    scenario: str | None,
    changes: tuple[str, ...],
    engine: str,
    name: str | None,
    title: str | None,
    output: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Draw the passes of one micro-batch over one layer of SCENARIO: a row a stream, a box a kernel or a collective.

    Where the software runs one micro-batch's forward beside another's backward pass, the two together come last.
    """
    from clustersim.cli.scenarios import laid_out, result_path, scenario_from
    from clustersim.simulation.inspect.pass_detail import played_passes, usual_layer
    from clustersim.simulation.step.step import play_step
    from clustersim.views.layer_plot import chosen_passes, draw_layer
    from clustersim.views.words import scenario_words

    described, _ = laid_out(scenario_from(scenario, changes, flags))
    step = play_step(described, engine=engine)
    layer = usual_layer(step) if name is None else name
    passes = chosen_passes(list(played_passes(step)), layer)
    about = f"{layer}\n{scenario_words(described)}"
    figure = draw_layer(passes, title=described.name if title is None else title, about=about)
    write_figure(figure, output, result_path(scenario, described, "layer"), as_json)
