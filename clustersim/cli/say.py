"""Single lines to a person: remarks, paths, errors."""

from __future__ import annotations

import click

from clustersim.inert import inert


def say(message: object, *, err: bool = True) -> None:
    """Print on stderr, or on stdout; what a terminal would obey is shown."""
    click.echo(inert(str(message), lines=True), err=err)
