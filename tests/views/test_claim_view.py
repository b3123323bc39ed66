"""The page of a claim: every row of the report is on it, the answer first."""

from __future__ import annotations

from typing import Any

from builders import scenario

from clustersim.inputs.claim import Claim
from clustersim.simulation.run import simulate_run
from clustersim.studies.claims.judge import AssertionRow, ClaimReport, Equation
from clustersim.views.claim_table import claim_view
from clustersim.views.console import plain_text

CLAIM = {
    "name": "A rumour",
    "source": {"text": "82 % [bold]of it[/bold]", "date": "2025-04-28", "who": "somebody", "reliability": "rumour"},
    "given": {},
    "assert": [{"id": "utilization", "metric": "utilization", "value": "82 %"}],
    "assumptions": ["the moon is made of cheese"],
}


def row(name: str, definition: str, base: str = "", **more: Any) -> AssertionRow:
    values: dict[str, Any] = {
        "id": name, "definition": definition, "base": base, "claimed": 0.82, "best_attainable": 0.382,
        "interval_80": (0.295, 0.493), "probability": 0.002, "record": None, "verdict": "implausible",
        "reason": f"because of {definition}", "counts": True, "unit": "%",
    }  # fmt: skip
    return AssertionRow(**values | more)


def report(*rows: AssertionRow, **more: Any) -> ClaimReport:
    points = (
        simulate_run(scenario()),
        simulate_run(scenario(tensor=2)),
        simulate_run(scenario(nodes=16, global_batch=128)),
    )
    values: dict[str, Any] = {
        "claim": Claim.model_validate(CLAIM), "assertions": rows, "contradictions": (), "verdict": "implausible",
        "points": points, "seed": 3, "figures": {"utilization": "implausible", "cost": "untestable"},
        "assumptions": ("the moon is made of cheese",),
    }  # fmt: skip
    return ClaimReport(**values | more)


ROWS = (
    row("utilization", "mfu", "353.9 (matrix peak)", record="117 TFLOP/s, Pangu"),
    row("utilization", "busy_any", "wall clock", counts=False, verdict="supported", probability=0.75),
    row("cost", "cost_usd", claimed=5e6, best_attainable=None, interval_80=None, probability=None, unit="USD"),
    row("a100 implied", "mfu", "312 (matrix peak) of NVIDIA A100, if the claim's is x", probability=0.0),
)


def test_the_verdict_stands_before_the_figures() -> None:
    lines = plain_text(claim_view(report(*ROWS))).splitlines()
    assert lines[0] == "A rumour · rumour · 2025-04-28 · 5,000 draws · seed 3"
    assert lines[1] == '  "82 % [bold]of it[/bold]"'
    verdict = next(number for number, line in enumerate(lines) if line.startswith("verdict: implausible"))
    assert "utilization implausible · cost untestable" in lines[verdict]
    assert verdict < lines.index("utilization  (dim rows are other meanings, shown and not counted)")


def test_every_row_stands_with_its_reason() -> None:
    text = plain_text(claim_view(report(*ROWS)))
    for said in ("353.9 (matrix peak)", "82.0 %", "38.2 % (29.5 to 49.3)", "< 1 %", "75 %", "0 %"):
        assert said in text
    for item in ROWS:
        assert item.reason in text
    assert "published: 117 TFLOP/s, Pangu" in text
    assert "of NVIDIA A100, if the claim's is x: because of mfu" in text
    cost = text.split("\ncost\n")[1].split("\n\n")[0]
    assert "base" not in cost
    assert "5M USD" in cost


def test_contradictions_assumptions_and_what_was_tried() -> None:
    equation = Equation("matrix peak", "512 / 0.82 = 624", 1.02, 1.0, "inconsistent", "past its peak")
    text = plain_text(claim_view(report(*ROWS, contradictions=(equation,), infeasible=("none of 7 layouts can run",))))
    assert "inconsistent on matrix peak: 512 / 0.82 = 624: past its peak" in text
    assert "- the moon is made of cheese" in text
    assert "no layout: none of 7 layouts can run" in text
    assert text.count("on 64 test chip") == 1
    assert text.count("on 128 test chip") == 1
    assert text.count("1,024 tokens") == 3
