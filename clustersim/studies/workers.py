"""Many independent tasks over an executor: in chunks that are worth sending, results as they come."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from itertools import islice
from typing import TypeVar

from clustersim.errors import WorkersLostError
from clustersim.studies.processes import run_in_processes

Task = TypeVar("Task")
Answer = TypeVar("Answer")

CHUNK_SECONDS = 0.2  # a chunk takes at least this long, so that sending it costs little beside
WORTH_A_POOL_SECONDS = 4.0  # less work than this is done before a pool has started
MOST_WORKERS = 1024  # processes: more than any machine has cores, and fewer than it has room for
MOST_SUBMITTED = 500  # chunks that an executor holds at a time


def run_chunks(
    tasks: Sequence[Task],
    work: Callable[[list[Task]], list[Answer]],
    *,
    workers: int | None = None,
    executor: Executor | None = None,
) -> Iterator[tuple[list[Task], list[Answer]]]:
    """Every chunk of tasks with its answers, in the order of completion.

    The first tasks run here, to learn how long one takes; the rest goes to `executor`, or to a pool of `workers`
    processes, by default one a processor and none for little work. `work` must be importable in a worker. What a killed
    process held is played again; raises WorkersLostError where that does not help.
    """
    started = time.perf_counter()
    done = 0
    while done < len(tasks) and (done == 0 or workers == 1 or time.perf_counter() - started < CHUNK_SECONDS):
        yield [tasks[done]], work([tasks[done]])
        done += 1
    if done == len(tasks):
        return
    each = (time.perf_counter() - started) / done
    left = len(tasks) - done
    if executor is None and workers is None and each * left < WORTH_A_POOL_SECONDS:
        for number in range(done, len(tasks)):
            yield [tasks[number]], work([tasks[number]])
        return
    size = max(1, math.ceil(CHUNK_SECONDS / each))
    chunks = (list(tasks[start : start + size]) for start in range(done, len(tasks), size))  # read as they are sent
    if executor is not None:
        yield from _as_completed(executor, chunks, work)
        return
    count = min(workers or os.cpu_count() or 1, math.ceil(left / size), MOST_WORKERS)
    yield from run_in_processes(chunks, work, count)


def _as_completed(
    executor: Executor, chunks: Iterator[list[Task]], work: Callable[[list[Task]], list[Answer]]
) -> Iterator[tuple[list[Task], list[Answer]]]:
    """The same over an executor of the caller's, which is left open; what waits is cancelled on the way out."""
    futures: dict[Future[list[Answer]], list[Task]] = {}
    try:
        while True:
            for chunk in islice(chunks, MOST_SUBMITTED - len(futures)):
                futures[executor.submit(work, chunk)] = chunk
            if not futures:
                return
            done, _ = wait(futures, return_when=FIRST_COMPLETED)
            for future in done:
                yield futures.pop(future), future.result()
    except CancelledError as error:  # by nobody here: a Dask client does so when its scheduler is gone
        raise WorkersLostError("the executor's scheduler was lost with the work that it held") from error
    except BrokenExecutor as error:
        raise WorkersLostError("the executor ended unexpectedly, perhaps for lack of memory") from error
    finally:
        for future in futures:
            future.cancel()
