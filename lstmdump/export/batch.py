"""Many jobs: one after the other, or many at a time by whatever executes them; none that fails stops the rest.

Any `concurrent.futures.Executor` does: threads, processes, `lstmdump.sandbox.pool`, or an engine that spreads jobs over
machines, such as Dask's `Client.get_executor(pure=False)`. What it does not do, such as to survive the death of a
process, is not done here either.
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
"""How many jobs are in an executor's hands: enough for the processors of a cluster, and little to remember."""


@dataclass(frozen=True)
class Outcome(Generic[Job, Result]):
    """What became of a job: a result, or the error that it ended with."""

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
    """What WORK makes of each of JOBS, in their order, each as soon as it and all before it are done.

    Jobs are taken when there is room for them: EXECUTOR has AT_ONCE of them at most, done ones that wait for one
    before them included. Where it works in other processes, WORK, jobs and results go through pickle. Without one,
    each job is done here when its outcome is asked for. KNOWN, if given, is asked here and first: where it has a
    result, or raises, a job goes no further.

    Whoever stops asking, closes the iterator, or is interrupted, cancels what has not begun.
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
    except Exception as error:  # noqa: BLE001 - one job, whatever is wrong with it, must not stop the rest
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
    except Exception as error:  # noqa: BLE001 - one job, or an executor that is broken or shut and takes no more
        done.set_exception(error)
    return done


def _await_outcome(job: Job, future: Future[Result]) -> Outcome[Job, Result]:
    try:
        return Outcome(job, future.result())
    except Exception as error:  # noqa: BLE001 - cancelled by others, too
        return Outcome(job, error=error)
