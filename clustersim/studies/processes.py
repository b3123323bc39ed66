"""Worker processes that may be killed at any moment: what they held is played again by others.

Every worker has a pipe of its own and shares no lock, so that none can die with one in hand. (The pool of
`concurrent.futures` shares a queue behind a lock among its workers: killed at the wrong moment, above all while others
are being spawned, one leaves the pool waiting for ever.) A worker ends when its pipe does, and when its parent does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar

from clustersim.errors import WorkersLostError

Task = TypeVar("Task")
Answer = TypeVar("Answer")

MOST_DEATHS = 3  # of workers over one task: then it is given up, and the others go on without it
MOST_STILLBORN = 10  # workers that were killed in a row before they were ready
PATIENCE_SECONDS = 5.0  # that a worker has to end by itself when there is no more to do

READY, ANSWER, ERROR = "ready", "answer", "error"


def run_in_processes(
    chunks: Iterable[list[Task]], work: Callable[[list[Task]], list[Answer]], count: int
) -> Iterator[tuple[list[Task], list[Answer]]]:
    """Every chunk with its answers in the order of completion, from `count` fresh processes (nothing is forked).

    Chunks are taken as workers become free. A chunk whose worker is killed is played again, task by task. Raises
    WorkersLostError, once all else is done, for tasks over which MOST_DEATHS workers died.
    """
    crew = _Crew(chunks, work)
    try:
        yield from crew.run(count)
        crew.dismiss()
    finally:
        crew.kill()


@dataclass
class _Chunk(Generic[Task]):
    """Tasks that go to one worker, and how many workers died over them."""

    tasks: list[Task]
    deaths: int = 0


@dataclass
class _Worker(Generic[Task]):
    process: SpawnProcess
    ready: bool = False
    chunk: _Chunk[Task] | None = None


@dataclass
class _Crew(Generic[Task, Answer]):
    """The workers by their pipes, and what is still to do."""

    source: Iterable[list[Task]]
    work: Callable[[list[Task]], list[Answer]]
    again: deque[_Chunk[Task]] = field(default_factory=deque)  # whose workers died
    workers: dict[Connection, _Worker[Task]] = field(default_factory=dict)
    leaving: list[SpawnProcess] = field(default_factory=list)
    stillborn: int = 0  # in a row
    given_up: int = 0  # tasks

    def __post_init__(self) -> None:
        self.source = iter(self.source)

    def run(self, count: int) -> Iterator[tuple[list[Task], list[Answer]]]:
        """Every chunk with its answers."""
        for _ in range(count):
            self._start()
        while self.workers:
            for link in wait(list(self.workers)):
                assert isinstance(link, Connection)
                worker = self.workers[link]
                try:
                    kind, content = link.recv()
                except (EOFError, OSError):
                    self._bury(link, worker)
                    continue
                chunk, worker.ready, self.stillborn = worker.chunk, True, 0
                if kind == ERROR:
                    raise content
                self._employ(link, worker)
                if chunk is not None:
                    yield chunk.tasks, content
        if self.given_up:
            raise WorkersLostError(
                f"{self.given_up:,} pieces of work were given up: over each of them {MOST_DEATHS} worker processes "
                "were killed, perhaps for lack of memory (fewer --workers need less)"
            )

    def _start(self) -> None:
        """One more worker."""
        context = multiprocessing.get_context("spawn")
        link, far_end = context.Pipe()
        process = context.Process(target=_serve, args=(far_end, self.work), daemon=True)
        try:
            with _interrupts_blocked():
                process.start()
        except BrokenPipeError:  # killed before it had read what it is to do
            link.close()
            self._count_stillborn()
            self._start()
            return
        finally:
            far_end.close()
        self.workers[link] = _Worker(process)

    def _employ(self, link: Connection, worker: _Worker[Task]) -> None:
        """Hand a free worker the next chunk, or let it go."""
        tasks = None if self.again else next(iter(self.source), None)
        worker.chunk = self.again.popleft() if self.again else None if tasks is None else _Chunk(tasks)
        if worker.chunk is None:
            self._let_go(link, worker)
            return
        with suppress(OSError):  # its end is read next, and the worker buried
            link.send(worker.chunk.tasks)

    def _let_go(self, link: Connection, worker: _Worker[Task]) -> None:
        del self.workers[link]
        link.close()
        self.leaving.append(worker.process)

    def _bury(self, link: Connection, worker: _Worker[Task]) -> None:
        """A worker has died: another one plays what it held. Raises WorkersLostError where none can start."""
        self._let_go(link, worker)
        worker.process.join(PATIENCE_SECONDS)
        if not worker.ready:
            if worker.process.exitcode is not None and worker.process.exitcode >= 0:  # by itself: so would the next
                raise WorkersLostError("worker processes cannot start; why stands above")
            self._count_stillborn()
        if worker.chunk is not None:
            deaths = worker.chunk.deaths + 1
            if deaths >= MOST_DEATHS:
                self.given_up += len(worker.chunk.tasks)
            else:
                self.again += [_Chunk([task], deaths) for task in worker.chunk.tasks]
        self._start()

    def _count_stillborn(self) -> None:
        self.stillborn += 1
        if self.stillborn > MOST_STILLBORN:
            raise WorkersLostError(f"{self.stillborn} worker processes in a row were killed before they could begin")

    def dismiss(self) -> None:
        """Wait until the workers have ended by themselves."""
        for process in self.leaving:
            process.join(PATIENCE_SECONDS)

    def kill(self) -> None:
        """End whoever is left, in the middle of what it does."""
        left = [process for process in self.leaving if process.is_alive()]
        for link, worker in self.workers.items():
            link.close()
            left.append(worker.process)
        for process in left:
            process.kill()
        for process in left:
            process.join(PATIENCE_SECONDS)
        self.workers.clear()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """A process started meanwhile never sees Ctrl-C, which is its parent's to handle."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(link: Connection, work: Callable[[list[Any]], list[Any]]) -> None:
    """What a worker does until its pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        link.send((READY, None))
        while True:
            tasks = link.recv()
            link.send(_answer(work, tasks))
    except (EOFError, OSError):
        return


def _answer(work: Callable[[list[Any]], list[Any]], tasks: list[Any]) -> tuple[str, Any]:
    try:
        return ANSWER, work(tasks)
    except Exception as error:
        error.add_note("".join(traceback.format_exception(error)))
        return ERROR, error


def _end_with_parent() -> None:
    """However the parent ends, in the middle of whatever this process does."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)
