"""`clustersim calibrate`: a stack fitted to measured runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from clustersim.cli.errors import DONE
from clustersim.cli.options import examples, json_option, print_json
from clustersim.cli.outputs import checked, printed_first

if TYPE_CHECKING:
    from clustersim.studies.calibration.calibration import Calibration


@click.command(
    "calibrate",
    short_help="Fit a stack to your own runs, a chip to your own kernels.",
    epilog=examples(
        "clustersim calibrate my_runs.csv --extends megatron-core-2025 -o my_stack.yaml",
        "clustersim calibrate --log train.log my_scenario.yaml --extends torchtitan-2025",
    ),
)
@click.argument("files", metavar="[FILE]...", nargs=-1)
@click.option(
    "--log",
    "logs",
    nargs=2,
    multiple=True,
    metavar="LOG SCENARIO",
    help="A log of Megatron-LM or torchtitan, and the scenario that it is of. May be repeated.",
)
@click.option(
    "--chunks",
    nargs=2,
    multiple=True,
    metavar="FILE SCENARIO",
    help="Passes, kernels and messages timed on one rank, a CSV, and the scenario that it is of. May be repeated.",
)
@click.option(
    "--trace",
    "traces",
    nargs=2,
    multiple=True,
    metavar="FILE SCENARIO",
    help="A Chrome trace of one rank by torch.profiler (.json, .json.gz), and its scenario. May be repeated.",
)
@click.option(
    "--up-to",
    type=click.IntRange(min=1),
    metavar="DEVICES",
    help="Fit runs of so many devices at most, and judge the fit on the larger ones.",
)
@click.option(
    "--kernels",
    multiple=True,
    metavar="FILE",
    help="Kernels timed on a chip, as clustersim measure writes them: fits the chip and its links. May be repeated.",
)
@click.option("--chip", metavar="NAME", help="Of --kernels: the catalog's chip, or a path.  [default: as FILE has it]")
@click.option(
    "--node", metavar="NAME", help="Of --kernels: the catalog's node, or a path.  [default: the chip's usual]"
)
@click.option("--extends", metavar="NAME", help="The stack to start from.  [default: the one that most rows name]")
@click.option(
    "--only",
    metavar="NAME,...",
    help="Numbers to fit, such as sustained,kernel_gap; others stay as they are.  [default: all]",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    callback=checked(folder=False),
    metavar="FILE",
    help="Write the fitted stack, or node, here, as YAML.",
)
@click.option("--packaged", is_flag=True, hidden=True, help="Refit the packaged stacks; for `make calibrate`.")
@json_option
def command(
    files: tuple[str, ...],
    logs: tuple[tuple[str, str], ...],
    chunks: tuple[tuple[str, str], ...],
    traces: tuple[tuple[str, str], ...],
    up_to: int | None,
    kernels: tuple[str, ...],
    chip: str | None,
    node: str | None,
    extends: str | None,
    only: str | None,
    output: Path | None,
    packaged: bool,
    as_json: bool,
) -> int:
    """Fit a stack's numbers to measured runs: FILEs of the form of measured_runs.csv, and logs.

    The numbers start from a stack of the catalog and stay near it where the runs say little; what the runs can't tell
    is said. The stack that is written carries its own residuals, so that intervals rest on your runs. Ctrl-C, once the
    numbers are found, ends it without the errors of groups held out. With --kernels the efficiencies of a chip and its
    links are read off timed kernels instead, and a node is written that a cluster can be made of.
    """
    if packaged:
        return _remake()
    if kernels:
        if files or logs or chunks or traces or extends or only:
            raise click.UsageError(
                "--kernels fits a chip and its links; runs, logs, chunks, traces, --extends and --only a stack."
            )
        return _chip_calibrated(kernels, chip, node, output, as_json)
    if chip or node:
        raise click.UsageError("--chip and --node go with --kernels.")
    if not (files or logs or chunks or traces):
        raise click.UsageError(
            "Give a CSV file of measured runs, or --log LOG SCENARIO, --chunks FILE SCENARIO, --trace FILE SCENARIO."
        )
    from clustersim.cli.options import spinner
    from clustersim.studies.calibration.calibration import calibrate
    from clustersim.studies.calibration.parameters import checked_names

    names = None if only is None else checked_names(only)
    with spinner("calibrating") as progress:
        found = calibrate(
            files,
            logs=logs,
            chunks=chunks,
            traces=traces,
            largest=up_to,
            extends=extends,
            parameters=names,
            progress=progress,
        )
    written = output if found.complete else None  # a stack carries its residuals, and these are not all known
    with printed_first(lambda: None if written is None else _write(found, written)):
        if as_json:
            print_json(found.to_dict())
        else:
            from clustersim.views.calibration_table import calibration_view
            from clustersim.views.console import print_page

            print_page(calibration_view(found, written))
    if not found.complete:
        raise KeyboardInterrupt
    return DONE


def _chip_calibrated(
    kernels: tuple[str, ...], chip: str | None, node: str | None, output: Path | None, as_json: bool
) -> int:
    from dataclasses import asdict

    from clustersim.studies.kernels.node_file import write_node
    from clustersim.studies.kernels.own_chip import calibrated_chip
    from clustersim.version import __version__

    found, tables = calibrated_chip(kernels, chip, node), ", ".join(Path(table).name for table in kernels)
    with printed_first(lambda: None if output is None else write_node(found, tables, output)):
        if as_json:
            print_json(asdict(found) | {"version": __version__})
        else:
            from clustersim.views.console import print_page
            from clustersim.views.own_chip_table import own_chip_view

            print_page(own_chip_view(found, output))
    return DONE


def _write(found: Calibration, output: Path) -> None:
    from clustersim.studies.calibration.stack_file import write_stack

    write_stack(found, output)


def _remake() -> int:
    from clustersim.cli.options import spinner
    from clustersim.studies.calibration.refit_catalog import remake
    from clustersim.studies.measured.csv_cells import read_rows
    from clustersim.studies.validation.validation import packaged_tables

    with spinner("calibrating the packaged stacks") as progress:
        tables = packaged_tables()
        rows = [row for table in tables for row in read_rows(table)]
        remake(rows, tables[0].parents[1], progress)
    return DONE
