"""Options and words that commands share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import click

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


def output_option(help_text: str) -> Callable[[Command], Command]:
    """--output with its own words."""
    return click.option("--output", "-o", type=click.Path(), default=None, metavar="PATH", help=help_text)


def examples(*lines: str) -> str:
    """The end of every --help: commands that work as pasted."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def print_json(document: Mapping[str, Any]) -> None:
    """One document on stdout. A figure that isn't a number is a bug, and stops here."""
    click.echo(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False))


@contextmanager
def progress_bar(words: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with an estimate of the remaining time, on stderr and only on a terminal; call it with (done, total)."""
    import sys

    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from clustersim.views.console import console

    columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
