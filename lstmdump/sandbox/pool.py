"""An executor of worker processes in which one process may die without affecting the other jobs.

When a process dies, `concurrent.futures.ProcessPoolExecutor` fails every running job, ends the other processes in the
middle of their jobs, does not report which job was the cause, and accepts no more. A damaged model can crash the HDF5
library; the thousand models after it must still be read.
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
from lstmdump.sandbox.worker import GRACE, Box, Worker

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class ProcessPool(Executor):
    """An executor of `count` processes; jobs and results are pickled.

    A process that dies fails only its own job, with `WorkerDied`, and is replaced. If an exception, such as that of
    Ctrl-C, leaves the `with` block, the running jobs are ended.

    Args:
        count: The number of processes.
        modules: Modules to import in each process before its first job, so that the import does not count towards the
            limits of a model.
        box: What the processes may do; None for everything.
    """

    def __init__(self, count: int, *modules: str, box: Box | None = None) -> None:
        self._shut = False
        self._tasks: SimpleQueue[tuple[Future[Any], _Task] | None] = SimpleQueue()
        self._workers = [Worker(*modules, box=box) for _ in range(count)]
        for worker in self._workers:
            worker.start()
        # Not a ThreadPoolExecutor: Ctrl-C can leave a lock of it held, for which all of its threads then wait.
        self._threads = [fork.thread(self._pass_tasks, worker) for worker in self._workers]
        for thread in self._threads:
            thread.start()

    def submit(
        self, work: Callable[Parameters, Result], /, *args: Parameters.args, **options: Parameters.kwargs
    ) -> Future[Result]:
        """Run `work` in the next free process."""
        if self._shut:
            raise RuntimeError("the pool has been shut down and accepts no more jobs")
        future: Future[Result] = Future()
        self._tasks.put((future, (work, args, options)))
        return future

    def _pass_tasks(self, worker: Worker) -> None:
        """Pass one task after the other to `worker` until the queue ends."""
        while (given := self._tasks.get()) is not None:
            future, (work, args, options) = given
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(worker.do(work, *args, **options))
            except BaseException as error:  # noqa: BLE001 - every exception belongs to the caller
                future.set_exception(error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more jobs; with `wait`, return when all jobs are done and the processes have ended."""
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
        """End the processes in the middle of their jobs within two seconds; each removes its unfinished output."""
        self.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.interrupt()
        deadline = time.monotonic() + GRACE
        for worker in self._workers:
            worker.end(deadline)
        for thread in self._threads:  # a thread may be waiting for a lock that Ctrl-C has left held
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
