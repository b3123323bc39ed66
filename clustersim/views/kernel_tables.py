"""Kernels and collectives beside the tables that were measured: for the terminal and for docs/accuracy.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from clustersim.studies.kernels.accuracy import KernelErrors, KernelReport
from clustersim.views.markdown import markdown_table
from clustersim.views.words import percent

HEAD = ("", "source", "rows", "median error", "bias", "half out", "source out", "own level")
ABOUT = """## Kernels

Seconds, predicted / measured - 1, at the median: matrix products above 1 GFLOP timed alone, collectives of more than
1 MiB inside a node (clustersim/catalog/measured/kernels.csv). A chip has one level for products in a loop (`looped` in
its file, over the best shape's rate; `make calibrate` reads it off the tables). *Half out*: each half of the rows, the
level read off the other half. *Source out*: level, or start, hop and bandwidth, from the chip's other sources. *Own
level*: one level for the source alone, so that what is left is the error of the shape. Nothing here is wholly held
out: the few constants of the shapes (short loops, small kernels, sums, ramp, loss of small rings) were fitted to these
tables whole. At the best shape's rate in place of a loop's, products are 16 % off on A100 and 34 % on B200.
"""
WHY = """- **Levels of products differ more than shapes do.** The best shape of a search, many shapes in a loop and
  products in training are three things (`gemm_ceiling`, `looped`, `sustained`). In a loop nothing but products runs
  and the power cap holds the clock down; in training they take turns with work that draws less. On A100 training
  sustains 0.92 of the best shape, where vidur's loop reaches 0.83 and LLMCompass's 0.96: it may outrun a loop.
- **vidur's A100** is as fast as the PCIe card of SimuMax (0.72 and 0.74 of the peak) and 13 % slower than what
  other sources measured on SXM boards. That its rows, printed as SXM, come from PCIe cards of 300 W would explain it:
  inferred from the rates, and recalled of its machines, not verified.
- **SimuMax's B200** runs equal amounts of work at 0.63 or at 0.48 of the peak, without a size that tells which:
  at full clock or capped (inferred). Its training runs sustain what its loops do; NVIDIA's sustain 18 % more.
- **H100 products** have one source, whose level looks too fast beside other figures: shown, not judged.
- **Adding a weight's gradient to its sum** shows for half of its traffic on A100 and nearly all of it on B200.
- **Grouped products** of few tokens an expert cost a kernel's launch, ramp and tail for each expert.
- **Quantization to waves of tiles** was tried: half of the rows held out, H100's products came from 8.8 to 7.1 % and
  A100's from 6.1 to 5.9 %, but training runs from 4.55 to 4.71 %. Left out; adding a kernel's own cost where
  bandwidth binds gave more.
- **All-reduces of 1 to 16 MiB**: NCCL changes protocols there; three sources of A100 differ by 25 %, single rows are
  up to 23 % off.
"""


def kernel_parts(report: KernelReport) -> Iterator[RenderableType]:
    """For the terminal."""
    yield Text("kernels and collectives: predicted / measured seconds - 1", style="bold")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for at, name in enumerate(HEAD):
        table.add_column(name, justify="left" if at < 2 else "right", no_wrap=True)
    for errors in (report.products, report.collectives):
        for row in _cells(errors):
            table.add_row(*row)
        table.add_section()
    yield table


def kernel_section(report: KernelReport) -> str:
    """For the page, as Markdown."""
    left = f"{report.impossible} collectives printed under H200 are faster than its links: left out.\n"
    products = markdown_table(HEAD, _cells(report.products))
    columns = (0, 2, 3, 4, 6)
    rows = [[row[at] for at in columns] for row in _cells(report.collectives)]
    collectives = markdown_table([HEAD[at] for at in columns], rows)
    return f"{ABOUT}\n{products}\n{collectives}\n{left}\n{WHY}"


def _cells(errors: Sequence[KernelErrors]) -> list[tuple[str, ...]]:
    return [
        (
            found.where,
            found.source or "all",
            str(found.rows),
            percent(found.median_absolute),
            f"{100 * found.bias:+.1f} %",
            *(
                "-" if share is None else percent(share)
                for share in (found.half_out, found.source_out, found.own_level)
            ),
        )
        for found in errors
    ]
