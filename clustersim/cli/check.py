"""`clustersim check`: is a published claim believable?"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clustersim.cli.errors import DONE, FAILED
from clustersim.cli.options import examples, json_option, output_option, print_json, progress_bar
from clustersim.cli.outputs import checked, printed_first

if TYPE_CHECKING:
    from clustersim.studies.claims.judge import ClaimReport

BELIEVABLE = ("supported", "plausible", "untestable")  # verdicts that fail nothing


@click.command(
    "check",
    short_help="Is a published claim believable?",
    epilog=examples("clustersim check deepseek_r2 --report r2.html", "clustersim check gpt3_175b_64_a100 --json"),
)
@click.argument("claim")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Root of all random numbers.")
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=None,
    help="Processes that search layouts.  [default: one a core]",
)
@output_option("Folder to write claim.json and claim.txt into, beside what is printed.")
@click.option(
    "--report", type=click.Path(), callback=checked(folder=False), metavar="FILE.html", help="Write one page."
)
@click.option("--all", "everything", is_flag=True, help="Print long lists whole.")
@json_option
def command(
    claim: str,
    seed: int,
    workers: int | None,
    output: str | None,
    report: str | None,
    everything: bool,
    as_json: bool,
) -> int:
    """Judge CLAIM: a file, or a name in configs/claims. Exit code 1 if a figure is implausible or worse.

    Ctrl-C ends it with the verdict on what was searched so far.
    """
    from clustersim.studies.claims.judge import check_claim
    from clustersim.views.claim_table import claim_view

    with progress_bar(f"checking {claim}") as progress:
        judged = check_claim(claim, seed=seed, workers=workers, progress=progress)
    command_line = f"clustersim check {shlex.quote(claim)} --seed {seed}"
    with printed_first(lambda: _write(judged, output, report, command_line)):
        if as_json:
            print_json(judged.to_dict())
        else:
            from clustersim.views.console import print_page

            print_page(claim_view(judged, everything=everything))
    if not judged.complete:
        raise KeyboardInterrupt
    return DONE if judged.verdict in BELIEVABLE else FAILED


def _write(judged: ClaimReport, output: str | None, report: str | None, command_line: str) -> None:
    if output is not None:
        from clustersim.views.claim_table import claim_view
        from clustersim.views.reports import write_report

        write_report("claim", claim_view(judged, everything=True), judged.to_dict(), Path(output))
    if report is not None:
        from clustersim.views.claim_report import write_claim_report

        write_claim_report(judged, Path(report), f"{command_line} --report {shlex.quote(report)}")
