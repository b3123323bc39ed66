"""A model explained: its parameters as counted, beside what is claimed of it, and how its description was made."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType
from rich.text import Text

from clustersim.inputs.huggingface.claimed import Claimed, claimed_by
from clustersim.inputs.model import Model
from clustersim.views.words import count
from clustersim.workload.counts import counts_of

COUNTED_HERE = ("parameters", "active_parameters", "mtp_parameters")  # at the top of the document


def counts_document(model: Model) -> dict[str, Any]:
    """Parameters in all, those that a token meets, those of multi-token prediction and of a vision tower; claims."""
    counts = counts_of(model)
    return {
        **{key: getattr(counts, key) for key in COUNTED_HERE},
        "vision_parameters": counts.vision_parameters,
        "claimed": claims_of(model)._asdict(),
    }


def claims_of(model: Model) -> Claimed:
    """What the source says of the model, or else its name."""
    stated = claimed_by(model.name)
    total, active = model.published.total_params, model.published.active_params
    return Claimed(
        count(total) if total is not None else stated.parameters,
        count(active) if active is not None else stated.active_parameters,
    )


def counts_view(model: Model) -> list[RenderableType]:
    """Lines for people: counted, and claimed."""
    counts, claims = counts_of(model), claims_of(model)
    said = {"parameters": (counts.parameters, claims.parameters)}
    if counts.active_parameters != counts.parameters:
        said["a token meets"] = (counts.active_parameters, claims.active_parameters)
    lines = [
        f"{what}: {counted:,} counted" + (f", {claimed} claimed" if claimed else "")
        for what, (counted, claimed) in said.items()
    ]
    if counts.vision_parameters:
        lines.append(f"of them in the vision tower and its projector: {counts.vision_parameters:,}")
    if counts.mtp_parameters:
        lines.append(f"beside them in modules for multi-token prediction: {counts.mtp_parameters:,}")
    return [Text(line) for line in [*lines, *(f"note: {note}" for note in model.notes)]]
