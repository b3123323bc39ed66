"""Rows of measured runs: every column, empty cells, what stands in, and cells that can't be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clustersim.errors import InputError
from clustersim.inputs.catalog import load, names
from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.studies.measured import runs, software
from clustersim.studies.measured.csv_cells import REQUIRED, CsvRow, read_rows
from clustersim.studies.measured.runs import MeasuredRun, measured_run
from clustersim.studies.validation.validation import packaged_tables, validate_row

ROW = {
    "id": "one",
    "source": "somebody",
    "year": "2022",
    "quality": "complete",
    "accelerator": "a100-sxm-80gb",
    "stack": "megatron-lm-2022",
    "model": "GPT of nobody",
    "layers": "32",
    "hidden": "4096",
    "heads": "32",
    "kv_heads": "32",
    "ffn_hidden": "16384",
    "gated_mlp": "0",
    "vocab": "51200",
    "seq_len": "2048",
    "global_batch_seqs": "512",
    "micro_batch": "2",
    "precision": "bf16",
    "n_devices": "64",
    "devices_per_node": "8",
    "tp": "4",
    "pp": "2",
    "dp": "8",
    "measured_step_time_s": "10.5",
    "group": "g",
}


def run(**cells: str) -> MeasuredRun:
    return measured_run(ROW | cells)


def scenario(**cells: str) -> Scenario:
    return load_scenario(run(**cells).mapping)


def problem(**cells: str) -> str:
    with pytest.raises(InputError) as caught:
        run(**cells)
    (found,) = caught.value.problems
    assert caught.value.source == cells.get("id", "one")
    return f"{found.key}: {found.message}"


def test_a_row_becomes_the_scenario_that_ran() -> None:
    found = scenario()
    model, layout = found.model, found.resolved_layout
    assert (model.layers, model.hidden, model.heads, model.ffn_hidden, model.vocab) == (32, 4096, 32, 16384, 51200)
    assert (layout.tensor, layout.pipeline, layout.data, layout.micro_batch) == (4, 2, 8, 2)
    assert (found.training.sequence_length, found.training.global_batch) == (2048, 512)
    assert found.cluster.devices == 64
    assert (run().measured_step_time_s, run().group, run().notes) == (10.5, "g", ())


COLUMNS: list[tuple[str, str, str, Any]] = [
    ("kv_heads", "8", "model.kv_heads", 8),
    ("head_dim", "256", "model.head_dim", 256),
    ("mtp_layers", "1", "model.mtp_layers", 1),
    ("gated_mlp", "1", "model.gated", True),
    ("position", "alibi", "model.position", "alibi"),
    ("position", "RoPE", "model.position", "rotary"),
    ("document_len", "512", "training.document_length", 512),
    ("precision", "tf32", "training.precision", "tf32"),
    ("grad_reduce_precision", "bf16", "training.grad_reduce_precision", "bf16"),
    ("vpp", "4", "layout.virtual_stages", 4),
    ("cp", "1", "layout.context", 1),
    ("micro_batch", "4", "layout.micro_batch", 4),
    ("sequence_parallel", "0", "layout.sequence_parallel", False),
    ("sequence_parallel", "1", "layout.sequence_parallel", True),
    ("stage_layers", "15|17", "layout.stage_layers", (15, 17)),
    ("overlap", "grad_reduce|param_gather", "layout.overlap", {"grad_reduce", "param_gather"}),
    ("overlap", "none", "layout.overlap", set()),
    ("sharding", "none(DDP)", "layout.sharding", "none"),
    ("sharding", "DeepSpeed ZeRO-0", "layout.sharding", "none"),
    ("sharding", "distributed-optimizer(ZeRO-1)", "layout.sharding", "zero1"),
    ("sharding", "parallel-optimizer", "layout.sharding", "zero1"),
    ("sharding", "FSDP-SHARD_GRAD_OP(ZeRO-2)", "layout.sharding", "zero2"),
    ("sharding", "FSDP=64 (0)", "layout.sharding", "fsdp"),
    ("sharding", "HYBRID_SHARD", "layout.sharding", "hybrid"),
    ("recompute", "full", "layout.recompute", "full"),
    ("recompute", "none", "layout.recompute", "none"),
    ("recompute", "partial", "layout.recompute", "selective"),
    ("flash_attention", "1", "stack.fused_attention", True),
    ("flash_attention", "0", "stack.fused_attention", False),
    ("dispatcher", "alltoall", "layout.dispatcher", "alltoall"),
    ("dispatcher", "all-gather", "layout.dispatcher", "allgather"),
    ("dispatcher", "DeepEP", "layout.dispatcher", "deepep"),
    ("zero_group", "8", "layout.zero_group", 8),
    ("fp8_recipe", "blockwise", "training.fp8_recipe", "blockwise"),
    ("fp8_recipe", "tensorwise", "training.fp8_recipe", "per-tensor"),
    ("fp8_recipe", "delayed", "training.fp8_recipe", "per-tensor"),
    ("fp8_recipe", "", "training.fp8_recipe", "per-tensor"),
    ("offload", "optimizer", "layout.offload", "optimizer"),
    ("offload", "activations", "layout.offload", "activations"),
    ("offload", "none", "layout.offload", "none"),
    ("schedule", "GPipe", "layout.schedule", "gpipe"),
    ("node_network_gbps", "800", "cluster.node.scale_out.bandwidth", 12.5e9),
    ("scale_up_domain", "16", "cluster.node.scale_up_domain", 16),
    ("devices_per_node", "4", "cluster.node.devices", 4),
]


@pytest.mark.parametrize(("column", "cell", "key", "expected"), COLUMNS)
def test_every_column_is_read(column: str, cell: str, key: str, expected: object) -> None:
    found: Any = scenario(**{column: cell})
    for name in key.split("."):
        found = getattr(found, name)
    assert found == expected


def test_columns_of_mixtures() -> None:
    cells = {
        "n_experts": "16",
        "experts_per_token": "4",
        "moe_ffn_hidden": "1024",
        "shared_experts": "2",
        "dense_layers": "3",
        "kv_lora_rank": "512",
        "q_lora_rank": "1536",
        "ep": "8",
        "expert_tp": "2",
        "gated_mlp": "1",
    }
    found = scenario(**cells)
    moe, latent = found.model.moe, found.model.latent
    assert moe is not None
    assert latent is not None
    assert (moe.experts, moe.top_k, moe.ffn_hidden, moe.shared, moe.leading_dense) == (16, 4, 1024, 2, 3)
    assert (latent.kv_lora_rank, latent.q_lora_rank, latent.v_head_dim) == (512, 1536, 128)
    assert (found.resolved_layout.expert, found.resolved_layout.expert_tensor) == (8, 2)
    assert scenario(n_experts="1").model.moe is None, "one expert is a dense network"
    only_experts = scenario(**(cells | {"ffn_hidden": "", "kv_lora_rank": ""}))
    assert only_experts.model.ffn_hidden == 1024


def test_columns_that_say_nothing_about_the_step_are_left_alone() -> None:
    """Every column of the packaged file is either read, or describes the source, the target or what follows."""
    columns = {column for table in packaged_tables() for column in read_rows(table)[0]}
    told = {"locator", "chip_as_stated", "total_params_b", "active_params_b", "measured_from"}
    told |= {"mfu_as_stated", "peak_tflops_as_stated"}
    seen: set[str] = set()

    class Watched(dict[str, str]):
        def get(self, key: str, default: Any = None) -> Any:
            seen.add(key)
            return super().get(key, default)

    unknown = dict.fromkeys(columns, "") | ROW | {"stack": "", "n_experts": "8", "kv_lora_rank": "512", "group": ""}
    measured_run(Watched(unknown | {"measured_tokens_per_s_per_device": "1", "precision": ""}))
    assert columns - seen == told


def test_empty_cells_are_the_stacks_defaults() -> None:
    empty = ("precision", "devices_per_node", "kv_heads", "ffn_hidden", "gated_mlp", "micro_batch", "tp", "pp", "dp")
    made = run(**dict.fromkeys((*empty, "vocab"), ""))
    found = load_scenario(made.mapping)
    assert (found.model.kv_heads, found.model.ffn_hidden, found.model.vocab) == (32, 4 * 4096, 51200)
    assert found.model.tied_embeddings, "without a gated network it is of the GPT family"
    assert (found.training.precision, found.resolved_layout.data, found.resolved_layout.micro_batch) == ("bf16", 64, 1)
    stack = load("stacks", "megatron-lm-2022")
    assert found.resolved_layout.recompute == stack.defaults.recompute == "selective"
    assert made.notes == ("vocabulary not stated: 51,200 words assumed", "micro-batch not stated: 1 assumed")


@pytest.mark.parametrize(
    ("sharding", "column", "dp", "group", "noted"),
    [
        ("ZeRO-1 (8 ranks)", "", "8", 8, False),
        ("ZeRO-1 (8 ranks)", "8", "8", 8, False),
        ("ZeRO-1 (all ranks)", "", "8", None, False),
        ("ZeRO-1 (all ranks)", "8", "8", None, False),
        ("ZeRO-1 (all ranks)", "4", "8", None, True),
        ("ZeRO-1 (8 ranks)", "4", "8", 8, True),
        ("ZeRO-1", "8", "8", 8, False),
        ("ZeRO-1", "", "8", None, False),
    ],
)
def test_the_words_of_sharding_say_the_group_of_the_optimizer(
    sharding: str, column: str, dp: str, group: int | None, noted: bool
) -> None:
    made = run(sharding=sharding, zero_group=column, dp=dp)
    assert made.mapping["layout"].get("zero_group") == group
    assert made.mapping["layout"]["sharding"] == "zero1"
    assert any("is followed" in note for note in made.notes) == noted


def test_multi_token_prediction_that_is_not_stated_was_not_trained() -> None:
    columns = ("layers", "hidden", "heads", "kv_heads", "ffn_hidden", "gated_mlp", "vocab")
    empty = dict.fromkeys(columns, "") | {"model": "DeepSeek-V3", "tp": "1", "pp": "1", "dp": "64"}
    without, one = run(**empty), run(**empty, mtp_layers="1")
    assert load_scenario(without.mapping).model.mtp_layers == 0
    assert any("multi-token prediction isn't stated" in note for note in without.notes)
    assert load_scenario(one.mapping).model.mtp_layers == 1
    assert not any("multi-token" in note for note in one.notes)
    assert not any("multi-token" in note for note in run(model="Llama-2-7B").notes), "it has none to leave out"


def test_embeddings_are_tied_as_the_stack_has_them() -> None:
    untied = scenario(gated_mlp="", stack="megatron-lm-zero-bubble-2023")
    assert not untied.model.tied_embeddings
    assert scenario(gated_mlp="").model.tied_embeddings


def test_alibi_is_fused_where_the_row_and_the_stack_fuse_it() -> None:
    chip = {"accelerator": "ascend-910b", "stack": "mindspeed-llm-2024", "position": "alibi", "precision": "bf16"}
    fused, apart = (scenario(**chip, flash_attention=flag).stack for flag in ("1", "0"))
    assert fused.fuses_attention("alibi")
    assert not apart.fuses_attention("alibi")


def test_a_catalog_model_supplies_what_columns_leave_empty() -> None:
    columns = ("layers", "hidden", "heads", "kv_heads", "ffn_hidden", "gated_mlp", "vocab")
    made = run(model="DeepSeek-V3", **dict.fromkeys(columns, ""), n_experts="128", kv_lora_rank="256", tp="1", dp="32")
    model = load_scenario(made.mapping).model
    known = load("models", "deepseek-v3")
    assert known.moe is not None
    assert known.latent is not None
    assert (model.layers, model.vocab, model.gated) == (known.layers, known.vocab, True)
    assert model.moe == known.moe.model_copy(update={"experts": 128})
    assert model.latent == known.latent.model_copy(update={"kv_lora_rank": 256})
    assert made.notes[1].startswith("the catalog's DeepSeek-V3 supplies layers, hidden")


@pytest.mark.parametrize(("shared", "size"), [("", 20480), ("1", 20480), ("8", None)])
def test_a_row_that_counts_shared_experts_otherwise_means_another_size(shared: str, size: int | None) -> None:
    """Qwen2-57B-A14B has one shared expert of 20,480, which others write as eight of 2,560."""
    made = run(model="Qwen2-57B-A14B", n_experts="64", moe_ffn_hidden="2560", shared_experts=shared, tp="1", dp="32")
    assert made.mapping["model"]["moe"].get("shared_ffn_hidden") == size


@pytest.mark.parametrize(
    ("cells", "stands_in"),
    [
        ({"stack": "megatron-lm-1999"}, "megatron-lm-2020"),
        ({"stack": "megatron-lm-1999", "year": ""}, "megatron-lm-2020"),
        ({"stack": "mindspeed-llm-2029", "accelerator": "ascend-910b"}, "mindspeed-llm-2025"),
        ({"stack": "megatron-lm-2022-fork", "accelerator": "ascend-910b"}, "mindspeed-llm-2023"),
    ],
)
def test_an_unknown_stack_falls_back_to_the_nearest_of_the_vendor(cells: dict[str, str], stands_in: str) -> None:
    made = run(**({"year": "2029" if "2029" in cells["stack"] else "1999"} | cells))
    assert made.mapping["stack"] == stands_in
    assert f"stack {cells['stack']} is not in the catalog: {stands_in} stands in" in made.notes
    assert made.stack == cells["stack"]


def test_a_stack_that_is_not_stated_is_the_years_or_the_newest() -> None:
    made = run(stack="", year="")
    fitting = [stack for stack in (load("stacks", name) for name in names("stacks")) if "nvidia" in stack.vendors]
    assert load("stacks", str(made.mapping["stack"])).year == max(stack.year for stack in fitting)
    assert "stack (not stated) is not in the catalog" in made.notes[0]


def test_chips_without_bf16_train_in_fp16() -> None:
    made = run(accelerator="v100-sxm-32gb", precision="", devices_per_node="", stack="")
    found = load_scenario(made.mapping)
    assert found.training.precision == "fp16"
    assert found.cluster.node.devices == 16, "the usual node's"
    assert any("no bf16" in note for note in made.notes)


@pytest.mark.parametrize(
    ("stack", "cell", "precision", "reduced", "noted"),
    [
        ("megatron-lm-2020", "", "fp16", "fp16", True),
        ("megatron-lm-2021", "", "fp16", "fp16", True),
        ("megatron-lm-2021", "bf16", "bf16", "fp32", False),
        ("megatron-lm-2022", "", "bf16", "fp32", False),
        ("megatron-lm-2022", "fp16", "fp16", "fp32", False),
        ("megatron-deepspeed-2023", "", "fp16", "fp16", True),
    ],
)
def test_software_without_bf16_trained_in_fp16(
    stack: str, cell: str, precision: str, reduced: str, noted: bool
) -> None:
    made = run(stack=stack, precision=cell)
    training = load_scenario(made.mapping).training
    assert (training.precision, training.grad_reduce_precision) == (precision, reduced)
    assert any(f"fp16, as {stack} trained" in note for note in made.notes) == noted


def test_part_of_a_node_may_be_used() -> None:
    found = scenario(n_devices="12", devices_per_node="8", tp="2", pp="1", dp="6", global_batch_seqs="48")
    assert (found.cluster.node.devices, found.cluster.nodes) == (6, 2)
    assert scenario(n_devices="4", tp="4", pp="1", dp="1").cluster.node.devices == 4


def test_throughput_stands_in_for_the_step_time() -> None:
    cells = {"measured_step_time_s": "", "measured_tokens_per_s_per_device": "1600"}
    assert run(**cells).measured_step_time_s == pytest.approx(512 * 2048 / (1600 * 64))
    assert run(**(cells | {"measured_tokens_per_s_per_device": ""})).measured_step_time_s is None
    assert run(measured_tokens_per_s_per_device="1").measured_step_time_s == 10.5


def test_what_is_ignored_is_said() -> None:
    made = run(overlap="grad_reduce|telepathy", sharding="of its own kind", cpu_offload="1", recompute="auto")
    assert made.notes == (
        'sharding "of its own kind" is not known: the stack\'s default',
        "recompute auto is taken as selective",
        "overlap telepathy is not known and ignored",
        "what is offloaded to the host isn't told by a column, and is ignored",
    )
    assert run(flash_attention="1").notes == ("attention is fused, unlike the default of megatron-lm-2022",)


def test_offload_wins_over_the_older_column() -> None:
    both = run(offload="optimizer", cpu_offload="1")
    assert (both.mapping["layout"]["offload"], both.notes) == ("optimizer", ())
    assert scenario(offload="optimizer", cpu_offload="0").resolved_layout.offload == "optimizer"
    assert scenario(offload="", cpu_offload="0").resolved_layout.offload == "none"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"dispatcher": "pigeon"}, 'dispatcher: "pigeon" is not known. Known: allgather, alltoall, deepep, hybridep'),
        ({"fp8_recipe": "magic"}, 'fp8_recipe: "magic" is not known. Known: blockwise, per-tensor'),
        ({"zero_group": "some"}, 'zero_group: "some" is not a number'),
        ({"offload": "disk"}, 'offload: "disk" is not known. Known: none, optimizer, activations'),
        ({"layers": "many"}, 'layers: "many" is not a number'),
        ({"layers": "3.5"}, 'layers: "3.5" is not a whole number'),
        ({"hidden": "nan"}, 'hidden: "nan" is not a finite number of 0 or more'),
        ({"heads": "inf"}, 'heads: "inf" is not a finite number'),
        ({"seq_len": "-5"}, 'seq_len: "-5" is not a finite number of 0 or more'),
        ({"sequence_parallel": "2"}, 'sequence_parallel: "2" is neither 0 nor 1'),
        ({"gated_mlp": "gelu"}, 'gated_mlp: "gelu" is not a number'),
        ({"stage_layers": "2|x"}, 'stage_layers: "2|x" is not a list of whole numbers such as 2|3|3|2'),
        ({"n_devices": ""}, "n_devices: at least 1 device is needed"),
        ({"n_devices": "0"}, "n_devices: at least 1 device is needed"),
    ],
)
def test_a_bad_cell_is_named(cells: dict[str, str], message: str) -> None:
    assert message in problem(**cells)


def test_an_unknown_chip_is_refused() -> None:
    row = validate_row(ROW | {"accelerator": "abacus"})
    assert (row.status, row.error) == ("refused", None)
    assert 'no accelerator "abacus" in the catalog' in row.reason


def with_chip(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Rows then ran on an A100 with changes."""
    chip = load("accelerators", "a100-sxm-80gb").model_copy(update=changes)
    for module in (runs, software):
        monkeypatch.setattr(
            module, "load", lambda section, name: chip if section == "accelerators" else load(section, name)
        )


def test_a_vendor_without_software_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with_chip(monkeypatch, vendor="acme")
    assert problem(stack="") == "stack: no stack for chips of acme in the catalog"


def test_a_chip_without_a_usual_node_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with_chip(monkeypatch, node=None)
    assert "no usual node" in problem()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_rows(tmp_path / "absent.csv")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"id\xff\xfe\n")
    with pytest.raises(InputError, match="not text in UTF-8"):
        read_rows(binary)
    short = tmp_path / "short.csv"
    short.write_text("id,accelerator\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_rows(short)
    assert [found.key for found in caught.value.problems] == ["seq_len", "global_batch_seqs", "n_devices"]


def test_a_spreadsheets_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("\ufeff" + ",".join(REQUIRED) + "\na,b,1,2,3,left over\nc\n", encoding="utf-8")
    rows: list[CsvRow] = read_rows(file)
    assert rows[0] == dict(zip(REQUIRED, "ab123", strict=True))
    assert rows[1] == dict.fromkeys(REQUIRED, "") | {"id": "c"}
    assert validate_row(rows[1]).status == "refused"
