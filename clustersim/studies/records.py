"""Published records: the best training throughput that anybody showed on a chip."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from clustersim.inputs.catalog import load, plain_document


@dataclass(frozen=True)
class Record:
    """One published run: model FLOP/s a device, and how they were counted."""

    id: str
    accelerator: str  # its name
    model: str
    kind: str  # dense or moe
    devices: int
    sequence_length: int
    convention: str  # full, causal, 6N, hardware or unstated
    flops: float  # FLOP/s a device

    @property
    def described(self) -> str:
        """For a table: how much, on how many."""
        return f"{self.flops / 1e12:.0f} TFLOP/s, {self.model}, {self.devices:,} devices"


@cache
def training_records() -> tuple[Record, ...]:
    """Every record in the catalog."""
    rows = plain_document("records", "training")["records"]
    return tuple(
        Record(
            row["id"],
            load("accelerators", row["accelerator"]).name,
            row["model"],
            row["kind"],
            row["devices"],
            row["sequence_length"],
            row["convention"],
            row["tflops"] * 1e12,
        )
        for row in rows
    )


def best_record(accelerator: str, kind: str, convention: str, longest_sequence: int) -> Record | None:
    """The highest record of a chip and kind of model that counts by `convention` (or doesn't say how).

    Longer sequences flatter full attention, so records past the longest sequence in question are left out.
    """
    fitting = [
        record
        for record in training_records()
        if record.accelerator == accelerator
        and record.kind == kind
        and record.convention in (convention, "unstated", "6N")
        and record.sequence_length <= longest_sequence
    ]
    return max(fitting, key=lambda record: record.flops, default=None)
