"""A Chrome trace of one rank, as Kineto (torch.profiler) writes it, read for kernels and collectives.

Of each step: seconds inside matrix products, attention and memory-bound kernels; of each kind and size of message, its
seconds. A collective's kernel also waits for the last rank to come, so the tenth shortest of a hundred counts, not the
mean. The step itself is left out, for a profiler slows the host. Source of the fields: PyTorch Kineto, and
torch/csrc/distributed/c10d/ParamCommsUtils.hpp ("Collective name", "Group size", "In msg nelems").
"""

from __future__ import annotations

import json
import math
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustersim.errors import InputError, Problem
from clustersim.inputs.files import UnreadableError, read_file
from clustersim.inputs.scenario import Scenario
from clustersim.studies.calibration.observed import Chunk, Observed, ranks_of
from clustersim.studies.measured.chunks import TimedChunk
from clustersim.workload.operations import Group

MAX_BYTES = 200_000_000  # of the trace, decompressed too
MOST_EVENTS = 4_000_000
SHORTEST = 0.1  # quantile of a message's durations
LONGEST_US = 1e9
MOST_ELEMENTS = 10**15  # of a message; more is no message
FEWEST_BYTES = 1 << 16  # of a message, to be a bandwidth's
BLANKS = " \t\n\r"
# Words in kernels' names, in the order in which they decide; what none of them names is memory-bound.
WORDS = (
    ("optimizer", ("multi_tensor_apply", "adam", "lamb", "fusedoptimizer")),
    ("collective", ("nccl", "rccl", "hccl", "hcom_", "oneccl")),
    ("attention", ("flash", "fmha", "attention", "sdpa", "attn")),
    ("gemm", ("gemm", "cutlass", "cublas", "xmma", "nvjet", "cijk_", "matmul", "wgmma")),
)
KERNEL_CHUNKS: tuple[Chunk, ...] = ("gemm", "attention", "memory_bound")
MESSAGE_WORDS: tuple[tuple[str, Chunk], ...] = (
    ("allreduce", "all-reduce"),
    ("allgather", "all-gather"),
    ("reducescatter", "reduce-scatter"),
    ("alltoall", "all-to-all"),
)
BYTES = {"float": 4, "float32": 4, "double": 8, "half": 2, "float16": 2, "bfloat16": 2, "int": 4, "long": 8, "byte": 1}


@dataclass(frozen=True)
class Trace:
    """What a trace tells of one rank."""

    chunks: tuple[TimedChunk, ...]
    steps: int
    kernels: int
    rank: int
    notes: tuple[str, ...]


def read_trace(path: str | Path, scenario: Scenario) -> Trace:
    """Kernels a step and messages of a trace, JSON or gzipped JSON.

    Raises InputError where it is no trace, or holds no step or no kernel.
    """
    reading = _Reading(scenario)
    try:
        for event in _events(_text(path), reading):
            reading.add(event)
    except (UnreadableError, ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, UnreadableError) else f"no Chrome trace: {type(error).__name__}"
        raise InputError(str(path), [Problem(reason)]) from None
    problems = []
    if not reading.kernels:
        problems.append(Problem('no event of category "kernel": profile the device, too (ProfilerActivity.CUDA)'))
    if not reading.steps:
        problems.append(Problem('no "ProfilerStep#" in it: call profiler.step() after every step'))
    if problems:
        raise InputError(str(path), problems)
    return reading.trace()


class _Reading:
    """What has been read so far."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.ranks = ranks_of(scenario)
        self.kernels, self.rank = 0, 0
        self.steps: set[str] = set()
        self.seconds: dict[str, float] = defaultdict(float)
        self.messages: dict[tuple[Chunk, Group, float], list[float]] = defaultdict(list)
        self.unplaced: set[int] = set()

    def told(self, key: str, value: Any) -> None:
        """A part of the document beside its events."""
        if key == "distributedInfo" and isinstance(value, Mapping):
            rank = value.get("rank")
            if isinstance(rank, int) and 0 <= rank < self.scenario.cluster.devices:
                self.rank = rank

    def add(self, event: Any) -> None:
        """An event."""
        if not isinstance(event, Mapping) or event.get("ph") != "X":
            return
        name, kind, took = str(event.get("name", "")), event.get("cat"), event.get("dur")
        if name.startswith("ProfilerStep#"):
            self.steps.add(name)
        if kind not in ("kernel", "gpu_memcpy", "gpu_memset") or isinstance(took, bool):
            return
        if not isinstance(took, (int, float)) or not 0.0 <= took <= LONGEST_US:
            return
        self.kernels += 1
        sort = _sort_of(name.lower()) if kind == "kernel" else "memory_bound"
        if sort == "collective":
            self._message(event.get("args"), took * 1e-6)
        else:
            self.seconds[sort] += took * 1e-6

    def _message(self, about: Any, seconds: float) -> None:
        if not isinstance(about, Mapping) or seconds <= 0.0:
            return
        words = str(about.get("Collective name", "")).lower().replace("_", "")
        kind = next((known for word, known in MESSAGE_WORDS if word in words), None)
        sizes = [about.get(key) for key in ("In msg nelems", "Out msg nelems")]
        whole = (size for size in sizes if isinstance(size, int) and not isinstance(size, bool))
        counts = [float(size) for size in whole if 0 <= size <= MOST_ELEMENTS]
        width = BYTES.get(str(about.get("dtype", "")).lower())
        ranks = about.get("Group size")
        if kind is None or not counts or width is None or not isinstance(ranks, int):
            return
        size = width * (counts[0] if kind == "all-to-all" else max(counts))
        group = self._group(ranks, str(about.get("Process Group Description", "")).lower())
        if group is None:
            self.unplaced.add(ranks)
        elif FEWEST_BYTES <= size <= 1e15:
            self.messages[kind, group, size].append(seconds)

    def _group(self, ranks: int, words: str) -> Group | None:
        """The layout's group of so many ranks: the one that its description names, else the only one of the size."""
        fitting = [group for group, count in self.ranks.items() if count == ranks > 1]
        named = [group for group in sorted(fitting, key=len, reverse=True) if group in words]
        if named:
            return named[0]
        return fitting[0] if len(fitting) == 1 else None

    def trace(self) -> Trace:
        """All of it, a step."""
        stage = pipeline_stage(self.scenario, self.rank)
        chunks = [
            TimedChunk(Observed(kind, stage), self.seconds[kind] / len(self.steps))
            for kind in KERNEL_CHUNKS
            if self.seconds[kind] > 0.0
        ]
        for (message, group, size), took in sorted(self.messages.items()):
            took.sort()
            chunks.append(TimedChunk(Observed(message, stage, group, size), took[math.floor(SHORTEST * len(took))]))
        notes = []
        if self.unplaced:
            sizes = ", ".join(map(str, sorted(self.unplaced)[:8]))
            notes.append(f"messages among {sizes} ranks left out: no group, or several, of the layout have that size")
        return Trace(tuple(chunks), len(self.steps), self.kernels, self.rank, tuple(notes))


def pipeline_stage(scenario: Scenario, rank: int) -> int:
    """The pipeline stage that a rank belongs to, by the layout's order of ranks."""
    layout, stride = scenario.resolved_layout, 1
    for group in layout.rank_order.split("-"):
        size = getattr(layout, group, 1)
        if group == "pipeline":
            return rank // stride % layout.pipeline
        if group != "expert":
            stride *= size
    return 0


def _sort_of(name: str) -> str:
    return next((sort for sort, words in WORDS if any(word in name for word in words)), "memory_bound")


def _text(path: str | Path) -> str:
    """The document, a character a byte: names of kernels are looked at for words alone. Raises UnreadableError."""
    content = read_file(path, MAX_BYTES)
    if content[:2] == b"\x1f\x8b":
        unpacking = zlib.decompressobj(wbits=31)
        try:
            unpacked = unpacking.decompress(content, MAX_BYTES + 1)
        except zlib.error:
            raise UnreadableError("the gzipped file is torn") from None
        if len(unpacked) > MAX_BYTES:
            raise UnreadableError(
                f"the trace has more than {MAX_BYTES:,} bytes when it is unpacked: profile fewer steps"
            )
        content = unpacked
    return content.decode("latin-1")


def _events(text: str, reading: _Reading) -> Iterator[Any]:
    """Events one by one, so that a large trace never stands in memory as objects. Raises ValueError for bad JSON."""
    decode, at = json.JSONDecoder().raw_decode, _skip(text, 0)
    if text[at : at + 1] == "[":
        yield from _items(text, at, decode)[1]
        return
    if text[at : at + 1] != "{":
        raise ValueError("no object")
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        key, at = decode(text, at)
        at = _skip(text, at)
        if not isinstance(key, str) or text[at : at + 1] != ":":
            raise ValueError("no key")
        at = _skip(text, at + 1)
        if key == "traceEvents" and text[at : at + 1] == "[":
            ends, items = _items(text, at, decode)
            yield from items
            at = ends[0]
        else:
            value, at = decode(text, at)
            reading.told(key, value)
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)


def _items(text: str, at: int, decode: Any) -> tuple[list[int], Iterator[Any]]:
    """The items of a list that begins at `at`, and where it ends, known once they are through."""
    ends = [at]

    def items() -> Iterator[Any]:
        place, count = _skip(text, at + 1), 0
        while text[place : place + 1] != "]":
            item, place = decode(text, place)
            count += 1
            if count > MOST_EVENTS:
                raise UnreadableError(f"the trace has more than {MOST_EVENTS:,} events: profile fewer steps")
            yield item
            place = _skip(text, place)
            if text[place : place + 1] == ",":
                place = _skip(text, place + 1)
            elif text[place : place + 1] != "]":
                raise ValueError("no end")
        ends[0] = place + 1

    return ends, items()


def _skip(text: str, at: int) -> int:
    """Past blanks."""
    while at < len(text) and text[at] in BLANKS:
        at += 1
    return at
