"""A calibrated stack as a file that scenarios and the catalog can name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clustersim.inputs.catalog import load
from clustersim.studies.calibration.calibration import Calibration, Estimate, residual_of

UNITS = {
    "kernel_gap": (1e-6, "us"),
    "host_launch": (1e-6, "us"),
    "fixed_overhead": (1e-3, "ms"),
}  # of stack fields that are times


def with_unit(name: str, value: float) -> str | float:
    """A number as stack files give it: times with their unit."""
    size, unit = UNITS.get(name, (1.0, ""))
    short = float(f"{max(0.0, value) / size:.4g}")
    return f"{short:g} {unit}" if unit else short


def stack_document(found: Calibration, name: str) -> dict[str, Any]:
    """The file's content: what it extends, the fitted numbers with their uncertainty, and the residual."""
    return {
        "about": f"{load('stacks', found.extends).name}, calibrated to {found.rows} measurements.",
        "extends": found.extends,
        "name": name,
        **{estimate.name: _cited(estimate) for estimate in found.estimates},
        **({} if found.spread is None else {"residual": _residual(found)}),
        "sources": {"calibration": "clustersim calibrate, robust least squares on the log step time, parent as prior."},
    }


def _residual(found: Calibration) -> dict[str, Any]:
    residual = residual_of(found)
    return {
        "spread": {"value": float(f"{residual.spread:.3g}"), "source": "calibration", "status": "computed"},
        "evidence": residual.evidence,
        "devices": residual.devices,
        "accelerators": list(residual.accelerators),
        "kinds": list(residual.kinds),
    }


def _cited(estimate: Estimate) -> dict[str, Any]:
    note = f"+- {with_unit(estimate.name, estimate.deviation)}"
    if not estimate.identified:
        note += "; the runs say little: it stays near the parent's"
    return {
        "value": with_unit(estimate.name, estimate.value),
        "source": "calibration",
        "status": "computed",
        "note": note,
    }


def write_stack(found: Calibration, path: Path) -> None:
    """Write the stack as YAML; its name is the file's."""
    import yaml

    path.parent.mkdir(parents=True, exist_ok=True)
    document = stack_document(found, path.stem)
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
