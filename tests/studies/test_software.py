"""Which stack of the catalog a measured row ran, and what its script says."""

from __future__ import annotations

from typing import Any

import pytest

from clustersim.inputs.catalog import document, load, names, plain_document
from clustersim.inputs.load import load_scenario
from clustersim.studies.calibration.lineage import software_of
from clustersim.studies.measured.csv_cells import read_rows
from clustersim.studies.measured.runs import measured_run
from clustersim.studies.measured.script_flags import script_flags
from clustersim.studies.measured.software import stack_of
from clustersim.studies.validation.validation import packaged_tables

ROW = {"id": "one", "accelerator": "h100-sxm-80gb", "seq_len": "2048", "global_batch_seqs": "64", "n_devices": "64"}
ENTRIES: list[dict[str, Any]] = plain_document("measured", "frameworks")["entries"]


def ran(**cells: str) -> str:
    return stack_of(ROW | cells, [])


@pytest.mark.parametrize(
    ("framework", "stack", "expected"),
    [
        ("Megatron-Bridge / NeMo 26.02", "megatron-bridge-2026", "megatron-bridge-26.02"),
        ("Megatron-Bridge / NeMo 26.02.01", "megatron-bridge-2026", "megatron-bridge-26.02.01"),
        ("Megatron-Bridge / NeMo 26.2", "megatron-bridge-2026", "megatron-bridge-2026"),
        ("Megatron-Bridge / NeMo 25.09", "megatron-bridge-2025", "megatron-bridge-25.09"),
        ("NeMo (24.11)", "nemo-2024", "nemo-24.11"),
        ("NeMo 24.07", "nemo-2024", "nemo-24.07"),
        ("NeMo 23.11", "nemo-2024", "nemo-2024"),
        ("InternEvo v0.2.x", "megatron-lm-2023", "internevo-2024"),
        ("Megatron-LM", "megatron-lm-2023", "megatron-lm-2023"),
        ("NeMo 24.07", "megatron-lm-2024", "megatron-lm-2024"),
        ("NeMo 24.07", "", "nemo-24.07"),
        ("NeMo 24.07", "nemo-of-my-own", "nemo-24.07"),
    ],
)
def test_the_frameworks_words_tell_the_release(framework: str, stack: str, expected: str) -> None:
    assert ran(framework=framework, stack=stack) == expected


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ("FSDP + torch.compile + Float8", "torchtitan-2025"),
        ("FSDP; selective AC", "torchtitan-eager-2025"),
        ("Async TP; local batch 16", "torchtitan-2025"),
        ("", "torchtitan-eager-2025"),
    ],
)
def test_torchtitan_is_compiled_where_it_is_said(notes: str, expected: str) -> None:
    assert ran(framework="torchtitan", stack="torchtitan-2025", notes=notes) == expected


def test_what_is_taken_is_said() -> None:
    notes: list[str] = []
    stack_of(ROW | {"framework": "NeMo 24.07", "stack": "nemo-2024"}, notes)
    assert notes == ["NeMo 24.07: taken as nemo-24.07"]
    made = measured_run(ROW | {"model": "Llama-2-7B", "framework": "NeMo 24.07", "stack": "nemo-2024"})
    assert (made.stack, made.stack_as_run, made.mapping["stack"]) == ("nemo-2024", "nemo-24.07", "nemo-24.07")


def test_every_entry_names_stacks_of_the_catalog() -> None:
    known = set(names("stacks"))
    assert {entry["stack"] for entry in ENTRIES} <= known
    assert {slug for entry in ENTRIES for slug in entry["of"]} <= known


def test_every_entry_of_a_packaged_release_is_reached() -> None:
    rows = [row for table in packaged_tables() for row in read_rows(table)]
    reached = {stack_of(row, []) for row in rows}
    wanted = {entry["stack"] for entry in ENTRIES if entry["of"]} - {
        f"megatron-bridge-{new}" for new in ("26.06", "26.06.01", "26.08")
    }
    assert wanted <= reached


@pytest.mark.parametrize(
    ("slug", "framework", "stack"),
    [
        ("xtuner-2025", "XTuner V1", "torchtitan-eager-2025"),
        ("fsdp2", "", "torchtitan-eager-2025"),
        ("torchtitan-2027", "", "torchtitan-eager-2025"),
        ("Megatron-LM", "", "megatron-lm-2022"),
        ("somebodys-fork", "Megatron-DeepSpeed", "megatron-deepspeed-2022"),
        ("NeMo", "", "nemo-2024"),
    ],
)
def test_software_without_a_stack_is_taken_as_its_nearest_kin(slug: str, framework: str, stack: str) -> None:
    notes: list[str] = []
    cells = {"id": "one", "accelerator": "h100", "stack": slug, "framework": framework, "year": "2022"}
    assert stack_of(cells, notes) == stack
    assert stack in notes[0]


@pytest.mark.parametrize("slug", [slug for slug in names("stacks") if "release" in document("stacks", slug)])
def test_a_release_runs_under_its_familys_numbers(slug: str) -> None:
    release, family = load("stacks", slug), load("stacks", software_of(slug))
    assert release.name == family.name, "evidence is kept by name"
    apart = {"release", "year"}
    assert release.model_dump(exclude=apart) == family.model_dump(exclude=apart)
    assert slug.endswith(str(release.release))


def test_a_stack_that_extends_a_release_is_a_software_of_its_own() -> None:
    assert software_of("torchtitan-2025") == "torchtitan-2025"
    assert software_of("megatron-bridge-26.06.01") == "megatron-bridge-2026"


def test_flags_of_a_script_are_read_from_notes() -> None:
    flags = "script flags: use-mc2=True,num-layer-list=17,20,context-parallel-algo='ulysses_cp_algo'; dp"
    assert script_flags({"notes": flags}) == {
        "use-mc2": "True",
        "num-layer-list": "17",
        "context-parallel-algo": "ulysses_cp_algo",
    }
    assert script_flags({"notes": "no flags, use-mc2=True"}) == {}
    assert script_flags({}) == {}


ASCEND = {"accelerator": "ascend-910b", "stack": "mindspeed-llm-2024", "model": "Mixtral-8x7B", "ep": "8", "pp": "2"}


def test_a_script_says_dispatcher_context_and_grouped_products() -> None:
    plain = load_scenario(measured_run(ROW | ASCEND).mapping)
    assert (plain.resolved_layout.dispatcher, plain.stack.grouped_products) == ("allgather", False)
    assert plain.resolved_layout.context_kind == "ring"
    flags = "moe-token-dispatcher-type=alltoall,moe-grouped-gemm=True,context-parallel-algo=ulysses_cp_algo"
    made = measured_run(ROW | ASCEND | {"notes": f"script flags: {flags}"})
    found = load_scenario(made.mapping)
    assert (found.resolved_layout.dispatcher, found.stack.grouped_products) == ("alltoall", True)
    assert found.resolved_layout.context_kind == "ulysses"
    assert any("--moe-grouped-gemm" in note for note in made.notes)
    column = measured_run(ROW | ASCEND | {"dispatcher": "allgather", "notes": f"script flags: {flags}"})
    assert column.mapping["layout"]["dispatcher"] == "allgather", "the column wins"


def test_a_stacks_way_of_context_parallelism_stands_where_a_layout_says_none() -> None:
    row = ROW | {"model": "Llama-3.1-8B", "cp": "2", "stack": "torchtitan-2025"}
    assert load_scenario(measured_run(row).mapping).resolved_layout.context_kind == "rotation"
    mapping = dict(measured_run(row).mapping)
    mapping["layout"] = {**mapping["layout"], "context_kind": "ring"}
    assert load_scenario(mapping).resolved_layout.context_kind == "ring"


@pytest.mark.parametrize(
    ("cells", "overlap"),
    [
        ({"notes": "Async TP; local batch 16"}, {"fsdp", "tensor_fused"}),
        ({"notes": "2D + AsyncTP + torch.compile"}, {"fsdp", "tensor_fused"}),
        ({"notes": "Vanilla TP; local batch 16"}, {"fsdp"}),
        ({"notes": "Async TP", "overlap": "none"}, set()),
        ({"notes": "asynchronous checkpoints"}, {"fsdp"}),
    ],
)
def test_asynchronous_tensor_parallelism_is_read_from_notes(cells: dict[str, str], overlap: set[str]) -> None:
    made = measured_run(ROW | {"model": "Llama-3.1-8B", "tp": "8", "stack": "torchtitan-2025"} | cells)
    assert load_scenario(made.mapping).resolved_layout.overlap == overlap
    assert any("asynchronous tensor" in note for note in made.notes) == ("tensor_fused" in overlap)
