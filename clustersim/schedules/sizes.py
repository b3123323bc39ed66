"""Which sizes a schedule can't take, and what it would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from clustersim.errors import InfeasibleError
from clustersim.schedules.registry import SCHEDULES, find_schedule
from clustersim.schedules.traits import ONE, SEVERAL, Multiples


class Misfit(NamedTuple):
    """A size that a schedule can't take."""

    what: Literal["chunks", "stages", "micro_batches"]
    reason: str
    near: tuple[int, ...]  # sizes that it would take, near that one


def misfits(name: str, stages: int, chunks: int, micro_batches: int | None = None) -> Iterator[Misfit]:
    """What keeps a pipeline from running a schedule; micro-batches are those of a replica, if they are known."""
    traits = find_schedule(name).traits
    if chunks not in traits.chunks:
        others = [other for other, schedule in SCHEDULES.items() if chunks in schedule.traits.chunks]
        reason = f"{name} runs {_words(traits.chunks)} a device, not {chunks}"
        with_these = f". With {chunks}: {', '.join(others)}" if others else ""
        yield Misfit("chunks", reason + with_these, (traits.chunks.start,))
    if not traits.stages.take(stages):
        yield Misfit("stages", _reason(f"{stages} stages", traits.stages), traits.stages.near(stages))
        return
    allowed = traits.micro_batches(stages)
    if micro_batches is not None and not allowed.take(micro_batches):
        reason = _reason(f"{micro_batches} micro-batches a replica", allowed)
        yield Misfit("micro_batches", reason, allowed.near(micro_batches))


def check_sizes(name: str, stages: int, chunks: int, micro_batches: int) -> None:
    """Raise InfeasibleError for an unknown schedule, or sizes that it can't take."""
    for misfit in misfits(name, stages, chunks, micro_batches):
        near = "" if misfit.what == "chunks" else f"; {' or '.join(map(str, misfit.near))} would do"
        raise InfeasibleError(misfit.reason + near)


def _words(chunks: range) -> str:
    if chunks == ONE:
        return "one virtual stage"
    return f"{'2 or more' if chunks == SEVERAL else ' or '.join(map(str, chunks))} virtual stages"


def _reason(size: str, allowed: Multiples) -> str:
    several = f"no multiple of {allowed.unit}" if allowed.unit > 1 else "too few"
    least = f" from {allowed.least} on" if allowed.least > allowed.unit else ""
    return f"{size} are {several}{least}, as {allowed.why}"
