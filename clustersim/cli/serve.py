"""`clustersim serve`: what serving a model reaches and costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from clustersim.cli.options import examples, json_option, output_option, print_json, set_option
from clustersim.cli.outputs import printed_first

if TYPE_CHECKING:
    from clustersim.studies.serving.report import ServingReport


@click.command(
    "serve",
    short_help="Serving a model: tokens/s of prefill and decode, latency, cost.",
    epilog=examples(
        "clustersim serve deepseek_r1_h800",
        "clustersim serve llama3_70b_h100 --set decode.time_per_token=25ms --json",
    ),
)
@click.argument("scenario")
@set_option
@output_option("Folder to write serving.json, serving.txt and the plot of throughput against latency into.")
@json_option
def command(scenario: str, changes: tuple[str, ...], output: str | None, as_json: bool) -> None:
    """Simulate SCENARIO: a file, or a name in configs/serving.

    Batches grow until memory or the latency target stops them. Figures come between two bounds: no communication
    hidden behind compute, and all of it.
    """
    from clustersim.studies.serving.report import serve
    from clustersim.views.serving_table import serving_view

    report = serve(scenario, changes)
    with printed_first(lambda: None if output is None else _write(report, Path(output))):
        if as_json:
            print_json(report.to_dict())
        else:
            from clustersim.views.console import print_page

            print_page(serving_view(report))


def _write(report: ServingReport, folder: Path) -> None:
    from clustersim.views.drawing import save
    from clustersim.views.reports import write_report
    from clustersim.views.serving_plot import draw_serving
    from clustersim.views.serving_table import serving_view

    write_report("serving", serving_view(report), report.to_dict(), folder)
    save(draw_serving(report.result), folder / "throughput_against_latency")
