"""Types that are no decoder of text, or one whose layers nobody has built here: why each is refused."""

from __future__ import annotations

ENCODER = "an encoder of text that masks nothing: it generates no tokens, and clustersim plays decoders"
BOTH = "an encoder and a decoder with cross-attention: clustersim plays decoders alone"
SPEECH = "an encoder of speech beside a decoder with cross-attention: clustersim plays decoders of text alone"
CROSS = "layers of cross-attention to what an image encoder makes: they are not built"
RECURRENT = "layers that keep a state by RWKV's time mixing: they are not built"

REFUSED = {
    "albert": ENCODER,
    "bert": ENCODER,
    "deberta-v2": ENCODER,
    "distilbert": ENCODER,
    "electra": ENCODER,
    "modernbert": ENCODER,
    "roberta": ENCODER,
    "xlm-roberta": ENCODER,
    "bart": BOTH,
    "mbart": BOTH,
    "mt5": BOTH,
    "pegasus": BOTH,
    "t5": BOTH,
    "t5gemma": BOTH,
    "umt5": BOTH,
    "seamless_m4t": SPEECH,
    "speech_to_text": SPEECH,
    "whisper": SPEECH,
    "mllama": CROSS,
    "mllama_text_model": CROSS,
    "rwkv": RECURRENT,
    "rwkv5": RECURRENT,
    "rwkv6": RECURRENT,
    "rwkv7": RECURRENT,
    "clip": "a pair of encoders of images and text: it generates no tokens",
    "siglip": "a pair of encoders of images and text: it generates no tokens",
    "vit": "an encoder of images: it generates no tokens",
    "kimi_k3": (
        "experts between projections to a narrower width (routed_expert_hidden_size) and residual banks "
        "(attn_res_block_size): neither is built, nor published beyond the file"
    ),
    "gemma3n": "a MobileNet that sees: its shapes are not in the file. The language model alone: --as gemma3n_text",
}
