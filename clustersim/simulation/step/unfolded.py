"""Unfolded replicas: slow nodes and jitter, each data-parallel replica a column of the duration matrix.

Identical replicas are folded into one. Where they differ, each plays the step's graph with durations of its own, and
all meet where gradients are reduced: everybody waits for the last one.
"""

from __future__ import annotations

import numpy as np

from clustersim.engines import makespan
from clustersim.engines.graph import Floats
from clustersim.inputs.hardware import Cluster
from clustersim.inputs.scenario import Scenario
from clustersim.randomness import rng
from clustersim.schedules.program import COMPUTE_PASSES, Program, TaskType
from clustersim.simulation.step.limits import check_durations

COMPUTE = COMPUTE_PASSES | {TaskType.OPTIMIZER}
LEAST = 0.1  # of a task's mean: jitter never makes it shorter


def is_uneven(cluster: Cluster) -> bool:
    """Whether replicas differ."""
    slow = cluster.slow_nodes > 0.0 or cluster.slow_devices > 0.0
    return cluster.jitter > 0.0 or (slow and cluster.slow_factor > 1.0)


def unfolded_seconds(scenario: Scenario, program: Program, durations: Floats) -> float:
    """Seconds of a step whose replicas have slow nodes and jitter. `durations`: [tasks] of a replica without.

    A pass is as slow as the slowest device of its stage's ranks; `slow_nodes` of all nodes and `slow_devices` of all
    devices, drawn once by the seed, take `slow_factor` times as long. Every pass varies by a normal draw of relative
    spread `jitter`. Raises InfeasibleError where replicas have more tasks than are played.
    """
    cluster, layout = scenario.cluster, scenario.resolved_layout
    replicas = layout.data * layout.context
    graph = program.graph.task_by_task
    check_durations(graph.tasks, replicas)
    table = durations[:, np.newaxis] * np.ones(replicas)  # [tasks, replicas] seconds
    computes = np.array([kind.operation in COMPUTE for kind in program.kinds])[program.graph.kind]  # [tasks]
    table[computes] *= stage_factors(scenario)[program.stage[computes]]
    if cluster.jitter:
        draws = rng(scenario.seed, "jitter").normal(1.0, cluster.jitter, size=(int(computes.sum()), replicas))
        table[computes] *= np.maximum(LEAST, draws)
    everybody = np.zeros((graph.barriers, replicas), dtype=np.int64)
    return float(makespan(graph, table, everybody).max())


def stage_factors(scenario: Scenario) -> Floats:
    """How many times as long each stage of each replica takes, [stages, replicas]."""
    cluster, layout = scenario.cluster, scenario.resolved_layout
    nodes = rng(scenario.seed, "slow nodes").random(cluster.nodes) < cluster.slow_nodes  # [nodes]
    devices = rng(scenario.seed, "slow devices").random(cluster.devices) < cluster.slow_devices  # [devices]
    slow = np.repeat(nodes, cluster.node.devices) | devices
    ranks = np.arange(cluster.devices).reshape(layout.pipeline, layout.data * layout.context, layout.tensor)
    held = slow[ranks].any(axis=2)  # [stages, replicas], Megatron's order of ranks
    return np.where(held, cluster.slow_factor, 1.0)
