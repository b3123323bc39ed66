"""`clustersim measure`: kernels and collectives timed on the machine at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from clustersim.cli.errors import DONE
from clustersim.cli.options import examples, json_option, print_json, progress_bar
from clustersim.cli.outputs import checked

if TYPE_CHECKING:
    from clustersim.studies.timing.cases import Kind

KINDS: tuple[Kind, ...] = ("gemm", "attention", "memory", "launch", "collective")


@click.command(
    "measure",
    short_help="Time kernels and collectives on the machine at hand.",
    epilog=examples(
        "clustersim measure -o kernels.csv",
        "clustersim measure --only gemm,memory --chip h100-sxm-80gb -o kernels.csv",
    ),
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("results/kernels.csv"),
    show_default=True,
    callback=checked(folder=False),
    metavar="FILE",
    help="A CSV file; rows that it holds already are kept and not measured again.",
)
@click.option("--only", metavar="KIND,...", help=f"Of {', '.join(KINDS)}.  [default: all]")
@click.option("--device", type=click.Choice(["cuda", "npu", "xpu", "mps", "cpu"]), help="[default: what PyTorch sees]")
@click.option("--chip", metavar="NAME", help="What to call it, such as a name of the catalog.  [default: its maker's]")
@click.option("--quick", is_flag=True, help="A few small shapes only: seconds on a laptop's processor.")
@json_option
def command(output: Path, only: str | None, device: str | None, chip: str | None, quick: bool, as_json: bool) -> int:
    """Time matrix products, attention, memory-bound work and launches with PyTorch, in the form of kernels.csv.

    Under torchrun collectives among all ranks are timed, and added to the same file:
    torchrun --nproc-per-node 8 -m clustersim measure -o kernels.csv. Every row is kept as soon as it is measured;
    Ctrl-C ends it, and the same command goes on. Needs PyTorch: pip install 'clustersim[measure]'. What follows from
    the rows: clustersim calibrate --kernels kernels.csv.
    """
    from clustersim.studies.timing.measure import measure

    kinds = _kinds(only)
    with progress_bar("timing") as progress:
        found = measure(output, kinds=kinds, device=device, chip=chip, quick=quick, progress=progress)
    if found.writes:
        if as_json:
            print_json(found.to_dict())
        else:
            from clustersim.views.console import print_page
            from clustersim.views.timing_table import timing_view

            print_page(timing_view(found))
    if not found.complete:
        stopped = KeyboardInterrupt()
        stopped.add_note(f"what is measured is in {output}; the same command goes on from there")
        raise stopped
    return DONE


def _kinds(words: str | None) -> tuple[Kind, ...]:
    if words is None:
        return KINDS
    named = [word.strip() for word in words.split(",") if word.strip()]
    unknown = [word for word in named if word not in KINDS]
    if unknown or not named:
        wrong = f"{', '.join(unknown)} is not known" if unknown else "no kind given"
        raise click.BadParameter(f"{wrong}. Known: {', '.join(KINDS)}", param_hint="--only")
    return tuple(kind for kind in KINDS if kind in named)
