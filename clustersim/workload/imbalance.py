"""How much more than the mean the busiest of those who share a model's experts gets."""

from __future__ import annotations

import numpy as np

from clustersim.inputs.model import Model
from clustersim.inputs.training import Training
from clustersim.workload.arrays import Array


def expert_spread(model: Model, training: Training) -> float:
    """Standard deviation over the mean of the load of one expert, over the root of how many experts there are."""
    return 0.0 if model.moe is None else training.expert_imbalance / float(np.sqrt(model.moe.experts))


def largest_load(spread: float, sharers: Array, capacity: float | None = None) -> Array:
    """Expected load of the busiest of n sharers over the mean, at one layer and micro-batch; 1 where loads are even.

    1 + spread sqrt(n) E[largest of n standard normals], the last by Blom's formula Phi^-1((n - 3/8) / (n + 1/4)):
    each sharer has 1/n of the experts, whose loads are drawn apart from each other. At most the capacity factor, past
    which tokens are dropped. Source: Blom 1958, Statistical Estimates and Transformed Beta-Variables.
    """
    if spread == 0.0:
        return 1.0
    from scipy.special import ndtri  # slow to import, and seldom asked for

    load: Array = 1.0 + spread * np.sqrt(sharers) * np.maximum(0.0, ndtri((sharers - 0.375) / (sharers + 0.25)))
    return load if capacity is None else np.minimum(load, capacity)


def busiest_rank(model: Model, training: Training, ranks: Array) -> Array:
    """Expected load of the busiest of `ranks` expert-parallel ranks over the mean, at one layer and micro-batch."""
    return largest_load(expert_spread(model, training), ranks, training.capacity_factor)
