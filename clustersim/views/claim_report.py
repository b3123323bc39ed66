"""One self-contained page about a claim: no network, no scripts; everything from files is escaped by the template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from matplotlib.figure import Figure

from clustersim.inert import inert
from clustersim.inputs.amounts import amount, counted
from clustersim.simulation.intervals import model_error
from clustersim.studies.claims.draws import DRAWS
from clustersim.studies.claims.equations import Equation
from clustersim.studies.claims.insights import Insight
from clustersim.studies.claims.judge import AssertionRow, ClaimReport
from clustersim.version import __version__
from clustersim.views.claim_plots import draw_distribution, draw_needed_waterfall, draw_tornado
from clustersim.views.claim_words import best_words, meaning_words, probability_words, tried_lines, variant_lines
from clustersim.views.drawing import svg

GOOD, BAD = ("supported", "plausible", "consistent"), ("implausible", "inconsistent", "impossible")
MEANINGS = {
    "supported": "Every figure that can be tested can be had, or was had by somebody on the same chip.",
    "plausible": "No figure is past what can be had, as far as it can be tested.",
    "implausible": "Physics does not forbid it, but at least one figure is past nearly everything that is attainable.",
    "inconsistent": "Its own figures exclude each other.",
    "impossible": "At least one figure is past a bound that no software can get around.",
    "untestable": "Nothing given ties its figures to physics.",
}


def write_claim_report(report: ClaimReport, path: Path, command: str) -> None:
    """Write the page; `command` is what reproduces it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(claim_page(report, command), encoding="utf-8")


def claim_page(report: ClaimReport, command: str) -> str:
    """The page as HTML, the same bytes for the same report."""
    return str(_environment().get_template("claim_report.html.j2").render(**_context(report, command)))


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("clustersim.views", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda value: inert(value, lines=True) if type(value) is str else value,
    )
    made.filters["tone"] = lambda verdict: "good" if verdict in GOOD else "bad" if verdict in BAD else "open"
    return made


def _context(report: ClaimReport, command: str) -> dict[str, Any]:
    return {
        "name": report.claim.name,
        "source": report.claim.source,
        "verdict": report.verdict,
        "meaning": MEANINGS[report.verdict],
        "figures": [_figure(report, name, verdict) for name, verdict in report.figures.items()],
        "insights": [_asked(insight) for insight in report.insights],
        "equations": list(_equations(report)),
        "contradiction": next((found for found in report.contradictions if found.verdict == "inconsistent"), None),
        "tables": list(_tables(report.assertions)),
        "pictures": list(_pictures(report.insights)),
        "variants": variant_lines(report.variants),
        "tried": [*tried_lines(report.points), *(f"no layout: {reason}" for reason in report.infeasible)],
        "assumptions": report.assumptions,
        "sources": list(_sources(report)),
        "command": command,
        "draws": f"{DRAWS:,}",
        "version": __version__,
        "seed": report.seed,
    }


def _figure(report: ClaimReport, name: str, verdict: str) -> dict[str, str]:
    """A figure with the reason of the reading that decides on it."""
    rows = [row for row in report.assertions if row.id == name and row.counts]
    kindest = next((insight.row for insight in report.insights if insight.row.id == name), None)
    row = next((row for row in (kindest, *rows) if row is not None and row.verdict == verdict), rows[0])
    reason = row.reason[:1].upper() + row.reason[1:]
    if row.verdict != verdict:
        tied = (found for found in report.contradictions if found.verdict == verdict and name in found.ties)
        against = next(tied, None)
        reason = reason if against is None else f"{against.equation}: {against.reason}"
    claimed = amount(row.claimed, row.unit)
    if row.definition not in row.unit:
        claimed += f" ({_reading(row.definition, row.base)}{', the kindest reading' if len(rows) > 1 else ''})"
    return {"id": name, "claimed": claimed, "verdict": verdict, "reason": f"{reason}." if reason else ""}


def _asked(insight: Insight) -> dict[str, Any]:
    needs = [
        {"reading": _reading(found.definition, found.base), "sentence": found.sentence}
        for found in insight.requirements
    ]
    return {"id": insight.row.id, "needs": needs}


def _reading(definition: str, base: str) -> str:
    """MFU, full attention, of 353.9 (matrix peak)."""
    words = meaning_words(definition)
    return (
        f"{words}, of {base}" if base[:1].isdigit() and " over " not in base else f"{words}, {base}" if base else words
    )


def _equations(report: ClaimReport) -> Iterator[dict[str, Any]]:
    """Equations that tie the same figures together, the contradictions first."""
    groups: dict[tuple[str, ...], list[Equation]] = {}
    for equation in report.contradictions:
        groups.setdefault(equation.ties, []).append(equation)
    order = {"inconsistent": 0, "consistent": 1, "informative": 2}
    for ties, lines in sorted(groups.items(), key=lambda item: min(order[line.verdict] for line in item[1])):
        yield {"title": " and ".join(dict.fromkeys(ties)), "lines": sorted(lines, key=lambda line: order[line.verdict])}


def _tables(rows: Sequence[AssertionRow]) -> Iterator[dict[str, Any]]:
    for name in dict.fromkeys(row.id for row in rows):
        yield {
            "id": name,
            "rows": [
                {
                    "meaning": _reading(row.definition, row.base),
                    "reason": row.reason,
                    "claimed": amount(row.claimed, row.unit),
                    "best": best_words(row),
                    "record": row.record or "",
                    "probability": probability_words(row),
                    "verdict": row.verdict,
                    "counts": row.counts,
                }
                for row in rows
                if row.id == name
            ],
        }


def _pictures(found: Sequence[Insight]) -> Iterator[dict[str, Any]]:
    for insight in found:
        row = insight.row
        reading = f"{row.id}, read as {_reading(row.definition, row.base)}"
        if row.boast is not None:
            yield _picture(draw_distribution(row.boast, ""), f"{reading}: what can be had, beside the claim.")
        if insight.swings:
            caption = f"{reading}: which unknown moves it most."
            yield _picture(draw_tornado(insight.swings, row.unit, ""), caption)
    asked = next((need for insight in found for need in reversed(insight.requirements)), None)
    if asked is not None:
        devices = counted(asked.step.devices, "device")
        caption = (
            f"From the peak down to what the best layout on {devices} reaches, beside what {asked.id} would "
            f"mean ({_reading(asked.definition, asked.base)}), as an MFU with full attention of the matrix peak."
        )
        yield _picture(draw_needed_waterfall(asked, ""), caption)


def _picture(figure: Figure, caption: str) -> dict[str, Any]:
    """SVG that matplotlib wrote: text in it is drawn as shapes, nothing in it comes from files as it is."""
    drawn = svg(figure)
    return {"svg": Markup(drawn[drawn.index("<svg") :]), "caption": caption}


def _sources(report: ClaimReport) -> Iterator[str]:
    source = report.claim.source
    yield f"{source.who}, {source.date} ({source.reliability})"
    yield from source.links
    yield from dict.fromkeys(row.record for row in report.assertions if row.record)
    scenarios = [point.step.scenario for point in report.points]
    stacks = {scenario.stack.name: model_error(scenario).evidence for scenario in scenarios}
    for name, evidence in stacks.items():
        yield f"error of predictions with {name}: {evidence}"
    yield "hardware, software, records, prices: clustersim's catalog, each value with its source (clustersim show)"
