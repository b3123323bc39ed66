"""The constant-efficiency baseline: what an error must be compared with, for it costs nothing to get it.

Rows of a set are taken to run at one efficiency, the median of the others'. A set whose rows are alike is predicted
well so, whatever the simulator knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from clustersim.studies.measured.csv_cells import CsvRow, flag, number, text

FULL_RECOMPUTE = 4.0 / 3.0  # forward once more: four passes' worth of work for three
USUAL_VOCABULARY = 51_200.0


def work_per_device(row: CsvRow) -> float:
    """FLOP that a device does in a step of a row, roughly: 6 x active parameters + attention, a token.

    batch * sequence * (6 (L (h^2 (2 + 2 kv/heads) + k (2 or 3) h ffn) + vocab h) + 12 L h s) / devices, 4/3 of it under
    full recomputation. Source: Kaplan et al. 2020, arXiv 2001.08361, section 2.1.
    """

    def cell(column: str, otherwise: float = 0.0) -> float:
        return number(row, column) or otherwise

    hidden, layers, sequence = cell("hidden"), cell("layers"), cell("seq_len")
    experts = cell("n_experts") > 1
    inner = cell("moe_ffn_hidden") or cell("ffn_hidden") or 4.0 * hidden
    met = cell("experts_per_token", 1.0) + cell("shared_experts") if experts else 1.0
    heads = cell("heads", 1.0)
    shared_heads = (cell("kv_heads") or heads) / heads
    matrices = 3.0 if flag(row, "gated_mlp") else 2.0
    parameters = layers * (hidden**2 * (2.0 + 2.0 * shared_heads) + met * matrices * hidden * inner)
    parameters += cell("vocab", USUAL_VOCABULARY) * hidden
    tokens = cell("global_batch_seqs") * sequence
    work = tokens * (6.0 * parameters + 12.0 * layers * hidden * sequence) / cell("n_devices", 1.0)
    return work * (FULL_RECOMPUTE if text(row, "recompute") == "full" else 1.0)


def constant_efficiency_times(measured: Sequence[float], work: Sequence[float]) -> list[float]:
    """Step times (s) that one efficiency predicts: for each row, the median of the others' seconds per work."""
    rates = [seconds / amount if amount else 0.0 for seconds, amount in zip(measured, work, strict=True)]
    times = []
    for at, amount in enumerate(work):
        others = [rate for index, rate in enumerate(rates) if index != at and rate] or [rates[at]]
        times.append(median(others) * amount)
    return times
