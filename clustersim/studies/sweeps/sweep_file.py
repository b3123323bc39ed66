"""Sweep files: reading one, laying axes of the command line over it, and writing down what was asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clustersim.errors import InputError, Problem
from clustersim.inputs.bare_numbers import axis_with_units, missing_in, with_units
from clustersim.inputs.load import Source, config_names, load_config
from clustersim.inputs.problems import did_you_mean, read_as
from clustersim.inputs.references import is_path
from clustersim.inputs.sweep import Sweep, axis_values, is_sweep
from clustersim.inputs.table import Table, as_plain, as_table
from clustersim.inputs.units import shown
from clustersim.inputs.yaml import read_scalar, read_yaml
from clustersim.simulation import PHYSICS_VERSION
from clustersim.studies.sweeps.code_digest import code_digest
from clustersim.studies.sweeps.folder import ASKED_WITH
from clustersim.studies.sweeps.points import PlaySettings
from clustersim.version import __version__


@dataclass(frozen=True)
class AskedSweep:
    """What was asked for."""

    sweep: Sweep
    base: Table  # the mapping of the base scenario
    ad_hoc: bool  # made up of axes, and not as a file has it


def read_sweep(source: Source, overrides: Mapping[str, Any] | Sequence[str] = ()) -> AskedSweep:
    """A sweep with the axes of `overrides` laid over it, and the mapping of its base scenario.

    The source is a sweep, or a scenario that the overrides vary. Raises InputError with every problem.
    """
    document, label = _document(source)
    axes = read_axes(overrides)
    ad_hoc = bool(axes) or not is_sweep(document)
    if not is_sweep(document):
        document = Table({"name": _name(source, document), "base": document})
    document = document.without(ASKED_WITH)
    if "name" not in document:
        document = document.with_entry("name", _name(source, document))
    zipped = document.get("zip")
    if isinstance(zipped, Table):
        document = document.with_entry("zip", zipped.without(*axes))
    points = document.get("points", Table())
    if isinstance(points, Table) and axes:
        document = document.with_entry("points", Table(points | axes, points.origins))
    sweep = read_as(Sweep, document, label)
    typed = () if isinstance(source, Mapping) else {*sweep.points, *sweep.zip} - set(axes)
    typed = {*typed, *(() if isinstance(overrides, Mapping) else axes)}
    problems = sweep.problems()
    for key, values in (sweep.points | sweep.zip).items():
        problems += missing_in(key, axis_values(values)) if key in typed else []
    if problems:
        raise InputError(label, problems)
    return AskedSweep(sweep, _base(document), ad_hoc)


def read_axes(overrides: Mapping[str, Any] | Sequence[str]) -> dict[str, Any]:
    """Axes by key, from a mapping or from words such as `cluster.nodes=16,32,64` and `layout.micro_batch=1..8`."""
    if isinstance(overrides, Mapping):
        return {key: as_table(value) for key, value in overrides.items()}
    axes: dict[str, Any] = {}
    problems: list[Problem] = []
    for text in overrides:
        key, equals, values = text.partition("=")
        found: list[Problem] = []
        axes[key] = as_plain(read_yaml(f"[{values}]", "", found))
        if not equals or not values.strip():
            problems.append(Problem("expected KEY=VALUES, such as cluster.nodes=16,32,64", shown(text)))
        elif found:
            problems.append(Problem(f"cannot read {shown(values)}: {found[0].message}", key))
    if problems:
        raise InputError("what varies", problems)
    return axes


def _document(source: Source) -> tuple[Table, str]:
    """The mapping of a sweep or of a scenario, and what to call it in messages."""
    if isinstance(source, Mapping):
        return load_config("sweeps", source), str(source.get("name", "sweep"))
    if isinstance(source, Path) or is_path(source):
        return load_config("sweeps", source), str(source)
    for kind in ("sweeps", "scenarios"):
        try:
            return load_config(kind, source), str(source)
        except InputError:
            if _is_named(kind, source):
                raise
    known = [*config_names("sweeps"), *config_names("scenarios")]
    message = (
        f"no sweep or scenario {shown(source)} in ./configs or among the shipped ones{did_you_mean(source, known)}"
    )
    raise InputError(source, [Problem(message, "sweep")])


def _is_named(kind: str, source: str) -> bool:
    """Whether there is a file of that name, so that what is wrong is in it."""
    return source.lower().replace("-", "_") in {name.lower().replace("-", "_") for name in config_names(kind)}


def _name(source: Source, document: Mapping[str, Any]) -> str:
    if isinstance(source, Mapping):
        return re.sub(r"[^\w.-]+", "_", str(document.get("name", "sweep"))).strip("_.-") or "sweep"
    return Path(source).stem


def _base(document: Table) -> Table:
    """The base scenario's mapping: in place, by name, or a file beside the sweep's."""
    base = document["base"]
    if isinstance(base, Table):
        return base
    home = document.origin("base").file
    if is_path(base) and home:
        return load_config("scenarios", Path(home).parent / Path(base).expanduser())
    return load_config("scenarios", base)


class _Writer(yaml.SafeDumper):
    """Writes strings so that our reader reads strings, whatever stock YAML takes them for."""


def _text(writer: _Writer, text: str) -> yaml.ScalarNode:
    plain = isinstance(read_scalar(text), str)
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Writer.add_representer(str, _text)


def written(asked: AskedSweep, settings: PlaySettings) -> str:
    """The whole sweep as YAML, its base in place: it can be run again as it is."""
    document = asked.sweep.model_dump(mode="json", exclude_none=True)
    for axes in ("points", "zip"):
        document[axes] = {key: as_plain(axis_with_units(key, values)) for key, values in document[axes].items()}
    document["base"] = as_plain(with_units(asked.base, "scenarios"))
    made_by = {"version": __version__, "physics": PHYSICS_VERSION, "code": code_digest()[:12]}
    document[ASKED_WITH] = made_by | vars(settings) | {"ad_hoc": asked.ad_hoc}
    return yaml.dump(document, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=120)
