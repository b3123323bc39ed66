"""What launchers without a pipeline state alike: replicas, batch, and what data-parallel ranks share."""

from __future__ import annotations

from clustersim.errors import InputError, Problem
from clustersim.launchers.notes import Draft
from clustersim.launchers.settings import Setting, Settings
from clustersim.launchers.shapes import model_named

SEQUENCES = (
    "max_seq_length",
    "block_size",
    "model_max_length",
    "cutoff_len",
    "max_seq_len",
    "max_length",
    "seq_length",
    "sequence_len",
)
MODELS = ("model_name_or_path", "model_name", "base_model", "model", "pretrained_model_name_or_path", "model_id")


def put_named_model(draft: Draft, source: str, setting: Setting | None, given: str | None) -> None:
    """State a model by the catalog's name for a Hugging Face id or a path, or by what --model says.

    Raises InputError where neither names one.
    """
    if given is not None:
        draft.put("model", given, None, "as --model says")
        return
    text = "" if setting is None or setting.unknown else str(setting.value)
    name = model_named(text) if text else None
    if name is None:
        said = f"{setting.text} names no model of the catalog" if setting is not None else "the file names no model"
        line = setting.line if setting is not None else None
        raise InputError(
            source, [Problem(f"{said}: give --model, a name of the catalog or a config.json", "model", line)]
        )
    draft.put("model", name, setting)


def put_sequence(draft: Draft, settings: Settings, *names: str) -> int:
    """State the sequence length; 4,096 tokens where the file has none."""
    wanted = names or SEQUENCES
    length = settings.whole(*wanted)
    if length and length > 0:
        draft.put("training.sequence_length", length, settings.find(*wanted))
        return length
    draft.put("training.sequence_length", 4096, None, "the file doesn't say how long sequences are")
    return 4096


def put_precision(draft: Draft, settings: Settings, bf16: str = "bf16", fp16: str = "fp16") -> None:
    """State bf16, fp16 or, where neither is on, fp32."""
    for name, precision in ((bf16, "bf16"), (fp16, "fp16")):
        if settings.flag(name, False):
            draft.put("training.precision", precision, settings.find(name))
            return
    draft.put("training.precision", "fp32", None, "neither bf16 nor fp16 is on")


def put_sizes(draft: Draft, data: int, context: int = 1, tensor: int = 1) -> None:
    """State the sizes of the groups, those of one rank too."""
    for key, size in (("tensor", tensor), ("pipeline", 1), ("context", context), ("data", data)):
        draft.put(f"layout.{key}", size)
