"""A Hugging Face config.json as a model: read as plain JSON, no code executed, nothing fetched.

Keys that a file leaves out take the default of that model's configuration class (`defaults.py`), except the three that
no model can do without: layers, hidden size and heads. A language model in a section of its own is read from there; a
vision tower is counted, or the file refused with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import PurePath

from clustersim.errors import InputError, Problem
from clustersim.inputs.huggingface.config import Config, Fields
from clustersim.inputs.huggingface.defaults import Defaults
from clustersim.inputs.huggingface.nesting import TOWER_OF, Opened, opened
from clustersim.inputs.huggingface.readers import READERS, UNBUILT
from clustersim.inputs.huggingface.refused import REFUSED
from clustersim.inputs.huggingface.structure import left_over, unknown_to
from clustersim.inputs.huggingface.vision import TOWERS, vision_of
from clustersim.inputs.units import shown

# What a file of its own must state: layers, hidden size and heads, in every spelling
STATED = {
    *("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    *("hidden_size", "n_embd", "d_model"),
    *("num_attention_heads", "n_head", "n_heads"),
}
AS = "--as llama reads a type with Llama's keys as Llama is read"


def model_from_config(config: Mapping[str, object], source: str, read_as: str | None = None) -> Fields:
    """The fields of `Model` for a config.json, named after the folder that the file `source` lies in.

    `read_as`: a type that it is read as, whatever it says. Raises InputError with every problem: an unknown
    `model_type`, missing keys, wrong types, impossible sizes.
    """
    found = opened(config)
    kind = _kind_of(found, config, read_as, source)
    filled_in, read = READERS[kind]
    reader = Config(found.text, filled_in if found.where else _without_stated(filled_in))
    fields = read(reader)
    unknown = unknown_to(kind, reader)
    for place, message in unknown.refused.items():
        reader.refuse(place, message)
    problems = [_in_section(problem, found.where) for problem in reader.problems]
    beside = _beside(found, fields, read_as, problems)
    if problems:
        raise InputError(source, tuple(dict.fromkeys(problems)))
    notes = [*_notes(found, kind, read_as, reader), *reader.notes, *unknown.notes, *beside.pop("notes")]  # type: ignore[misc]
    return {"name": _name(source, kind), **fields, **beside, "notes": tuple(dict.fromkeys(notes))}


def _kind_of(found: Opened, config: Mapping[str, object], read_as: str | None, source: str) -> str:
    """The type that the file is read as. Raises InputError where there is none."""
    if read_as is not None:
        if read_as in READERS:
            return read_as
        raise InputError(source, [Problem(f"no type {shown(read_as)} is read. {_known()}", "as")])
    key = f"{found.where}.model_type" if found.where else "model_type"
    for kind, where in ((found.outer, "model_type"), (found.kind, key)):
        if kind in REFUSED:
            raise InputError(source, [Problem(f"{kind} is refused: {REFUSED[kind]}", where)])
    if found.kind in READERS:
        return found.kind
    if found.kind in UNBUILT:
        missing = f"{found.kind} is refused: it has {UNBUILT[found.kind]}, which is not built"
        raise InputError(source, [Problem(missing, key)])
    if config.get("is_encoder_decoder") is True:
        what = "an encoder and a decoder (is_encoder_decoder): clustersim plays decoders alone"
        raise InputError(source, [Problem(f"{shown(found.kind)} is refused: {what}", key)])
    raise InputError(source, [_unknown_type(found, key)])


def _unknown_type(found: Opened, key: str) -> Problem:
    if found.kind is None:
        return Problem(f"missing: say which architecture this is. {_known()}", key)
    near = get_close_matches(found.kind, READERS, n=2)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return Problem(f"{shown(found.kind)} is not known.{hint} {AS}. {_known()}", key)


def _known() -> str:
    return f"Known: {', '.join(sorted(READERS))}"


def _beside(found: Opened, fields: Fields, read_as: str | None, problems: list[Problem]) -> Fields:
    """The vision tower, counted; or why what stands beside the language model can't be."""
    outer = TOWER_OF.get(found.outer or "", found.outer or "")
    notes: list[str] = []
    if read_as is not None:
        left = [what for what, held in (("vision", found.vision), ("audio", found.hears)) if held is not None]
        notes += [
            f"the {what} encoder of {found.outer} is left out: the language model alone was asked for" for what in left
        ]
        return {"notes": notes}
    alone = f"the language model alone: --as {found.kind}"
    if found.hears is not None:
        problems.append(Problem(f"an audio encoder is not counted; {alone}", found.hears))
    if found.vision is None:
        return {"notes": notes}
    if outer not in TOWERS:
        known = ", ".join(sorted(TOWERS))
        problems.append(
            Problem(f"the vision tower of {shown(found.outer)} is not known (known: {known}); {alone}", "vision_config")
        )
        return {"notes": notes}
    hidden = fields["hidden"]
    assert isinstance(hidden, int)
    vision = vision_of(outer, found.vision, hidden, problems)
    notes.append("the vision tower is counted; steps are of text alone, in which it neither runs nor is stored")
    return {"vision": vision, "notes": notes}


def _notes(found: Opened, kind: str, read_as: str | None, reader: Config) -> list[str]:
    notes = []
    if read_as is not None and read_as != found.kind:
        notes.append(f"read as {kind}, as asked; the file says {shown(found.kind)}")
        if left := left_over(reader):
            notes.append(f"of the file's keys {kind} does not have, and nothing here reads: {', '.join(left)}")
    if isinstance(quantized := reader.stated("quantization_config"), Mapping):
        how = quantized.get("quant_method", "unnamed")
        notes.append(f"the stored weights are quantized ({how}); in training their precision is the scenario's")
    if reader.filled:
        filled = ", ".join(f"{key} {_plainly(value)}" for key, value in reader.filled.items() if value is not False)
        if filled:
            notes.append(f"not in the file, filled in by the class of {kind}: {filled}")
    return notes


def _plainly(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _in_section(problem: Problem, where: str) -> Problem:
    return Problem(problem.message, f"{where}.{problem.key}" if where else problem.key)


def _without_stated(filled_in: Defaults) -> Defaults:
    return {key: value for key, value in filled_in.items() if key not in STATED}


def _name(source: str, kind: str) -> str:
    path = PurePath(source)
    return (path.parent.name if path.stem == "config" else path.stem) or kind
