"""A calibrated stack as a file that scenarios and the catalog can name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clustersim.inputs.amounts import counted
from clustersim.inputs.catalog import load
from clustersim.studies.calibration.calibration import Calibration, Estimate

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
    groups = len(found.groups)
    evidence = f"{found.rows} of your measured runs in {counted(groups, 'group')}"
    evidence += ", each group held out in turn" if found.left_out is not None else ", in-sample: one group only"
    return {
        "about": f"{load('stacks', found.extends).name}, calibrated to {found.rows} measured runs.",
        "extends": found.extends,
        "name": name,
        **{estimate.name: _cited(estimate) for estimate in found.estimates},
        "residual": {
            "spread": {"value": float(f"{found.spread:.3g}"), "source": "calibration", "status": "computed"},
            "evidence": evidence,
            "devices": found.devices,
            "accelerators": list(found.accelerators),
            "kinds": list(found.kinds),
        },
        "sources": {"calibration": "clustersim calibrate, robust least squares on the log step time, parent as prior."},
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
