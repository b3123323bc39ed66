"""From references to what they refer to: catalog names, paths, `extends`, and the short forms of a cluster."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, NamedTuple

from clustersim.errors import InputError, Problem
from clustersim.inputs import search_path
from clustersim.inputs.bare_numbers import missing_units
from clustersim.inputs.merging import REFERENCES, merge
from clustersim.inputs.problems import did_you_mean
from clustersim.inputs.renaming import Renaming
from clustersim.inputs.search_path import YAML_SUFFIXES
from clustersim.inputs.table import KeyPath, Origin, Table, as_table, dotted
from clustersim.inputs.units import shown

WHAT = {
    "accelerators": "accelerator",
    "nodes": "node",
    "clusters": "cluster",
    "models": "model",
    "stacks": "stack",
    "serving-stacks": "serving stack",
    "failures": "failure profile",
}
READ_AS = "as"  # beside `extends`: the model_type that a config.json is read as
COUNTED = re.compile(r"(?P<many>[1-9][\d,_]{0,12})\s*[x\N{MULTIPLICATION SIGN}*]\s*(?P<what>\S.*)", re.IGNORECASE)
BOTH = "give node or accelerator, not both; `node: {extends: NODE, accelerator: NAME}` puts another one into a node"


class Entry(NamedTuple):
    """What a name was found to refer to, without a mistake in it."""

    table: Table
    notes: tuple[str, ...]  # what a reader should know of it


KnownEntries = dict[Hashable, Entry]  # by all that finding one depends on, the files aside


class Resolver:
    """Resolves the references of one document; what is wrong is added to `problems`, and where to `bad`.

    What a reader should know of the entries that were read is added to `notes`. What is found is added to `known`, and
    not looked up again: for documents that are read one after the other while no file changes.
    """

    def __init__(
        self, problems: list[Problem], notes: list[str] | None = None, known: KnownEntries | None = None
    ) -> None:
        self.problems = problems
        self.notes = [] if notes is None else notes
        self.known = {} if known is None else known
        self.bad: list[KeyPath] = []

    def resolve(self, section: str, value: Any, path: KeyPath, origin: Origin) -> Table | None:
        """The mapping that a reference stands for, with every reference in it resolved; None where one can't be."""
        table = self._expand(section, value, path, origin, ())
        if table is not None and section == "clusters":
            table = self._settle_cluster(table, path)
        if table is None:
            self.bad.append(path)
        return table

    def _complain(self, message: str, path: KeyPath, origin: Origin, *, misfit: bool = False) -> None:
        self.problems.append(Problem(message, dotted(path), origin.line, origin.file, misfit))

    def _expand(self, section: str, value: Any, path: KeyPath, origin: Origin, chain: tuple[str, ...]) -> Table | None:
        """`chain` holds the files that led here, so that circles are found."""
        if isinstance(value, str):
            return self._named(section, value, path, origin, chain)
        if not isinstance(value, Table):
            self._complain(f"expected a name of the catalog, a path or a mapping; got {shown(value)}", path, origin)
            return None
        if section == "clusters" and "accelerator" in value and _names_a_node(value.get("node")):
            self._complain(BOTH, (*path, "accelerator"), value.origin("accelerator"))
            value = value.without("accelerator")
        table: Table = value
        if "extends" in value:
            base = self._base(section, value, path, chain)
            if base is None:
                return None
            notes = [] if search_path.is_packaged(value.origin("extends").file) else self.notes  # a catalog states it
            table = merge(base, value.without("extends", READ_AS), section, notes, path)
        elif section == "models" and READ_AS in value:
            self._complain("goes with `extends`, the path of a config.json", (*path, READ_AS), value.origin(READ_AS))
            return None
        for key, part in REFERENCES[section].items():
            if key in table:
                entry = self._expand(part, table[key], (*path, key), table.origin(key), chain)
                if entry is None:
                    self.bad.append((*path, key))
                table = table.without(key) if entry is None else table.with_entry(key, entry)
        return table

    def _base(self, section: str, value: Table, path: KeyPath, chain: tuple[str, ...]) -> Table | None:
        """What a mapping extends; a config.json as the type that `as` names."""
        name, place = value["extends"], value.origin("extends")
        if not isinstance(name, str):
            self._complain("expected a name of the catalog or a path", (*path, "extends"), place)
            return None
        if section != "models" or READ_AS not in value:
            return self._named(section, name, (*path, "extends"), place, chain)
        kind, file = value[READ_AS], file_of(place, name)
        reason = ""
        if not isinstance(kind, str):
            reason = f"expected a model_type such as llama; got {shown(kind)}"
        elif not is_path(name) or not _is_json(file):
            reason = f"{name} is no config.json: only such a file can be read as another type"
        elif self._is_there(file, (*path, "extends"), place):
            return self._read_json(section, file, (*path, "extends"), place, kind)
        if reason:
            self._complain(reason, (*path, READ_AS), value.origin(READ_AS))
        return None

    def _named(self, section: str, name: str, path: KeyPath, origin: Origin, chain: tuple[str, ...]) -> Table | None:
        """The entry that a name or a path refers to."""
        asked = (section, name, path, origin, chain)
        known = self.known.get(asked)
        if known is not None:
            self.notes += known.notes
            return known.table
        before = len(self.problems), len(self.bad), len(self.notes)
        table = self._found(section, name, path, origin, chain)
        if table is not None and before[:2] == (len(self.problems), len(self.bad)):
            self.known[asked] = Entry(table, tuple(self.notes[before[2] :]))
        return table

    def _found(self, section: str, name: str, path: KeyPath, origin: Origin, chain: tuple[str, ...]) -> Table | None:
        known = search_path.hub_model(name) if section == "models" and not _is_file(file_of(origin, name)) else None
        if known is not None:
            file = known
        elif is_path(name):
            file = file_of(origin, name)
            if search_path.same_file(file, chain):
                self._complain(f"{name} extends itself", path, origin)
                return None
        else:
            found = search_path.find(search_path.catalog_folders(), section, name, chain)
            if found is None:
                counted = self._counted(name, path, origin) if section == "clusters" else None
                if counted is None:
                    self._complain(self._unknown(section, name), path, origin)
                    return None
                return self._expand(section, counted, path, origin, chain)
            file = found
        document = self._read(section, file, path, origin)
        if document is None:
            return None
        return self._expand(section, document, path, Origin(str(file)), (*chain, os.path.realpath(file)))

    def _read(self, section: str, file: Path, path: KeyPath, origin: Origin) -> Table | None:
        if not self._is_there(file, path, origin):
            return None
        if _is_json(file):
            return self._read_json(section, file, path, origin)
        document = search_path.read_document(file, self.problems)
        if document is None or search_path.is_packaged(str(file)):
            return document
        self.problems += missing_units(document, section, path)
        return Renaming(self.problems, self.notes).document(document, section, path)

    def _is_there(self, file: Path, path: KeyPath, origin: Origin) -> bool:
        if _is_file(file):
            return True
        self._complain(f"no such file: {file}", path, origin)
        return False

    def _read_json(
        self, section: str, file: Path, path: KeyPath, origin: Origin, read_as: str | None = None
    ) -> Table | None:
        """A model from a Hugging Face config.json, as the type that it states or as another."""
        if section != "models":
            self._complain(f"only a model can be a JSON file; a {WHAT[section]} is YAML", path, origin)
            return None
        config = search_path.read_json(file, self.problems)
        if config is None:
            return None
        from clustersim.inputs.huggingface import model_from_config

        try:
            fields = model_from_config(config, str(file), read_as)
        except InputError as error:
            self.problems += [Problem(found.message, found.key, found.line, str(file)) for found in error.problems]
            return None
        return Table(as_table(fields), dict.fromkeys(fields, Origin(str(file))))

    def _counted(self, name: str, path: KeyPath, origin: Origin) -> Table | None:
        """The cluster that `32xdgx-h100`, `256xh100-sxm-80gb` or `2xgb200-nvl72` names; None where it is none.

        So many nodes, so many devices in their usual nodes, or so many times a cluster of the catalog.
        """
        match = COUNTED.fullmatch(name.strip())
        if match is None:
            return None
        many, what = int(re.sub("[,_]", "", match["many"])), match["what"]
        folders = search_path.catalog_folders()
        if search_path.find(folders, "clusters", what) is not None:
            once = self._named("clusters", what, path, origin, ())
            nodes: Any = None if once is None else self._settle_cluster(once, path).get("nodes")
            given: dict[str, Any] = {"extends": what, "nodes": many * nodes if _is_count(nodes) else many}
        elif search_path.find(folders, "nodes", what) is not None:
            given = {"node": what, "nodes": many}
        elif search_path.find(folders, "accelerators", what) is not None:
            given = {"accelerator": what, "devices": many}
        else:
            return None
        return Table(given, dict.fromkeys(given, origin))

    def _unknown(self, section: str, name: str) -> str:
        if search_path.find(search_path.catalog_folders(), section, name) is not None:
            return f"{name} extends itself"
        if section == "clusters" and (found := self._unknown_cluster(name)):
            return found
        hint = did_you_mean(search_path.slug(name), search_path.known_words(section))
        counted = ". So many nodes or devices are a cluster, too, such as 32xdgx-h100" if section == "clusters" else ""
        hint = hint or f". `clustersim show {section}` lists them"
        return f"no {WHAT[section]} {shown(name)} in the catalog{hint}{counted}"

    def _unknown_cluster(self, name: str) -> str:
        """What is said of a node or an accelerator that stands for a cluster, or of so many that nobody knows."""
        match = COUNTED.fullmatch(name.strip())
        if match is not None:
            words = [word for kind in ("nodes", "accelerators", "clusters") for word in search_path.known_words(kind)]
            what = match["what"]
            return f"no node or accelerator {shown(what)} in the catalog{did_you_mean(search_path.slug(what), words)}"
        for kind in ("nodes", "accelerators"):
            if search_path.find(search_path.catalog_folders(), kind, name) is not None:
                many = "4x" if kind == "nodes" else "32x"
                return f"{name} is one {WHAT[kind]}: say how many, such as {many}{name}"
        return ""

    def _settle_cluster(self, table: Table, path: KeyPath) -> Table:
        """A cluster by its node and its number of nodes, where it was given by accelerator or by devices."""
        if (*path, "accelerator") in self.bad:
            self.bad.append((*path, "node"))
        usual = "accelerator" in table
        if usual:
            table = self._usual_node(table, path)
        if "devices" in table:
            table = self._count_nodes(table, path, usual=usual)
        return table

    def _usual_node(self, table: Table, path: KeyPath) -> Table:
        """The accelerator's usual node with this accelerator in it, refined by what `node` says."""
        accelerator, origin = table["accelerator"], table.origin("accelerator")
        usual = accelerator.get("node")
        rest = table.without("accelerator")
        if not isinstance(usual, str):
            name = accelerator.get("name", "this accelerator")
            self._complain(
                f"the catalog knows no usual node of {name}: give cluster.node", (*path, "accelerator"), origin
            )
            self.bad.append((*path, "node"))
            return rest
        node = self._expand("nodes", usual, (*path, "accelerator"), origin, ())
        if node is None:
            self.bad.append((*path, "node"))
            return rest
        node = node.with_entry("accelerator", accelerator, origin)
        refined = table.get("node")
        if isinstance(refined, Table):
            node = merge(node, refined, "nodes", self.notes, (*path, "node"))
        return rest.with_entry("node", node, table.origin("node" if refined else "accelerator"))

    def _count_nodes(self, table: Table, path: KeyPath, *, usual: bool) -> Table:
        """A cluster with `nodes` for its `devices`.

        Where nobody named the node (`usual`) and devices don't fill it, each node has an equal number of them in use.
        """
        devices, origin = table["devices"], table.origin("devices")
        node = table.get("node", {})
        each, domain = node.get("devices"), node.get("scale_up_domain")
        rest = table.without("devices")
        reason = ""
        if "nodes" in table:
            reason = "give nodes or devices, not both"
        elif not _is_count(devices):
            reason = f"expected a whole number of at least 1; got {shown(devices)}"
        elif _is_count(each) and devices % each == 0:
            return rest.with_entry("nodes", devices // each, origin)
        elif usual and _is_count(each) and (used := _in_use(devices, each, domain)):
            nodes = devices // used
            whole = (
                f"{nodes:,} nodes, {used} of the {each} devices in each" if nodes > 1 else f"part of a node of {each}"
            )
            self.notes.append(f"{dotted((*path, 'devices'))}: {devices:,} are taken as {whole}")
            node = node.with_entry("devices", used, origin)
            return rest.with_entry("node", node).with_entry("nodes", nodes, origin)
        elif _is_count(each):
            near = [f"{count:,}" for count in (devices // each * each, (devices // each + 1) * each) if count]
            reason = (
                f"{devices:,} is no multiple of the node's {each} devices. Near it: {', '.join(near)}; "
                "or set cluster.node.devices"
            )
        if reason:  # otherwise something is wrong with the node, and is said there
            self._complain(reason, (*path, "devices"), origin)
        self.bad.append((*path, "nodes"))
        return rest


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _in_use(devices: int, each: int, domain: Any) -> int | None:
    """Devices in use of each of the fewest nodes that hold so many, where these share them evenly."""
    nodes = -(-devices // each)
    used = devices // nodes
    fits = not _is_count(domain) or domain % used == 0 or used % domain == 0
    return used if devices % nodes == 0 and fits else None


def _names_a_node(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, Table) and "extends" in value)


def is_path(text: str) -> bool:
    """Whether a reference is meant as a path: it has a folder or a suffix that files of ours have."""
    return "/" in text or "\\" in text or text.lower().endswith((*YAML_SUFFIXES, ".json"))


def _is_json(file: Path) -> bool:
    return file.name.lower().endswith(".json")


def file_of(origin: Origin, name: str) -> Path:
    """A path as written in a file is relative to that file; a folder stands for the config.json in it."""
    file = Path(origin.file).parent / os.path.expanduser(name)
    return file / "config.json" if _is_file(file / "config.json") else file


def _is_file(file: Path) -> bool:
    try:
        return bool(file.is_file())
    except (OSError, ValueError):  # a name too long, a NUL in it
        return False
