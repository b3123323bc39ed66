"""Megatron-LM's arguments that describe the model.

Source of flags and defaults: NVIDIA/Megatron-LM @d98e8a64, megatron/training/arguments.py, core/transformer.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from clustersim.errors import Problem
from clustersim.launchers.notes import Draft, in_words
from clustersim.launchers.settings import Settings, whole
from clustersim.launchers.shapes import put_model, vocabulary_of

VOCAB_UNIT = 128  # --make-vocab-size-divisible-by
MOST_LIST = 20_000
GPT2_WORDS, LLAMA_WORDS = 50257, 32000
POSITIONS = {
    "learned_absolute": "learned",
    "rope": "rotary",
    "mrope": "rotary",
    "yarn": "rotary",
    "none": "none",
    "alibi": "alibi",
}


class MegatronModel:
    """Reads the model; the problems of what can't be left out are collected."""

    def __init__(self, settings: Settings, draft: Draft, problems: list[Problem], tensor: int) -> None:
        self.settings, self.draft, self.problems, self.tensor = settings, draft, problems, tensor
        self.fields: dict[str, Any] = {}
        self.assumed: set[str] = set()

    def read(self, noop_layers: int = 0) -> dict[str, Any]:
        """State the model, and return its fields."""
        given = self.settings
        layers = self._required("layers", "num_layers", "encoder_num_layers", "n_layers")
        hidden = self._required("hidden", "hidden_size", "n_embed")
        heads = self._required("heads", "num_attention_heads")
        if None in (layers, hidden, heads):
            return {}
        assert layers is not None
        assert hidden is not None
        assert heads is not None
        fields = self.fields
        fields["layers"] = layers - noop_layers
        fields["hidden"], fields["heads"] = hidden, heads
        self._heads(hidden, heads)
        self._feed_forward(hidden)
        self._words_and_positions()
        self._switches()
        self._attention_pattern()
        if (experts := given.whole("num_experts", "num_moe_experts", "moe_num_experts")) and experts > 1:
            self._experts(experts)
        if given.flag("multi_latent_attention") or given.flag("multi_head_latent_attention"):
            self._latent()
        if modules := given.whole("mtp_num_layers"):
            self._take("mtp_layers", modules, "mtp_num_layers")
        put_model(self.draft, fields, frozenset(self.assumed), given.line("num_layers"))
        return fields

    def _required(self, key: str, *names: str) -> int | None:
        """A size without which there is no model."""
        value, setting = self.settings.whole(*names), self.settings.find(*names)
        if setting is not None and value is not None and 0 < value < 10**9:
            self._take(key, value, *names)
            return value
        if setting is None:
            self.problems.append(Problem(f"--{names[0].replace('_', '-')} isn't given", f"model.{key}"))
        else:
            unknown = (
                f"{setting.unknown} isn't known before a run; --define gives it"
                if setting.unknown
                else "expected a whole number"
            )
            self.problems.append(Problem(f"{setting.name}: {unknown}", f"model.{key}", setting.line))
        return None

    def _take(self, key: str, value: Any, *names: str, why: str = "") -> None:
        """A field from the first of these settings, or Megatron's default where none is given: that is said, too."""
        setting = self.settings.find(*names)
        if setting is None:
            self._default(key, value, f"Megatron's default without --{names[0].replace('_', '-')}")
            return
        self.fields[key] = value
        more = f" ({why})" if why else ""
        self.draft.note(setting.line, f"{setting.text} -> model.{key}: {in_words(value)}{more}", "taken")

    def _default(self, key: str, value: Any, why: str) -> None:
        self.fields[key] = value
        self.draft.note(0, f"model.{key}: {in_words(value)}: {why}", "assumed")

    def _heads(self, hidden: int, heads: int) -> None:
        given = self.settings
        groups = given.whole("num_query_groups", "num_key_value_heads")
        grouped = given.flag("group_query_attention", default=False)
        latent = given.flag("multi_latent_attention") or given.flag("multi_head_latent_attention")
        if grouped and groups and heads % groups == 0:
            self._take("kv_heads", groups, "num_query_groups", "num_key_value_heads")
        else:
            self.fields["kv_heads"] = heads
            setting = given.find("num_query_groups")
            if setting is not None and not grouped and not latent and groups != 1:
                self.draft.note(
                    setting.line, f"{setting.text}: without --group-query-attention Megatron ignores it", "taken"
                )
        size = given.whole("kv_channels")
        if size and size * heads != hidden and not latent:
            self._take("head_dim", size, "kv_channels")
        elif size:
            setting = given.find("kv_channels")
            assert setting is not None
            self.draft.note(setting.line, f"{setting.text}: as the model's other sizes have it", "taken")

    def _feed_forward(self, hidden: int) -> None:
        given = self.settings
        gated = bool(given.flag("swiglu", False) or given.flag("quick_geglu", False) or given.flag("geglu", False))
        name = next((each for each in ("swiglu", "quick_geglu", "geglu") if given.flag(each)), "swiglu")
        self._take("gated", gated, name) if gated else self.fields.update(gated=False)
        given.find("squared_relu", "openai_gelu", "bias_gelu_fusion")
        inner = given.whole("ffn_hidden_size", "encoder_ffn_hidden_size")
        if inner:
            self._take("ffn_hidden", inner, "ffn_hidden_size", "encoder_ffn_hidden_size")
        else:
            usual = hidden * 8 // 3 // 64 * 64 if gated else 4 * hidden  # arguments.py, "Checks"
            self._default("ffn_hidden", usual, "Megatron's default where --ffn-hidden-size isn't given")

    def _words_and_positions(self) -> None:
        given = self.settings
        unit = (given.whole("make_vocab_size_divisible_by") or VOCAB_UNIT) * self.tensor
        padded, stated = given.whole("padded_vocab_size"), given.whole("vocab_size")
        if padded:
            self._take("vocab", padded, "padded_vocab_size")
            given.find("vocab_size")
        elif stated:
            size = -(-stated // unit) * unit
            why = "" if size == stated else f"padded to a multiple of {unit}"
            self._take("vocab", size, "vocab_size", why=why)
        else:
            self._usual_words(unit)
        kind = given.text("position_embedding_type") or "learned_absolute"
        if given.flag("use_rotary_position_embeddings", False):
            kind = "rope"
        position = POSITIONS.get(kind.lower(), "none")
        self._take("position", position, "position_embedding_type", "use_rotary_position_embeddings")
        if position == "learned":
            rows = given.whole("max_position_embeddings") or given.whole("seq_length")
            self._take("max_positions", rows, "max_position_embeddings")
        else:
            given.find("max_position_embeddings", "rotary_base", "rotary_percent", "use_rope_scaling")

    def _usual_words(self, unit: int) -> None:
        """The table that goes with the tokenizer's name, or with the two files of GPT-2's."""
        given = self.settings
        named = (
            "tokenizer_model",
            "tokenizer_name_or_path",
            "vocab_file",
            "hf_tokenizer_path",
            "load",
            "tokenizer_type",
        )
        texts = [setting.text for name in named if (setting := given.find(name)) is not None]
        words = next((words for text in texts if (words := vocabulary_of(text.partition(" ")[2]))), None)
        if words is None and given.given("merge_file"):
            words = GPT2_WORDS
        why = "the tokenizer's"
        if words is None:
            words, why = LLAMA_WORDS, "the tokenizer isn't named; Llama 2's"
            self.assumed.add("vocab")
        size = -(-words // unit) * unit
        self._default("vocab", size, f"{why} {words:,} words, padded to a multiple of {unit}")

    def _switches(self) -> None:
        given = self.settings
        untied = given.flag("untie_embeddings_and_output_weights", False)
        self._take("tied_embeddings", not untied, "untie_embeddings_and_output_weights")
        norm = "rms" if (given.text("normalization") or "LayerNorm").lower().startswith("rms") else "layer"
        self._take("norm", norm, "normalization")
        biased = not given.flag("disable_bias_linear", False)
        if given.given("add_bias_linear"):
            biased = bool(given.flag("add_bias_linear", True))
        self._take("bias", biased, "disable_bias_linear", "add_bias_linear")
        if given.flag("add_qkv_bias", False) and not biased:
            self._take("qkv_bias", True, "add_qkv_bias")
        if given.flag("qk_layernorm", False) and not given.flag("multi_latent_attention", False):
            self._take("qk_norm", True, "qk_layernorm")
        rates = [given.real(name) for name in ("hidden_dropout", "attention_dropout")]
        dropout = (0.1 if rates[0] is None else rates[0]) > 0
        self._take("dropout", dropout, "hidden_dropout")

    def _attention_pattern(self) -> None:
        window = self.settings.find("window_size")
        if window is None:
            return
        reach = whole(
            re.split(r"[,\s]", str(window.value[0] if isinstance(window.value, list) else window.value).strip("([ "))[0]
        )
        if not reach or reach < 0:
            return
        self._take("window", reach + 1, "window_size")
        every = self.settings.text("window_attn_skip_freq")
        pattern = frequency(every, self.fields["layers"], skip=True) if every else None
        self._take(
            "attention_pattern",
            ["full" if full == 0 else "sliding" for full in pattern or [1]],
            "window_attn_skip_freq",
        )

    def _experts(self, experts: int) -> None:
        given = self.settings
        inner = given.whole("moe_ffn_hidden_size", "moe_intermediate_size") or self.fields["ffn_hidden"]
        moe: dict[str, Any] = {
            "experts": experts,
            "top_k": given.whole("moe_router_topk", "topk") or 2,
            "ffn_hidden": inner,
        }
        shared = given.whole("moe_shared_expert_intermediate_size")
        count = given.whole("n_shared_experts")
        if shared:
            moe |= {"shared": shared // inner} if shared % inner == 0 else {"shared": 1, "shared_ffn_hidden": shared}
        elif count:
            moe["shared"] = count
        groups = given.whole("moe_router_num_groups", "n_group")
        if groups and groups > 1:
            moe["groups"] = groups
            if chosen := given.whole("moe_router_group_topk", "topk_group", "moe_router_topk_limited_devices"):
                moe["groups_a_token"] = chosen
        leading = given.whole("first_k_dense_replace")
        if leading and leading > 0:
            moe["leading_dense"] = leading
        self._layers_with_experts(moe, leading)
        self.fields["moe"] = moe
        names = ("num_experts", "num_moe_experts", "moe_num_experts")
        self._take("moe", moe, *names)

    def _layers_with_experts(self, moe: dict[str, Any], leading: int | None) -> None:
        text = (
            self.settings.text("moe_layer_freq")
            if not isinstance(self.settings.value("moe_layer_freq"), list)
            else None
        )
        value = self.settings.value("moe_layer_freq")
        pattern = (
            [whole(item) or 0 for item in value] if isinstance(value, list) else frequency(text, self.fields["layers"])
        )
        if pattern is None:
            return
        if leading is not None and len(set(pattern)) > 1 and not str(text).startswith("("):
            moe["every"] = whole(text) or 1
            return
        dense = [layer for layer, holds in enumerate(pattern[: self.fields["layers"]]) if not holds]
        first = next((layer for layer, holds in enumerate(pattern) if holds), 0)
        if dense == list(range(first)):
            moe |= {"leading_dense": first} if first else {}
            return
        every = whole(text)
        if every and every > 1:
            moe["every"] = every
        else:
            moe |= {"leading_dense": first} if first else {}
            moe["dense_layers"] = [layer for layer in dense if layer >= first]

    def _latent(self) -> None:
        given = self.settings
        latent = {
            "kv_lora_rank": given.whole("kv_lora_rank") or 32,
            "qk_nope_head_dim": given.whole("qk_head_dim", "qk_nope_head_dim") or 128,
            "qk_rope_head_dim": given.whole("qk_pos_emb_head_dim", "qk_rope_head_dim") or 64,
            "v_head_dim": given.whole("v_head_dim") or 128,
        }
        if compressed := given.whole("q_lora_rank"):
            latent["q_lora_rank"] = compressed
        given.find("qk_layernorm")
        self._take("latent", latent, "kv_lora_rank")


def frequency(text: str | None, layers: int, *, skip: bool = False) -> list[int] | None:
    """Megatron's layer pattern: N, every N-th layer (the first with experts; the N-th without a window), or a list.

    A list is an expression of whole numbers, `([0]*3+[1]*58)`, reckoned here. None where it is none.
    """
    every = whole(text)
    if every is not None and every > 0:
        return [
            int((layer + 1) % every != 0) if skip else int(layer % every == 0)
            for layer in range(min(layers, MOST_LIST))
        ]
    if text is None or len(text) > 5000 or not re.fullmatch(r"[\d,\[\]()+*\s]+", text):
        return None
    try:
        found = _listed(ast.parse(text.strip(), mode="eval").body, 0)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return found if isinstance(found, list) else None


def _listed(node: ast.expr, depth: int) -> list[int] | int:
    if depth > 200:
        raise ValueError("too deep")
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.List):
        return [found for item in node.elts if isinstance(found := _listed(item, depth + 1), int)]
    if isinstance(node, ast.BinOp):
        left, right = _listed(node.left, depth + 1), _listed(node.right, depth + 1)
        if isinstance(node.op, ast.Add) and isinstance(left, list) and isinstance(right, list):
            return left + right
        if isinstance(node.op, ast.Mult):
            if isinstance(left, int):
                left, right = right, left
            if isinstance(left, list) and isinstance(right, int) and 0 <= len(left) * right <= MOST_LIST:
                return left * right
    raise ValueError("no list of whole numbers")
