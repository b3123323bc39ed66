"""A model's parameters as whole numbers: what people compare with a model card."""

from __future__ import annotations

from typing import NamedTuple

from clustersim.inputs.model import Model
from clustersim.workload.parameters import (
    active_parameters,
    block_parameters,
    prediction_parameters,
    total_parameters,
)


class ModelCounts(NamedTuple):
    """Parameters; a vision tower is part of `parameters` and `active_parameters`, modules for multi-token prediction
    of neither."""

    parameters: int
    active_parameters: int
    mtp_parameters: int
    vision_parameters: int


def counts_of(model: Model) -> ModelCounts:
    """What a model holds; modules for multi-token prediction apart, as publishers count."""
    vision = round(model.vision.parameters) if model.vision is not None else 0
    modules = sum(
        block_parameters(model, model.block_kind(layer)).total + prediction_parameters(model)
        for layer in range(model.layers, model.layers + model.mtp_layers)
    )
    return ModelCounts(
        round(total_parameters(model)) + vision, round(active_parameters(model)) + vision, round(modules), vision
    )
