"""What a device of each pipeline stage holds while a step is played.

`memory_timeline(step: PlayedStep) -> tuple[StageMemory, ...]` reads it off the step's timeline, stage by stage: a
forward pass takes the activations that it keeps, the backward pass gives them back; where gradients of weights are
passes of their own, inputs and output gradients of the weight matrices stay until then. States and buffers stay
throughout. Its peaks are what the memory report says.

Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4 and appendix C; Qi et al. 2023, Zero Bubble Pipeline
Parallelism, arXiv 2401.10241, section 2.1 and table 1 (what stays for the gradient of weights).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.schedules.program import COMPUTE_PASSES, FORWARDS, Kind, TaskType
from clustersim.simulation.memory.holdings import offloaded_activations, resident_parts, sharding_of
from clustersim.workload.sizes import sizes_of

if TYPE_CHECKING:
    from clustersim.simulation.step.step import PlayedStep

# What passes take and give back.
MOVING = ("activations", "embedding", "working", "logits", "weight_gradient_inputs")


@dataclass(frozen=True, eq=False)
class StageMemory:
    """What a device of one pipeline stage holds: `bytes[i]` from `times_s[i]` on."""

    stage: int
    times_s: Floats  # [events] seconds, rising
    bytes: Floats  # [events]
    parts: Mapping[str, Floats]  # [events] the same by what it is; they sum to `bytes`

    @property
    def peak_parts(self) -> dict[str, float]:
        """Bytes by part when most is held."""
        at = int(np.argmax(self.bytes))
        return {name: float(held[at]) for name, held in self.parts.items()}


def memory_timeline(step: PlayedStep) -> tuple[StageMemory, ...]:
    """What every pipeline stage holds over a played step, from its start to its end."""
    program = step.program
    started, ended = _changes(step)
    is_pass = np.array([kind.operation in COMPUTE_PASSES for kind in program.kinds])[program.graph.kind]
    stages = []
    for stage in range(program.stages):
        tasks = np.flatnonzero(is_pass & (program.stage == stage))  # in the order of the stage's compute stream
        kinds = program.graph.kind[tasks]
        times = np.column_stack([step.timeline.start[tasks, 0], step.timeline.end[tasks, 0]]).ravel()
        changes = np.stack([started[kinds], ended[kinds]], axis=1).reshape(-1, len(MOVING))
        moving = np.concatenate([np.zeros((1, len(MOVING))), np.cumsum(changes, axis=0)])  # [events, parts] bytes
        stages.append(_stage_memory(step, stage, np.concatenate([[0.0], times]), moving))
    return tuple(stages)


def _stage_memory(step: PlayedStep, stage: int, times: Floats, moving: Floats) -> StageMemory:
    scenario, program = step.scenario, step.program
    chunks = [step.stages[virtual] for virtual in program.placement.virtual[:, stage]]
    sharding = sharding_of(
        scenario, sizes_of(scenario.resolved_layout), program.micro_batches, program.placement.copies
    )
    resident = resident_parts(chunks, sharding, scenario.stack)
    parts = {name: np.broadcast_to(held, times.shape) for name, held in resident.items()}
    parts |= {name: moving[:, column] for column, name in enumerate(MOVING)}
    parts["fragmentation"] = scenario.stack.fragmentation * parts["activations"]
    return StageMemory(stage, times, sum(parts.values(), np.zeros_like(times)), parts)


def _changes(step: PlayedStep) -> tuple[Floats, Floats]:
    """Bytes [kinds, parts of MOVING] that a task of each kind takes when it starts, and (less than 0) when it ends."""
    started, ended = np.zeros((2, len(step.program.kinds), len(MOVING)))
    for row, kind in enumerate(step.program.kinds):
        if kind.operation in COMPUTE_PASSES:
            started[row], ended[row] = _changes_of(step, kind)
    return started, ended


def _changes_of(step: PlayedStep, kind: Kind) -> tuple[list[float], list[float]]:
    layout = step.scenario.resolved_layout
    stage = step.stages[step.program.placement.virtual[kind.chunk, kind.stage]]
    kept = offloaded_activations(stage, layout.offload)
    staying, passing = float(kept.staying[0]), float(kept.passing[0])
    embedding, working, logits, later = (
        float(held[0])
        for held in (stage.embedding_bytes, stage.working_bytes, stage.logit_bytes, stage.weight_input_bytes)
    )
    if kind.operation in FORWARDS:
        return [staying + passing, embedding, 0.0, logits, 0.0], [-passing, 0.0, 0.0, 0.0, 0.0]
    if kind.operation is TaskType.WEIGHT_GRADIENT:
        return [0.0] * len(MOVING), [0.0, 0.0, 0.0, 0.0, -later]
    stays = later if kind.operation is TaskType.INPUT_GRADIENT else 0.0
    return [passing, 0.0, working, 0.0, 0.0], [-staying - passing, -embedding, -working, -logits, stays]
