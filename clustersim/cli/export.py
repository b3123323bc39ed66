"""`clustersim export`: a scenario as what starts it."""

from __future__ import annotations

from pathlib import Path

import click

from clustersim.cli.options import examples, set_option
from clustersim.cli.outputs import checked
from clustersim.cli.say import say

TARGETS = ("megatron", "megatron-bridge", "torchtitan", "deepspeed", "mindspeed")


@click.command(
    "export",
    short_help="A scenario as flags or a file of a launcher.",
    epilog=examples(
        "clustersim export llama3_405b_h100_16384 --to megatron -o pretrain.sh",
        "clustersim export deepseek_v3_h800_2048 --to megatron-bridge",
    ),
)
@click.argument("scenario")
@click.option("--to", "target", type=click.Choice(TARGETS), required=True, help="The launcher.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    callback=checked(folder=False),
    metavar="FILE",
    help="Where the text goes.  [default: standard output]",
)
@set_option
def command(scenario: str, target: str, output: Path | None, changes: tuple[str, ...]) -> None:
    """Write SCENARIO for a launcher, defaults included; a layout that isn't given is searched.

    What can't be said there is listed on stderr, key by key.
    """
    from clustersim.cli.scenarios import laid_out, scenario_from
    from clustersim.launchers.exporting import export

    described, _ = laid_out(scenario_from(scenario, changes, {}))
    found = export(described, target)
    for key, why in found.left.items():
        say(f"not said: {key}: {why}")
    if output is None:
        click.echo(found.text, nl=False)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(found.text, encoding="utf-8")
        say(output)
