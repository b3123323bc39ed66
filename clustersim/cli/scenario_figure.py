"""What the commands that draw one scenario share: their options, reading the scenario, and writing the figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from clustersim.cli.options import figure_option, json_option, scenario_options, write_figure

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure


Drawn = tuple["Figure", "Mapping[str, Any] | None"]  # the figure, and what --json prints beside its path


def scenario_figure(what: str) -> Callable[[Callable[..., Drawn]], Callable[..., None]]:
    """Makes a command of a function that draws a laid-out scenario with an engine, under a title.

    The command takes SCENARIO with its flags, --title, --output and --json; the figure is called `what`. The function's
    further arguments are options of its own.
    """

    def command_of(draw: Callable[..., Drawn]) -> Callable[..., None]:
        @click.option("--title", default=None, help="Above the picture.  [default: the scenario's name]")
        @scenario_options
        @figure_option(f"results/<scenario>_{what}")
        @json_option
        @wraps(draw)
        def command(
            scenario: str | None,
            changes: tuple[str, ...],
            engine: str,
            title: str | None,
            output: Path | None,
            as_json: bool,
            **flags: Any,
        ) -> None:
            from clustersim.cli.scenarios import FLAGS, laid_out, result_path, scenario_from

            described, _ = laid_out(scenario_from(scenario, changes, flags))
            own = {name: value for name, value in flags.items() if name not in FLAGS}
            figure, document = draw(described, engine, described.name if title is None else title, **own)
            write_figure(figure, output, result_path(scenario, described, what), as_json, document)

        return command

    return command_of
