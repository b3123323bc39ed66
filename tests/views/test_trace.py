"""A trace: what Perfetto needs of it, and that it says what was played."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from builders import moe, scenario, stack

from clustersim.inputs.load import load_scenario
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.inspect.memory_timeline import memory_timeline
from clustersim.simulation.step.step import PlayedStep, play_step, result_of
from clustersim.views.trace_events import trace_events
from clustersim.views.trace_file import write_trace

Events = list[dict[str, Any]]

ASYNCHRONOUS = stack(blocking_transfers=False)
SCENARIOS = {
    "1f1b": scenario(pipeline=4, data=2, tensor=8, global_batch=32),
    "interleaved": scenario(pipeline=4, virtual_stages=2, data=2, tensor=8, global_batch=32, sequence_parallel=True),
    "blocking": scenario(pipeline=4, data=2, tensor=8, global_batch=8, stack_=stack(blocking_transfers=True)),
    "zero bubble": scenario(pipeline=4, data=16, global_batch=128, schedule="zb-h1", stack_=ASYNCHRONOUS),
    "zb-v": scenario(pipeline=4, virtual_stages=2, data=16, global_batch=128, schedule="zb-v", stack_=ASYNCHRONOUS),
    "both ways": scenario(pipeline=4, data=16, global_batch=192, schedule="dualpipe", stack_=ASYNCHRONOUS),
    "experts": scenario(
        model=moe(layers=8),
        pipeline=2,
        virtual_stages=2,
        data=32,
        expert=8,
        global_batch=128,
        overlap=frozenset({"expert"}),
    ),
    "a stage without layers": scenario(model=moe(), pipeline=4, stage_layers=(2, 0, 1, 1), sharding="fsdp"),
    "one stage": scenario(nodes=1, data=8, sharding="fsdp", overlap=frozenset({"fsdp"})),
}


@pytest.fixture(params=SCENARIOS.values(), ids=SCENARIOS.keys(), scope="module")
def step(request: pytest.FixtureRequest) -> PlayedStep:
    described: Scenario = request.param
    return play_step(described)


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return document


def slices(events: Events) -> dict[tuple[int, int], list[tuple[int, int, str]]]:
    """(start, end, name) of every slice in nanoseconds, by thread."""
    found = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            start = round(event["ts"] * 1e3)
            found[event["pid"], event["tid"]].append((start, start + round(event["dur"] * 1e3), event["name"]))
    return dict(found)


def test_events_stand_in_the_order_of_time_and_slices_never_overlap(step: PlayedStep) -> None:
    events = list(trace_events(step))
    names = [event for event in events if event["ph"] == "M"]
    assert events[: len(names)] == names, "names come first"
    times = [event["ts"] for event in events[len(names) :]]
    assert times == sorted(times)
    for thread in slices(events).values():
        for (_, end, _), (start, _, _) in pairwise(thread):
            assert start >= end
    named = {event["tid"] for event in names if event["name"] == "thread_name"}
    assert {event["tid"] for event in events if event["ph"] == "X"} == named


def test_slices_are_the_step(step: PlayedStep) -> None:
    """Every task is a slice; the compute streams hold what the engine played; the last slice ends with the step."""
    found = slices(list(trace_events(step)))
    stages = {thread: held for thread, held in found.items() if thread[0] <= step.program.stages}
    assert sum(map(len, stages.values())) == step.program.graph.tasks
    ends = max(end for held in stages.values() for _, end, _ in held)
    assert ends == pytest.approx(1e9 * float(step.timeline.makespan[0]), abs=1.0)
    computes = step.program.graph.stream == step.program.compute_streams[0]
    seconds = (step.timeline.end[computes, 0] - step.timeline.start[computes, 0]).sum()
    held = found[1, 10]
    assert sum(end - start for start, end, _ in held) == pytest.approx(1e9 * seconds, abs=len(held))


def test_parts_of_slices_sum_to_their_durations(step: PlayedStep) -> None:
    for event in trace_events(step):
        if event["ph"] == "X" and event["pid"] <= step.program.stages:
            assert sum(event["args"]["ms"].values()) == pytest.approx(event["dur"] / 1e3, abs=2e-6)


def test_slices_are_named_as_engineers_name_them() -> None:
    step = play_step(SCENARIOS["zero bubble"])
    events = list(trace_events(step))
    first = [event for event in events if event["ph"] == "X" and event["pid"] == 1 and event["tid"] == 10]
    assert [event["name"] for event in first[:5]] == ["F0", "F1", "F2", "F3", "B0"]
    assert "W0" in {event["name"] for event in first}
    assert first[0]["args"] | {"ms": {}} == {
        "operation": "forward", "micro_batch": 0, "chunk": 0, "virtual_stage": 0, "ms": {},
    }  # fmt: skip
    threads = {event["args"]["name"] for event in events if event["name"] == "thread_name" and event["pid"] == 2}
    assert threads == {"compute", "data parallel", "send forward", "send back"}


def test_arrows_lead_from_messages_to_passes_that_waited(step: PlayedStep) -> None:
    events = list(trace_events(step))
    starts = {event["id"]: event for event in events if event["ph"] == "s"}
    ends = [event for event in events if event["ph"] == "f"]
    assert {event["id"] for event in ends} == starts.keys()
    at = defaultdict(list)  # several where a pass takes no time
    for event in events:
        if event["ph"] == "X":
            at[event["tid"], event["ts"]].append(event)
    for event in ends:
        sent, waited = starts[event["id"]], at[event["tid"], event["ts"]]
        assert sent["ts"] <= event["ts"]
        assert sent["pid"] != event["pid"]
        if not any("beside" in each["cat"] for each in waited):  # two passes that run as one wait for what either needs
            messages = {each["name"] for each in at[sent["tid"], sent["ts"]]}
            assert messages & {f"send {each['name']}" for each in waited}, "a micro-batch is sent to its own next pass"
    placement = step.program.placement
    after = placement.links[1]
    crossing = sum(int(cell % placement.stages != at % placement.stages) for at, cell in enumerate(after) if cell >= 0)
    assert len(ends) == 2 * step.program.micro_batches // placement.copies * crossing


def test_memory_counters_reach_the_reported_peak(step: PlayedStep) -> None:
    held = defaultdict(list)
    for event in trace_events(step):
        if event["ph"] == "C" and event["name"] == "memory (GiB)":
            held[event["pid"] - 1].append(event["args"]["value"])
    peaks = [float(stage.bytes.max()) / 2**30 for stage in memory_timeline(step)]
    assert [max(held[stage]) for stage in range(step.program.stages)] == pytest.approx(peaks)
    assert max(map(max, held.values())) == pytest.approx(result_of(step).memory_bytes / 2**30)


def test_messages_under_way_come_and_go(step: PlayedStep) -> None:
    counted = defaultdict(list)
    for event in trace_events(step):
        if event["ph"] == "C" and event["name"].endswith("messages"):
            counted[event["pid"], event["name"]].append(event["args"]["value"])
    assert counted
    for values in counted.values():
        assert min(values) == 0
        assert 1 <= max(values) <= 3, "one on each of a stage's channels"
        assert values[-1] == 0


def test_the_inside_of_layers_shows_what_overlaps() -> None:
    step = play_step(SCENARIOS["experts"])
    events = list(trace_events(step))
    processes = {event["args"]["name"]: event["pid"] for event in events if event["name"] == "process_name"}
    forward = processes["detail of expert layer: forward"]
    together = processes["detail of expert layer: forward and backward together"]
    found = slices(events)
    streams = {
        event["args"]["name"]: event["tid"]
        for event in events
        if event["name"] == "thread_name" and event["pid"] == together
    }
    assert streams.keys() == {"compute", "expert"}
    computes, exchanges = (found[together, streams[name]] for name in ("compute", "expert"))
    beside = sum(
        max(0, min(end, till) - max(start, since)) for start, end, _ in computes for since, till, _ in exchanges
    )
    assert beside > 0.2 * sum(end - start for start, end, _ in exchanges), "one pass computes while the other exchanges"
    products = [event for event in events if event["pid"] == forward and event.get("cat") == "gemm"]
    assert products[0]["args"].keys() >= {"m", "n", "k", "flops"}


def test_the_same_scenario_gives_the_same_file(tmp_path: Path) -> None:
    files = [tmp_path / "a" / "one.json.gz", tmp_path / "two.json.gz"]
    written = [write_trace(play_step(SCENARIOS["interleaved"]), file) for file in files]
    assert files[0].read_bytes() == files[1].read_bytes()
    document = read(files[0])
    assert len(document["traceEvents"]) == written[0] == written[1]
    assert document["otherData"]["program"] == "clustersim"
    assert document["otherData"]["scenario"]["layout"]["virtual_stages"] == 2


@pytest.mark.slow
def test_deepseek_v3_is_traced_with_its_streams(tmp_path: Path) -> None:
    file = tmp_path / "deepseek.json.gz"
    written = write_trace(play_step(load_scenario("deepseek_v3_h800_2048")), file)
    document = read(file)
    assert len(document["traceEvents"]) == written > 10_000
    names = {event["args"]["name"] for event in document["traceEvents"] if event["name"] == "process_name"}
    assert {f"stage {stage}" for stage in range(16)} <= names
    assert any("expert layer" in name and "together" in name for name in names)
