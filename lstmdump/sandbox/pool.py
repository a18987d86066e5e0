"""Worker processes as an executor, of which one may die without taking the jobs of the others with it.

`concurrent.futures.ProcessPoolExecutor` fails every job under way when a process dies, ends the other processes in the
midst of theirs, does not say which job it was, and takes no more. A damaged model can crash the HDF5 library; the
thousand models after it are to be worked on all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from lstmdump.sandbox import fork
from lstmdump.sandbox.worker import GRACE, Worker

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class ProcessPool(Executor):
    """An executor of COUNT processes. What they are to do, and what comes of it, goes through pickle.

    MODULES are imported in each before its first job, so that this is none of what reading a model takes.
    A process that dies fails the one job that it was at with `WorkerDied`, and another takes its place. Where the
    executor is left by an exception, such as that of Ctrl-C, its processes are ended in the midst of their jobs.
    """

    def __init__(self, count: int, *modules: str) -> None:
        self._shut = False
        self._tasks: SimpleQueue[tuple[Future[Any], _Task] | None] = SimpleQueue()
        self._workers = [Worker(*modules) for _ in range(count)]
        for worker in self._workers:
            worker.start()
        # Threads of our own: in those of ThreadPoolExecutor, Ctrl-C can leave a lock behind that all then wait for.
        self._threads = [fork.thread(self._hand_on, worker) for worker in self._workers]
        for thread in self._threads:
            thread.start()

    def submit(
        self, work: Callable[Parameters, Result], /, *args: Parameters.args, **options: Parameters.kwargs
    ) -> Future[Result]:
        """Have WORK done by the next process that is free."""
        if self._shut:
            raise RuntimeError("no work is taken any more")
        future: Future[Result] = Future()
        self._tasks.put((future, (work, args, options)))
        return future

    def _hand_on(self, worker: Worker) -> None:
        """Give WORKER one task after the other, until there is to be no more."""
        while (given := self._tasks.get()) is not None:
            future, (work, args, options) = given
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(worker.do(work, *args, **options))
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is for who asked
                future.set_exception(error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more; with WAIT, return when all is done and the processes have ended."""
        if not self._shut:
            self._shut = True
            if cancel_futures:
                self._cancel()
            for _ in self._workers:
                self._tasks.put(None)
        if wait:
            for thread in self._threads:
                thread.join()
            for worker in self._workers:
                worker.dismiss()

    def stop(self) -> None:
        """End the processes in the midst of their jobs, in two seconds at most; each takes away what it has begun."""
        self.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.interrupt()
        deadline = time.monotonic() + GRACE
        for worker in self._workers:
            worker.end(deadline)
        for thread in self._threads:  # but for one that waits for a lock that Ctrl-C has left behind
            thread.join(max(0.0, deadline - time.monotonic()))

    def _cancel(self) -> None:
        with suppress(Empty):
            while True:
                if (given := self._tasks.get_nowait()) is not None:
                    given[0].cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.stop()
        else:
            self.shutdown()


def __getattr__(name: str) -> object:
    if name != "Processes":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import warnings

    warnings.warn("Processes is now lstmdump.ProcessPool", DeprecationWarning, stacklevel=2)
    return ProcessPool
