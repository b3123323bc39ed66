"""Laying one mapping over another: what `extends` and overrides do."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args, get_origin

from clustersim.inputs.base import Description, references_of
from clustersim.inputs.companions import Companions
from clustersim.inputs.hardware import Accelerator, Cluster, Node
from clustersim.inputs.model import Model
from clustersim.inputs.reliability import Reliability
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.serving import Serving, ServingStack
from clustersim.inputs.stack import Stack
from clustersim.inputs.table import KeyPath, Table

KINDS: dict[str, type[Description]] = {
    "accelerators": Accelerator,
    "nodes": Node,
    "clusters": Cluster,
    "models": Model,
    "stacks": Stack,
    "serving-stacks": ServingStack,
    "failures": Reliability,
    "scenarios": Scenario,
}
# Which fields of an entry refer to other entries, and of which section.
REFERENCES = {section: references_of(kind) for section, kind in KINDS.items()} | {"serving": references_of(Serving)}
REFERENCES["clusters"]["accelerator"] = "accelerators"
# Keys of a cluster that say the same in two ways: the later one counts.
RIVALS = (("node", "accelerator"), ("nodes", "devices"))


def merge(base: Table, over: Table, section: str, notes: list[str] | None = None, path: KeyPath = ()) -> Table:
    """`base` with the entries of `over` in it, mapping by mapping; `section` says what they describe.

    A mapping over a reference changes what it refers to; a mapping with its own `extends`, like any other value, takes
    the old one's place. Values that follow others are settled (`companions`), which is added to `notes`.
    """
    notes = [] if notes is None else notes
    if section == "clusters":
        base, over = _settle_rivals(base, over)
    merged = base
    for key, value in over.items():
        part, old = part_of(section, key), base.get(key)
        if isinstance(value, Table) and "extends" not in value:
            if isinstance(old, Table):
                value = merge(old, value, part, notes, (*path, key))
            elif isinstance(old, str) and key in REFERENCES.get(section, {}):
                value = merge(Table({"extends": old}, {"extends": base.origin(key)}), value, part, notes, (*path, key))
        merged = merged.with_entry(key, value, over.origin(key))
    kind = kind_of(section)
    return merged if kind is None or not over else Companions(kind, path, notes).settled(base, over, merged)


def part_of(section: str, key: str) -> str:
    """The section of a mapping that stands at `key` of a `section`: another one, or a part of this."""
    return REFERENCES.get(section, {}).get(key, f"{section}.{key}")


@cache
def kind_of(section: str) -> type[Description] | None:
    """What a section's mappings describe; None for plain mappings."""
    owner, dot, key = section.rpartition(".")
    if not dot:
        return KINDS.get(section)
    annotation = _annotation(owner, key)
    if annotation is None:  # an entry of a mapping, such as one cause of failures
        annotation = get_args(_annotation(*owner.rpartition(".")[::2]))[1:]
    elif get_origin(annotation) is dict:
        return None
    types = annotation if isinstance(annotation, tuple) else (annotation, *get_args(annotation))
    return next((found for found in types if isinstance(found, type) and issubclass(found, Description)), None)


def _annotation(section: str, key: str) -> Any:
    """The type of a key of a section; None where the section describes nothing, or has no such key."""
    kind = kind_of(section) if section else None
    field = None if kind is None else kind.model_fields.get(key)
    return None if field is None else field.annotation


def _settle_rivals(base: Table, over: Table) -> tuple[Table, Table]:
    """Of a cluster's keys that say the same in two ways, what is laid over displaces what it replaces.

    A mapping without `extends` replaces nothing: it refines the node, or its accelerator, whichever they are.
    """
    if _refines(over, "accelerator") and "node" in base and "accelerator" not in base and "node" not in over:
        origin = over.origin("accelerator")
        node = Table({"accelerator": over["accelerator"]}, {"accelerator": origin})
        over = over.without("accelerator").with_entry("node", node, origin)
    for pair in RIVALS:
        for given, other in (pair, pair[::-1]):
            refined = "accelerator" in base and _refines(base, other)
            if given in over and other not in over and not _refines(over, given) and not refined:
                base = base.without(other)
    return base, over


def _refines(cluster: Table, key: str) -> bool:
    value = cluster.get(key)
    return isinstance(value, Table) and "extends" not in value
