"""From a name, a file or a mapping to a serving scenario: read, resolved, checked, every problem at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from clustersim.errors import InputError, Problem
from clustersim.inputs import search_path
from clustersim.inputs.bare_numbers import missing_units
from clustersim.inputs.documents import Source, config_file, find_document
from clustersim.inputs.load import Overrides, as_overrides, beyond_hardware, place
from clustersim.inputs.merging import REFERENCES, merge
from clustersim.inputs.problems import described, in_file
from clustersim.inputs.references import Resolver, is_path
from clustersim.inputs.renaming import Renaming
from clustersim.inputs.serving import Serving, Unit
from clustersim.inputs.table import Table

SECTION = "serving"


def load_serving(source: Source, overrides: Overrides = ()) -> Serving:
    """The serving scenario of a file, of a name in configs/serving or of a mapping, with dotted keys laid over it.

    Raises InputError with every problem, each with its line.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    label, document = _document(source, Renaming(problems, notes), ())
    if document is not None:
        for override in as_overrides(overrides, SECTION, Renaming(problems, notes)):
            document = merge(document, override, SECTION, notes)
        serving = _read(document, problems, notes)
        if serving is not None and not problems:
            return serving
    raise InputError(label, in_file(problems, label))


def _document(source: Source, renaming: Renaming, chain: tuple[str, ...]) -> tuple[str, Table | None]:
    """The mapping, laid over the serving scenario that it extends."""
    problems = renaming.problems
    label, document = find_document(SECTION, source, problems)
    if document is None:
        return label, None
    document = renaming.document(document, SECTION)
    problems += missing_units(document, SECTION)
    if not isinstance(source, Mapping):
        chain = (*chain, os.path.realpath(label))
        if "name" not in document:
            document = document.with_entry("name", Path(label).stem)
    if "extends" not in document:
        return label, document
    name, origin = document["extends"], document.origin("extends")
    if not isinstance(name, str):
        problems.append(Problem("expected the name of a serving scenario, or a path", "extends", *origin[::-1]))
        return label, None
    target: str | Path = Path(origin.file).parent / os.path.expanduser(name) if is_path(name) else name
    file = config_file(SECTION, target, problems)
    if file is not None and search_path.same_file(file, chain):
        problems.append(Problem(f"{name} extends itself", "extends", *origin[::-1]))
        return label, None
    base = None if file is None else _document(file, renaming, chain)[1]
    return label, None if base is None else merge(base, document.without("extends"), SECTION, renaming.notes)


def _read(document: Table, problems: list[Problem], notes: list[str]) -> Serving | None:
    resolver = Resolver(problems, notes)
    resolved = document
    for key, section in REFERENCES[SECTION].items():
        if key in document:
            part = resolver.resolve(section, document[key], (key,), document.origin(key))
            resolved = resolved.without(key) if part is None else resolved.with_entry(key, part)
    serving = described(Serving, resolved, problems, known_bad=resolver.bad, extra_keys=("extends",))
    if serving is None or problems:
        return None
    problems += [place(problem, document) for problem in serving_problems(serving)]
    problems += beyond_hardware(serving, document)
    return serving.model_copy(update={"notes": (*serving.notes, *notes)})


def serving_problems(serving: Serving) -> Iterator[Problem]:
    """What is wrong between the parts of a serving scenario."""
    yield from _unit("prefill", serving.prefill, serving)
    yield from _unit("decode", serving.decode, serving)
    chip = serving.node.accelerator
    if serving.precision not in chip.peak and None in (serving.stack.prefill.gemm, serving.stack.decode.gemm):
        known = ", ".join(precision for precision in ("bf16", "fp16", "fp8") if precision in chip.peak)
        yield Problem(
            f"{chip.name} has no {serving.precision} peak, and {serving.stack.name} no rate. Known: {known}",
            "precision",
        )
    least = serving.prefill.devices + serving.decode.devices
    if serving.devices is not None and serving.devices < least:
        yield Problem(f"{serving.devices:,} are fewer than the {least:,} of one unit for each phase", "devices")
    if serving.decode.draft_tokens and not serving.model.mtp_layers:
        yield Problem(f"{serving.model.name} has no prediction modules (mtp_layers)", "decode.draft_tokens")


def _unit(key: str, unit: Unit, serving: Serving) -> Iterator[Problem]:
    model = serving.model
    if unit.devices % unit.tensor:
        yield Problem(f"{unit.tensor} does not divide the unit's {unit.devices} devices", f"{key}.tensor")
    if model.heads % unit.tensor:
        yield Problem(f"{unit.tensor} does not divide the {model.heads} attention heads", f"{key}.tensor")
    if model.moe is None and unit.redundant_experts:
        yield Problem(f"{model.name} has no experts", f"{key}.redundant_experts")
    if model.moe is not None and unit.devices > model.moe.experts + unit.redundant_experts:
        slots = model.moe.experts + unit.redundant_experts
        yield Problem(f"{unit.devices:,} devices share {slots:,} experts: some would have none", f"{key}.devices")
