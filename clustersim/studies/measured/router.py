"""How the router of a measured run loaded its experts: the logged balance loss, the source's words, or its software."""

from __future__ import annotations

import math
import re
from typing import Any

from clustersim.inputs.catalog import load
from clustersim.studies.measured.csv_cells import CsvRow, number, text

# Words of a row's notes that say that every expert got the same number of tokens.
BALANCED = re.compile(r"(?<!not )force-balanced|\(balanced\)|capacity[- ]factor[- ]1\b", re.IGNORECASE)
FORCED = re.compile(r"(force[- _]?)?balanced?|forced", re.IGNORECASE)  # in place of a loss


def router_of(row: CsvRow, stack: str, notes: list[str]) -> Any:
    """`training.router` of a row whose model has experts. Raises InputError where a cell can't be read."""
    if FORCED.fullmatch(text(row, "balance_loss")):
        return "balanced"
    loss = number(row, "balance_loss")
    if loss is not None:
        return {"imbalance": imbalance_of(loss)}
    if BALANCED.search(text(row, "notes")):
        return "balanced"
    usual = load("stacks", stack).defaults.router
    notes.append(f"how the router loads experts isn't stated: {usual}, as {stack} is run")
    return usual


def imbalance_of(balance_loss: float) -> float:
    """Standard deviation of the experts' loads over their mean, from the auxiliary loss over its coefficient.

    The loss is E sum_i f_i p_i with f_i the share of the tokens that expert i of E gets and p_i its mean probability.
    Where probabilities follow loads it is E sum_i f_i^2 = 1 + CV^2, so CV = sqrt(loss - 1). Below 1 probabilities don't
    follow loads, and it tells nothing of their spread: 0.
    Source: Megatron-LM@d98e8a6 megatron/core/transformer/moe/moe_utils.py; Fedus et al. 2022, arXiv 2101.03961, (4).
    """
    return math.sqrt(max(0.0, balance_loss - 1.0))
