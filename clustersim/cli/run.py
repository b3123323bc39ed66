"""`clustersim run`: what one scenario reaches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clustersim.cli.options import (
    examples,
    intervals_option,
    json_option,
    output_option,
    print_json,
    progress_bar,
    scenario_options,
)
from clustersim.cli.say import say

if TYPE_CHECKING:
    from clustersim.simulation.results import RunResult
    from clustersim.studies.advice import Advice


@click.command(
    "run",
    short_help="What a scenario reaches: step time, MFU, memory, days, cost.",
    epilog=examples(
        "clustersim run deepseek_v3_h800_2048",
        "clustersim run gpt3_175b_a100 --tokens 300B --reliability meta-rsc-1 --seeds 50",
    ),
)
@scenario_options
@click.option(
    "--reliability", metavar="NAME|PATH", help="What goes wrong in a long run, such as llama3-h100; nothing if absent."
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    metavar="COUNT",
    help="How many runs to play with --reliability.  [default: 20]",
)
@click.option(
    "--advise", is_flag=True, help="Say how often to save, how many spares to keep, what faster recovery is worth."
)
@click.option(
    "--target-goodput",
    metavar="SHARE",
    help="What --advise counts spares for, such as 95%.  [default: half a percent below the best]",
)
@output_option("With --reliability, draw training days, lost time and one run's timeline into this folder.")
@intervals_option
@json_option
def command(
    scenario: str | None,
    changes: tuple[str, ...],
    seeds: int | None,
    advise: bool,
    target_goodput: str | None,
    output: str | None,
    engine: str,
    intervals: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Simulate SCENARIO: a file, a name in configs/scenarios, or a catalog model with --cluster.

    Of a model, what isn't said is assumed, and that is noted: sequences of 4,096 tokens, 4 M tokens a step, bf16, the
    usual stack of the chip's vendor. A layout that isn't given is searched. One that fits in memory with less than
    5 % is shown, and the exit code is 3. With --reliability the whole training is played, with failures, checkpoints
    and restarts; Ctrl-C ends that with the runs that are done.
    """
    from clustersim.cli.scenarios import laid_out, scenario_from
    from clustersim.simulation.run import simulate_run
    from clustersim.studies.measured.above_published import above_published

    target = _target(target_goodput)
    described, searched = laid_out(scenario_from(scenario, changes, flags))
    for flag, given in (("--seeds", seeds), ("--advise", advise or None), ("--output", output)):
        if given is not None and described.reliability is None:
            raise click.UsageError(f"{flag} is about runs with failures: give --reliability too, such as llama3-h100.")
    result = simulate_run(described, engine=engine, intervals=intervals)
    wanted = 0
    if result.plan is not None and result.training_days is not None:
        from clustersim.studies.seeds import SEEDS

        wanted = seeds or SEEDS
        result = _played(result, wanted)
    interrupted = result.runs is not None and len(result.runs.runs) < wanted
    advice = _advice(result, target) if advise and not interrupted else None
    above = above_published(result.step)
    if as_json:
        beside = {"above_published": None if above is None else above.to_dict()}
        print_json(result.to_dict() | beside | ({} if advice is None else {"advice": advice.to_dict()}))
    else:
        from clustersim.views.console import print_page
        from clustersim.views.run_table import run_view

        print_page(run_view(result, searched, above))
        if advice is not None:
            from clustersim.views.advice_table import advice_view

            print_page(advice_view(advice))
    if output is not None:
        _draw(result, Path(output))
    if interrupted:
        raise KeyboardInterrupt
    if result.step.memory.hopeless:
        from clustersim.errors import InfeasibleError
        from clustersim.studies.layouts.remedies import remedies
        from clustersim.views.memory_words import shortage

        raise InfeasibleError(shortage(result.step.memory, remedies(result.step.scenario)))


def _draw(result: RunResult, folder: Path) -> None:
    """Write the figures of a played run; where they are goes to stderr."""
    from clustersim.studies.seeds import timeline_of
    from clustersim.views.drawing import save
    from clustersim.views.run_plots import run_figures

    for stem, figure in run_figures(result, timeline_of(result)).items():
        say(str(save(figure, folder / stem)[-1]))


def _target(words: str | None) -> float | None:
    """--target-goodput as a share, looked at before anything is played."""
    from clustersim.inputs.units import parse_quantity

    try:
        return None if words is None else parse_quantity(words, "fraction")
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--target-goodput") from None


def _advice(result: RunResult, target: float | None) -> Advice:
    """What the run would gain. Raises InfeasibleError where there is nothing to advise on."""
    from clustersim.studies.advice import advise

    return advise(result, target=target)


def _played(result: RunResult, seeds: int) -> RunResult:
    """The result with its runs played."""
    from clustersim.studies.seeds import played

    with progress_bar("playing runs") as progress:
        return played(result, seeds, progress=progress)
