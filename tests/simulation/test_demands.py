"""What tasks draw on: whose links, which tier, whose cores."""

from __future__ import annotations

from typing import Any

import builders
import numpy as np
import pytest

from clustersim.engines.sharing import NO_LINK, Sharing
from clustersim.inputs.scenario import Scenario
from clustersim.schedules.program import Kind, Program, TaskType
from clustersim.simulation.segment.demands import pass_demands, sharing_of
from clustersim.simulation.step.side_by_side import side_by_side
from clustersim.simulation.step.step import micro_batches_of, price_stages, step_machine, step_program
from clustersim.simulation.step.step_demands import StepDemands
from clustersim.simulation.step.task_prices import TaskPrices
from clustersim.workload.operations import Collective, Gemm, PassBuilder

OUT_NEAR, OUT_FAR, IN_NEAR, IN_FAR = range(4)


def of_step(**layout: Any) -> tuple[Program, Sharing, Scenario]:
    """A step of four stages on nodes of 8 devices, with overlap."""
    here = builders.scenario(
        nodes=8,
        stack_=builders.stack(overlap_slowdown=0.15, blocking_transfers=False),
        pipeline=4,
        overlap=frozenset({"grad_reduce", "param_gather"}),
        sequence_parallel=True,
        **layout,
    )
    columns = side_by_side([here])
    machine = step_machine(columns)
    stages = price_stages(columns, machine)
    program = step_program(here, micro_batches_of(here))
    table = TaskPrices(columns, machine, stages, program).table()
    return program, StepDemands(columns, machine, stages, program).sharing(table), here


def used(program: Program, sharing: Sharing, operation: TaskType, stage: int) -> dict[tuple[int, int], float]:
    """(which link, whose): bytes a second."""
    (row,) = (at for at, kind in enumerate(program.kinds) if (kind.operation, kind.stage) == (operation, stage))
    return {
        divmod(int(link), program.stages): float(rate[0])
        for link, rate in zip(sharing.links[row], sharing.bandwidth[row], strict=True)
        if rate[0] > 0.0
    }


def test_a_transfer_leaves_by_the_sender_s_links_and_comes_in_by_the_receiver_s() -> None:
    program, sharing, _ = of_step(tensor=8)
    there, back = (used(program, sharing, send, 1) for send in (TaskType.SEND_ACTIVATION, TaskType.SEND_GRADIENT))
    assert there.keys() == {(OUT_FAR, 1), (IN_FAR, 2)}
    assert back.keys() == {(OUT_FAR, 1), (IN_FAR, 0)}
    assert there[OUT_FAR, 1] == pytest.approx(10e9)  # a message without latency takes all of the link


def test_stages_of_one_node_send_inside_it() -> None:
    program, sharing, _ = of_step(tensor=2, data=8, rank_order="tensor-pipeline-data-context-expert")
    assert used(program, sharing, TaskType.SEND_ACTIVATION, 1).keys() == {(OUT_NEAR, 1), (IN_NEAR, 2)}


def test_collectives_hold_cores_and_transfers_none() -> None:
    program, sharing, _ = of_step(tensor=2, data=8)
    for row, kind in enumerate(program.kinds):
        data = kind.operation in (TaskType.GATHER_PARAMETERS, TaskType.REDUCE_GRADIENTS)
        assert sharing.holds[row] == (0.15 if data else 0.0)
        assert sharing.device[row] == kind.stage


def test_a_reduction_fills_the_links_between_nodes() -> None:
    """Of 4 replicas two are on each node: their ring leaves it by the links of both, which are full."""
    program, sharing, _ = of_step(tensor=4, data=4)
    row = program.kinds.index(Kind(TaskType.REDUCE_GRADIENTS, 2))
    far = sharing.bandwidth[row, OUT_FAR, 0]
    near = sharing.bandwidth[row, OUT_NEAR, 0]
    assert near == pytest.approx(far)  # each of two rings goes to the other member, or out
    assert far == pytest.approx(10e9, rel=0.01)


def test_a_pass_spreads_its_collectives_over_its_seconds() -> None:
    program, sharing, _ = of_step(tensor=8)
    row = program.kinds.index(Kind(TaskType.FORWARD, 2))
    assert 0.0 < sharing.bandwidth[row, OUT_NEAR, 0] < 100e9
    assert sharing.bandwidth[row, OUT_FAR, 0] == 0.0
    assert sharing.computing[row] + sharing.moving[row] == pytest.approx(1.0)
    assert 0.0 < sharing.moving[row, 0] < 1.0


def test_operations_of_passes_have_a_device_a_pass() -> None:
    here = builders.scenario(tensor=8, stack_=builders.stack(overlap_slowdown=0.3))
    builder = PassBuilder()
    builder.run(Gemm("product", 1e3, 1e3, 1e3))
    builder.communicate(Collective("gather", "all-gather", "tensor", 1e9))
    machine, work = step_machine(side_by_side([here])), builder.build()
    seconds = np.array([[1.0], [machine.time(work.operations[1])[0]]] * 2)
    sharing = sharing_of(pass_demands([work, work], seconds, machine), machine)
    assert sharing.device.tolist() == [0, 0, 1, 1]
    assert sharing.computing[:, 0].tolist() == [1.0, 0.0, 1.0, 0.0]
    assert sharing.holds[:, 0].tolist() == [0.0, 0.3, 0.0, 0.3]
    assert (sharing.links[0] == NO_LINK).all()
    assert sharing.owner[sharing.links[3]].tolist() == [1] * 4
    assert sharing.bandwidth[1, :, 0] == pytest.approx([100e9 * 8 / (8 + machine.up.ring_loss), 0.0] * 2)
