"""`clustersim plot compare`: where each of some scenarios loses its peak."""

from __future__ import annotations

from pathlib import Path

import click

from clustersim.cli.compare import compare_options, described
from clustersim.cli.options import examples, figure_option, json_option, write_figure


@click.command(
    "compare",
    short_help="Where each of some SCENARIOs loses its peak FLOP/s, side by side.",
    epilog=examples(
        "clustersim plot compare gpt3_175b_a100 --set layout.micro_batch=2 --output difference.png",
        "clustersim plot compare gpt3_175b_a100 gpt3_175b_a100_1024 deepseek_v3_h800_2048",
    ),
)
@compare_options
@figure_option("results/compare")
@json_option
def command(
    scenarios: tuple[str, ...],
    cluster: str | None,
    changes: tuple[str, ...],
    engine: str,
    output: Path | None,
    as_json: bool,
) -> None:
    """Draw from the peak down to the MFU what each SCENARIO loses, part by part, with what the difference is."""
    from clustersim.studies.comparison import compare
    from clustersim.views.compare_plot import draw_comparison

    compared = compare(described(scenarios, changes, cluster), engine=engine)
    write_figure(draw_comparison(compared), output, Path("results") / "compare", as_json, compared.to_dict())
