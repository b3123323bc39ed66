"""`clustersim search`: the best layouts of a scenario."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from clustersim.cli.options import examples, figure_path, json_option, print_json, progress_bar, seed_option, set_option
from clustersim.cli.outputs import checked
from clustersim.cli.say import say

if TYPE_CHECKING:
    from clustersim.studies.layouts.candidates import Space
    from clustersim.studies.layouts.search import SearchResult


@click.command(
    "search",
    short_help="The best layouts of a scenario.",
    epilog=examples(
        "clustersim search gpt3_175b_a100 --top 3 --quick",
        'clustersim search gpt3_175b_a100 --where "tensor <= 8 and context == 1" --metric memory --json',
    ),
)
@click.argument("scenario")
@click.option("--cluster", metavar="NAME|PATH", help="The cluster, where SCENARIO is a model of the catalog.")
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="How many layouts to show.")
@click.option(
    "--metric",
    type=click.Choice(["step_time", "mfu", "cost", "energy", "memory"]),
    default="step_time",
    show_default=True,
    help="What the best are best by; memory: the most headroom.",
)
@click.option("--where", metavar="CONDITION", help='Such as "tensor * pipeline <= 64" or "memory < 70 GiB".')
@click.option(
    "--headroom",
    metavar="PROBABILITY",
    default="90 %",
    show_default=True,
    help="With which what is found fits in memory.",
)
@click.option("--quick", is_flag=True, help="Sharding, schedule and context as the stack has them by default.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    callback=figure_path,
    metavar="FILE",
    help="Draw MFU against memory with the Pareto front: .svg, .png or .pdf. Plays more layouts.",
)
@click.option(
    "--export",
    "target",
    type=click.Choice(["megatron", "megatron-bridge", "torchtitan", "deepspeed", "mindspeed"]),
    help="Write the best layout for a launcher, too.",
)
@click.option(
    "--export-to",
    type=click.Path(path_type=Path),
    callback=checked(folder=False),
    metavar="FILE",
    help="Where --export writes.  [default: results/SCENARIO_LAUNCHER]",
)
@set_option
@seed_option
@json_option
def command(
    scenario: str,
    changes: tuple[str, ...],
    top: int,
    metric: str,
    where: str | None,
    headroom: str,
    quick: bool,
    plot: Path | None,
    target: str | None,
    export_to: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Search the best layouts of SCENARIO; a layout that it states is ignored.

    The search is exact: every layout that fits in memory is bounded from below, and layouts are played until no bound
    promises more. Ctrl-C ends it with the best so far.
    """
    from clustersim.cli.scenarios import result_path, scenario_from
    from clustersim.studies.layouts.search import search_layouts

    space = _space(where, quick, headroom)
    described = scenario_from(scenario, [*changes, "layout=search"], flags)
    started = perf_counter()
    with progress_bar("playing the best layouts") as progress:
        found = search_layouts(
            described, top=top, metric=metric, front=plot is not None, space=space, progress=progress
        )
    rate = found.candidates / (perf_counter() - started)
    _show(found, as_json)
    say(f"{rate:,.0f} candidates a second")
    if plot is not None:
        from clustersim.views.drawing import write
        from clustersim.views.search_plot import draw_search

        plot.parent.mkdir(parents=True, exist_ok=True)
        write(draw_search(found), plot)
        say(plot, err=as_json)
    if target is not None:
        _export(found, target, export_to, result_path(scenario, described, target))
    if not found.complete:
        raise KeyboardInterrupt


def _export(found: SearchResult, target: str, output: Path | None, usual: Path) -> None:
    """Write the best layout for a launcher; what can't be said there is said."""
    from clustersim.launchers.exporting import export

    exported = export(found.best[0].step.scenario, target)
    path = output or usual.with_name(usual.name + exported.suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(exported.text, encoding="utf-8")
    for key, why in exported.left.items():
        say(f"not said: {key}: {why}")
    say(path)


def _space(where: str | None, quick: bool, headroom: str) -> Space:
    from dataclasses import replace

    from clustersim.inputs.layout import WHERE_NAMES, WHERE_WORDS
    from clustersim.inputs.units import parse_quantity
    from clustersim.inputs.where import check_expression, memory_condition
    from clustersim.studies.layouts.candidates import EVERYTHING, USUAL

    try:
        most_bytes, where = memory_condition(where) if where is not None else (None, None)
        if where is not None:
            check_expression(where, WHERE_NAMES, WHERE_WORDS)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--where'") from None
    try:
        probability = parse_quantity(headroom, "fraction")
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--headroom'") from None
    if not 0.0 < probability < 1.0:
        raise click.BadParameter("must lie between 0 and 100 %, both left out", param_hint="'--headroom'")
    space = USUAL if quick else EVERYTHING
    return replace(space, where=where, headroom=probability, most_bytes=most_bytes)


def _show(found: SearchResult, as_json: bool) -> None:
    from clustersim.studies.measured.above_published import above_published

    if as_json:
        document = found.to_dict()
        for result, best in zip(found.best, document["best"], strict=True):
            best["above_published"] = None if (above := above_published(result.step)) is None else above.to_dict()
        print_json(document)
        return
    from clustersim.views.console import print_page
    from clustersim.views.search_table import search_view

    print_page(search_view(found))
