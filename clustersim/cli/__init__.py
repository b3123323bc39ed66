"""The command line: parse, call, view. One file a command; nothing is computed here.

`clustersim --help` imports click and nothing heavy: commands import what they call when they are called.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NoReturn

import click

from clustersim.cli.errors import exit_with
from clustersim.version import __version__

COMMANDS = (
    "run",
    "sweep",
    "plot",
    "trace",
    "check",
    "validate",
    "measure",
    "calibrate",
    "search",
    "compare",
    "serve",
    "show",
    "schema",
    "import",
    "export",
    "init",
)  # in the order of --help


class Commands(click.Group):
    """The group of all commands, each imported when it is asked for, with the exit codes of `errors`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order that a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"clustersim.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with the nearest command where there is none of that name."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS)
            hint = f"Did you mean {', '.join(close)}?" if close else f"There are {', '.join(COMMANDS)}."
            raise click.UsageError(f'No such command "{args[0]}". {hint}', ctx)
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run a command and leave with its exit code, whatever happens."""
        extra = {"prog_name": "clustersim"} | extra | {"standalone_mode": False}
        exit_with(lambda: super(Commands, self).main(*args, **extra))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="clustersim", message="%(prog)s %(version)s")
def cli() -> None:
    """Predict what a cluster of accelerators reaches when it trains a large model, and judge published figures.

    \b
    Examples:
      clustersim run gpt3_175b_a100
      clustersim sweep utilization_vs_scale
    """


def main() -> NoReturn:
    """The console script."""
    cli.main()
