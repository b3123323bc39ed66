"""The verdict on a claim: the answer, then every figure by every meaning, then what its numbers say of each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

from clustersim.inputs.amounts import amount, counted
from clustersim.simulation.results import RunResult
from clustersim.studies.claims.draws import DRAWS
from clustersim.studies.claims.insights import Insight
from clustersim.studies.claims.judge import AssertionRow, ClaimReport, Equation
from clustersim.studies.claims.requirements import Requirement
from clustersim.views.claim_answer import answer
from clustersim.views.claim_words import best_words, probability_words, variant_lines
from clustersim.views.run_table import headline
from clustersim.views.words import between, layout_words, percent, significant

COLOURS = {
    "supported": "green",
    "plausible": "green",
    "consistent": "green",
    "implausible": "red",
    "inconsistent": "red",
    "impossible": "bold red",
}
HEADINGS = ("meaning", "base", "claimed", "best attainable (80 %)", "P(attainable)", "verdict")
OTHERS = " of "  # in a base: what follows names the other system
MOST_UNKNOWNS = 4
MOST_LINES = 6  # of a list, unless all are asked for
LONGEST_NAME = 60  # characters
RIGHT = {"claimed", "P(attainable)"}
FIRST_TO_GO = ("P(attainable)", "claimed", "base")  # where the page is narrow
GAP, INDENT = 2, 2  # columns between cells, and before them


def claim_view(report: ClaimReport, *, everything: bool = False) -> RenderableType:
    """The answer in sentences, each figure with its readings, contradictions as equations, assumptions.

    Lists that go on for longer are cut, and say how many lines more there are, unless `everything` is asked for.
    """
    most = None if everything else MOST_LINES

    def listed(title: str, lines: Iterable[RenderableType]) -> list[RenderableType]:
        """A heading with its lines; nothing where there is none."""
        told = list(lines)
        cut = told[:most]
        if len(told) > len(cut):
            cut.append(_indented(Text(f"... and {len(told) - len(cut):,} more: --all", style="dim")))
        return [Text(title, style="bold"), *cut, Text("")] if told else []

    parts: list[RenderableType] = [*_answer(report), Text("")]
    for name in dict.fromkeys(row.id for row in report.assertions):
        rows = [row for row in report.assertions if row.id == name]
        parts += [FigureRows(name, rows, everything), Text("")]
    needs = [need for insight in report.insights for need in insight.requirements]
    moved = [insight for insight in report.insights if insight.swings]
    parts += listed("the claim's own numbers", _equations(report.contradictions))
    parts += listed("what would have to be true", map(_need, needs))
    parts += listed("what moves it most", map(_moved, moved))
    variants = [*map(_indented, variant_lines(report.variants))]
    parts += [Text("what else its model may be", style="bold"), *variants, Text("")] if variants else []
    nowhere = (_indented(f"no layout: {reason}") for reason in report.infeasible)
    parts += listed("what was tried", chain(_tried(report.points), nowhere))
    parts += listed("assumed", (_indented(f"- {assumption}") for assumption in report.assumptions))
    return Group(*parts[:-1])


def _answer(report: ClaimReport) -> Iterator[RenderableType]:
    source = report.claim.source
    name = report.claim.name if len(report.claim.name) <= LONGEST_NAME else f"{report.claim.name[:LONGEST_NAME]}..."
    about = f" · {source.reliability} · {source.date} · {DRAWS:,} draws · seed {report.seed}"
    yield Text(name + about, style="bold", no_wrap=True, overflow="ellipsis")
    yield _indented(f'"{source.text}"')  # moved in, however it breaks: no line of a stranger's begins as ours do
    yield _indented(Text(source.who, style="dim"))
    yield Text("")
    figures = [
        Text.assemble(" · " if number else "", f"{name} ", verdict_word(verdict))
        for number, (name, verdict) in enumerate(report.figures.items())
    ]
    for number, sentence in enumerate(answer(report)):
        yield Text(sentence, style="bold" if number == 0 else "")
    yield Text("")
    yield Text.assemble(("verdict: ", "bold"), verdict_word(report.verdict), "  (", *figures, ")")
    if not report.complete:
        yield Text("interrupted: this is the verdict on what was searched; more may be attainable than is shown")


def verdict_word(word: str) -> Text:
    """A verdict in its colour."""
    return Text(word, style=COLOURS.get(word, "dim"))


def _indented(content: str | Text, by: int = 2) -> RenderableType:
    return Padding(content, (0, 0, 0, by))


class FigureRows:
    """One figure of the claim under each of its meanings, each with its reason; dim ones don't count.

    Where the page is narrow the least important columns go, and that is said; without `everything` so do readings past
    the first few, the kindest kept.
    """

    def __init__(self, name: str, rows: Sequence[AssertionRow], everything: bool) -> None:
        self.name, self.rows, self.everything = name, rows, everything

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = self.rows if self.everything else _readings(self.rows)
        cells = [HEADINGS, *map(_cells, rows)]
        widths = {at: max(len(line[at]) for line in cells) for at in range(len(HEADINGS))}
        if not any(row.base for row in rows):
            del widths[HEADINGS.index("base")]
        gone: list[str] = []
        while sum(widths.values()) + GAP * len(widths) + INDENT > options.max_width and len(gone) < len(FIRST_TO_GO):
            gone.append(FIRST_TO_GO[len(gone)])
            widths.pop(HEADINGS.index(gone[-1]), None)
        remark = "" if all(row.counts for row in rows) else "  (dim rows are other meanings, shown and not counted)"
        yield Text.assemble((self.name, "bold"), (remark, "dim"))
        yield _indented(Text(_line(HEADINGS, widths), style="dim"))
        for row, line in zip(rows, cells[1:], strict=True):
            text = Text(_line(line[:-1], widths), style="" if row.counts else "dim")
            yield _indented(Text.assemble(text, verdict_word(row.verdict)))
            yield _indented(Text(_whose(row) + row.reason, style="dim"), by=6)
        for record in dict.fromkeys(row.record for row in rows if row.record):
            yield _indented(Text(f"published: {record}", style="dim"))
        if len(rows) < len(self.rows):
            more = counted(len(self.rows) - len(rows), "reading")
            yield _indented(Text(f"... and {more} more: --all", style="dim"))
        if gone:
            yield _indented(Text(f"left out at {options.max_width} columns: {', '.join(gone)}", style="dim"))


def _readings(rows: Sequence[AssertionRow]) -> list[AssertionRow]:
    """The first base of every meaning, and the kindest reading that counts, in their order."""
    first = {row.definition: row for row in reversed(rows)}
    kindest = max(rows, key=lambda row: (row.counts, row.probability or 0.0))
    return [row for row in rows if row is kindest or row is first[row.definition]]


def _cells(row: AssertionRow) -> tuple[str, ...]:
    base, claimed = row.base.split(OTHERS)[0], amount(row.claimed, row.unit)
    return row.definition, base, claimed, best_words(row), probability_words(row), row.verdict


def _whose(row: AssertionRow) -> str:
    """The end of a base that is another system's, which is too long for a table."""
    _, other, rest = row.base.partition(OTHERS)
    return f"{other.strip()} {rest}: " if other else ""


def _line(cells: Sequence[str], widths: dict[int, int]) -> str:
    """Cells under each other, numbers to the right."""
    aligned = [
        cells[at].rjust(width) if HEADINGS[at] in RIGHT else cells[at].ljust(width)
        for at, width in widths.items()
        if at < len(cells)
    ]
    return "  ".join(aligned) + "  "


def _equations(equations: Sequence[Equation]) -> Iterator[RenderableType]:
    for number, equation in enumerate(equations):
        following = equations[number + 1] if number + 1 < len(equations) else None
        told_later = following is not None and (following.ties, following.reason) == (equation.ties, equation.reason)
        reason = "" if told_later else f": {equation.reason}"
        verdict = verdict_word(equation.verdict)
        base = f" on {equation.base}" if equation.base else ""
        yield _indented(Text.assemble(verdict, f"{base}: {equation.equation}{reason}"))


def _need(need: Requirement) -> RenderableType:
    """The smallest change of the best layout's step with which a figure holds."""
    reading = f"{need.definition}, {need.base}" if need.base else need.definition
    return _indented(Text.assemble(f"{need.id} ({reading}): ", (need.sentence, "")))


def _moved(insight: Insight) -> RenderableType:
    """The unknowns of a figure's kindest reading, the one that moves it most first."""
    unit = insight.row.unit
    told = [
        f"{swing.unknown} {between(amount(swing.low, unit), amount(swing.high, unit))}"
        for swing in insight.swings[:MOST_UNKNOWNS]
    ]
    return _indented(f"{insight.row.id} ({insight.row.definition}): {'; '.join(told)}")


def _tried(points: Sequence[RunResult]) -> Iterator[RenderableType]:
    """The best layout at every point of what the claim leaves open."""
    for number, point in enumerate(points):
        step = point.step
        if number == 0 or headline(step.scenario) != headline(points[number - 1].step.scenario):
            yield _indented(headline(step.scenario))
        told = (
            f"{percent(step.mfu)} MFU full, {percent(step.mfu_causal)} causal, {significant(step.step_time_s)} s a step"
        )
        length = step.scenario.training.sequence_length
        yield _indented(f"{length:,} tokens: {told}, {layout_words(step.scenario.resolved_layout)}", by=4)
