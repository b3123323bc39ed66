"""The answer to a claim in three plain sentences: what to think of it, what can be had, and why."""

from __future__ import annotations

from collections.abc import Iterator

from clustersim.inputs.amounts import amount
from clustersim.studies.claims.assertion_rows import AssertionRow, counting
from clustersim.studies.claims.judge import ClaimReport
from clustersim.views.claim_words import best_words, meaning_words, probability_words

VERDICTS = {
    "supported": "There is good reason to believe it",
    "plausible": "It is believable",
    "consistent": "Its numbers agree with each other",
    "implausible": "It is hardly believable",
    "inconsistent": "Its own numbers exclude each other",
    "impossible": "It cannot be",
    "untestable": "Nothing that it gives can be tested",
}


def answer(report: ClaimReport) -> Iterator[str]:
    """Three sentences, or fewer where there is nothing to say: the verdict, the deciding figure, the reason."""
    row = deciding(report)
    worst = [name for name, verdict in report.figures.items() if verdict == report.verdict]
    which = f" for {_listed(worst)}" if 0 < len(worst) < len(report.figures) else ""
    yield f"{VERDICTS.get(report.verdict, report.verdict)}: the verdict is {report.verdict}{which}."
    if row is None:
        return
    claimed, meaning = amount(row.claimed, row.unit), meaning_words(row.definition)
    if row.best_attainable is None:
        yield f"Claimed is {claimed} ({meaning}), which nothing here can be held against."
    else:
        chance = f", and {probability_words(row)} of the draws reach the claim" if row.probability is not None else ""
        best = f"what can be had, with its 80 % interval, is {best_words(row)}{chance}"
        yield f"Claimed is {claimed} ({meaning}); {best}."
    reason = _reason(report, row)
    if reason:
        yield reason


def deciding(report: ClaimReport) -> AssertionRow | None:
    """The row that the verdict rests on: the kindest reading of the first figure that has it."""
    rows = [row for row in counting(report.assertions) if report.figures.get(row.id) == report.verdict]
    rows = rows or list(counting(report.assertions)) or list(report.assertions)
    return max((row for row in rows if row.id == rows[0].id), key=lambda row: row.probability or 0.0, default=None)


def _reason(report: ClaimReport, row: AssertionRow) -> str:
    """What excludes it, or what is known that supports it."""
    if report.verdict == "inconsistent":
        told = [each for each in report.contradictions if each.verdict == "inconsistent"]
        if told:
            return _sentence(f"{told[0].equation}{f': {told[0].reason}' if told[0].reason else ''}")
    return _sentence(row.reason)


def _sentence(words: str) -> str:
    """As one: a capital at its beginning, a full stop at its end."""
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith('.') else '.'}" if words else ""


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
