"""Work over executors: every task once, whatever the number of workers."""

from __future__ import annotations

import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from clustersim.errors import WorkersLostError
from clustersim.studies import workers
from clustersim.studies.workers import run_chunks


def doubled(tasks: list[int]) -> list[int]:
    return [2 * task for task in tasks]


def slowly(tasks: list[int]) -> list[int]:
    time.sleep(0.03 * len(tasks))
    return doubled(tasks)


def gathered(answers: Any) -> dict[int, int]:
    found: dict[int, int] = {}
    for tasks, results in answers:
        for task, result in zip(tasks, results, strict=True):
            assert task not in found
            found[task] = result
    return found


EXPECTED = {task: 2 * task for task in range(50)}


@pytest.mark.parametrize("count", [None, 1])
def test_little_work_stays_here(count: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a pool was started")

    monkeypatch.setattr(workers, "run_in_processes", refuse)
    assert gathered(run_chunks(range(50), doubled, workers=count)) == EXPECTED
    monkeypatch.setattr(workers, "CHUNK_SECONDS", 0.0)
    assert gathered(run_chunks([*range(50)], doubled, workers=count)) == EXPECTED


def test_an_executor_of_the_caller_is_used_and_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CHUNK_SECONDS", 0.06)
    chunks: list[int] = []
    with ThreadPoolExecutor(2) as executor:
        submit = executor.submit

        def counted(work: Any, tasks: list[int]) -> Future[list[int]]:
            chunks.append(len(tasks))
            return submit(work, tasks)

        monkeypatch.setattr(executor, "submit", counted)
        assert gathered(run_chunks(list(range(12)), slowly, executor=executor)) == {n: 2 * n for n in range(12)}
        assert executor.submit(doubled, [1]).result() == [2]
    assert max(chunks[:-1]) >= 2  # chunks are worth sending


@pytest.mark.slow
def test_a_pool_of_processes() -> None:
    assert gathered(run_chunks(list(range(30)), slowly, workers=2)) == {task: 2 * task for task in range(30)}


def test_what_waits_is_cancelled_when_the_reader_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CHUNK_SECONDS", 0.0)
    ran: list[int] = []

    def noted(tasks: list[int]) -> list[int]:
        ran.extend(tasks)
        return slowly(tasks)

    with ThreadPoolExecutor(1) as executor:
        answers = run_chunks(list(range(200)), noted, executor=executor)
        for _ in range(3):
            next(answers)
        answers.close()
    assert len(ran) < 20


def test_an_executor_is_handed_some_chunks_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(workers, "MOST_SUBMITTED", 4)
    waiting: set[Future[list[int]]] = set()
    with ThreadPoolExecutor(2) as executor:
        submit = executor.submit

        def counted(work: Any, tasks: list[int]) -> Future[list[int]]:
            future = submit(work, tasks)
            waiting.add(future)
            future.add_done_callback(waiting.discard)
            assert len(waiting) <= 4
            return future

        monkeypatch.setattr(executor, "submit", counted)
        assert gathered(run_chunks(range(50), doubled, executor=executor)) == EXPECTED


class Losing(Executor):
    """Ends as a Dask client does whose scheduler is gone, or as a pool whose process was killed."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self.error is None:
            future.cancel()
            future.set_running_or_notify_cancel()
        else:
            future.set_exception(self.error)
        return future


@pytest.mark.parametrize(
    ("error", "said"), [(None, "scheduler was lost"), (BrokenExecutor("a worker died"), "ended unexpectedly")]
)
def test_an_executor_that_is_lost_is_said(
    error: BaseException | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "CHUNK_SECONDS", 0.0)
    with pytest.raises(WorkersLostError, match=said):
        gathered(run_chunks(range(50), doubled, executor=Losing(error)))


def test_nothing_to_do() -> None:
    assert list(run_chunks([], doubled)) == []
