"""`clustersim search`: the best layouts of a scenario."""

from __future__ import annotations

from typing import Any

import click

from clustersim.cli.options import examples, json_option, print_json, progress_bar, seed_option, set_option


@click.command(
    "search",
    short_help="The best layouts of a scenario.",
    epilog=examples(
        "clustersim search gpt3_175b_a100 --top 3", "clustersim search deepseek-v3 --cluster h800-2048 --json"
    ),
)
@click.argument("scenario")
@click.option("--cluster", metavar="NAME|PATH", help="The cluster, where SCENARIO is a model of the catalog.")
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="How many layouts to show.")
@set_option
@seed_option
@json_option
def command(scenario: str, changes: tuple[str, ...], top: int, as_json: bool, **flags: Any) -> None:
    """Search the best layouts of SCENARIO by step time; a layout that it states is ignored."""
    from clustersim.cli.scenarios import scenario_from
    from clustersim.studies.search import search_layouts

    described = scenario_from(scenario, [*changes, "layout=search"], flags)
    with progress_bar("playing the best layouts") as progress:
        found = search_layouts(described, top=top, progress=progress)
    if as_json:
        counts = {"candidates": found.candidates, "feasible": found.feasible, "played": found.played}
        print_json(counts | {"best": [result.to_dict() for result in found.best]})
        return
    from clustersim.views.console import print_page
    from clustersim.views.search_table import search_view

    print_page(search_view(found))
