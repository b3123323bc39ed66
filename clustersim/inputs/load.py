"""From a name, a file or a mapping to a scenario or a claim: read, resolved, checked, every problem at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from clustersim.errors import InputError, Problem
from clustersim.inputs import search_path
from clustersim.inputs.assumptions import USUAL_STACKS, usual_stack_note
from clustersim.inputs.bare_numbers import missing_in, missing_units
from clustersim.inputs.base import Description
from clustersim.inputs.documents import Source, config_file, config_names, find_document, labelled_config, load_config
from clustersim.inputs.hardware import Cluster
from clustersim.inputs.known_parts import KnownParts
from clustersim.inputs.layout import Layout
from clustersim.inputs.merging import REFERENCES, merge
from clustersim.inputs.model import Model
from clustersim.inputs.plausible import implausible
from clustersim.inputs.problems import described, in_file
from clustersim.inputs.references import KnownEntries, Resolver, is_path
from clustersim.inputs.renaming import Renaming
from clustersim.inputs.resolve import (
    notes_of,
    resolve_layout,
    resolve_scenario,
    resolve_training,
    scenario_problems,
    spread_layers,
)
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.table import Items, KeyPath, Origin, Table, as_table, locate
from clustersim.inputs.training import Training
from clustersim.inputs.units import shown
from clustersim.inputs.yaml import read_yaml

if TYPE_CHECKING:
    from clustersim.inputs.claim import Claim
    from clustersim.inputs.serving import Serving

__all__ = [
    "Source",
    "config_names",
    "load_claim",
    "load_config",
    "load_scenario",
    "readable_parts",
    "resolve_layout",
    "resolve_scenario",
    "resolve_training",
    "spread_layers",
]

Overrides = Mapping[str, Any] | Sequence[str]
Part = TypeVar("Part", bound=Description)


def load_scenario(source: Source, overrides: Overrides = ()) -> Scenario:
    """The scenario of a file, of a name in configs/scenarios (yours before the shipped ones) or of a mapping.

    `overrides` are dotted keys laid over it, `{"layout.pipeline": 8}` or `["layout.pipeline=8"]`. A given layout comes
    out resolved; `layout: search`, or none, stays open. Raises InputError with every problem, each with its line.
    """
    return ScenarioBase(source).scenario(overrides)


class ScenarioBase:
    """A scenario's document, to be read with one set of overrides after the other: what none of them touches, once.

    Files are taken not to change meanwhile.
    """

    def __init__(self, source: Source) -> None:
        self._problems: list[Problem] = []
        self._notes: list[str] = []
        self._label, self._document = _scenario_document(source, Renaming(self._problems, self._notes))
        self._entries: KnownEntries = {}
        self._parts = KnownParts()

    def scenario(self, overrides: Overrides = ()) -> Scenario:
        """As `load_scenario` gives it, and raises."""
        problems, notes, document = [*self._problems], [*self._notes], self._document
        if document is not None:
            for override in as_overrides(overrides, "scenarios", Renaming(problems, notes)):
                document = merge(document, override, "scenarios", notes)
            scenario = _read_scenario(document, Resolver(problems, notes, self._entries), self._parts)
            if scenario is not None and not problems:
                return scenario
        raise InputError(self._label, in_file(problems, self._label))


def load_claim(source: Source) -> Claim:
    """The claim of a file, of a name in configs/claims or of a mapping. Raises InputError with every problem."""
    from clustersim.inputs.claim import Claim  # only claims need it

    label, document = labelled_config("claims", source)
    document = document.without(*search_path.ABOUT_THE_FILE)
    if "name" not in document and not isinstance(source, Mapping):
        document = document.with_entry("name", Path(label).stem)
    problems: list[Problem] = []
    notes: list[str] = []
    document = _own_words(document, Renaming(problems, notes))
    claim = described(Claim, document, problems)
    if claim is None:
        raise InputError(label, in_file([*problems, *_stated_problems(document)], label))
    problems += [problem for key, values in _typed_values(claim) for problem in missing_in(key, values)]
    if problems:
        raise InputError(label, in_file(problems, label))
    return claim.model_copy(update={"assumptions": (*claim.assumptions, *notes)}) if notes else claim


def _own_words(document: Table, renaming: Renaming) -> Table:
    """A claim with the keys of its scenario by their own names: what is given, left open, and changed."""
    given, open_ = document.get("given"), document.get("open")
    if isinstance(given, Table):
        document = document.with_entry("given", renaming.document(given, "scenarios", ("given",)))
    if isinstance(open_, Table):
        document = document.with_entry("open", renaming.dotted_keys(open_, "scenarios", ("open",)))
    for part in ("relations", "variants"):
        changes = document.get(part)
        if isinstance(changes, Items):
            changed = [_changed_words(each, renaming, (part, n, "change")) for n, each in enumerate(changes)]
            document = document.with_entry(part, Items(changed, changes.origins))
    return document


def _changed_words(relation: Any, renaming: Renaming, path: KeyPath) -> Any:
    change = relation.get("change") if isinstance(relation, Table) else None
    if not isinstance(change, Table):
        return relation
    return relation.with_entry("change", renaming.dotted_keys(change, "scenarios", path))


def _typed_values(claim: Claim) -> Iterator[tuple[str, Sequence[Any]]]:
    """Every dotted key of a scenario that a claim leaves open or changes, with the values that it gives."""
    for key, value in claim.open_values.items():
        yield key, value if isinstance(value, tuple) else value.stated
    changes = [relation.change for relation in claim.relations] + [variant.change for variant in claim.variants]
    for change in changes:
        yield from ((key, [value]) for key, value in change.items())


def _stated_problems(document: Table) -> list[Problem]:
    """What is wrong with the part of a scenario that a malformed claim states; what it leaves out may be open."""
    from clustersim.inputs.claim_metrics import STATED

    given = document.get("given")
    if not isinstance(given, Table):
        return []
    try:
        load_scenario(given.without(*STATED))
    except InputError as error:
        said = [problem for problem in error.problems if not problem.misfit and "required" not in problem.message]
        return [replace(problem, key=f"given.{problem.key}") for problem in said]
    return []


def readable_parts(source: Mapping[str, Any], overrides: Overrides = ()) -> tuple[Model | None, Cluster | None]:
    """Model and cluster of a scenario that may lack its other parts; None for one that can't be read by itself."""
    problems: list[Problem] = []
    renaming = Renaming(problems, [])
    _, document = _scenario_document(source, renaming)
    for override in as_overrides(overrides, "scenarios", renaming):
        document = None if document is None else merge(document, override, "scenarios")
    if document is None:
        return None, None
    resolver = Resolver(problems)
    parts = {
        key: resolver.resolve(section, document[key], (key,), document.origin(key))
        for key, section in REFERENCES["scenarios"].items()
        if key in document
    }
    return _quietly(Model, parts.get("model")), _quietly(Cluster, parts.get("cluster"))


def _scenario_document(source: Source, renaming: Renaming, chain: tuple[str, ...] = ()) -> tuple[str, Table | None]:
    """A scenario's mapping, laid over the scenario that it extends."""
    label, document = find_document("scenarios", source, renaming.problems)
    if document is None:
        return label, None
    document = renaming.document(document, "scenarios")
    renaming.problems += missing_units(document, "scenarios")
    if not isinstance(source, Mapping):
        chain = (*chain, os.path.realpath(label))
        if "name" not in document:
            document = document.with_entry("name", Path(label).stem)
    if "extends" not in document:
        return label, document
    base = _extended(document, renaming, chain)
    if base is None:
        return label, None
    return label, merge(base, document.without("extends"), "scenarios", renaming.notes)


def _extended(document: Table, renaming: Renaming, chain: tuple[str, ...]) -> Table | None:
    name, origin = document["extends"], document.origin("extends")
    reason = ""
    if not isinstance(name, str):
        reason = "expected the name of a scenario, or a path"
    else:
        target: str | Path = Path(origin.file).parent / os.path.expanduser(name) if is_path(name) else name
        file = config_file("scenarios", target, renaming.problems)
        if file is None:
            return None
        if search_path.same_file(file, chain):
            reason = f"{name} extends itself"
        else:
            return _scenario_document(file, renaming, chain)[1]
    renaming.problems.append(Problem(reason, "extends", origin.line, origin.file))
    return None


def as_overrides(overrides: Overrides, section: str, renaming: Renaming) -> list[Table]:
    """Every override as a mapping to lay over a document of the section."""
    if isinstance(overrides, Mapping):
        return renaming.overrides([(key, as_table(value)) for key, value in overrides.items()], section)
    pairs = [pair for text in overrides for pair in _key_and_value(text, renaming.problems)]
    found = renaming.overrides(pairs, section)
    renaming.problems += [problem for table in found for problem in missing_units(table, section, typed=True)]
    return found


def _key_and_value(text: str, problems: list[Problem]) -> list[tuple[str, Any]]:
    """`layout.pipeline=8` as a key and a value read as YAML; nothing where it is neither."""
    key, equals, value = text.partition("=")
    if not equals:
        problems.append(Problem("expected KEY=VALUE, such as layout.pipeline=8", shown(text)))
        return []
    found: list[Problem] = []
    read = read_yaml(value, "", found)
    problems += [Problem(problem.message, key.strip()) for problem in found]
    return [] if found else [(key.strip(), _without_origins(read))]


def _without_origins(value: Any) -> Any:
    """A value of the command line: its lines are nobody's."""
    if isinstance(value, Table):
        return Table({key: _without_origins(item) for key, item in value.items()})
    return Items([_without_origins(item) for item in value]) if isinstance(value, list) else value


def _read_scenario(document: Table, resolver: Resolver, parts: KnownParts) -> Scenario | None:
    problems, notes = resolver.problems, resolver.notes
    resolved = document
    for key, section in REFERENCES["scenarios"].items():
        if key in document and (document[key] is not None or Scenario.model_fields[key].is_required()):
            part = resolver.resolve(section, document[key], (key,), document.origin(key))
            resolved = resolved.without(key) if part is None else resolved.with_entry(key, part)
    if "stack" not in document:
        resolved = _with_usual_stack(resolved, resolver)
    scenario = described(Scenario, parts.put_into(resolved), [])
    if scenario is None:  # said of the document as it was written
        scenario = described(Scenario, resolved, problems, known_bad=resolver.bad, extra_keys=("extends",))
    if scenario is None:
        found = _problems_between_readable_parts(resolved)
    else:
        given = scenario.layout if isinstance(scenario.layout, Layout) else None
        found = scenario_problems(given, scenario.model, scenario.cluster, scenario.training, scenario.stack)
        parts.keep(resolved, scenario)
    problems += [place(problem, document) for problem in found]
    if scenario is None or problems:
        return None
    problems += beyond_hardware(scenario, document)
    if notes:
        scenario = scenario.model_copy(update={"notes": (*scenario.notes, *notes)})
    if isinstance(scenario.layout, Layout):
        return resolve_scenario(scenario, scenario.layout)
    training = resolve_training(scenario.training, scenario.stack)
    return scenario.model_copy(update={"training": training, "notes": notes_of(scenario)})


def _with_usual_stack(resolved: Table, resolver: Resolver) -> Table:
    """The scenario with the software that most people train with on the chip's vendor's chips, where it names none."""
    cluster = _quietly(Cluster, resolved.get("cluster"))
    if cluster is None:
        resolver.bad.append(("stack",))  # which is usual isn't known until the cluster is right
        return resolved
    vendor = cluster.accelerator.vendor
    if vendor not in USUAL_STACKS:
        return resolved
    name = USUAL_STACKS[vendor]
    stack = resolver.resolve("stacks", name, ("stack",), Origin())
    resolver.notes.append(usual_stack_note(name, vendor))
    return resolved if stack is None else resolved.with_entry("stack", stack)


def _problems_between_readable_parts(resolved: Table) -> list[Problem]:
    """What can be said of a scenario some of which is wrong: of its good parts, and of the good keys of its layout."""
    model = _quietly(Model, resolved.get("model"))
    cluster = _quietly(Cluster, resolved.get("cluster"))
    training = _quietly(Training, resolved.get("training"))
    given = resolved.get("layout")
    wrong: list[Problem] = []
    layout = described(Layout, given, wrong) if isinstance(given, Table) else None
    if wrong and isinstance(given, Table):
        layout = _quietly(Layout, given.without(*{problem.key.split(".")[0].split("[")[0] for problem in wrong}))
        if layout is not None:  # sizes that go together can't be judged, for one of them may be what is wrong
            layout = layout.model_copy(update={"stage_layers": None, "schedule": None, "where": None})
        return scenario_problems(layout, model, None, None)
    return scenario_problems(layout, model, cluster, training)


def _quietly(kind: type[Part], value: Any) -> Part | None:
    """A part of a scenario, or None where it is wrong, which is said elsewhere."""
    return described(kind, value, []) if isinstance(value, Table) else None


def place(problem: Problem, document: Table, *, misfit: bool = True) -> Problem:
    """The problem, one between parts of the scenario unless it says otherwise, with the file and line of its key."""
    origin: Origin = locate(document, tuple(problem.key.split(".")))
    return Problem(problem.message, problem.key, origin.line, origin.file, misfit)


def beyond_hardware(described: Scenario | Serving, document: Table) -> list[Problem]:
    """The values that no hardware has had, unless these are meant."""
    if described.implausible_ok:
        return []
    return [place(Problem(message, key), document, misfit=False) for key, message in implausible(described)]
