"""From the words of a command line to a scenario: a file, a name, or a model with a cluster and flags."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from clustersim.cli.options import progress_bar
from clustersim.errors import InputError, Problem
from clustersim.inputs import catalog
from clustersim.inputs.from_model import scenario_of_model
from clustersim.inputs.load import config_names, load_scenario
from clustersim.inputs.problems import did_you_mean
from clustersim.inputs.references import is_path
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.search_path import hub_model, known_words, read_json, slug
from clustersim.inputs.units import shown
from clustersim.launchers.importable import is_importable

KEYS = {
    "model": "model",
    "cluster": "cluster",
    "stack": "stack",
    "reliability": "reliability",
    "tokens": "training.tokens",
    "sequence_length": "training.sequence_length",
    "global_batch": "training.global_batch",
    "precision": "training.precision",
    "seed": "seed",
}
FLAGS = {*KEYS, "layout"}
SCENARIO_KEYS = {"model", "cluster", "training", "scenario", "extends"}


def scenario_from(source: str | None, changes: Sequence[str], flags: Mapping[str, Any]) -> Scenario:
    """The scenario that SCENARIO, --set and the flags of `run` describe. Raises InputError with every problem."""
    overrides = [f"{key}={flags[flag]}" for flag, key in KEYS.items() if flags.get(flag) is not None]
    overrides += [*_layout(flags.get("layout")), *changes]
    if source is not None and is_importable(source):
        return load_scenario(_imported(source, flags.get("cluster"), flags.get("model")), overrides)
    if source is not None and not _is_model(source):
        return load_scenario(source, overrides)
    given = {key.strip(): value.strip() for key, _, value in (override.partition("=") for override in overrides)}
    model = given.get("model", source)
    if model is None:
        raise click.UsageError("Name a SCENARIO, or a --model with its --cluster.")
    if not any(key.split(".")[0] == "cluster" for key in given):
        some = ", ".join(["8xh100", "32xdgx-h100", *catalog.names("clusters")[:3]])
        raise click.UsageError(f"A model needs a --cluster, such as {some}. `clustersim show clusters` lists them.")
    return load_scenario(scenario_of_model(model, given, overrides), overrides)


def _imported(source: str, cluster: str | None, model: str | None) -> dict[str, Any]:
    """The scenario of a launcher's file; what was assumed goes into its notes."""
    from clustersim.cli.imports import imported_scenario

    found = imported_scenario(Path(source).expanduser(), cluster=cluster, model=model)
    notes = [f"{note.status}: {note.text}" for note in found.notes if note.status == "assumed"]
    return {**found.scenario, "notes": notes}


def laid_out(scenario: Scenario) -> tuple[Scenario, str]:
    """The scenario with a layout, and how that was found where it was searched; raises InfeasibleError if none fits."""
    if scenario.layout != "search":
        return scenario, ""
    from clustersim.inputs.amounts import counted
    from clustersim.studies.layouts.search import search_layouts

    with progress_bar("playing the best layouts") as progress:
        found = search_layouts(scenario, top=1, progress=progress)
    return found.best[0].step.scenario, f"the best of {counted(found.candidates, 'layout')} searched"


def result_path(source: str | None, scenario: Scenario, what: str) -> Path:
    """Where something about a scenario goes unless told: results/<its file or name>_<what>."""
    name = re.sub(r"[^\w.-]+", "_", scenario.name if source is None else Path(source).stem).strip("_.-")
    return Path("results") / f"{name or 'scenario'}_{what}"


def _layout(words: str | None) -> list[str]:
    """`tensor=8,pipeline=4` as overrides; `search` as it is."""
    if not words or "=" not in words:
        return [f"layout={words}"] if words else []
    return [f"layout.{part.strip()}" for part in re.split(r",(?=\s*\w+\s*=)", words)]


def _is_model(source: str) -> bool:
    """Whether the argument is a model and not a scenario. Raises InputError where it is neither."""
    if hub_model(source) is not None:
        return True
    if is_path(source):
        return source.lower().endswith(".json") and not _is_scenario(Path(source).expanduser())
    scenarios, models = config_names("scenarios"), known_words("models")
    if slug(source) in map(slug, scenarios):
        return False
    if slug(source) in models or slug(re.sub(r"\s*[(\[].*", "", source)) in models:
        return True
    hint = did_you_mean(source, [*scenarios, *models])
    hint = hint or f". Scenarios: {', '.join(scenarios)}. `clustersim show models` lists the models"
    raise InputError(source, [Problem(f"no scenario or model {shown(source)}{hint}", "SCENARIO")])


def _is_scenario(file: Path) -> bool:
    """Whether a JSON file holds a scenario, or a result with its scenario, and no Hugging Face config."""
    document = read_json(file, []) or {}
    return "model_type" not in document and bool(SCENARIO_KEYS & document.keys())
