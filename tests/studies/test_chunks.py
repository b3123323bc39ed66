"""Stacks calibrated to chunks and traces of one rank: known numbers recovered, a thousand devices projected."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from clustersim.cli import cli
from clustersim.errors import InputError
from clustersim.inputs.catalog import load
from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.step.step import simulate_step
from clustersim.studies.calibration.calibration import Calibration, calibrate, residual_of
from clustersim.studies.calibration.observed import CHUNKS, Observed
from clustersim.studies.calibration.predictor import FitRow, RowPredictor
from clustersim.studies.calibration.stack_file import write_stack
from clustersim.studies.measured.chunks import read_chunks
from clustersim.studies.measured.runs import MeasuredRun
from clustersim.studies.measured.traces import pipeline_stage, read_trace

EXAMPLES = Path(__file__).parents[2] / "configs" / "calibration"
SCENARIO, CSV, TRACE = (EXAMPLES / f"llama3_8b_{name}" for name in ("h100_8.yaml", "chunks.csv", "trace.json"))
# What the examples were made with: the simulator's own seconds under these numbers, and 1 % of noise.
TRUTH = {"sustained": 0.85, "memory_factor": 1.6, "attention_share": 0.8, "scale_up_efficiency": 0.8}


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario(SCENARIO)


@pytest.fixture(scope="module")
def from_chunks() -> Calibration:
    return calibrate([], chunks=[(str(CSV), str(SCENARIO))], extends="megatron-core-2025")


@pytest.fixture(scope="module")
def from_trace() -> Calibration:
    return calibrate([], traces=[(str(TRACE), str(SCENARIO))], extends="megatron-core-2025")


def seconds(scenario: Scenario, observed: Observed, **numbers: float) -> float:
    row = FitRow(MeasuredRun("", "", "", "", "", "", "", {}, 1.0, ()), scenario, 1.0, observed=observed)
    return float(np.exp(RowPredictor((row,), {}).log_predicted(numbers)[0]))


@pytest.mark.parametrize("made_from", ["from_chunks", "from_trace"])
def test_known_numbers_are_recovered_within_their_uncertainty(made_from: str, request: pytest.FixtureRequest) -> None:
    found: Calibration = request.getfixturevalue(made_from)
    moved = 0
    for estimate in found.estimates:
        if estimate.name in TRUTH:
            assert estimate.identified, estimate
            assert abs(estimate.value - TRUTH[estimate.name]) < 2 * estimate.deviation, estimate
            moved += abs(estimate.parent - TRUTH[estimate.name]) > 1.2 * estimate.deviation
        elif estimate.name == "host_launch":
            assert not estimate.identified
    assert moved >= len(TRUTH) - 1, "the stack that it starts from has other numbers, but for one by chance at most"
    assert found.mean_absolute < 0.02


@pytest.mark.parametrize("made_from", ["from_chunks", "from_trace"])
def test_one_node_is_projected_to_a_thousand_devices(
    made_from: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The true stack's step on 1,024 devices, which nobody measured, with another model and layout."""
    write_stack(request.getfixturevalue(made_from), tmp_path / "mine.yaml")
    large = load_scenario(
        {
            "model": "llama-3.1-70b", "cluster": {"node": "dgx-h100", "nodes": 128}, "stack": "megatron-core-2025",
            "training": {"sequence_length": 8192, "global_batch": 1024}, "layout": {"tensor": 8, "pipeline": 4},
        }
    )  # fmt: skip

    def step(**numbers: float) -> float:
        return simulate_step(large.model_copy(update={"stack": large.stack.model_copy(update=numbers)})).step_time_s

    real = step(**TRUTH)
    mine = simulate_step(large.model_copy(update={"stack": load("stacks", str(tmp_path / "mine.yaml"))})).step_time_s
    assert mine == pytest.approx(real, rel=0.03)
    assert abs(step() / real - 1.0) > 0.08


def test_parts_of_a_step_add_up_to_what_it_takes(scenario: Scenario) -> None:
    """On one stage without pipeline: forward and backward of all micro-batches, and what follows them."""
    whole = seconds(scenario, Observed("step"))
    passes = seconds(scenario, Observed("stage_forward")) + seconds(scenario, Observed("stage_backward"))
    assert 0.95 * whole < 4 * passes < whole
    layers = seconds(scenario, Observed("layer_forward")) + seconds(scenario, Observed("layer_backward"))
    assert 0.8 * passes < 32 * layers < passes
    kernels = [seconds(scenario, Observed(kind)) for kind in ("gemm", "attention", "memory_bound")]
    breakdown = simulate_step(scenario).breakdown
    assert kernels[1] == pytest.approx(breakdown["attention"], rel=1e-6)
    assert 0.9 * sum(kernels) < 4 * passes


@pytest.mark.parametrize("schedule", ["1f1b", "zb-h1", "dualpipe"])
def test_kernels_of_a_mean_rank_are_those_of_the_breakdown(schedule: str) -> None:
    """Whatever the schedule makes of passes; what a rank waits for the busiest expert is no kernel of its own."""
    described = {
        "model": "mixtral-8x7b", "cluster": {"node": "dgx-h100", "nodes": 8}, "stack": "megatron-core-2025",
        "training": {"sequence_length": 4096, "global_batch": 256, "router": "typical"},
        "layout": {"tensor": 2, "pipeline": 4, "expert": 2, "micro_batch": 1, "schedule": schedule},
    }  # fmt: skip
    experts = load_scenario(described)
    stages = [seconds(experts, Observed("gemm", stage), overlap_slowdown=0.0) for stage in range(4)]
    stack = experts.stack.model_copy(update={"overlap_slowdown": 0.0})
    breakdown = simulate_step(experts.model_copy(update={"stack": stack})).breakdown
    assert breakdown["imbalance"] > 0.05 * breakdown["gemm"]
    assert np.mean(stages) == pytest.approx(breakdown["gemm"], rel=0.03)


def test_gaps_between_kernels_are_not_inside_them(scenario: Scenario) -> None:
    slow = {"kernel_gap": 50e-6}
    assert seconds(scenario, Observed("gemm"), **slow) == pytest.approx(seconds(scenario, Observed("gemm")))
    assert seconds(scenario, Observed("layer_forward"), **slow) > 1.1 * seconds(scenario, Observed("layer_forward"))


def test_recomputed_and_interleaved_passes_are_counted(scenario: Scenario) -> None:
    """Full recomputation runs every forward kernel twice; stages of a pipeline share what one device did."""
    kind = Observed("attention")
    full = load_scenario(SCENARIO, ["layout.recompute=full"])
    assert seconds(full, kind) == pytest.approx(seconds(scenario, kind) * (1 + 1 + 2.5) / 3.5, rel=0.15)
    piped = load_scenario(
        SCENARIO, ["layout.data=2", "layout.pipeline=2", "layout.virtual_stages=2", "layout.schedule=interleaved-1f1b"]
    )
    halves = [seconds(piped, Observed("attention", stage)) for stage in (0, 1)]
    assert halves[0] == pytest.approx(seconds(scenario, kind), rel=1e-6)  # half of the layers, twice the micro-batches
    assert halves == pytest.approx([halves[0]] * 2, rel=1e-6)


def test_a_trace_and_its_gzipped_form_say_the_same(scenario: Scenario, tmp_path: Path) -> None:
    packed = tmp_path / "trace.json.gz"
    packed.write_bytes(gzip.compress(TRACE.read_bytes()))
    read = read_trace(packed, scenario)
    assert read == read_trace(TRACE, scenario)
    assert (read.steps, read.rank) == (2, 0)
    kinds = {chunk.observed.chunk: chunk for chunk in read.chunks}
    assert set(kinds) == {"gemm", "attention", "memory_bound", "all-gather", "reduce-scatter"}
    assert {chunk.observed.group for chunk in read.chunks if chunk.observed.bytes} == {"tensor", "data"}
    assert kinds["gemm"].seconds == pytest.approx(seconds(scenario, Observed("gemm"), **TRUTH), rel=0.03)


def test_ranks_that_came_late_do_not_lengthen_a_message(scenario: Scenario) -> None:
    """In the example every fourth message took a third longer, for a rank that it waited for."""
    (found,) = [
        chunk
        for chunk in read_trace(TRACE, scenario).chunks
        if chunk.observed.chunk == "all-gather" and chunk.observed.group == "tensor"
    ]
    assert found.seconds == pytest.approx(seconds(scenario, found.observed, **TRUTH), rel=0.02)


def trace_of(events: list[dict[str, Any]], **about: Any) -> str:
    return json.dumps({**about, "traceEvents": events})


STEP = {"ph": "X", "cat": "user_annotation", "name": "ProfilerStep#1", "ts": 0, "dur": 10}
KERNEL = {"ph": "X", "cat": "kernel", "name": "sm90_gemm", "ts": 0, "dur": 10}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no Chrome trace"),
        ("{", "no Chrome trace"),
        ('{"traceEvents": [{}', "no Chrome trace"),
        ("[" * 200_000, "no Chrome trace"),
        ('{"traceEvents": ' + "[" * 200_000, "no Chrome trace"),
        (trace_of([STEP]), 'no event of category "kernel"'),
        (trace_of([KERNEL]), "call profiler.step()"),
        (trace_of([STEP, KERNEL | {"dur": "long"}, KERNEL | {"dur": -1}, KERNEL | {"dur": 1e300}]), "no event"),
    ],
)
def test_what_is_no_trace_is_refused(scenario: Scenario, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "trace.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read_trace(path, scenario)
    assert words in str(raised.value)


def test_a_gzipped_bomb_and_a_torn_file_are_refused(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clustersim.studies.measured.traces.MAX_BYTES", 100_000)
    path = tmp_path / "trace.json.gz"
    path.write_bytes(gzip.compress(b" " * 10_000_000))
    with pytest.raises(InputError, match="profile fewer steps"):
        read_trace(path, scenario)
    path.write_bytes(gzip.compress(TRACE.read_bytes())[:-20])
    with pytest.raises(InputError):
        read_trace(path, scenario)


def test_a_list_of_events_alone_is_a_trace_too(scenario: Scenario, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text(json.dumps([STEP, KERNEL, {"ph": "X", "cat": "kernel", "name": "relu", "dur": 4}, 7, None]))
    found = {chunk.observed.chunk: chunk.seconds for chunk in read_trace(path, scenario).chunks}
    assert found == {"gemm": pytest.approx(10e-6), "memory_bound": pytest.approx(4e-6)}


def test_groups_of_equal_size_are_told_apart_by_description_or_left_out(scenario: Scenario, tmp_path: Path) -> None:
    alike = load_scenario(SCENARIO, ["layout.tensor=2", "layout.data=2", "layout.pipeline=2"])
    about = {"Collective name": "allreduce", "In msg nelems": 10**6, "Group size": 2, "dtype": "Float"}
    event = {"ph": "X", "cat": "kernel", "name": "ncclDevKernel_AllReduce", "dur": 50}
    path = tmp_path / "trace.json"
    path.write_text(trace_of([STEP, KERNEL, event | {"args": about}]))
    read = read_trace(path, alike)
    assert "messages among 2 ranks left out" in read.notes[0]
    path.write_text(trace_of([STEP, KERNEL, event | {"args": about | {"Process Group Description": "TENSOR_GROUP"}}]))
    (message,) = [chunk for chunk in read_trace(path, alike).chunks if chunk.observed.bytes]
    assert (message.observed.group, message.observed.bytes) == ("tensor", 4e6)


def test_a_rank_stands_on_the_stage_that_its_layout_says() -> None:
    piped = load_scenario(SCENARIO, ["layout.tensor=2", "layout.data=2", "layout.pipeline=2"])
    assert [pipeline_stage(piped, rank) for rank in range(8)] == [0, 0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("gems,,,1", 'chunk: "gems" is not known. Known: step, layer_forward'),
        ("gemm,,,0", "seconds"),
        ("gemm,,,nan", "seconds"),
        ("gemm,,,1e400", "seconds"),
        ("all-reduce,tensor,,1", "bytes"),
        ("all-reduce,expert,1e6,1", "the scenario has tensor of 2, data of 4"),
        ("all-reduce,,1e6,1", "group"),
    ],
)
def test_chunks_that_are_wrong_are_told(scenario: Scenario, tmp_path: Path, row: str, words: str) -> None:
    path = tmp_path / "chunks.csv"
    path.write_text(f"chunk,group,bytes,seconds\nstep,,,1\n{row}\n", encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read_chunks(path, scenario)
    assert words in str(raised.value)
    assert "line 3" in str(raised.value)


def test_all_that_is_wrong_at_once_and_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "chunks.csv"
    path.write_text("chunk,stage,seconds\ngems,9,no\nstep,-1,1\n", encoding="utf-8")
    result = CliRunner().invoke(cli, ["calibrate", "--chunks", str(path), str(SCENARIO)])
    assert result.exit_code == 2
    assert "4 problems" in result.stderr
    path.write_text("piece,time\na,b\n", encoding="utf-8")
    result = CliRunner().invoke(cli, ["calibrate", "--chunks", str(path), str(SCENARIO)])
    assert "2 problems" in result.stderr


def test_what_the_scenario_does_not_run_is_refused(tmp_path: Path) -> None:
    """Without fused attention there is no such kernel."""
    path = tmp_path / "chunks.csv"
    path.write_text("chunk,seconds\nattention,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="runs nothing of the kind attention"):
        calibrate([], chunks=[(str(path), str(SCENARIO))], extends="megatron-lm-2020")


def test_without_a_step_intervals_stay_those_of_a_new_source(
    from_trace: Calibration, from_chunks: Calibration, tmp_path: Path
) -> None:
    write_stack(from_trace, tmp_path / "traced.yaml")
    assert load("stacks", str(tmp_path / "traced.yaml")).residual is None
    with pytest.raises(InputError, match="no step was measured"):
        residual_of(from_trace)
    write_stack(from_chunks, tmp_path / "timed.yaml")
    assert load("stacks", str(tmp_path / "timed.yaml")).residual is not None


def test_every_kind_of_chunk_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "calibration.md").read_text(encoding="utf-8")
    assert all(f"`{chunk}`" in page for chunk in CHUNKS)


@pytest.mark.parametrize("elements", [10**400, -5, True, "8", None], ids=["huge", "negative", "flag", "word", "none"])
def test_a_message_of_impossible_size_is_none(elements: Any, scenario: Scenario, tmp_path: Path) -> None:
    """What no float holds is skipped as other odd events are; the kernels of the trace are read."""
    about = {"Collective name": "allreduce", "In msg nelems": elements, "dtype": "BFloat16", "Group size": 8}
    events = [
        {"ph": "X", "name": "ProfilerStep#1", "cat": "user_annotation", "ts": 0, "dur": 100},
        {"ph": "X", "name": "ampere_bf16_gemm", "cat": "kernel", "ts": 1, "dur": 10},
        {"ph": "X", "name": "ncclDevKernel_AllReduce", "cat": "kernel", "ts": 20, "dur": 10, "args": about},
    ]
    (tmp_path / "trace.json").write_text(json.dumps({"traceEvents": events}))
    read = read_trace(tmp_path / "trace.json", scenario)
    assert (read.kernels, len(read.chunks)) == (2, 1)
