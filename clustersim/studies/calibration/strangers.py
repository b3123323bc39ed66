"""How far predictions lie from the runs of somebody who published none of the evidence.

From residuals with whole sources held out: the variance that each trait of a run adds (least squares of squared
residuals on traits, none negative; then as much as makes intervals hold as many runs of each class as of the others),
and how wide an interval is in spreads (conformal). Every source counts alike. `nested_coverage` repeats all of it
without each source and asks how much of that source's intervals hold then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.simulation.intervals import traits
from clustersim.studies.calibration.held_out import LeftOut

LEVELS = {"80": 0.80, "95": 0.95}
FARTHEST = 0.4  # of log(measured / predicted): what lies farther counts as this far for a variance
SMALLEST = 0.02  # spread: measurements repeat no better
PLAIN, CLASSES = "dense", ("eager software", "experts")  # of runs; a run is of the first class whose trait it has
FEWEST_SOURCES = 2  # of a class, for a variance of its own
HALVINGS = 30


def source_weights(found: Sequence[LeftOut]) -> Floats:
    """Of each row, so that those of a source add up to 1."""
    counts = Counter(row.row.run.source for row in found)
    return np.array([1.0 / counts[row.row.run.source] for row in found])


def trait_variances(found: Sequence[LeftOut]) -> dict[str, float]:
    """Variance of log(measured / predicted) that each trait of a run adds, of strangers' runs."""
    from scipy.optimize import nnls

    present = [traits(row.row.scenario) for row in found]
    names = list(dict.fromkeys(name for row in present for name in row))
    amounts = np.array([[row.get(name, 0.0) for name in names] for row in present])
    squares = np.minimum(np.array([row.source_out for row in found]) ** 2, FARTHEST**2)
    weights = np.sqrt(source_weights(found))
    solved, _ = nnls(amounts * weights[:, np.newaxis], squares * weights)
    return {name: float(size) for name, size in zip(names, solved, strict=True)}


def class_of(run_traits: Mapping[str, float]) -> str:
    """Kinds of runs whose intervals are to hold alike: on Ascend (eager software), with experts, and all others."""
    return next((name for name in CLASSES if name in run_traits), PLAIN)


def evenly_covering(found: Sequence[LeftOut], variances: Mapping[str, float]) -> dict[str, float]:
    """The variances, with those of classes such that intervals hold as large a share of each as of plain runs.

    Errors of some classes have longer tails than others', which variances alone don't tell. Source: Romano, Foygel
    Barber, Sabatti and Candès 2020, "With malice toward none" (equalized coverage), with one width for all classes.
    """
    classes = np.array([class_of(traits(row.row.scenario)) for row in found])
    evened, weights = dict(variances), source_weights(found)
    errors = np.abs([row.source_out for row in found])

    def score(members: Floats) -> float:
        some = [row for row, met in zip(found, members, strict=True) if met]
        return _quantile(errors[members] / stranger_spreads(some, evened), weights[members], LEVELS["80"])

    plain = classes == PLAIN
    for name in reversed(CLASSES):  # the class that shares a trait with the next one first
        members = classes == name
        sources = {row.row.run.source for row, met in zip(found, members, strict=True) if met}
        if not plain.any() or len(sources) < FEWEST_SOURCES:
            continue
        wanted, low, high = score(plain), 0.0, FARTHEST**2
        for _ in range(HALVINGS):
            evened[name] = (low + high) / 2.0
            low, high = (evened[name], high) if score(members) > wanted else (low, evened[name])
    return evened


def nested_coverage(found: Sequence[LeftOut]) -> dict[str, dict[str, float]]:
    """Share of rows inside their intervals by class and level, sources counted alike, where variances and widths were
    found without the row's source, too.
    """
    held: dict[str, dict[str, list[float]]] = {}
    for source in sorted({row.row.run.source for row in found}):
        others = [row for row in found if row.row.run.source != source]
        own = [row for row in found if row.row.run.source == source]
        variances = evenly_covering(others, trait_variances(others))
        widths = conformal_widths(others, stranger_spreads(others, variances))
        scores = np.abs([row.source_out for row in own]) / stranger_spreads(own, variances)
        classes = np.array([class_of(traits(row.row.scenario)) for row in own])
        for name in {"all", *classes.tolist()}:
            some = scores if name == "all" else scores[classes == name]
            for level, width in widths.items():
                held.setdefault(name, {}).setdefault(level, []).append(float(np.mean(some <= width)))
    return {name: {level: float(np.mean(some)) for level, some in levels.items()} for name, levels in held.items()}


def stranger_spreads(found: Sequence[LeftOut], variances: Mapping[str, float]) -> Floats:
    """One sd of each row."""
    sums = [sum(variances.get(name, 0.0) * much for name, much in traits(row.row.scenario).items()) for row in found]
    return np.asarray(np.maximum(SMALLEST, np.sqrt(np.array(sums))), dtype=np.float64)


def conformal_widths(found: Sequence[LeftOut], spreads: Floats) -> dict[str, float]:
    """Half-widths in spreads, by level: quantiles of |residual| / spread, every source weighing the same.

    Source: Dunn, Wasserman and Ramdas 2022, section 3 (pooled by group, a group as good as another).
    """
    scores, weights = np.abs([row.source_out for row in found]) / spreads, source_weights(found)
    return {level: _quantile(scores, weights, share) for level, share in LEVELS.items()}


def _quantile(scores: Floats, weights: Floats, share: float) -> float:
    """The least score that so large a share of the weights doesn't exceed."""
    order = np.argsort(scores)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(scores[order][int(np.searchsorted(reached, share))])
