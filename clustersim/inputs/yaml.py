"""YAML as people mean it: what a file says, with the line of every key.

The parser is PyYAML's; what scalars mean is decided here, because stock PyYAML reads `989e12` as a string, `no` as
False, `1:30` as 90 and `012` as 10, and lets the last of two equal keys win. Numbers, true, false and null are as in
YAML 1.2 (core schema); everything else is text. Tags and merge keys are refused: a file is data.

Tables are built from the parser's events without recursion, so that a hostile file costs a message, not a crash.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from clustersim.errors import Problem
from clustersim.inputs.table import MAX_DEPTH, Items, Origin, Table
from clustersim.inputs.units import shown

MAX_BYTES = 2_000_000
MAX_VALUES = 200_000

_PARSER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser where PyYAML was built with it
_CONSTANTS = dict.fromkeys(("", "~", "null", "Null", "NULL")) | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,400}")
_OTHER_BASE = re.compile(r"0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class _StopError(Exception):
    """Nothing after this can be made sense of."""


def read_scalar(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def read_yaml(text: str, file: str, problems: list[Problem]) -> Any:
    """The one document in `text`: a `Table`, `Items` or a scalar; None where nothing could be read.

    What is wrong is added to `problems`; what can be read despite it is returned.
    """
    if len(text) > MAX_BYTES:
        problems.append(Problem(f"the file has more than {MAX_BYTES:,} characters", file=file))
        return None
    builder = _Builder(file, problems)
    try:
        for event in yaml.parse(text, Loader=_PARSER):
            builder.feed(event)
    except _StopError:
        return None
    except yaml.YAMLError as error:
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        problems.append(Problem(f"not valid YAML: {reason}", line=_line_of(error, text), file=file))
        return None
    return builder.document


def _line_of(error: yaml.YAMLError, text: str) -> int:
    """Where the parser gave up; for a character that YAML forbids it doesn't say, so that is looked for."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return int(mark.line) + 1
    forbidden = yaml.reader.Reader.NON_PRINTABLE.search(text)
    return text.count("\n", 0, forbidden.start()) + 1 if forbidden else 1


class _Frame:
    """A collection that is still open."""

    def __init__(self, container: Table | Items, name: str | None, anchor: str | None, values: int) -> None:
        self.container = container
        self.name = name  # the key that it is the value of
        self.anchor = anchor
        self.values = values  # how many values had been read when it began
        self.key: str | None = None
        self.origin = Origin()


class _Builder:
    """Builds the document from parser events."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        self.document: Any = None
        self.documents = 0
        self.values = 0
        self.frames: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int]] = {}  # finished values and how many values they hold

    def feed(self, event: Any) -> None:
        """Take the next event."""
        line = event.start_mark.line + 1
        match event:
            case yaml.ScalarEvent():
                self._check_tag(event, line)
                plain = not event.style  # neither quoted nor a block
                self._scalar(event.value, read_scalar(event.value) if plain else event.value, event.anchor, line)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._check_tag(event, line)
                self._open(Table() if isinstance(event, yaml.MappingStartEvent) else Items(), event.anchor, line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                frame = self.frames.pop()
                if frame.anchor:
                    self.anchors[frame.anchor] = (frame.container, self.values - frame.values)
            case yaml.AliasEvent():
                self._alias(str(event.anchor), line)
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    self._stop("a second document begins here; a file holds one", line)

    def _stop(self, message: str, line: int) -> None:
        self.problems.append(Problem(message, line=line, file=self.file))
        raise _StopError

    def _check_tag(self, event: Any, line: int) -> None:
        if event.tag is not None:
            message = f"the tag {shown(event.tag)} is not accepted: write plain values"
            self.problems.append(Problem(message, line=line, file=self.file))

    def _scalar(self, text: str, value: Any, anchor: str | None, line: int) -> None:
        frame = self.frames[-1] if self.frames else None
        if frame is not None and isinstance(frame.container, Table) and frame.key is None:
            frame.key, frame.origin = text, Origin(self.file, line)
            return
        self._count(1, line)
        if anchor:
            self.anchors[anchor] = (value, 1)
        self._place(value, line)

    def _open(self, container: Table | Items, anchor: str | None, line: int) -> None:
        if len(self.frames) >= MAX_DEPTH:
            self._stop(f"nested more than {MAX_DEPTH} deep", line)
        self._count(1, line)
        name = self.frames[-1].key if self.frames else None
        self._place(container, line)
        self.frames.append(_Frame(container, name, anchor, self.values))

    def _alias(self, anchor: str, line: int) -> None:
        if anchor not in self.anchors:
            self._stop(f"*{anchor} names nothing that is complete before this line", line)
        value, values = self.anchors[anchor]
        self._count(values, line)
        self._place(value, line)

    def _count(self, values: int, line: int) -> None:
        self.values += values
        if self.values > MAX_VALUES:
            self._stop(f"more than {MAX_VALUES:,} values", line)

    def _place(self, value: Any, line: int) -> None:
        """Put a value where it belongs: into the open collection, or as the document itself."""
        if not self.frames:
            self.document = value
            return
        frame = self.frames[-1]
        if isinstance(frame.container, Items):
            frame.container.append(value)
            frame.container.origins.append(Origin(self.file, line))
        elif frame.key is None:
            self._stop("a key must be a plain word", line)
        else:
            self._enter(frame.container, frame.key, value, frame.origin)
            frame.key = None

    def _enter(self, table: Table, key: str, value: Any, origin: Origin) -> None:
        if key == "<<":
            self._complain("merge keys are not accepted; `extends: NAME` takes over from another entry", key, origin)
        elif key in table:
            self._complain(f"this key stands on line {table.origin(key).line} already", key, origin)
        else:
            table[key] = value
            table.origins[key] = origin

    def _complain(self, message: str, key: str, origin: Origin) -> None:
        parents = [frame.name for frame in self.frames if frame.name is not None]
        self.problems.append(Problem(message, ".".join([*parents, key]), origin.line, self.file))
