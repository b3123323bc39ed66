"""What one slow node does to a step: the step's graph played with each pipeline stage slow in turn."""

from __future__ import annotations

import numpy as np

from clustersim.engines import makespan
from clustersim.inputs.scenario import Scenario
from clustersim.simulation.run_clock.slow_nodes import Slowdowns, SlowNodes, slow_among
from clustersim.simulation.step.step import PlayedStep
from clustersim.simulation.step.unfolded import COMPUTE

FACTORS = (1.0, 1.1, 1.25, 1.5, 2.0, 4.0)  # that are played; others lie between


def slow_nodes_of(played: PlayedStep) -> SlowNodes | None:
    """The slow nodes of a scenario's failure profile with their effect on this step; None where it has none."""
    scenario: Scenario = played.scenario
    stragglers = scenario.reliability.stragglers if scenario.reliability else None
    if stragglers is None:
        return None
    return slow_among(stragglers, scenario.cluster.nodes, slowdowns_of(played))


def slowdowns_of(played: PlayedStep) -> Slowdowns:
    """Step times with one slow node in each stage over the even step's.

    The replica of the slow node sets the pace: all others come before it to every meeting, so it can be played alone,
    a column for each stage and factor.
    """
    program = played.program
    graph, stages = program.graph.task_by_task, played.scenario.resolved_layout.pipeline
    seconds = np.array([sum(row.values()) for row in played.parts])[program.graph.kind]  # [tasks]
    if played.coupled is not None:
        seconds = seconds * played.coupled.stretch[:, 0]
    computes = np.array([kind.operation in COMPUTE for kind in program.kinds])[program.graph.kind]  # [tasks]
    here = computes[:, np.newaxis] & (program.stage[:, np.newaxis] == np.arange(stages))  # [tasks, stages]
    stretched = np.where(here[:, :, np.newaxis], np.array(FACTORS), 1.0)  # [tasks, stages, factors]
    table = (seconds[:, np.newaxis, np.newaxis] * stretched).reshape(len(seconds), -1)
    alone = np.tile(np.arange(table.shape[1]), (graph.barriers, 1))
    steps = makespan(graph, table, alone).reshape(stages, len(FACTORS))
    return Slowdowns(FACTORS, tuple(map(tuple, (steps / steps[:, :1]).tolist())))
