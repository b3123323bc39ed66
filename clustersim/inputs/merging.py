"""Laying one mapping over another: what `extends` and overrides do."""

from __future__ import annotations

from typing import Any

from clustersim.errors import Problem
from clustersim.inputs.base import Description, references_of
from clustersim.inputs.hardware import Accelerator, Cluster, Node
from clustersim.inputs.layout import SHORT_NAMES
from clustersim.inputs.model import Model
from clustersim.inputs.reliability import Reliability
from clustersim.inputs.scenario import Scenario
from clustersim.inputs.serving import Serving, ServingStack
from clustersim.inputs.stack import Stack
from clustersim.inputs.table import Table

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
DEEPEST_KEY = 20


def merge(base: Table, over: Table, section: str = "") -> Table:
    """`base` with the entries of `over` in it, mapping by mapping; `section` says which fields are references.

    A mapping over a reference changes what it refers to; a mapping with its own `extends`, like any other value, takes
    the old one's place.
    """
    if section == "clusters":
        base, over = _settle_rivals(base, over)
    merged = base
    for key, value in over.items():
        part = REFERENCES.get(section, {}).get(key, "")
        old = base.get(key)
        if isinstance(value, Table) and "extends" not in value:
            if isinstance(old, Table):
                value = merge(old, value, part)
            elif isinstance(old, str) and part:
                value = merge(Table({"extends": old}, {"extends": base.origin(key)}), value, part)
        merged = merged.with_entry(key, value, over.origin(key))
    return merged


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


def nested(dotted_key: str, value: Any) -> Table:
    """`{"layout": {"pipeline": 8}}` for `layout.pipeline`."""
    first, _, rest = dotted_key.partition(".")
    return Table({first: nested(rest, value) if rest else value})


def long_names(document: Table, problems: list[Problem]) -> Table:
    """A scenario's mapping with `tp`, `pp` and so on in its layout written out."""
    layout = document.get("layout")
    if not isinstance(layout, Table):
        return document
    written: dict[str, str] = {}  # the long name -> the key as written
    for key in layout:
        name = SHORT_NAMES.get(key, key)
        if name in written:
            origin = layout.origin(key)
            problems.append(Problem(f"the same as {written[name]}, which is given too", f"layout.{key}", *origin[::-1]))
        else:
            written[name] = key
    long = Table(
        {name: layout[key] for name, key in written.items()},
        {name: layout.origin(key) for name, key in written.items()},
    )
    return document.with_entry("layout", long)


def as_override(key: str, value: Any, problems: list[Problem]) -> Table | None:
    """The mapping that a dotted key stands for; None, and why, where the key cannot be one."""
    parts = key.split(".")
    if not all(parts) or len(parts) > DEEPEST_KEY:
        problems.append(Problem("not a dotted key such as layout.pipeline", key or '""'))
        return None
    return long_names(nested(key, value), problems)
