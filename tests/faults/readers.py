"""Every way for something from outside into clustersim: a file as it should be, and the command that reads it."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from faults.mutations import as_yaml, changed, changed_table, condition, odd, stretched, torn
from small_catalog import ENTRIES

from clustersim.studies.timing.table_file import COLUMNS
from clustersim.studies.validation.validation import packaged_rows

LAUNCHERS = sorted(
    path
    for path in (Path(__file__).parents[1] / "data" / "launchers").rglob("*.*")
    if not path.name.endswith(".expected.yaml")
)

MODEL: dict[str, Any] = {
    "name": "small", "layers": 4, "hidden": 512, "heads": 8, "kv_heads": 4, "ffn_hidden": 1024, "gated": True,
    "vocab": 1000, "window": 128, "attention_pattern": ["full", "sliding"],
    "moe": {"experts": 8, "top_k": 2, "ffn_hidden": 256, "shared": 1, "shared_ffn_hidden": 256, "leading_dense": 1},
}  # fmt: skip
CLUSTER: dict[str, Any] = {
    "node": {
        "name": "box", "accelerator": {"extends": "a100-sxm-80gb", "power": "500 W", "price": "2 USD/h"},
        "devices": 8, "scale_up_domain": 8,
        "scale_up": {"kind": "switched", "bandwidth": "300 GB/s", "latency": "5 us"},
        "scale_out": {"kind": "tree", "bandwidth": "200 Gb/s", "latency": "10 us", "efficiency": "90 %"},
    },
    "nodes": 2, "price": "$2/h", "power_usage_effectiveness": 1.3, "slow_nodes": 1,
    "slow_factor": 1.2, "jitter": 0.01,
}  # fmt: skip
TRAINING: dict[str, Any] = {
    "sequence_length": 256, "global_batch": 32, "tokens": "1B", "precision": "bf16", "document_length": 128,
    "router": "balanced", "capacity_factor": 1.25, "optimizer": "adam",
}  # fmt: skip
LAYOUT: dict[str, Any] = {
    "tensor": 2, "pipeline": 2, "virtual_stages": 1, "data": "auto", "context": 1, "expert": 2, "micro_batch": 1,
    "recompute": "selective", "schedule": "1f1b", "sharding": "zero1", "overlap": ["grad_reduce"],
}  # fmt: skip
RELIABILITY: dict[str, Any] = {
    "name": "mine",
    "failures": {
        "gpu": {"rate": "6.5 /1000 d", "of": "node", "replaces": "40 %", "infant": {"factor": 3, "decay": "10 d"}},
        "network": {"rate": "1e-4 /h", "of": "job", "detection": "30 s", "diagnosis": "1 min"},
    },
    "checkpoint": {"interval": "30 min", "mode": "synchronous", "bandwidth": "10 GB/s"},
    "restart": {"scheduling": "2 min", "initialisation": "1 min", "loading": "1 min"},
    "repair": "1 d", "spares": 1, "detection": "1 min",
    "stragglers": {"rate": "1e-3 /d", "factor": 1.2, "lasts": "1 h"},
}  # fmt: skip
SCENARIO: dict[str, Any] = {
    "name": "fuzzed", "model": MODEL, "cluster": CLUSTER, "training": TRAINING, "layout": LAYOUT,
    "stack": {"extends": "megatron-core-2025", "buffers": "1 GiB", "sustained": 0.9}, "reliability": RELIABILITY,
    "seed": 3, "notes": ["a note"],
}  # fmt: skip
SWEEP: dict[str, Any] = {
    "name": "fuzzed", "base": {**SCENARIO, "reliability": "llama3-h100"},
    "points": {"layout.micro_batch": "1..2", "cluster.node.scale_up.bandwidth": ["200 GB/s", "300 GB/s"]},
    "zip": {"cluster.nodes": [2, 4], "training.global_batch": [32, 64]}, "seeds": 1,
    "figures": [{"x": "devices", "y": "mfu", "by": "layout.micro_batch", "title": "t", "log_x": True}],
}  # fmt: skip
CLAIM: dict[str, Any] = {
    "name": "fuzzed",
    "source": {"text": "t", "date": "2025-04-28", "who": "w", "reliability": "rumour", "links": ["https://a.b"]},
    "given": {"model": MODEL, "cluster": {"node": "dgx-a100-80gb"}, "training": TRAINING,
              "stack": "megatron-core-2025"},
    "open": {"cluster.nodes": [1, 2], "layout": "search", "stack.sustained": {"from": 0.7, "to": 0.9}},
    "assert": [
        {"id": "u", "metric": "utilization", "value": "40 %", "definition": "unstated"},
        {"id": "c", "metric": "achieved_flops", "op": "==", "value": "5 PFLOP/s", "tolerance": "5 %"},
        {"id": "d", "metric": "training_days", "value": "10 days"}, {"id": "p", "metric": "parameters", "value": "20M"},
        {"id": "o", "metric": "output_token_price", "value": "0.27 USD"},
        {"id": "b", "metric": "data_bytes", "value": "5 TB"}, {"id": "$", "metric": "cost_usd", "value": "$1M"},
    ],
    "relations": [
        {"id": "a", "same": "devices", "change": {"cluster.node": "dgx-h100"},
         "assert": {"metric": "achieved_flops_ratio", "value": "91 %", "op": "=="}},
        {"id": "s", "list_price": "gpt-4o", "assert": {"metric": "token_price_saving", "value": "97 %"}},
    ],
    "assumptions": ["one"],
}  # fmt: skip
SERVING: dict[str, Any] = {
    "model": "llama-3.1-8b", "node": "dgx-h100", "stack": "generic-2025", "precision": "fp8",
    "prefill": {"devices": 8, "tensor": 8, "micro_batches": 1, "time_to_first_token": "1 s"},
    "decode": {"devices": 8, "tensor": 8, "micro_batches": 1, "time_per_token": "40 ms"},
    "traffic": {"prompt": 2000, "output": 400}, "price": "2 USD/h", "devices": 64,
    "published": {"prefill": 1000, "decode": 500, "nodes": 10, "cost_per_day": 1000, "source": "x"},
}  # fmt: skip
CONFIGS: tuple[dict[str, Any], ...] = (
    {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 512, "intermediate_size": 1024,
        "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 1000, "head_dim": 64,
        "tie_word_embeddings": True, "max_position_embeddings": 4096, "torch_dtype": "bfloat16",
    },
    {
        "model_type": "deepseek_v3", "hidden_size": 512, "intermediate_size": 1024, "moe_intermediate_size": 128,
        "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 8, "vocab_size": 1000,
        "n_routed_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": 1, "first_k_dense_replace": 1,
        "q_lora_rank": 64, "kv_lora_rank": 32, "qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "v_head_dim": 32,
        "num_nextn_predict_layers": 1, "moe_layer_freq": 1, "tie_word_embeddings": False,
    },
    {
        "model_type": "gemma3_text", "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 6,
        "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 1000, "head_dim": 64, "sliding_window": 64,
        "layer_types": ["sliding_attention"] * 5 + ["full_attention"],
    },
)  # fmt: skip
SMALL_RUN = [
    "--cluster", "{node: dgx-a100-80gb, nodes: 1}", "--sequence-length", "256", "--global-batch", "32",
    "--layout", "tensor=2,data=auto,micro_batch=1", "--stack", "megatron-core-2025",
]  # fmt: skip
SETTINGS = [
    "layout.tensor=4", "layout.pipeline=4", "training.global_batch=64", "model=gpt3-13b", "cluster.nodes=4",
    "layout.micro_batch=2", "cluster.node.scale_up.bandwidth=300 GB/s", "stack.sustained=0.9", "model.layers=8",
    "layout.recompute={layers: 2}", "training.tokens=300B", "reliability=llama3-h100", "layout=search", "seed=7",
    "model={extends: gpt3-13b, layers: 4}", "cluster.node.accelerator.power=300 W", "layout.where=tensor <= 8",
]  # fmt: skip
MEGATRON = (
    " [2024-05-01 10:00:00] iteration {0:8d}/  500000 | consumed samples: {0} | elapsed time per iteration (ms): "
    "{1} | throughput per GPU (TFLOP/s/GPU): 150.1 | global batch size:    64 |"
)
TORCHTITAN = (
    "\x1b[32m[rank0]:2025-01-01 root - INFO - step: {0:2d}  loss: 8.1  memory: 47.1GiB(49%)  tps: {1}  mfu: 40%"
)

Made = Callable[[random.Random, Path], list[str]]


@dataclass(frozen=True)
class Reader:
    """A way in: writes mutated files into a folder and says which command reads them."""

    name: str
    make: Made
    share: float = 1.0  # of the cases


def _document(name: str, document: dict[str, Any], *command: str) -> Made:
    def make(draw: random.Random, folder: Path) -> list[str]:
        (folder / name).write_bytes(_bytes(as_yaml(changed(document, draw), draw)))
        return [*command]

    return make


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogatepass")


def _config(draw: random.Random, folder: Path) -> list[str]:
    text = json.dumps(changed(draw.choice(CONFIGS), draw), skipkeys=True)
    (folder / "config.json").write_bytes(_bytes(torn(text, draw) if draw.random() < 0.2 else text))
    return ["show", "models", "config.json"] if draw.random() < 0.2 else ["run", "config.json", *SMALL_RUN, "--json"]


def _measured(draw: random.Random, folder: Path) -> list[str]:
    with packaged_rows().open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    some = draw.sample(rows, 3)
    (folder / "rows.csv").write_bytes(_bytes(changed_table(list(rows[0]), some, draw)))
    if draw.random() < 0.2:
        return ["calibrate", "rows.csv", "--only", "memory_factor", "--json"]
    return ["validate", "rows.csv", "--json"]


def _log(draw: random.Random, folder: Path) -> list[str]:
    template = draw.choice([MEGATRON, TORCHTITAN])
    figures = [f"{draw.uniform(900, 1100):.1f}" for _ in range(8)]
    for _ in range(draw.choice([0, 1, 2])):
        figures[draw.randrange(8)] = str(odd(draw))
    text = "\n".join(template.format(step, figure) for step, figure in enumerate(figures))
    (folder / "train.log").write_bytes(_bytes(torn(text, draw) if draw.random() < 0.7 else text))
    return [
        "calibrate",
        "--log",
        "train.log",
        "gpt3_175b_a100",
        "--extends",
        "megatron-lm-2022",
        "--only",
        "memory_factor",
    ]


def _entry(draw: random.Random, folder: Path) -> list[str]:
    """A user's own catalog with one entry that is wrong."""
    broken = draw.choice(sorted(ENTRIES))
    for name, text in ENTRIES.items():
        place = folder / "catalog" / f"{name}.yaml"
        place.parent.mkdir(parents=True, exist_ok=True)
        entry = yaml.safe_load(text)
        place.write_bytes(_bytes(as_yaml(changed(entry, draw) if name == broken else entry, draw)))
    section, _, name = broken.partition("/")
    if draw.random() < 0.3:
        return ["show", section, name, "--json"]
    scenario = {
        "model": draw.choice(["tiny", "tiny-moe"]), "stack": "acme-soft-2025", "layout": {"tensor": 2, "data": "auto"},
        "cluster": draw.choice([{"accelerator": "acme-two", "nodes": 2}, "acme-64"]),
        "training": {"sequence_length": 256, "global_batch": 64},
    }  # fmt: skip
    (folder / "scenario.yaml").write_text(yaml.safe_dump(scenario))
    return ["run", "scenario.yaml", "--json"]


def _set(draw: random.Random, folder: Path) -> list[str]:
    words: list[str] = []
    for _ in range(draw.choice([1, 1, 2])):
        key, _, value = draw.choice(SETTINGS).partition("=")
        value = draw.choice([str(odd(draw)), value, torn(value, draw)])
        words += [
            "--set",
            f"{draw.choice([key, key, key, key[:-1], f'{key}.x'])}{draw.choice(['=', '=', '=', ''])}{value}",
        ]
    return [
        "run",
        "gpt3_175b_a100",
        "--json",
        "--set",
        "training.global_batch=64",
        *(w.replace("\0", "") for w in words),
    ]


def _where(draw: random.Random, folder: Path) -> list[str]:
    return ["search", "small.yaml", "--quick", "--json", "--top", "1", "--where", condition(draw).replace("\0", "")]


def _axes(draw: random.Random, folder: Path) -> list[str]:
    words = [draw.choice(SETTINGS[:8]) for _ in range(draw.choice([1, 2]))]
    at = draw.randrange(len(words))
    words[at] = f"{words[at]}{draw.choice([',', '..', ' x2', ''])}{odd(draw)}"
    return ["sweep", "small.yaml", *(word.replace("\0", "") for word in words), "--json", "--workers", "1"]


def _table(draw: random.Random, folder: Path) -> list[str]:
    columns = [
        "point",
        "cluster.nodes",
        "devices",
        "model",
        "accelerator",
        "mfu",
        "mfu_low_80",
        "mfu_high_80",
        "status",
    ]
    rows = [
        dict(
            zip(
                columns,
                [str(n), str(n + 1), str(8 * n + 8), "m", "a", f"0.{n + 1}", "0.05", "0.9", "done"],
                strict=True,
            )
        )
        for n in range(4)
    ]
    (folder / "t.csv").write_bytes(_bytes(changed_table(columns, rows, draw)))
    return ["plot", "t.csv", "--x", "devices", "--y", draw.choice(["mfu", "mfu", "model"]), "-o", "out.svg", "--json"]


PIECES = [
    {"id": "a", "rank": "0", "chunk": "gemm", "stage": "1", "group": "", "bytes": "", "seconds": "0.05", "note": "n"},
    {"id": "b", "rank": "0", "chunk": "all-gather", "stage": "", "group": "tensor", "bytes": "1e6", "seconds": "1e-4",
     "note": ""},
]  # fmt: skip
TRACE: dict[str, Any] = {
    "schemaVersion": 1, "distributedInfo": {"backend": "nccl", "rank": 0, "world_size": 8},
    "traceEvents": [
        {"ph": "X", "cat": "user_annotation", "name": "ProfilerStep#3", "ts": 0, "dur": 900},
        {"ph": "X", "cat": "kernel", "name": "sm80_xmma_gemm_bf16", "ts": 1, "dur": 300.5, "args": {"stream": 7}},
        {"ph": "X", "cat": "kernel", "name": "vectorized_elementwise_kernel", "ts": 400, "dur": 100},
        {"ph": "X", "cat": "kernel", "name": "ncclDevKernel_AllGather_RING_LL", "ts": 500, "dur": 50,
         "args": {"Collective name": "_allgather_base", "In msg nelems": 1048576, "Out msg nelems": 2097152,
                  "Group size": 2, "dtype": "BFloat16", "Process Group Description": "TENSOR_GROUP"}},
    ],
}  # fmt: skip
KERNELS = [
    dict(zip(COLUMNS, ("measured", "x", "a100-sxm-80gb", *cells), strict=True))
    for cells in (
        ("gemm", "M=4096 N=4096 K=4096", "1", "1", "bf16", "240.5", "TFLOP/s"),
        ("gemm", "M=1024 N=4096 K=4096", "1", "1", "bf16", "200", "TFLOP/s"),
        ("attention_fwd", "batch=1, seq_len=4096, head_num=32", "1", "1", "bf16", "150", "TFLOP/s (causal)"),
        ("copy", "1073741824", "1", "1", "bf16", "1700", "GB/s"),
        ("launch_host", "a sum", "1", "1", "fp32", "5", "us"),
        ("allreduce", "16777216", "8", "1", "bf16", "180", "GB/s busbw"),
        ("allgather", "16777216", "16", "2", "bf16", "20", "GB/s busbw"),
    )
]
FIT_SMALL = ["small.yaml", "--extends", "megatron-core-2025", "--only", "memory_factor,sustained", "--json"]


def _chunks(draw: random.Random, folder: Path) -> list[str]:
    (folder / "chunks.csv").write_bytes(_bytes(changed_table(list(PIECES[0]), PIECES, draw)))
    return ["calibrate", "--chunks", "chunks.csv", *FIT_SMALL]


def _trace(draw: random.Random, folder: Path) -> list[str]:
    text = json.dumps(changed(TRACE, draw), skipkeys=True)
    content = _bytes(torn(text, draw) if draw.random() < 0.3 else text)
    if draw.random() < 0.3:
        content = gzip.compress(content)[: None if draw.random() < 0.7 else draw.randrange(200)]
    (folder / "trace.json").write_bytes(content)
    return ["calibrate", "--trace", "trace.json", *FIT_SMALL]


def _kernels(draw: random.Random, folder: Path) -> list[str]:
    (folder / "k.csv").write_bytes(_bytes(changed_table(list(COLUMNS), KERNELS, draw)))
    return ["calibrate", "--kernels", "k.csv", "--chip", "a100-sxm-80gb", "--json", "-o", "node.yaml"]


def _predictions(draw: random.Random, folder: Path) -> list[str]:
    with packaged_rows().open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["source"].startswith("korthikanti")][:2]
    with (folder / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    columns = ["id", "step_time_s", "low", "high"]
    said = [dict(zip(columns, (row["id"], "10.5", "9", "12"), strict=True)) for row in rows]
    (folder / "p.csv").write_bytes(_bytes(changed_table(columns, said, draw)))
    return ["validate", "rows.csv", "--predictions", "p.csv", "--json"]


def _launcher(draw: random.Random, folder: Path) -> list[str]:
    """A launcher's file, torn, its numbers stretched, its flags given odd values."""
    source = draw.choice(LAUNCHERS)
    words = source.read_text(encoding="utf-8").split(" ")
    for _ in range(draw.choice([1, 1, 2, 4])):
        at = draw.randrange(len(words))
        words[at] = draw.choice([str(odd(draw)), str(stretched(words[at], draw)), "", "$((", "${X:-$X}", "`"])
    text = " ".join(words)
    (folder / source.name).write_bytes(_bytes(torn(text, draw) if draw.random() < 0.2 else text))
    return ["import", source.name, "--json", *draw.choice([[], ["--cluster", "4xdgx-h100"]])]


SMALL = {**SCENARIO, "cluster": {"node": "dgx-a100-80gb", "nodes": 1}}
del SMALL["reliability"]

READERS = (
    Reader("scenario", _document("s.yaml", SCENARIO, "run", "s.yaml", "--json", "--seeds", "2"), 2.5),
    Reader("sweep", _document("s.yaml", SWEEP, "sweep", "s.yaml", "--json", "--workers", "1"), 1.5),
    Reader("claim", _document("c.yaml", CLAIM, "check", "c.yaml", "--json", "--workers", "1"), 1.5),
    Reader("serving", _document("s.yaml", SERVING, "serve", "s.yaml", "--json"), 1.0),
    Reader("config", _config, 1.0),
    Reader("measured", _measured, 0.8),
    Reader("log", _log, 0.4),
    Reader("entry", _entry, 1.0),
    Reader("set", _set, 0.8),
    Reader("where", _where, 0.6),
    Reader("axes", _axes, 0.6),
    Reader("table", _table, 0.4),
    Reader("launcher", _launcher, 1.0),
    Reader("chunks", _chunks, 0.4),
    Reader("trace", _trace, 0.6),
    Reader("kernels", _kernels, 0.4),
    Reader("predictions", _predictions, 0.4),
)
