"""`clustersim trace`: one step as a timeline to zoom into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from clustersim.cli.options import examples, json_option, print_json, scenario_options
from clustersim.cli.outputs import check_writable, checked
from clustersim.cli.say import say


@click.command(
    "trace",
    short_help="One step as a timeline that opens in Perfetto.",
    epilog=examples(
        "clustersim trace gpt3_175b_a100",
        "clustersim trace deepseek_v3_h800_2048 --set training.global_batch=4096 --output deepseek.json.gz",
    ),
)
@scenario_options
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    callback=checked(folder=False),
    metavar="FILE",
    help="A .json.gz file.  [default: results/<scenario>_trace.json.gz]",
)
@json_option
def command(
    scenario: str | None, changes: tuple[str, ...], engine: str, output: Path | None, as_json: bool, **flags: Any
) -> None:
    """Write one step of SCENARIO as gzipped Chrome JSON; open it at https://ui.perfetto.dev or in chrome://tracing.

    A process a pipeline stage: its compute and communication streams, messages as arrows, its memory, what it sends.
    After the stages, a process a pass over each kind of layer, with its kernels and collectives.
    """
    from clustersim.cli.scenarios import laid_out, result_path, scenario_from
    from clustersim.simulation.step.step import play_step
    from clustersim.views.trace_file import write_trace

    described, _ = laid_out(scenario_from(scenario, changes, flags))
    if output is None:
        output = result_path(scenario, described, "trace.json.gz")
        check_writable(output, folder=False)
    elif not output.name.endswith(".json.gz"):
        raise click.BadParameter(f'"{output}" is no .json.gz file', param_hint="--output")
    events = write_trace(play_step(described, engine=engine), output)
    if as_json:
        print_json({"trace": str(output), "events": events})
    else:
        say(output, err=False)
        say(f"{events:,} events; open it at https://ui.perfetto.dev")
