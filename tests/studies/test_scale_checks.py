"""Utilization at scale, which nothing is fitted to."""

from __future__ import annotations

from clustersim.studies.scale_checks import scale_checks


def test_published_utilization_on_thousands_of_npus() -> None:
    """MindSpeed's GPT-3 within 6 % from 128 to 7,936 NPUs, Pangu Ultra within 8 % on 8,192."""
    checks = scale_checks()
    assert len(checks) == 9
    for check in checks:
        assert abs(check.error) < (0.08 if check.name.startswith("Pangu") else 0.06), check
