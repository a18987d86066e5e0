"""Run many jobs, one after the other or in an executor; a job that fails does not stop the others.

Any `concurrent.futures.Executor` will do: threads, processes, `lstmdump.sandbox.pool`, or an engine that spreads jobs
over machines, such as Dask's `Client.get_executor(pure=False)`. What the executor does not do, such as survive the
death of a process, is not done here either.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Job = TypeVar("Job")
Result = TypeVar("Result")

AT_ONCE = 1000
"""The most jobs given to an executor at once: enough for the processors of a cluster, and small in memory."""


@dataclass(frozen=True)
class Outcome(Generic[Job, Result]):
    """The outcome of a job: its result, or the error that it ended with."""

    job: Job
    result: Result | None = None
    error: Exception | None = None


def run(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    executor: Executor | None = None,
    *,
    known: Callable[[Job], Result | None] | None = None,
    at_once: int = AT_ONCE,
) -> Generator[Outcome[Job, Result], None, None]:
    """Yield the outcome of `work` on each of `jobs`, in order, each as soon as it and all before it are done.

    If the caller closes the iterator, or is interrupted, jobs that have not begun are cancelled.

    Args:
        work: The function. An executor in other processes pickles it, the jobs and the results.
        jobs: The jobs; each is taken when there is room for it.
        executor: Runs the jobs; without one, each job is run here when its outcome is requested.
        known: Called here before a job is run: if it returns a result, or raises, the job is not run.
        at_once: The most jobs in the executor, including completed ones that wait for an earlier one.
    """
    if executor is None:
        for job in jobs:
            yield _do_here(work, job, known)
        return
    waiting: deque[tuple[Job, Future[Result]]] = deque()
    try:
        for job in jobs:
            waiting.append((job, _submit(executor, work, job, known)))
            while waiting and (len(waiting) >= at_once or waiting[0][1].done()):
                yield _await_outcome(*waiting[0])
                waiting.popleft()
        while waiting:
            yield _await_outcome(*waiting[0])
            waiting.popleft()
    finally:
        for _, future in waiting:
            future.cancel()


def _do_here(
    work: Callable[[Job], Result], job: Job, known: Callable[[Job], Result | None] | None
) -> Outcome[Job, Result]:
    try:
        result = known(job) if known is not None else None
        return Outcome(job, work(job) if result is None else result)
    except Exception as error:  # noqa: BLE001 - one job, whatever its error, must not stop the others
        return Outcome(job, error=error)


def _submit(
    executor: Executor, work: Callable[[Job], Result], job: Job, known: Callable[[Job], Result | None] | None
) -> Future[Result]:
    from concurrent.futures import Future

    done: Future[Result] = Future()
    try:
        result = known(job) if known is not None else None
        if result is None:
            return executor.submit(work, job)
        done.set_result(result)
    except Exception as error:  # noqa: BLE001 - one job, or an executor that is broken or closed
        done.set_exception(error)
    return done


def _await_outcome(job: Job, future: Future[Result]) -> Outcome[Job, Result]:
    try:
        return Outcome(job, future.result())
    except Exception as error:  # noqa: BLE001 - including cancellation by others
        return Outcome(job, error=error)
