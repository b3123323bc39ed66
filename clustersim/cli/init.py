"""`clustersim init`: a commented file to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from clustersim.cli.options import examples
from clustersim.cli.outputs import checked
from clustersim.cli.say import say

KINDS = ("scenario", "cluster", "claim", "sweep")


@click.command(
    "init",
    short_help="A commented scenario, cluster, claim or sweep to begin with.",
    epilog=examples("clustersim init scenario -o my_scenario.yaml", "clustersim init cluster"),
)
@click.argument("kind", type=click.Choice(KINDS))
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    callback=checked(folder=False),
    metavar="FILE",
    help="Where the file goes; one that is there is kept.  [default: standard output]",
)
def command(kind: str, output: Path | None) -> None:
    """Write a commented file of a KIND that runs as it is, to be changed."""
    from clustersim.views.templates import template

    text = template(kind)
    if output is None:
        click.echo(text, nl=False)
        return
    if output.exists():
        raise click.BadParameter(f"{output} is there already", param_hint="--output")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    say(output)
