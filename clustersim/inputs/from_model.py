"""A scenario of a model on a cluster, with what nobody said filled in: each guess is a note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clustersim.errors import InputError
from clustersim.inputs.assumptions import SEQUENCE_LENGTH, TOKENS_A_STEP, USUAL_STACKS, usual_stack_note
from clustersim.inputs.hardware import Cluster
from clustersim.inputs.load import config_names, load_config, readable_parts
from clustersim.inputs.search_path import catalog_folders, find, hub_model


def scenario_of_model(model: str, given: Mapping[str, str], overrides: Sequence[str]) -> dict[str, Any]:
    """The scenario of a model by name or path, with `overrides` (KEY=VALUE) that are laid over it by who loads it.

    `given` holds the overrides by key. Sequences, batch, precision and software are assumed where nobody names them.
    """
    training: dict[str, Any] = {}
    notes = []
    if "training.sequence_length" not in given:
        training["sequence_length"] = SEQUENCE_LENGTH
        notes.append(f"assumed: sequences of {SEQUENCE_LENGTH:,} tokens (--sequence-length)")
    scenario: dict[str, Any] = {"name": model, "model": model, "training": training, "notes": notes}
    _, cluster = readable_parts(scenario, overrides)
    if "training.global_batch" not in given:
        training["global_batch"] = _batch(given.get("training.sequence_length", ""), cluster)
        notes.append(f"assumed: {training['global_batch']:,} sequences a step, 4 M tokens (--global-batch)")
    if cluster is None:  # what is wrong with it is said when the scenario is read, and which stack goes with it isn't
        return scenario
    chip = cluster.accelerator
    if "training.precision" not in given:
        training["precision"] = "bf16" if "bf16" in chip.peak else "fp16"
        notes.append(f"assumed: {training['precision']} (--precision)")
    if "stack" not in given and chip.vendor in USUAL_STACKS:
        scenario["stack"] = USUAL_STACKS[chip.vendor]
        notes.append(f"{usual_stack_note(scenario['stack'], chip.vendor)} (--stack)")
    if not any(key == "training.precision" or key.split(".")[0] == "layout" for key in given):
        notes += [
            f"a run of this model with precision and layout of its own: clustersim run {name}"
            for name in scenarios_of(model)
        ]
    return scenario


def _batch(length: str, cluster: Cluster | None) -> int:
    """Sequences of 4 M tokens, as many on every device where there are at least as many of them."""
    batch = max(1, TOKENS_A_STEP // (int(length) if length.isdigit() and int(length) else SEQUENCE_LENGTH))
    devices = 1 if cluster is None else cluster.devices
    return max(batch // devices * devices, 1) if devices <= batch else batch


def scenarios_of(model: str) -> list[str]:
    """The scenarios by name that train this model of the catalog, such as one as its authors trained it."""
    wanted = _catalog_file(model)
    found = []
    for name in config_names("scenarios"):
        try:
            trained = load_config("scenarios", name).get("model")
        except InputError:  # a file of the user's own, which is complained of where it is asked for
            continue
        if wanted is not None and isinstance(trained, str) and _catalog_file(trained) == wanted:
            found.append(name)
    return found


def _catalog_file(model: str) -> Path | None:
    return hub_model(model) or find(catalog_folders(), "models", model)
