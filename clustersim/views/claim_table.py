"""The verdict on a claim: every figure by every meaning, then what its own numbers say of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clustersim.simulation.results import RunResult
from clustersim.studies.claims import AssertionRow, ClaimReport
from clustersim.studies.consistency import Equation
from clustersim.views.run_table import headline
from clustersim.views.words import between, layout_words, percent, significant

COLOURS = {
    "supported": "green",
    "plausible": "green",
    "consistent": "green",
    "untestable": "dim",
    "informative": "dim",
    "implausible": "red",
    "inconsistent": "red",
    "impossible": "bold red",
}
SCALES = {"FLOP/s": (1e-15, "PFLOP/s")}
UNITS = {
    "step_time_s": "s",
    "tokens_per_s": "tokens/s",
    "training_days": "days",
    "device_hours": "h",
    "cost_usd": "USD",
}


def claim_view(report: ClaimReport) -> RenderableType:
    """The claim with its source, a table a figure, contradictions as equations, assumptions, the verdict."""
    parts: list[RenderableType] = [_heading(report), Text("")]
    for name in dict.fromkeys(row.id for row in report.assertions):
        parts += _assertion(name, [row for row in report.assertions if row.id == name])
    if report.contradictions:
        parts += [Text("the claim's own numbers", style="bold"), *_equations(report.contradictions), Text("")]
    parts += [Text("what was tried", style="bold"), *_tried(report.points), Text("")]
    if report.claim.assumptions:
        parts.append(Text("assumed", style="bold"))
        parts += [Padding(f"- {assumption}", (0, 0, 0, 2)) for assumption in report.claim.assumptions]
        parts.append(Text(""))
    return Group(*parts, Text.assemble("verdict: ", _verdict(report.verdict)))


def _heading(report: ClaimReport) -> RenderableType:
    source = report.claim.source
    figures = len({row.id for row in report.assertions})
    return Group(
        Text(
            f"{report.claim.name} · {source.reliability} · {source.date} · {figures} figures · seed {report.seed}",
            "bold",
        ),
        Text(f'"{source.text}"'),
        Text(f"{source.who}", style="dim"),
    )


def _verdict(word: str) -> Text:
    return Text(word, style=COLOURS.get(word, ""))


def _assertion(name: str, rows: Sequence[AssertionRow]) -> list[RenderableType]:
    """One figure of the claim under each of its meanings; the dim ones don't count for the verdict."""
    based = any(row.base for row in rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("meaning", no_wrap=True)
    if based:
        table.add_column("base", no_wrap=True)
    table.add_column("claimed", justify="right", no_wrap=True)
    table.add_column("best attainable (80 %)", justify="right", no_wrap=True)
    table.add_column("P", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("why", ratio=1)
    for row in rows:
        unit = row.unit or UNITS.get(row.definition, "")
        best = "-" if row.best_attainable is None else figure(row.best_attainable, unit)
        if row.interval_80 is not None:
            low, high = (figure(bound, unit) for bound in row.interval_80)
            best += f" ({between(low, high)})"
        why = row.reason if row.record is None else f"{row.reason}; record: {row.record}"
        table.add_row(
            row.definition,
            *([row.base] if based else []),
            figure(row.claimed, unit),
            best,
            _probability(row.probability),
            _verdict(row.verdict),
            why,
            style="" if row.counts else "dim",
        )
    remark = "" if all(row.counts for row in rows) else "  (dim rows are shown and don't count)"
    return [Text.assemble((name, "bold"), remark), Padding(table, (0, 0, 0, 2))]


def figure(value: float, unit: str) -> str:
    """A claim's figure with its unit: 82.0 %, 512 PFLOP/s, 13.8 s."""
    if unit == "%":
        return percent(value)
    scale, name = SCALES.get(unit, (1.0, unit))
    return f"{significant(value * scale)} {name}".rstrip()


def _probability(value: float | None) -> str:
    if value is None:
        return "-"
    return "< 1 %" if value < 0.01 else percent(value, 0)


def _equations(equations: Sequence[Equation]) -> Iterator[RenderableType]:
    for equation in equations:
        line = Text.assemble(
            f"base {equation.base}: {equation.equation}: {equation.reason}: ", _verdict(equation.verdict)
        )
        yield Padding(line, (0, 0, 0, 2))


def _tried(points: Sequence[RunResult]) -> Iterator[RenderableType]:
    """The best layout at every point of what the claim leaves open."""
    for point in points:
        step = point.step
        told = (
            f"{percent(step.mfu)} MFU full, {percent(step.mfu_causal)} causal, {significant(step.step_time_s)} s a step"
        )
        length = step.scenario.training.sequence_length
        where = f"{headline(step.scenario)} · {length:,} tokens · {layout_words(step.scenario.plan)}"
        yield Padding(f"{where}: {told}", (0, 0, 0, 2))
