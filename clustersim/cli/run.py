"""`clustersim run`: what one scenario reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from clustersim.cli.options import (
    engine_option,
    examples,
    intervals_option,
    json_option,
    print_json,
    progress_bar,
    seed_option,
    set_option,
)

if TYPE_CHECKING:
    from clustersim.inputs.scenario import Scenario
    from clustersim.simulation.results import RunResult


@click.command(
    "run",
    short_help="What a scenario reaches: step time, MFU, memory, days, cost.",
    epilog=examples(
        "clustersim run deepseek-v3 --cluster h800-2048 --tokens 14.8T",
        "clustersim run gpt3_175b_a100 --set layout.micro_batch=2 --json",
    ),
)
@click.argument("scenario", required=False)
@click.option("--model", metavar="NAME|PATH", help="A catalog model, a YAML file or a Hugging Face config.json.")
@click.option("--cluster", metavar="NAME|PATH", help="A catalog cluster, or a YAML file.")
@click.option("--tokens", metavar="COUNT", help="Tokens of the whole training, such as 14.8T.")
@click.option("--layout", metavar="KEY=SIZE,...", help="Such as tensor=8,pipeline=4; searched if absent.")
@click.option(
    "--stack", metavar="NAME|PATH", help="The training software; by default the usual one of the chip's vendor."
)
@click.option("--sequence-length", type=click.IntRange(min=1), metavar="TOKENS", help="Tokens of a sequence.")
@click.option("--global-batch", type=click.IntRange(min=1), metavar="SEQUENCES", help="Sequences an optimizer step.")
@click.option("--precision", metavar="NAME", help="Of the matrix products: bf16, fp16, fp8, ...")
@set_option
@engine_option
@intervals_option
@seed_option
@json_option
def command(
    scenario: str | None, changes: tuple[str, ...], engine: str, intervals: bool, as_json: bool, **flags: Any
) -> None:
    """Simulate SCENARIO: a file, a name in configs/scenarios, or a catalog model with --cluster.

    Of a model, what isn't said is assumed, and that is noted: sequences of 4,096 tokens, 4 M tokens a step, bf16, the
    usual stack of the chip's vendor. A layout that isn't given is searched. One that does not fit in memory is shown,
    and the exit code is 3.
    """
    from clustersim.cli.scenarios import scenario_from

    described = scenario_from(scenario, changes, flags)
    result, searched = _simulate(described, engine, intervals)
    if as_json:
        print_json(result.to_dict())
    else:
        from clustersim.views.console import print_page
        from clustersim.views.run_table import run_view

        print_page(run_view(result, searched))
    if not result.step.fits:
        from clustersim.errors import InfeasibleError
        from clustersim.views.memory_words import shortage

        raise InfeasibleError(shortage(result.step.memory, result.step.scenario.plan))


def _simulate(scenario: Scenario, engine: str, intervals: bool) -> tuple[RunResult, str]:
    """The result, and how the layout was found where it was searched."""
    from clustersim.simulation.run import simulate_run

    if scenario.layout != "search":
        return simulate_run(scenario, engine=engine, intervals=intervals), ""
    from clustersim.studies.search import search_layouts

    with progress_bar("playing the best layouts") as progress:
        found = search_layouts(scenario, top=1, progress=progress)
    result = found.best[0]
    if engine != "auto" or not intervals:
        result = simulate_run(result.step.scenario, engine=engine, intervals=intervals)
    return result, f"the best of {found.candidates:,} layouts searched"
