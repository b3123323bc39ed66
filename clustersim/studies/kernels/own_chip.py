"""A chip and its links from kernels timed on them: each efficiency of the catalog entry read off the rows that tell it.

What no row tells stays as the entry has it. A product's rate is ceiling x level, rounded off by launch and ramp, as in
`costs/gemm_on_chip.py`; a link is start, hops and bandwidth, as in `costs/algorithms.py`. Robust least squares on log
seconds; start, hop, ramp and bandwidth stay near the entry's where rows say little.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from clustersim.costs.collectives import Reach, cost_of
from clustersim.costs.gemm_on_chip import product_time
from clustersim.costs.links import Link, link_of
from clustersim.costs.placement import RankPlacement
from clustersim.engines.graph import Floats
from clustersim.errors import InputError, Problem
from clustersim.inputs.catalog import load
from clustersim.inputs.hardware import Accelerator, Kernels, Node, Tier
from clustersim.studies.kernels.accuracy import LEAST_FLOPS
from clustersim.studies.kernels.own_rows import OwnKernels, TimedMessage, TimedRate, read_kernels
from clustersim.studies.kernels.tables import TimedProduct
from clustersim.studies.robust_fit import SMALLEST_SPREAD, robust_spread, soft
from clustersim.workload.operations import Collective

CLOSE = 0.05  # log error past which rows pull less
OWN_RAMP = 1e8  # FLOP/2 of launch and ramp, of a chip whose entry has none: where the search begins
FREE = 1.0  # one sd of the logarithm of a ramp, a start, a hop or a bandwidth around the entry's
LARGE_FLOPS = 1e11  # of the largest product at least, for the best rate of all to be a ceiling
LARGE_BYTES = 64 * 2.0**20  # of memory-bound work: more than caches hold
LARGE_SEQUENCE = 2048  # tokens of attention that is judged by rate
MOST_WRONG = 8


@dataclass(frozen=True)
class ChipFigure:
    """A number of the entry: what the rows say, what the catalog says, and how many rows it rests on."""

    place: str  # dotted key in a node's file
    value: float
    catalog: float | None
    rows: int
    deviation: float | None = None  # one sd, of what is fitted


@dataclass(frozen=True)
class OwnChip:
    """A calibrated node, with errors of its kernels before and after."""

    chip: str  # of the catalog, that it extends
    node: str
    name: str
    figures: tuple[ChipFigure, ...]
    errors: dict[str, tuple[float, float]]  # median |predicted / measured - 1| by kind: as the catalog has it, fitted
    host_launch_s: float | None  # of the software's, not of the chip
    unused: int

    def figure(self, place: str) -> ChipFigure | None:
        """The number of a key."""
        return next((figure for figure in self.figures if figure.place == place), None)


def calibrated_chip(paths: Sequence[str], chip: str | None = None, node: str | None = None) -> OwnChip:
    """The chip and node of tables of kernels; by default the catalog's of the name that the tables give.

    Raises InputError where tables or names are wrong, or rows outrun the chip that they are held against.
    """
    if chip is None:
        chip = _named_in(paths)
    accelerator: Accelerator = load("accelerators", chip)
    node = node or accelerator.node
    if node is None:
        raise InputError("--node", [Problem(f"the catalog names no usual node of {chip}; give one")])
    there: Node = load("nodes", node)
    kernels = read_kernels(paths, chip, node)
    figures = [*_chip_figures(kernels, accelerator, ", ".join(map(str, paths))), *_link_figures(kernels, there)]
    fitted = _with_kernels(accelerator, figures)
    products = [timed for timed in kernels.products if timed.gemm.flops > LEAST_FLOPS]
    errors = {}
    if products:
        errors["products"] = (_median_error(products, accelerator), _median_error(products, fitted))
    for tier, some in _by_tier(kernels, there).items():
        before, after = _links(there), _links(_with_tiers(there, figures))
        errors[f"collectives, {tier}"] = (_median_miss(some, before, there), _median_miss(some, after, there))
    host = kernels.rates_of("launch_host")
    return OwnChip(
        chip,
        node,
        f"{there.name} as measured",
        tuple(figures),
        errors,
        median(rate.value for rate in host) * 1e-6 if host else None,
        kernels.unused,
    )


def _named_in(paths: Sequence[str]) -> str:
    """The catalog's name for the one chip that tables name."""
    from clustersim.studies.timing.table_file import read_table

    named = sorted({row["chip"] for path in paths for row in read_table(path)})
    if len(named) == 1:
        try:
            load("accelerators", named[0])
        except InputError:
            pass
        else:
            return named[0]
    words = ", ".join(named[:4]) or "none"
    accepted = "give its name in the catalog, or a path; `clustersim show accelerators` lists them"
    raise InputError("--chip", [Problem(f"the tables' chip ({words}) is not one of the catalog: {accepted}")])


def _chip_figures(found: OwnKernels, chip: Accelerator, source: str) -> list[ChipFigure]:
    """Bandwidth first: small products are bound by it."""
    figures, kernels = [], chip.kernels
    streams = [rate for rate in found.rates_of("copy", "add") if rate.size >= LARGE_BYTES]
    if streams:
        share = median(rate.value for rate in streams) * 1e9 / chip.memory.bandwidth
        figures.append(_share("memory", share, kernels.memory, streams, source))
    products = [timed for timed in found.products if timed.gemm.flops > LEAST_FLOPS]
    if any(timed.gemm.flops >= LARGE_FLOPS for timed in products):
        figures += _product_figures(products, _with_kernels(chip, figures), source)
    for op, name in (("attention_fwd", "attention_forward"), ("attention_bwd", "attention_backward")):
        rates = found.rates_of(op)
        judged = [rate for rate in rates if rate.size >= LARGE_SEQUENCE] or rates
        if judged:
            share = median(rate.value for rate in judged) * 1e12 / chip.base_peak
            figures.append(_share(name, share, getattr(kernels, name), judged, source))
    launches = found.rates_of("launch_device")
    if launches:
        seconds = median(rate.value for rate in launches) * 1e-6
        figures.append(ChipFigure("accelerator.kernels.launch", seconds, kernels.launch, len(launches)))
    return figures


def _share(name: str, share: float, catalog: float, rows: Sequence[TimedRate], source: str) -> ChipFigure:
    """A share of the nominal rate. Raises InputError where it is more than all."""
    if share > 1.0:
        message = f"{rows[0].op}: {100 * share:.0f} % of the chip's nominal rate; is it the chip that was measured?"
        raise InputError(source, [Problem(message)])
    return ChipFigure(f"accelerator.kernels.{name}", share, catalog, len(rows))


def _product_figures(products: Sequence[TimedProduct], chip: Accelerator, source: str) -> list[ChipFigure]:
    """The ceiling is the best rate of all; level and ramp are fitted to all shapes."""
    rates = [float(timed.gemm.flops) / timed.seconds / chip.peak[timed.gemm.precision] for timed in products]  # type: ignore[index]
    beyond = [
        Problem(
            f"{timed.gemm.m:g} x {timed.gemm.n:g} x {timed.gemm.k:g}: {100 * rate:.0f} % of the peak of {chip.name}"
        )
        for timed, rate in zip(products, rates, strict=True)
        if rate > 1.0
    ]
    if beyond:
        raise InputError(source, [*beyond[:MOST_WRONG], Problem("is it the chip that was measured?")])
    kernels = chip.kernels
    ceiling = max(rates)
    before = kernels.gemm_small or OWN_RAMP

    def missed(inner: Floats) -> Floats:
        level, ramp = np.exp(inner)
        fitted = _with(chip, gemm_ceiling=ceiling, gemm_small=float(ramp))
        return _log_errors(products, fitted, float(level))

    begin = np.log([0.9, before])
    low, high = np.log([0.05, before * 1e-3]), np.log([1.0, before * 1e3])
    (level, ramp), (level_off, ramp_off) = _robust(missed, begin, low, high, spread=np.array([math.inf, FREE]))
    best, count = ChipFigure("accelerator.kernels.gemm_ceiling", ceiling, kernels.gemm_ceiling, len(rates)), len(rates)
    return [
        best,
        ChipFigure("accelerator.kernels.looped", level, kernels.looped, count, level_off),
        ChipFigure("accelerator.kernels.gemm_small", ramp, kernels.gemm_small, count, ramp_off),
    ]


def _link_figures(found: OwnKernels, node: Node) -> list[ChipFigure]:
    """Of each tier that messages went over; the inner one first, for the outer one's go over both."""
    figures: list[ChipFigure] = []
    for tier, messages in _by_tier(found, node).items():
        entry: Tier = getattr(node, tier)
        links = _links(_with_tiers(node, figures))
        names = ["bandwidth", "latency", *(["start"] if tier == "scale_up" else [])]  # collectives start in the node
        summed = any(message.timed.kind == "all-reduce" and message.timed.in_switch for message in messages)
        if links[tier].switch_bandwidth is not None and summed:
            names.append("switch_bandwidth")

        def moved(
            inner: Floats, links: dict[str, Link] = links, tier: str = tier, names: Sequence[str] = names
        ) -> dict[str, Link]:
            link = links[tier]
            numbers = dict(zip(names, np.exp(inner).tolist(), strict=True))
            pair = link.pair_bandwidth and link.pair_bandwidth * numbers["bandwidth"] / link.bandwidth
            return links | {tier: replace(link, pair_bandwidth=pair, **numbers)}

        def missed(
            inner: Floats,
            moved: Callable[[Floats], dict[str, Link]] = moved,
            messages: Sequence[TimedMessage] = messages,
        ) -> Floats:
            return _misses(messages, moved(inner), node)

        begin = np.log([getattr(links[tier], name) for name in names])
        room = np.full(len(names), math.log(30.0))
        values, offs = _robust(missed, begin, begin - room, begin + room, spread=np.full(len(names), FREE))
        for name, value, off in zip(names, values, offs, strict=True):
            share = name == "bandwidth"  # a node's file gives it as a share of the nominal one
            unit = entry.bandwidth if share else 1.0
            fitted, key = (min(1.0, value / unit), "efficiency") if share else (value, name)
            figures.append(ChipFigure(f"{tier}.{key}", fitted, getattr(entry, key), len(messages), off / unit))
    return figures


def _robust(
    missed: Callable[[Floats], Floats], begin: Floats, low: Floats, high: Floats, *, spread: Floats
) -> tuple[list[float], list[float]]:
    """Least squares of logarithms with a soft-l1 loss on rows, and a prior of one `spread` around `begin`.

    The numbers themselves, and one sd of each: from the curvature there, rows scattering as they do.
    """
    from scipy.optimize import least_squares

    def weighted(inner: Floats) -> Floats:
        return np.concatenate([soft(missed(inner) / CLOSE), (inner - begin) / spread])

    solved = least_squares(weighted, np.clip(begin, low + 1e-9, high - 1e-9), bounds=(low, high))
    rows = len(solved.fun) - len(begin)
    scatter = max(SMALLEST_SPREAD, robust_spread(missed(solved.x), np.ones(rows))) / CLOSE
    information = solved.jac[:rows].T @ solved.jac[:rows] / scatter**2 + np.diag(spread**-2.0)
    values = np.exp(solved.x)
    return values.tolist(), (values * np.sqrt(np.diag(np.linalg.inv(information)))).tolist()


def _with(chip: Accelerator, **numbers: float) -> Accelerator:
    return chip.model_copy(update={"kernels": chip.kernels.model_copy(update=numbers)})


def _with_kernels(chip: Accelerator, figures: Sequence[ChipFigure]) -> Accelerator:
    prefix = "accelerator.kernels."
    numbers = {figure.place.removeprefix(prefix): figure.value for figure in figures if figure.place.startswith(prefix)}
    return _with(chip, **{name: value for name, value in numbers.items() if name in Kernels.model_fields})


def _with_tiers(node: Node, figures: Sequence[ChipFigure]) -> Node:
    changes = {}
    for tier in ("scale_up", "scale_out"):
        numbers = {f.place.partition(".")[2]: f.value for f in figures if f.place.startswith(f"{tier}.")}
        changes[tier] = getattr(node, tier).model_copy(update=numbers)
    return node.model_copy(update=changes)


def _links(node: Node) -> dict[str, Link]:
    return {"scale_up": link_of(node.scale_up, 1.0), "scale_out": link_of(node.scale_out, 1.0)}


def _by_tier(found: OwnKernels, node: Node) -> dict[str, list[TimedMessage]]:
    """Messages by the widest tier that they went over."""
    tiers: dict[str, list[TimedMessage]] = {}
    for name, wide in (("scale_up", False), ("scale_out", True)):
        some = [message for message in found.messages if (_placed(message, node).across > 1.0) is wide]
        if some:
            tiers[name] = some
    return tiers


def _placed(message: TimedMessage, node: Node) -> RankPlacement:
    ranks = message.timed.ranks
    inside = ranks if ranks <= node.domain and message.nodes == 1 else min(ranks, max(ranks / message.nodes, 1.0))
    if ranks <= node.domain and node.domain > node.devices:
        inside = ranks  # a scale-up domain of several nodes
    return RankPlacement(ranks, inside, math.ceil(ranks / inside))


def _misses(messages: Sequence[TimedMessage], links: dict[str, Link], node: Node) -> Floats:
    """log(predicted / measured) of collectives."""
    up, out = links["scale_up"], links["scale_out"]
    missed = []
    for message in messages:
        timed = message.timed
        used = up if timed.in_switch else replace(up, switch_bandwidth=None)
        reach = Reach(_placed(message, node), used, out)
        seconds = cost_of(_collective(message), reach).seconds
        missed.append(math.log(float(seconds) / timed.seconds))
    return np.array(missed)


def _collective(message: TimedMessage) -> Collective:
    return Collective("timed", message.timed.kind, "tensor", message.timed.bytes)


def _median_miss(messages: Sequence[TimedMessage], links: dict[str, Link], node: Node) -> float:
    return float(np.median(np.abs(np.expm1(_misses(messages, links, node)))))


def _log_errors(products: Sequence[TimedProduct], chip: Accelerator, level: float) -> Floats:
    seconds = [float(product_time(timed.gemm, chip, level, apart=timed.apart)) for timed in products]
    return np.asarray(np.log(np.array(seconds) / np.array([timed.seconds for timed in products])), dtype=np.float64)


def _median_error(products: Sequence[TimedProduct], chip: Accelerator) -> float:
    return float(np.median(np.abs(np.expm1(_log_errors(products, chip, chip.kernels.looped)))))
