"""Options and words that commands share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from clustersim.cli.outputs import checked
from clustersim.cli.say import say
from clustersim.inert import inert_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
set_option = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a dotted key of the scenario, such as layout.pipeline=8. May be repeated.",
)
engine_option = click.option(
    "--engine",
    type=click.Choice(["auto", "reference", "array"]),
    default="auto",
    show_default=True,
    help="What plays the step: the array engine where it can, SimPy (reference) where not.",
)
intervals_option = click.option(
    "--intervals/--no-intervals", default=True, help="Intervals around the figures.  [default: with them]"
)
seed_option = click.option("--seed", type=click.IntRange(min=0), default=None, help="Root of all random numbers.")


DESCRIPTION = (
    click.option("--model", metavar="NAME|PATH", help="A catalog model, a YAML file or a Hugging Face config.json."),
    click.option(
        "--cluster",
        metavar="NAME|PATH",
        help="A catalog cluster, so many nodes or devices (32xdgx-h100, 8xh100), or a YAML file.",
    ),
    click.option("--tokens", metavar="COUNT", help="Tokens of the whole training, such as 14.8T."),
    click.option("--layout", metavar="KEY=SIZE,...", help="Such as tensor=8,pipeline=4; searched if absent."),
    click.option(
        "--stack", metavar="NAME|PATH", help="The training software; by default the usual one of the chip's vendor."
    ),
    click.option("--sequence-length", type=click.IntRange(min=1), metavar="TOKENS", help="Tokens of a sequence."),
    click.option(
        "--global-batch", type=click.IntRange(min=1), metavar="SEQUENCES", help="Sequences an optimizer step."
    ),
    click.option("--precision", metavar="NAME", help="Of the matrix products: bf16, fp16, fp8, ..."),
    set_option,
    engine_option,
    seed_option,
)


def scenario_options(command: Command) -> Command:
    """SCENARIO, and the flags that describe or change it; the command hands them to `scenarios.scenario_from`."""
    for option in reversed((click.argument("scenario", required=False), *DESCRIPTION)):
        command = option(command)
    return command


def output_option(help_text: str) -> Callable[[Command], Command]:
    """--output, a folder, with its own words; that it can be written is tried before anything is computed."""
    return click.option(
        "--output", "-o", type=click.Path(), default=None, callback=checked(folder=True), metavar="PATH", help=help_text
    )


def figure_option(where: str) -> Callable[[Command], Command]:
    """--output of a figure; `where` it goes by default."""
    return click.option(
        "--output",
        "-o",
        type=click.Path(path_type=Path),
        callback=figure_path,
        metavar="FILE",
        help=f"An .svg, .png or .pdf file.  [default: SVG and PNG, {where}]",
    )


def figure_path(ctx: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """A callback: a path of a form that figures are written in, where one can be written."""
    if path is not None and path.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise click.BadParameter(f'"{path}" is no .svg, .png or .pdf file', ctx, option)
    checked(folder=False)(ctx, option, path)
    return path


def write_figure(
    figure: Figure, output: Path | None, stem: Path, as_json: bool, document: Mapping[str, Any] | None = None
) -> None:
    """Write a figure where --output says, else as SVG and PNG called `stem`; say where, in JSON with a document."""
    from clustersim.views.drawing import save, write

    if output is None:
        paths = save(figure, stem)
    else:
        paths = (output,)
        output.parent.mkdir(parents=True, exist_ok=True)
        write(figure, output)
    if as_json:
        print_json({"figures": [str(path) for path in paths], **(document or {})})
    else:
        say("\n".join(str(path) for path in paths), err=False)


def examples(*lines: str) -> str:
    """The end of every --help: commands that work as pasted."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def print_json(document: Mapping[str, Any]) -> None:
    """One document on stdout. A figure that isn't a number is a bug, and stops here."""
    click.echo(inert_json(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False)))


@contextmanager
def progress_bar(words: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with an estimate of the remaining time, on stderr and only on a terminal; call it with (done, total)."""
    import sys

    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from clustersim.views.console import console

    said = TextColumn("{task.description}", markup=False)
    columns = (said, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def spinner(words: str) -> Iterator[Callable[[str], None]]:
    """What is being done, on stderr and only on a terminal; call it with a few words."""
    import sys

    if not sys.stderr.isatty():
        yield lambda what: None
        return
    from rich.text import Text

    from clustersim.views.console import console

    with console(stderr=True).status(Text(words)) as status:
        yield lambda what: status.update(Text(f"{words}: {what}"))
