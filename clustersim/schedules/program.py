"""A program: one training step of a pipeline as a task graph, with what each task means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from clustersim.engines.graph import Ints, TaskGraph
from clustersim.schedules.placement import ChunkPlacement


class TaskType(Enum):
    """What a task of a step does."""

    FORWARD = "forward"
    BACKWARD = "backward"  # both gradients
    INPUT_GRADIENT = "input gradient"  # backward alone towards the input; WEIGHT_GRADIENT follows
    WEIGHT_GRADIENT = "weight gradient"
    FORWARD_BESIDE = "forward beside backward"  # its half of two passes that run as one; ends with the other half
    BACKWARD_BESIDE = "backward beside forward"  # both gradients
    SEND_ACTIVATION = "send activation"  # from the stage named to the next chunk's stage
    SEND_GRADIENT = "send gradient"
    GATHER_PARAMETERS = "gather parameters"
    REDUCE_GRADIENTS = "reduce gradients"
    SYNC_EMBEDDINGS = "sync embeddings"  # first and last stage share a tied embedding's gradient
    GRADIENT_NORM = "gradient norm"  # every stage waits for the global norm
    OPTIMIZER = "optimizer"

    __hash__ = object.__hash__  # members are single; Enum hashes their names, in Python


FORWARDS = frozenset({TaskType.FORWARD, TaskType.FORWARD_BESIDE})
BACKWARDS = frozenset({TaskType.BACKWARD, TaskType.INPUT_GRADIENT, TaskType.BACKWARD_BESIDE})
COMPUTE_PASSES = FORWARDS | BACKWARDS | {TaskType.WEIGHT_GRADIENT}


class Position(Enum):
    """Which of a stage's micro-batches a pass belongs to: prefetch and gradient buckets make the ends differ."""

    FIRST = "first"  # forward of the first micro-batch of a chunk
    STEADY = "steady"
    LAST = "last"  # what ends the gradients of a chunk: its last backward pass or weight gradient


class Kind(NamedTuple):
    """What tasks with one duration have in common: a row of the duration table."""

    operation: TaskType
    stage: int
    chunk: int = 0  # the model chunk a device holds; 0 without virtual stages
    position: Position = Position.STEADY


@dataclass(frozen=True, eq=False)
class Program:
    """A schedule's task graph and the meaning of its tasks and streams."""

    graph: TaskGraph
    kinds: tuple[Kind, ...]  # row of the duration table -> meaning
    micro_batch: Ints  # [tasks] or -1
    stage: Ints  # [tasks] the device that the task belongs to
    compute_streams: tuple[int, ...]  # of each stage
    stages: int
    micro_batches: int
    virtual_stages: int  # model chunks a device holds
    placement: ChunkPlacement  # which virtual stage of the model each chunk is
