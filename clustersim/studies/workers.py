"""Many independent tasks over an executor: in chunks that are worth sending, results as they come."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")

CHUNK_SECONDS = 0.2  # a chunk takes at least this long, so that sending it costs little beside
WORTH_A_POOL_SECONDS = 4.0  # less work than this is done before a pool has started


def run_chunks(
    tasks: Sequence[Task],
    work: Callable[[list[Task]], list[Answer]],
    *,
    workers: int | None = None,
    executor: Executor | None = None,
) -> Iterator[tuple[list[Task], list[Answer]]]:
    """Every chunk of tasks with its answers, in the order of completion.

    The first tasks run here, to learn how long one takes; the rest goes to `executor`, or to a pool of `workers`
    processes, by default one a processor and none for little work. `work` must be importable in a worker.
    """
    started = time.perf_counter()
    done = 0
    while done < len(tasks) and (done == 0 or workers == 1 or time.perf_counter() - started < CHUNK_SECONDS):
        yield [tasks[done]], work([tasks[done]])
        done += 1
    if done == len(tasks):
        return
    each = (time.perf_counter() - started) / done
    rest = tasks[done:]
    if executor is None and workers is None and each * len(rest) < WORTH_A_POOL_SECONDS:
        for task in rest:
            yield [task], work([task])
        return
    size = max(1, math.ceil(CHUNK_SECONDS / each))
    chunks = [list(rest[start : start + size]) for start in range(0, len(rest), size)]
    with _pool(workers, len(chunks)) if executor is None else _borrowed(executor) as pool:
        yield from _as_completed(pool, chunks, work)


def _as_completed(
    pool: Executor, chunks: Sequence[list[Task]], work: Callable[[list[Task]], list[Answer]]
) -> Iterator[tuple[list[Task], list[Answer]]]:
    futures: dict[Future[list[Answer]], list[Task]] = {pool.submit(work, chunk): chunk for chunk in chunks}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def _borrowed(executor: Executor) -> Iterator[Executor]:
    """An executor that belongs to the caller: left open."""
    yield executor


@contextmanager
def _pool(workers: int | None, chunks: int) -> Iterator[Executor]:
    """A pool of fresh processes (nothing is inherited by fork); what waits is cancelled on the way out."""
    count = max(1, min(workers or os.cpu_count() or 1, chunks))
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_leave_interrupts_to_the_parent)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
