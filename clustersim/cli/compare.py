"""`clustersim compare`: scenarios beside each other, and what the difference is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clustersim.cli.options import Command, engine_option, examples, figure_path, json_option, print_json
from clustersim.cli.say import say

if TYPE_CHECKING:
    from clustersim.inputs.scenario import Scenario

SIDE = re.compile(r"([A-Z]):(.*)", re.DOTALL)

OPTIONS = (
    click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO..."),
    click.option("--cluster", metavar="NAME|PATH", help="The cluster of each SCENARIO that is a catalog model."),
    click.option(
        "--set",
        "changes",
        multiple=True,
        metavar="[B:]KEY=VALUE",
        help="Change a dotted key of one of them: A is the first, B the second. Without a letter the last one is "
        "changed; a single SCENARIO is compared with itself so changed. May be repeated.",
    ),
    engine_option,
)


def compare_options(command: Command) -> Command:
    """SCENARIOs and what changes them, for the commands that hand them to `described`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.command(
    "compare",
    short_help="Scenarios side by side, and what the difference is.",
    epilog=examples(
        "clustersim compare gpt3_175b_a100 --set layout.micro_batch=2",
        "clustersim compare gpt3_175b_a100 gpt3_175b_a100_1024 --plot difference.png --json",
    ),
)
@compare_options
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    callback=figure_path,
    metavar="FILE",
    help="Draw where each loses its peak: .svg, .png or .pdf.",
)
@json_option
def command(
    scenarios: tuple[str, ...],
    cluster: str | None,
    changes: tuple[str, ...],
    engine: str,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Hold SCENARIOs (files, names in configs/scenarios, models with --cluster) against the first of them.

    Figures stand side by side with the interval of the difference: two runs of one team miss their predictions alike,
    and what they share cancels. A sentence says what the difference is made of. Layouts that aren't given are searched.
    """
    from clustersim.studies.comparison import compare

    compared = compare(described(scenarios, changes, cluster), engine=engine)
    if as_json:
        print_json(compared.to_dict())
    else:
        from clustersim.views.compare_table import compare_view
        from clustersim.views.console import print_page

        print_page(compare_view(compared))
    if plot is not None:
        from clustersim.views.compare_plot import draw_comparison
        from clustersim.views.drawing import write

        plot.parent.mkdir(parents=True, exist_ok=True)
        write(draw_comparison(compared), plot)
        say(plot, err=as_json)


def described(sources: Sequence[str], changes: Sequence[str], cluster: str | None) -> list[Scenario]:
    """The scenarios with layouts, each with its own changes. Raises InputError and UsageError."""
    from clustersim.cli.scenarios import laid_out, scenario_from

    named = [*sources, *sources] if len(sources) == 1 else list(sources)
    own: list[list[str]] = [[] for _ in named]
    for change in changes:
        match = SIDE.fullmatch(change)
        place = len(named) - 1 if match is None else ord(match[1]) - ord("A")
        if place >= len(named):
            raise click.BadParameter(f"there is no {match[1] if match else change} among {len(named)} scenarios")
        own[place].append(change if match is None else match[2])
    if len(sources) == 1 and not changes:
        raise click.UsageError("Name a second SCENARIO, or what to change in this one: --set layout.micro_batch=2.")
    return [laid_out(scenario_from(each, more, {"cluster": cluster}))[0] for each, more in zip(named, own, strict=True)]
