"""What a run would gain: the best interval, the spares, and what each improvement is worth."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clustersim.inputs.units import format_quantity
from clustersim.studies.advice import Advice, Option
from clustersim.views.words import dollars, percent, significant

SMALL_DAYS = 0.005  # less isn't worth a word


def advice_view(advice: Advice) -> RenderableType:
    """The answers first, then every change with what it is worth."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("change", "goodput", "days", "days saved", "saved"):
        table.add_column(name, justify="left" if name == "change" else "right")
    for option in (advice.now, *_answers(advice), *advice.options):
        table.add_row(option.change, percent(option.goodput), significant(option.days), _days(option), _money(option))
    return Group(Text(""), Text("advice", style="bold"), *map(Text, _sentences(advice)), table)


def _answers(advice: Advice) -> Iterator[Option]:
    if advice.best_interval is not None:
        yield advice.best_interval
    if advice.spares is not None and advice.spares.option is not None:
        yield advice.spares.option


def _sentences(advice: Advice) -> Iterator[str]:
    if advice.best_interval_s is not None and advice.interval_s is not None:
        best, now = (format_quantity(seconds, "s") for seconds in (advice.best_interval_s, advice.interval_s))
        yield f"best checkpoint interval: {best} of training (now {now})"
    spares = advice.spares
    if spares is None:
        yield "spares: set reliability.repair, the mean time until a node is back, to know how many"
    elif spares.nodes is None:
        yield f"spares: none are enough for {percent(spares.target)}; at best it is {percent(spares.best)}"
    else:
        yield (
            f"spares: {spares.nodes} for a goodput of {percent(spares.target)}; {percent(spares.best)} with one always "
            "at hand"
        )


def _days(option: Option) -> str:
    return "-" if abs(option.days_saved) < SMALL_DAYS else f"{option.days_saved:+.2f}"


def _money(option: Option) -> str:
    if option.usd_saved is None or abs(option.days_saved) < SMALL_DAYS:
        return "-"
    return f"{'-' if option.usd_saved < 0 else ''}{dollars(abs(option.usd_saved))}"
