"""`clustersim plot`: curves over many points, and what one step looks like."""

from __future__ import annotations

from pathlib import Path

import click

from clustersim.cli import plot_compare, plot_curves, plot_layer, plot_memory, plot_timeline, plot_waterfall
from clustersim.cli.options import examples

DEFAULT = "curves"


class Pictures(click.Group):
    """Kinds of pictures; without a kind, curves over results."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's, with the default kind put before words that name none."""
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            self._refuse_typo(ctx, args[0])
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def _refuse_typo(self, ctx: click.Context, word: str) -> None:
        """Raise UsageError for a word that is nearly a kind of picture and no folder of results."""
        from difflib import get_close_matches

        close = get_close_matches(word, self.commands, n=1, cutoff=0.75)
        if close and not Path(word).exists():
            raise click.UsageError(f'"{word}" is no kind of picture. Did you mean {close[0]}?', ctx)


@click.group(
    "plot",
    cls=Pictures,
    short_help="Pictures: curves, a step's timeline, its waterfall.",
    subcommand_metavar="[curves] RESULTS | timeline|layer|memory|waterfall|compare SCENARIO",
    options_metavar="",
    epilog=examples(
        "clustersim plot results/utilization_vs_scale --x devices --y mfu --by accelerator",
        "clustersim plot waterfall gpt3_175b_a100",
    ),
)
def command() -> None:
    """Draw curves of a sweep's RESULTS, or of a SCENARIO the step, a layer, its memory, or where its peak FLOP/s went.

    Each kind of picture has its own --help.
    """


for picture in (plot_curves, plot_timeline, plot_layer, plot_memory, plot_waterfall, plot_compare):
    command.add_command(picture.command)
