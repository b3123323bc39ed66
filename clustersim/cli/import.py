"""`clustersim import`: a launcher's file as a scenario."""

from __future__ import annotations

from pathlib import Path

import click

from clustersim.cli.options import examples, json_option, print_json
from clustersim.cli.outputs import checked
from clustersim.cli.say import say


@click.command(
    "import",
    short_help="A launch script, config or log as a scenario.",
    epilog=examples(
        "clustersim import pretrain_gpt.sh -o scenario.yaml", "clustersim import pretrain_gpt.sh --define NUM_NODES=16"
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    callback=checked(folder=False),
    metavar="FILE",
    help="Where the scenario goes.  [default: standard output]",
)
@click.option(
    "--define",
    "defined",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variable that a script expects from outside. May be repeated.",
)
@click.option("--cluster", metavar="NAME|PATH", help="The cluster, where the file doesn't name the chip.")
@click.option(
    "--model", metavar="NAME|PATH", help="The model, where the file doesn't say: a catalog name, a config.json."
)
@json_option
def command(
    file: Path, output: Path | None, defined: tuple[str, ...], cluster: str | None, model: str | None, as_json: bool
) -> None:
    """Read FILE, of a launcher, as a scenario; nothing in it is executed.

    The scenario goes to standard output as YAML. What was taken, what was assumed and what has no counterpart is said
    line by line on stderr.
    """
    from clustersim.cli.imports import imported_scenario
    from clustersim.views.scenario_file import notes_text, scenario_text

    found = imported_scenario(file, defined, cluster, model)
    if as_json:
        print_json({"scenario": found.scenario, "notes": [note.to_dict() for note in found.notes]})
    else:
        say(notes_text(found.notes))
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(scenario_text(found.scenario), encoding="utf-8")
        say(output)
    elif not as_json:
        click.echo(scenario_text(found.scenario), nl=False)
