"""`clustersim plot curves`: any column of results against any other."""

from __future__ import annotations

from pathlib import Path

import click

from clustersim.cli.options import examples, figure_option, json_option, write_figure


@click.command(
    "curves",
    short_help="Utilization curves: any column of RESULTS against any other; the default.",
    epilog=examples(
        "clustersim plot results/utilization_vs_scale --x devices --y mfu --by accelerator",
        "clustersim plot results/utilization_vs_scale/results.csv --x devices --y training_days --output days.svg",
    ),
)
@click.argument("results", metavar="RESULTS")
@click.option("--x", required=True, metavar="COLUMN", help="Along the horizontal axis, such as devices.")
@click.option(
    "--y",
    default="mfu",
    show_default=True,
    metavar="COLUMN",
    help="Along the vertical axis; breakdown: where the time goes.",
)
@click.option("--by", default=None, metavar="COLUMN", help="Makes the lines; by default what tells the points apart.")
@click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Only points with this value. May be repeated.")
@click.option("--log-x/--linear-x", default=None, help="Powers of two along x.  [default: for sizes that double]")
@click.option("--log-y", is_flag=True, help="A logarithmic vertical axis.")
@click.option("--title", default="", help="Above the figure.")
@click.option("--published", multiple=True, metavar="ID", help="Published MFU to draw beside. May be repeated.")
@figure_option("beside the results")
@json_option
def command(
    results: str,
    x: str,
    y: str,
    by: str | None,
    where: tuple[str, ...],
    log_x: bool | None,
    log_y: bool,
    title: str,
    published: tuple[str, ...],
    output: Path | None,
    as_json: bool,
) -> None:
    """Draw RESULTS, the folder or the CSV file of a sweep, with 80 % intervals where it has them."""
    from clustersim.inputs.sweep import FigureSpec
    from clustersim.views.plots import draw
    from clustersim.views.tables import read_table

    chosen = dict(_condition(text) for text in where)
    spec = FigureSpec(x=x, y=y, by=by, where=chosen, log_x=log_x, log_y=log_y, title=title, published=published)
    table, rows, keys = read_table(Path(results))
    write_figure(draw(rows, keys, spec), output, table.parent / spec.stem, as_json)


def _condition(text: str) -> tuple[str, str]:
    column, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f'expected COLUMN=VALUE, got "{text}"', param_hint="--where")
    return column.strip(), value.strip()
