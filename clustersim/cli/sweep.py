"""`clustersim sweep`: many points, one table, its figures."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from clustersim.cli.options import (
    engine_option,
    examples,
    intervals_option,
    json_option,
    output_option,
    print_json,
    progress_bar,
)
from clustersim.cli.say import say

MOST_REASONS = 3  # on stderr; the table and --json have more
MOST_DRAWN = 20_000  # points of a figure, which holds all of them in memory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from clustersim.inputs.sweep import FigureSpec
    from clustersim.studies.sweeps.points import PlaySettings
    from clustersim.studies.sweeps.sweep import SweepResult


@click.command(
    "sweep",
    short_help="Many points of a scenario: a table and its figures.",
    epilog=examples(
        "clustersim sweep utilization_vs_scale",
        "clustersim sweep gpt3_175b_a100 cluster.nodes=8,16,32 layout.micro_batch=1..4 layout.data=auto",
    ),
)
@click.argument("sweep", metavar="SWEEP|SCENARIO")
@click.argument("axes", nargs=-1, metavar="[KEY=VALUES]...")
@click.option(
    "--workers", type=click.IntRange(1, 1024), default=None, help="Processes; by default as many as it is worth."
)
@click.option(
    "--resume/--fresh", default=True, help="Keep the points that are finished, or begin anew.  [default: resume]"
)
@click.option("--dask", metavar="ADDRESS", default=None, help="Run on the workers of a Dask scheduler.")
@click.option("--parquet", is_flag=True, help="Write results.parquet too.")
@click.option("--dry-run", is_flag=True, help="Say how many points there would be, and which are refused; play none.")
@output_option("Folder of the results.  [default: results/<name>]")
@engine_option
@intervals_option
@json_option
def command(
    sweep: str,
    axes: tuple[str, ...],
    workers: int | None,
    resume: bool,
    dask: str | None,
    parquet: bool,
    dry_run: bool,
    output: str | None,
    engine: str,
    intervals: bool,
    as_json: bool,
) -> None:
    """Simulate every point of SWEEP: a file, a name in configs/sweeps, or a scenario with KEY=VALUES to vary.

    VALUES are a list, 16,32,64, or a range: 1..8, "16..1024 x2", "0..100 step 10". Results go to results/<name>:
    sweep.yaml, journal.jsonl, results.csv and figures. Ctrl-C loses nothing that is finished.
    """
    from clustersim.inputs.amounts import counted
    from clustersim.studies.sweeps.points import PlaySettings
    from clustersim.studies.sweeps.sweep import run_sweep

    if dry_run:
        _preview(sweep, axes, PlaySettings(engine, intervals), as_json)
        return
    with progress_bar(f"sweep {sweep}") as progress, _executor(dask) as executor:
        result = run_sweep(
            sweep,
            overrides=axes,
            executor=executor,
            workers=workers,
            output=output,
            resume=resume,
            engine=engine,
            intervals=intervals,
            progress=progress,
            say=say,
        )
    figures, unwritten = _draw(result, parquet)
    if as_json:
        print_json(result.to_dict())
    else:
        from clustersim.views.console import print_page
        from clustersim.views.sweep_table import sweep_view

        print_page(sweep_view(result, figures))
    if not result.count("done"):
        words = "; ".join(kind.words for kind in result.refusals[:MOST_REASONS])
        say(f"none of {counted(len(result.rows), 'point')} can run: {words}")
    if unwritten is not None:
        raise unwritten
    if result.count("failed"):
        first = next(row["reason"] for row in result.rows if row["status"] == "failed")
        raise RuntimeError(f"{counted(result.count('failed'), 'point')} failed, the first with: {first}")


def _preview(sweep: str, axes: tuple[str, ...], settings: PlaySettings, as_json: bool) -> None:
    """What the sweep would be, with nothing played and nothing written."""
    from clustersim.studies.sweeps.preview import preview_sweep
    from clustersim.views.sweep_table import preview_words

    found = preview_sweep(sweep, axes, settings)
    if as_json:
        print_json(found.to_dict())
    else:
        say(preview_words(found), err=False)


@contextmanager
def _executor(address: str | None) -> Iterator[Executor | None]:
    """The workers of a Dask cluster, or none for this machine's own."""
    if address is None:
        yield None
        return
    from clustersim.studies.sweeps.dask_workers import dask_executor

    with dask_executor(address) as executor:
        yield executor


def _draw(result: SweepResult, parquet: bool) -> tuple[list[Path], OSError | None]:
    """The figures that the sweep asks for, and results.parquet; what could not be written costs nothing else."""
    paths: list[Path] = []
    try:
        for spec in _drawable(result):
            paths += _drawn(result, spec)
        if parquet:
            from clustersim.studies.sweeps.parquet import write_parquet

            paths.append(write_parquet(result.folder / "results.parquet", result.columns, result.rows))
    except OSError as error:
        return paths, error
    return paths, None


def _drawable(result: SweepResult) -> tuple[FigureSpec, ...]:
    if result.figures and len(result.rows) > MOST_DRAWN:
        say(f"no figure is drawn of more than {MOST_DRAWN:,} points: `clustersim plot` draws some")
        return ()
    return result.figures


def _drawn(result: SweepResult, spec: FigureSpec) -> tuple[Path, ...]:
    """The files of a figure; where it cannot be drawn, that is said."""
    from clustersim.errors import InputError
    from clustersim.views.drawing import save
    from clustersim.views.plots import draw

    try:
        return save(draw(result.rows, result.keys, spec), result.folder / spec.stem)
    except InputError as error:
        say(f"the figure {spec.stem} was not drawn: {error}")
        return ()
