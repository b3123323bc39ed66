"""Scenarios side by side: their figures with the differences, where each loses its peak, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clustersim.inputs.figures import shown
from clustersim.simulation.results import value_of
from clustersim.studies.comparison import Difference, ScenarioComparison
from clustersim.views.run_table import headline
from clustersim.views.waterfall_plot import step_name
from clustersim.views.words import between, figure_words, layout_words, percent, significant

DOUBLE = 2.0
LEAST = 0.0005  # of the peak: steps that are smaller everywhere aren't shown


def compare_view(compared: ScenarioComparison) -> RenderableType:
    """What is compared, the sentences, figures with the intervals of differences, and the waterfalls."""
    return Group(
        *_names(compared),
        Text(""),
        *(Text(sentence, style="bold") for sentence in compared.explanations),
        _figures(compared),
        Text("where the peak goes, in shares of it", style="bold"),
        _waterfalls(compared),
        Text("Intervals of differences are those of one team that measures both: what their errors share cancels."),
    )


def _names(compared: ScenarioComparison) -> Iterator[Text]:
    for each in compared.contenders:
        layout = layout_words(each.scenario.resolved_layout)
        yield Text(f"{each.letter}  {each.scenario.name}: {headline(each.scenario)}", style="bold")
        yield Text(f"   {layout}")


def _table(compared: ScenarioComparison, *more: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in (*(each.letter for each in compared.contenders), *more):
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _figures(compared: ScenarioComparison) -> Table:
    """A figure a row, with the change to the first in percent and its 80 % interval."""
    later = [each.letter for each in compared.contenders[1:]]
    table = _table(compared, *(f"{letter} over A" for letter in later))
    changes = {(each.figure.name, each.letter): each for each in compared.differences}
    for figure in shown("run"):
        values = [value_of(each.result, figure) for each in compared.contenders]
        if all(value is None for value in values) or (figure.name == "goodput" and set(values) <= {1.0, None}):
            continue
        cells = ["-" if value is None else figure_words(figure, value) for value in values]
        table.add_row(figure.title, *cells, *(_change(changes.get((figure.name, letter))) for letter in later))
    return table


def _change(difference: Difference | None) -> str:
    """-12.3 % (-16.2 to -8.1 %), the 80 % interval where the figure goes with the step's time."""
    if difference is None:
        return "-"
    if difference.ratio_80 is None:
        return _ratio(difference.ratio)
    low, high = (_ratio(bound) for bound in difference.ratio_80)
    return f"{_ratio(difference.ratio)} ({between(low, high)})"


def _signed(share: float) -> str:
    words = percent(abs(share))
    return words if words == percent(0.0) else f"{'+' if share > 0 else '-'}{words}"


def _ratio(ratio: float) -> str:
    """-12.3 %; from double on x 3.12."""
    return _signed(ratio - 1.0) if ratio < DOUBLE else f"x {significant(ratio)}"


def _waterfalls(compared: ScenarioComparison) -> Table:
    """From the peak to the MFU of each, and by how much a step differs from the first's."""
    later = compared.contenders[1:]
    table = _table(compared, *(f"{each.letter} - A" for each in later))
    falls = [dict(each.waterfall.falls) for each in compared.contenders]
    for name in falls[0]:
        shares = [fall[name] for fall in falls]
        if max(map(abs, shares)) >= LEAST:
            apart = [_signed(share - shares[0]) for share in shares[1:]]
            table.add_row(step_name(name, shares), *(_signed(share) for share in shares), *apart)
    mfu = [each.waterfall.mfu for each in compared.contenders]
    apart = [_signed(share - mfu[0]) for share in mfu[1:]]
    table.add_row("MFU, full attention", *(percent(share) for share in mfu), *apart, style="bold")
    return table
