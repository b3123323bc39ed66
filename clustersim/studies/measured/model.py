"""The model of a measured run: its columns, what the catalog knows of it, and what is assumed of the rest."""

from __future__ import annotations

from typing import Any

from clustersim.errors import InputError
from clustersim.inputs import search_path
from clustersim.inputs.catalog import load
from clustersim.inputs.model import Model
from clustersim.studies.measured.csv_cells import CsvRow, flag, given, text, whole
from clustersim.studies.measured.words import position_word

COLUMNS = ("layers", "hidden", "heads", "kv_heads", "ffn_hidden", "vocab", "head_dim", "mtp_layers")
MEGATRON_VOCAB = 51_200  # GPT-2's 50,257 tokens padded, what GPT benchmarks without a stated vocabulary use
# Without biases and dropout: llm-foundry, scripts/train/yamls/pretrain/mpt-*.yaml (recalled). Others keep GPT's habits.
PLAIN_FAMILIES = ("mpt-",)
MLA_HEADS = {"qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128}  # arXiv 2405.04434, section 3.1.2


def model_of(row: CsvRow, notes: list[str], *, tied: bool = True) -> dict[str, Any]:
    """The model as a mapping. A catalog model of the row's name supplies what columns leave empty.

    `tied`: whether the software has one table for look-up and head where it trains a model of the GPT family.

    Raises InputError where a cell can't be read.
    """
    stated: dict[str, Any] = {"name": text(row, "model") or text(row, "id")}
    stated |= {column: whole(row, column) for column in COLUMNS}
    stated |= {"gated": flag(row, "gated_mlp"), "position": position_word(row, notes)}
    known = _catalog_model(text(row, "model"))
    stated = given(stated | {"moe": _experts(row, known), "latent": _latent(row)})
    if known is None:
        return _filled(stated, notes, tied)
    base = known.model_dump(mode="json", exclude_none=True)
    if base.get("mtp_layers") and "mtp_layers" not in stated:
        notes.append(f"multi-token prediction isn't stated: trained without the {known.name} catalog entry's")
        base["mtp_layers"] = 0
    empty = [column for column in COLUMNS if column not in stated and base.get(column)]
    if empty:
        notes.append(f"the catalog's {known.name} supplies {', '.join(empty)}")
    parts = {part: base.get(part, {}) | stated[part] for part in ("moe", "latent") if part in stated}
    if "moe" in parts and parts["moe"].get("shared") != base.get("moe", {}).get("shared"):
        parts["moe"].pop("shared_ffn_hidden", None)  # the row counts shared experts of another size
    return base | stated | parts


def _catalog_model(name: str) -> Model | None:
    if not name or search_path.find(search_path.catalog_folders(), "models", name) is None:
        return None
    try:
        return load("models", name)
    except InputError:
        return None


def _filled(stated: dict[str, Any], notes: list[str], tied: bool) -> dict[str, Any]:
    """Megatron's conventions for what a row of an unknown model leaves empty."""
    if "heads" in stated:
        stated.setdefault("kv_heads", stated["heads"])
    if "moe" in stated:
        stated.setdefault("ffn_hidden", stated["moe"].get("ffn_hidden"))
    elif "hidden" in stated:
        stated.setdefault("ffn_hidden", 4 * stated["hidden"])
    if "latent" in stated:
        stated["latent"] = MLA_HEADS | stated["latent"]
    if "vocab" not in stated:
        stated["vocab"] = MEGATRON_VOCAB
        notes.append(f"vocabulary not stated: {MEGATRON_VOCAB:,} words assumed")
    gated = stated.setdefault("gated", False)
    stated.setdefault("position", "rotary" if gated else "learned")
    if not gated:  # the GPT family: layer norms, biases, dropout
        plain = stated["name"].lower().startswith(PLAIN_FAMILIES)
        stated |= {"norm": "layer", "bias": not plain, "dropout": not plain, "tied_embeddings": tied}
    return given(stated)


def _experts(row: CsvRow, known: Model | None) -> dict[str, Any] | None:
    """The experts. Their width, where it isn't stated, is a known model's, else that of the feed-forward."""
    experts = whole(row, "n_experts")
    if not experts or experts < 2:
        return None
    width = whole(row, "moe_ffn_hidden")
    if width is None and (known is None or known.moe is None):
        width = whole(row, "ffn_hidden")
    columns = {
        "top_k": whole(row, "experts_per_token"),
        "ffn_hidden": width or None,
        "shared": whole(row, "shared_experts"),
        "leading_dense": whole(row, "dense_layers"),
    }
    return given({"experts": experts} | columns)


def _latent(row: CsvRow) -> dict[str, Any] | None:
    """MLA; the head sizes that no column holds are the catalog model's, or DeepSeek's."""
    rank = whole(row, "kv_lora_rank")
    return given({"kv_lora_rank": rank, "q_lora_rank": whole(row, "q_lora_rank")}) if rank else None
