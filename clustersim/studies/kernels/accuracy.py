"""Kernels and collectives against the packaged tables: errors by chip and source, and with data held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from clustersim.costs.collectives import Reach, cost_of
from clustersim.costs.gemm_on_chip import product_time
from clustersim.costs.links import Link, link_of
from clustersim.costs.placement import RankPlacement
from clustersim.engines.graph import Floats
from clustersim.inputs.catalog import load
from clustersim.inputs.hardware import Accelerator
from clustersim.studies.kernels.tables import TimedCollective, TimedProduct, timed_collectives, timed_products
from clustersim.workload.operations import Collective

LEAST_FLOPS = 1e9  # of a product, to be judged
LEAST_BYTES = 2.0**20  # of a collective, to be judged: more than this
LOWEST_LEVEL, HIGHEST_LEVEL = 0.1, 2.0
CLOSE = 0.05  # log error past which rows pull less at a link's fit


@dataclass(frozen=True)
class KernelErrors:
    """Errors of seconds, predicted over measured less one, at the median of so many rows."""

    where: str  # chip, or node and number of ranks
    source: str  # empty: all sources
    rows: int
    median_absolute: float
    bias: float
    half_out: float | None = None  # median error of each half of the rows, the level read off the other half
    source_out: float | None = None  # the same with the source held out, where there are others
    own_level: float | None = None  # with the source's own level: what is left is shape


@dataclass(frozen=True)
class KernelReport:
    """Products above 1 GFLOP, and collectives above 1 MiB inside a node."""

    products: tuple[KernelErrors, ...]
    collectives: tuple[KernelErrors, ...]
    impossible: int  # collectives that are faster than the links of the chip that they are printed under


def judged_products() -> list[TimedProduct]:
    """Products large enough to be judged."""
    return [timed for timed in timed_products() if timed.gemm.flops > LEAST_FLOPS]


def kernel_report() -> KernelReport:
    """All tables."""
    products = judged_products()
    large = [timed for timed in timed_collectives() if timed.bytes > LEAST_BYTES]
    credible = [timed for timed in large if _is_possible(timed)]
    return KernelReport(
        tuple(error for chip, some in _by(products, lambda timed: timed.chip) for error in product_errors(chip, some)),
        tuple(
            error for node, some in _by(credible, lambda timed: timed.node) for error in collective_errors(node, some)
        ),
        len(large) - len(credible),
    )


def level_of(products: Sequence[TimedProduct], chip: Accelerator) -> float:
    """The level, over the chip's best rate, at which half of the products are faster than predicted."""
    from scipy.optimize import brentq

    def bias(level: float) -> float:
        return float(np.median(np.log(1.0 + _errors(products, chip, level))))

    return float(brentq(bias, LOWEST_LEVEL, HIGHEST_LEVEL, xtol=1e-4))


def product_errors(chip: str, products: Sequence[TimedProduct]) -> list[KernelErrors]:
    """Of one chip: each source, and all of them."""
    accelerator = load("accelerators", chip)
    found = []
    sources = [("", list(products)), *_by(products, lambda timed: timed.source)]
    for source, some in sources[1:] if len(sources) == 2 else sources:
        others = [timed for timed in products if timed.source != source]
        errors = _errors(some, accelerator, accelerator.kernels.looped)
        found.append(
            KernelErrors(
                chip,
                source,
                len(some),
                float(np.median(np.abs(errors))),
                float(np.median(errors)),
                _half_out(some, accelerator) if len(some) > 1 else None,
                _median(_errors(some, accelerator, level_of(others, accelerator))) if source and others else None,
                _median(_errors(some, accelerator, level_of(some, accelerator))),
            )
        )
    return found


def _errors(products: Sequence[TimedProduct], chip: Accelerator, level: float) -> Floats:
    predicted = np.array([product_time(timed.gemm, chip, level, apart=timed.apart) for timed in products])
    errors: Floats = predicted / np.array([timed.seconds for timed in products]) - 1.0
    return errors


def _half_out(products: Sequence[TimedProduct], chip: Accelerator) -> float:
    """Every other row held out, by turns."""
    halves = products[::2], products[1::2]
    errors = [_errors(held, chip, level_of(kept, chip)) for held, kept in (halves, halves[::-1])]
    return _median(np.concatenate(errors))


def collective_errors(node: str, collectives: Sequence[TimedCollective]) -> list[KernelErrors]:
    """Of one kind of node: by number of ranks, and all of them."""
    link = link_of(load("nodes", node).scale_up, 1.0)
    sources = {timed.source for timed in collectives}
    refitted = {
        source: _fitted(link, [timed for timed in collectives if timed.source != source])
        for source in (sources if len(sources) > 1 else ())
    }
    found = []
    by_ranks = _by(collectives, lambda timed: f"{timed.ranks:.0f}")
    everything = [("", list(collectives))] if len(by_ranks) > 1 else []
    for ranks, some in [*by_ranks, *everything]:
        errors = np.array([_collective_error(timed, link) for timed in some])
        held = [_collective_error(timed, refitted[timed.source]) for timed in some if timed.source in refitted]
        where = f"{node}, {ranks} ranks" if ranks else node
        found.append(
            KernelErrors(
                where,
                "",
                len(some),
                float(np.median(np.abs(errors))),
                float(np.median(errors)),
                source_out=_median(np.array(held)) if held else None,
            )
        )
    return found


def _fitted(link: Link, collectives: Sequence[TimedCollective]) -> Link:
    """The link whose start, hop and bandwidth fit collectives best: robust least squares on log seconds."""
    from scipy.optimize import least_squares

    def at(inner: Floats) -> Link:
        start, latency, bandwidth = np.exp(inner)
        return replace(link, start=float(start), latency=float(latency), bandwidth=float(bandwidth))

    def residuals(inner: Floats) -> Floats:
        return np.log([1.0 + _collective_error(timed, at(inner)) for timed in collectives])

    begin = np.log([link.start, link.latency, link.bandwidth])
    return at(least_squares(residuals, begin, loss="soft_l1", f_scale=CLOSE).x)


def _collective_error(timed: TimedCollective, link: Link) -> float:
    used = link if timed.in_switch else replace(link, switch_bandwidth=None)
    message = Collective("timed", timed.kind, "tensor", timed.bytes)
    reach = Reach(RankPlacement(timed.ranks, timed.ranks, 1.0), used, used)
    return float(cost_of(message, reach).seconds) / timed.seconds - 1.0


def _is_possible(timed: TimedCollective) -> bool:
    """Whether the node's links, or its switches where they sum, are as fast at their nominal rate."""
    tier = load("nodes", timed.node).scale_up
    fastest = max(tier.bandwidth, tier.switch_bandwidth or 0.0) if timed.in_switch else tier.bandwidth
    return bool(timed.bus_bandwidth <= fastest)


def _median(errors: Floats) -> float:
    return float(np.median(np.abs(errors)))


def _by(timed: Sequence[Any], key: Callable[[Any], str]) -> list[tuple[str, list[Any]]]:
    return [(name, list(some)) for name, some in groupby(sorted(timed, key=key), key)]
