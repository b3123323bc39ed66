"""What is too large to be played, said before any memory is asked for."""

from __future__ import annotations

from clustersim.errors import InfeasibleError
from clustersim.inputs.layout import ResolvedLayout
from clustersim.schedules.program import TaskType
from clustersim.schedules.registry import passes_of

MOST_TASKS = 2_000_000  # of a step's graph: 350 to 450 bytes each with all that is read off it, under 1 GiB
MOST_DURATIONS = 40_000_000  # of all tasks of replicas that differ: 20 bytes each, under 1 GiB


def check_tasks(layout: ResolvedLayout, micro_batches: int) -> None:
    """Raise InfeasibleError where a replica's passes and their messages are more tasks than are played."""
    a_micro_batch = tasks_a_micro_batch(layout)
    if a_micro_batch * micro_batches > MOST_TASKS:
        most = MOST_TASKS // a_micro_batch
        raise InfeasibleError(
            f"a step of {micro_batches:,} micro-batches a replica is some {a_micro_batch * micro_batches:,} tasks; at "
            f"most {MOST_TASKS:,} are played. Up to {most:,} micro-batches would be: global_batch "
            f"{most * layout.data * layout.micro_batch:,} on this layout, or a larger data or micro_batch"
        )


def tasks_a_micro_batch(layout: ResolvedLayout) -> int:
    """Passes of one micro-batch at most, and a message after each but weight gradients where there is another stage."""
    apart = TaskType.WEIGHT_GRADIENT in passes_of(layout.schedule)
    kinds = (4 if layout.pipeline > 1 else 2) + apart
    return kinds * layout.pipeline * layout.virtual_stages


def check_durations(tasks: int, replicas: int) -> None:
    """Raise InfeasibleError where replicas that differ have more tasks than are played."""
    if tasks * replicas > MOST_DURATIONS:
        raise InfeasibleError(
            f"{replicas:,} replicas that differ play {tasks:,} tasks each; at most {MOST_DURATIONS:,} together are "
            f"played. Fewer micro-batches a replica, or a cluster without jitter and slow nodes, would be"
        )
