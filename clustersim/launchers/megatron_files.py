"""Megatron's arguments out of files that are no command line: a log's block of arguments, and YAML."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from clustersim.inputs.table import Table
from clustersim.launchers.settings import Setting, scalar

BEGINS = re.compile(r"-{3,}\s*arguments\s*-{3,}")
ENDS = re.compile(r"-{3,}\s*end of arguments\s*-{3,}")
ARGUMENT = re.compile(r"(?:^|.*?[\]:]\s*|\s*)\s\s([A-Za-z_]\w*) \.{2,} ?(.*)$")
PADDED = re.compile(r"padded vocab \(size: (\d+)\).*?new size: (\d+)\)")


def is_log(text: str) -> bool:
    """Whether a text holds the arguments that rank 0 prints."""
    return BEGINS.search(text) is not None


def logged(text: str) -> Iterator[Setting]:
    """The arguments that a log prints, in Python's words."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if ENDS.search(line):
            inside = False
        elif BEGINS.search(line):
            inside = True
        elif inside and (match := ARGUMENT.match(line)):
            yield Setting(match[1], python_value(match[2].strip()), number, f"{match[1]} = {match[2].strip()}")
        elif not inside and (match := PADDED.search(line)):
            yield Setting("padded_vocab_size", match[2], number, match[0])


def python_value(text: str) -> Any:
    """A value as Python prints it: None, True, numbers and lists; other words as text (`torch.bfloat16`)."""
    if text in ("None", "True", "False"):
        return {"None": None, "True": True, "False": False}[text]
    if text.startswith("[") and len(text) < 50_000:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return text
        return [str(item) for item in value] if isinstance(value, list) else text
    return text


def from_yaml(document: Table) -> Iterator[Setting]:
    """The arguments of a YAML file: `MODEL_ARGS` of flags, or nested by class with core's names."""
    flags = document.get("MODEL_ARGS")
    if isinstance(flags, Table):
        yield from _flags(flags)
        return
    yield from _nested(document, 0)


def _flags(flags: Table) -> Iterator[Setting]:
    for flag, value in flags.items():
        if value is False:
            continue
        name = str(flag).lstrip("-").replace("-", "_")
        kept: Any = value if isinstance(value, bool) or value is None else _texts(value)
        yield Setting(name, kept, flags.origin(flag).line or 0, f"{flag} {'' if value is True else value}".strip())


def _texts(value: Any) -> Any:
    return [str(item) for item in value] if isinstance(value, list) else str(value)


def _nested(table: Table, depth: int) -> Iterator[Setting]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            if isinstance(value, Table) and depth < 8:
                yield from _nested(value, depth + 1)
            continue
        line = table.origin(key).line or 0
        yield from _core(str(key), value, line)


def _core(name: str, value: Any, line: int) -> Iterator[Setting]:
    """One of core's fields by the names that the command line has."""
    kept = (
        scalar(value)
        if isinstance(value, str)
        else value
        if isinstance(value, bool) or value is None
        else _texts(value)
    )
    text = f"{name}: {value}"
    if name == "activation_func" and str(value).lower() == "swiglu":
        yield Setting("swiglu", True, line, text)
    elif name == "add_bias_linear":
        yield Setting("add_bias_linear", kept, line, text)
    elif name == "num_query_groups" and value is not None:
        yield Setting("group_query_attention", True, line, text)
        yield Setting("num_query_groups", kept, line, text)
    elif name == "share_embeddings_and_output_weights":
        yield Setting("untie_embeddings_and_output_weights", kept is False, line, text)
    else:
        yield Setting(name, kept, line, text)
