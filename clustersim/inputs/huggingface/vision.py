"""How many parameters the vision towers of vision-language models have, with the projectors behind them.

Shapes: `transformers/models/<type>/modeling_<type>.py` of transformers 5.24.0; the counts of the configurations that
the tests hold were made by building the classes themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from clustersim.errors import Problem
from clustersim.inputs.huggingface.config import Config, Fields
from clustersim.inputs.huggingface.defaults import Defaults
from clustersim.inputs.model import MOST_LAYERS

Tower = Callable[[Config, int], int]  # of the vision section and the decoder's hidden size

_SIGLIP: Defaults = {"hidden_size": 768, "num_hidden_layers": 12, "intermediate_size": 3072, "patch_size": 16}
_CLIP: Defaults = _SIGLIP | {"patch_size": 32, "image_size": 224}
_QWEN: Defaults = {"depth": 32, "patch_size": 14, "temporal_patch_size": 2, "spatial_merge_size": 2, "in_channels": 3}
_QWEN3: Defaults = _QWEN | {
    "depth": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "patch_size": 16,
    "num_position_embeddings": 2304,
    "out_hidden_size": None,
}


def encoder_block(width: int, inner: int) -> int:
    """Parameters of a ViT layer: four square matrices, two of the feed-forward, biases, two layer norms."""
    return 4 * width**2 + 2 * width * inner + 9 * width + inner


def siglip(config: Config, hidden: int) -> int:
    """Gemma 3: SigLIP and one projection behind a norm."""
    width, patch = config.size("hidden_size"), config.size("patch_size")
    positions = (config.size("image_size") // patch) ** 2
    tower = _layers(config) * encoder_block(width, config.size("intermediate_size"))
    return tower + 3 * patch**2 * width + width + positions * width + 2 * width + width * hidden + width


def clip(config: Config, hidden: int) -> int:
    """LLaVA: CLIP, with a class token and a norm before and after, and a projector of two matrices with biases."""
    width, patch = config.size("hidden_size"), config.size("patch_size")
    positions = (config.size("image_size") // patch) ** 2 + 1
    tower = _layers(config) * encoder_block(width, config.size("intermediate_size"))
    ends = 3 * patch**2 * width + width + positions * width + 4 * width
    return tower + ends + width * hidden + hidden + hidden**2 + hidden


def pixtral(config: Config, hidden: int) -> int:
    """Mistral 3: Pixtral (gated, no biases), patches merged by four, two matrices behind a norm."""
    width, patch = config.size("hidden_size"), config.size("patch_size")
    block = 4 * width**2 + 3 * width * config.size("intermediate_size") + 2 * width
    ends = 3 * patch**2 * width + width
    return _layers(config) * block + ends + width + 4 * width**2 + width * hidden + hidden**2


def qwen2_vl(config: Config, hidden: int) -> int:
    """Qwen2-VL: `hidden_size` of its section is the decoder's; feed-forward four times the width by default."""
    width = config.size("embed_dim")
    inner = round(width * config.number("mlp_ratio", 0.25, 64.0, "a ratio"))
    return (
        config.size("depth", most=MOST_LAYERS) * encoder_block(width, inner)
        + _patches(config, width)
        + _merger(config, width, hidden, norm=2)
    )


def qwen2_5_vl(config: Config, hidden: int) -> int:
    """Qwen2.5-VL: gated with biases, RMS norms."""
    width, inner = config.size("hidden_size"), config.size("intermediate_size")
    block = 4 * width**2 + 4 * width + 3 * width * inner + 2 * inner + width + 2 * width
    out = config.maybe_size("out_hidden_size") or hidden
    layers = config.size("depth", most=MOST_LAYERS)
    return layers * block + _patches(config, width) + _merger(config, width, out, norm=1)


def qwen3_vl(config: Config, hidden: int) -> int:
    """Qwen3-VL and Qwen3.5: learned positions, and a merger more for each layer whose features go to the decoder."""
    width, out = config.size("hidden_size"), config.maybe_size("out_hidden_size") or hidden
    blocks = config.size("depth", most=MOST_LAYERS) * encoder_block(width, config.size("intermediate_size"))
    positions = config.size("num_position_embeddings") * width
    deep = len(config.entries("deepstack_visual_indexes", int, "layer numbers"))
    merged = config.size("spatial_merge_size") ** 2 * width
    merger = _merger(config, width, out, norm=0)
    tower = blocks + _patches(config, width) + width + positions
    return tower + merger + 2 * width + deep * (merger + 2 * merged)


def gemma4(config: Config, hidden: int) -> int:
    """Gemma 4: gated, four norms a layer, norms on queries and keys, two position tables."""
    width, head = config.size("hidden_size"), config.size("head_dim")
    block = 4 * width**2 + 3 * width * config.size("intermediate_size") + 4 * width + 2 * head
    tables = 2 * config.size("position_embedding_size") * width + 3 * config.size("patch_size") ** 2 * width
    return _layers(config) * block + tables + width * hidden


def llama4(config: Config, hidden: int) -> int:
    """Llama 4: a class token, learned positions, pixels shuffled into an adapter of two matrices, one projection."""
    width, inner, patch = config.size("hidden_size"), config.size("intermediate_size"), config.size("patch_size")
    positions = (config.size("image_size") // patch) ** 2 + 1
    adapter = inner * config.size("projector_input_dim") + config.size("projector_output_dim") ** 2
    ends = 3 * patch**2 * width + width + positions * width + 4 * width
    blocks = _layers(config) * encoder_block(width, inner)
    return blocks + ends + adapter + config.size("vision_output_dim") * hidden


def kimi(config: Config, hidden: int) -> int:
    """Kimi K2.5: MoonViT and a merger of two by two patches behind a norm."""
    width, inner = config.size("vt_hidden_size"), config.size("vt_intermediate_size")
    blocks = config.size("vt_num_hidden_layers", most=MOST_LAYERS) * encoder_block(width, inner)
    positions = config.size("init_pos_emb_height") * config.size("init_pos_emb_width") * width
    merged = 4 * width
    projector = 2 * width + merged**2 + merged + merged * hidden + hidden
    return blocks + positions + 3 * config.size("patch_size") ** 2 * width + width + 2 * width + projector


TOWERS: dict[str, tuple[Defaults, Tower]] = {  # by what stands outside, and by the tower's own type
    "gemma3": (_SIGLIP | {"image_size": 224}, siglip),
    "gemma4": ({"position_embedding_size": 10240, "head_dim": 64, "patch_size": 16}, gemma4),
    "kimi_k25": (
        {
            "vt_hidden_size": 1152,
            "vt_intermediate_size": 4304,
            "vt_num_hidden_layers": 27,
            "patch_size": 14,
            "init_pos_emb_height": 64,
            "init_pos_emb_width": 64,
        },
        kimi,
    ),
    "llama4": (
        {
            "hidden_size": 768,
            "num_hidden_layers": 34,
            "intermediate_size": 5632,
            "image_size": 448,
            "patch_size": 14,
            "projector_input_dim": 4096,
            "projector_output_dim": 4096,
            "vision_output_dim": 7680,
        },
        llama4,
    ),
    "llava": (_CLIP, clip),
    "mistral3": ({"hidden_size": 1024, "num_hidden_layers": 24, "intermediate_size": 4096, "patch_size": 16}, pixtral),
    "qwen2_vl": (_QWEN | {"embed_dim": 1280, "mlp_ratio": 4}, qwen2_vl),
    "qwen2_5_vl": (_QWEN | {"hidden_size": 3584, "intermediate_size": 3420, "out_hidden_size": None}, qwen2_5_vl),
    "qwen3_5": (_QWEN3, qwen3_vl),
    "qwen3_5_moe": (_QWEN3, qwen3_vl),
    "qwen3_vl": (_QWEN3 | {"deepstack_visual_indexes": [8, 16, 24]}, qwen3_vl),
    "qwen3_vl_moe": (_QWEN3 | {"deepstack_visual_indexes": [8, 16, 24]}, qwen3_vl),
}


def vision_of(kind: str, section: Mapping[str, object], hidden: int, problems: list[Problem]) -> Fields:
    """The tower of a model of this outer type, counted; what is wrong with its section is added to `problems`."""
    filled_in, count = TOWERS[kind]
    config = Config(section, filled_in)
    parameters = count(config, hidden)
    problems += [Problem(found.message, f"vision_config.{found.key}") for found in config.problems]
    return {"kind": kind, "parameters": float(max(1, parameters))}


def _layers(config: Config) -> int:
    return config.size("num_hidden_layers", most=MOST_LAYERS)


def _patches(config: Config, width: int) -> int:
    """The projection of patches in space and time."""
    channels = config.size(config.first("in_channels", "in_chans"))
    return channels * config.size("temporal_patch_size") * config.size("patch_size") ** 2 * width


def _merger(config: Config, width: int, out: int, norm: int) -> int:
    """Two matrices with biases over patches that were merged, behind a norm of `norm` vectors."""
    merged = config.size("spatial_merge_size") ** 2 * width
    return norm * width + merged**2 + merged + merged * out + out
