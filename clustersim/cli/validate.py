"""`clustersim validate`: predictions against measured runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from clustersim.cli.errors import DONE, FAILED
from clustersim.cli.options import examples, json_option, output_option, print_json, progress_bar
from clustersim.cli.outputs import printed_first

if TYPE_CHECKING:
    from clustersim.studies.validation.validation import ValidationReport


@click.command(
    "validate",
    short_help="Predictions against measured runs.",
    epilog=examples(
        "clustersim validate --predictions other_tool.csv",
        "clustersim validate --memory --output results/memory",
    ),
)
@click.argument("file", required=False)
@click.option("--max-mape", type=click.FloatRange(min=0), metavar="PERCENT", help="Exit code 1 past this mean error.")
@click.option(
    "--predictions",
    metavar="CSV",
    help="Another tool's: id, step_time_s and, if it has them, low and high of 80 %. Scored on the same rows.",
)
@output_option("Folder to write validation.json, validation.txt, the parity plot and the residual plots into.")
@click.option(
    "--page", type=click.Path(path_type=Path), hidden=True, help="Write docs/accuracy.md; for `make accuracy`."
)
@click.option("--memory", "memory", is_flag=True, help="FILE is of the form of memory_runs.csv: published peaks.")
@json_option
def command(
    file: str | None,
    max_mape: float | None,
    predictions: str | None,
    output: str | None,
    page: Path | None,
    memory: bool,
    as_json: bool,
) -> int:
    """Simulate every row of FILE, of the form of measured_runs.csv; without one, the rows that come with clustersim.

    With --memory peaks are compared, of FILE or of those published: by framework, with how likely each fits.

    Ctrl-C ends it with the rows that are done.
    """
    if memory and predictions is not None:
        raise click.UsageError("--predictions is about step times: it does not go with --memory.")
    if memory:
        return _memory(file, output, max_mape, as_json)
    from clustersim.studies.validation.validation import validate
    from clustersim.views.validation_table import validation_view

    with progress_bar("simulating measured runs") as progress:
        report = validate(file, predictions=predictions, progress=progress)
    with printed_first(lambda: _write(report, output, page)):
        if as_json:
            print_json(report.to_dict())
        else:
            from clustersim.views.console import print_page

            print_page(validation_view(report))
    if not report.complete:
        raise KeyboardInterrupt
    if max_mape is None or report.overall.mean_absolute is None:
        return DONE
    return FAILED if 100 * report.overall.mean_absolute > max_mape else DONE


def _memory(file: str | None, output: str | None, max_mape: float | None, as_json: bool) -> int:
    """Peaks of memory. Raises KeyboardInterrupt after what was done is printed."""
    if max_mape is not None:
        raise click.UsageError("--max-mape is about step times: it does not go with --memory.")
    from clustersim.studies.validation.memory_runs import validate_memory_runs
    from clustersim.views.memory_runs_table import memory_runs_view

    with progress_bar("simulating published peaks") as progress:
        report = validate_memory_runs(file, progress=progress)

    def write() -> None:
        if output is not None:
            from clustersim.views.reports import write_report

            write_report("memory", memory_runs_view(report), report.to_dict(), Path(output))

    with printed_first(write):
        if as_json:
            print_json(report.to_dict())
        else:
            from clustersim.views.console import print_page

            print_page(memory_runs_view(report))
    if not report.complete:
        raise KeyboardInterrupt
    return DONE


def _write(report: ValidationReport, output: str | None, page: Path | None) -> None:
    if output is not None:
        from clustersim.views.drawing import save
        from clustersim.views.parity import draw_parity
        from clustersim.views.reports import write_report
        from clustersim.views.residuals import draw_residuals
        from clustersim.views.validation_table import validation_view

        write_report("validation", validation_view(report), report.to_dict(), Path(output))
        save(draw_parity(report), Path(output) / "parity")
        save(draw_residuals(report), Path(output) / "residuals")
    if page is not None and report.complete:
        from clustersim.views.accuracy_page import write_accuracy_page

        write_accuracy_page(report, page)
