"""Worker processes, of which one may die without taking the jobs of the others with it.

`concurrent.futures.ProcessPoolExecutor` fails every job under way when a process dies, ends the other processes in the
midst of theirs, does not say which job it was, and takes no more. A damaged model can crash the HDF5 library; the
thousand models after it are to be worked on all the same.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, NoReturn, ParamSpec, TypeVar

from lstmdump.endings import ending
from lstmdump.errors import LstmdumpError, WorkerDied

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Answer = tuple[bool, Any]  # whether the job was done; its result, or its error and where that arose
_GRACE = 0.5  # seconds for a process that is told to end, to take away what it has begun to write


class Processes(Executor):
    """An executor of COUNT processes. What they are to do, and what comes of it, goes through pickle.

    A process that dies fails the one job that it was at with `WorkerDied`, and another takes its place. Where the
    executor is left by an exception, such as that of Ctrl-C, its processes are ended in the midst of their jobs.
    """

    def __init__(self, count: int) -> None:
        self._shut = False
        self._tasks: SimpleQueue[tuple[Future[Any], object] | None] = SimpleQueue()
        self._workers = [_Worker() for _ in range(count)]
        ends: list[Connection] = []
        for worker in self._workers:
            ends.append(worker.start(*ends))
        # Threads of our own: in those of ThreadPoolExecutor, Ctrl-C can leave a lock behind that all then wait for.
        self._threads = [threading.Thread(target=self._hand_on, args=(w,), daemon=True) for w in self._workers]
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

    def _hand_on(self, worker: _Worker) -> None:
        """Give WORKER one task after the other, until there is to be no more."""
        while (given := self._tasks.get()) is not None:
            future, task = given
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(worker.do(task))
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
        """End the processes in the midst of their jobs, within a second; each takes away what it has begun to write."""
        self.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.interrupt()
        deadline = time.monotonic() + _GRACE
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


class _Worker:
    """A process, and our end of the pipe to it. It is started anew for the next job where it has died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def start(self, *inherited: Connection) -> Connection:
        """Start the process and return our end of the pipe; those INHERITED are none of its business.

        A fork beside other threads could inherit a lock that nobody will ever open.
        """
        alone = sys.platform == "linux" and threading.active_count() == 1
        context: Any = multiprocessing.get_context("fork" if alone else "spawn")
        with self._lock, _interrupts_put_off():
            if self._stopped:
                raise CancelledError
            ours, theirs = multiprocessing.Pipe()
            self._process = context.Process(
                target=_serve, args=(theirs, *((*inherited, ours) if alone else ())), daemon=True
            )
            self._process.start()
            theirs.close()
            self._connection = ours
            return ours

    def do(self, task: object) -> Any:
        """What the process makes of TASK; what it raises is raised.

        Raises:
            WorkerDied: it ended instead.
        """
        connection = self._connection or self.start()
        try:
            connection.send(task)
            answer: Answer = connection.recv()
        except (EOFError, OSError) as error:
            raise WorkerDied(f"the process that worked on it died ({self._bury(connection)})") from error
        done, value = answer
        if done:
            return value
        failure, trace = value
        raise failure from (_Elsewhere(trace) if trace else None)

    def _bury(self, connection: Connection) -> str:
        connection.close()
        self._connection, process = None, self._process
        if process is None:
            return "it was never born"
        process.join()
        return ending(process.exitcode or 0)

    def dismiss(self) -> None:
        """Let the process go when it has nothing to do."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.join()

    def interrupt(self) -> None:
        """Tell the process to stop what it does. On Windows, Ctrl-C tells it, and nothing else can."""
        with self._lock:
            self._stopped = True
        if self._process is not None and os.name == "posix":
            self._process.terminate()

    def end(self, deadline: float) -> None:
        """Wait for the process to end; kill it at DEADLINE."""
        if self._process is not None:
            self._process.join(max(0.0, deadline - time.monotonic()))
            self._process.kill()
            self._process.join()


class _Elsewhere(Exception):
    """Where in another process an error arose: its traceback, as text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@contextmanager
def _interrupts_put_off() -> Iterator[None]:
    """Ctrl-C waits until the block is left, so that no process is born in it to tell of it in a traceback."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, *not_ours: Connection) -> None:
    """What the process does: one task after the other, until nobody is at the other end of the pipe any more.

    It ends when it is told to, as after Ctrl-C, which goes to all processes of a terminal, but is for the first one.
    """
    told_to_end = threading.Event()

    def end(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.unraisablehook = lambda _: None  # what is left half done does not complain of it
        told_to_end.set()
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN if os.name == "posix" else end)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for other in not_ours:
        other.close()
    with suppress(EOFError, OSError):
        while not told_to_end.is_set():  # where a library of C was told, the exception may be lost
            _send(connection, _answer(connection.recv_bytes()))


def _answer(task: bytes) -> Answer:
    try:
        work, args, options = ForkingPickler.loads(task)
        return True, work(*args, **options)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is for who asked
        return False, (error, "" if isinstance(error, LstmdumpError) else traceback.format_exc())


def _send(connection: Connection, answer: Answer) -> None:
    try:
        connection.send(answer)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - what cannot be pickled
        connection.send((False, (TypeError(f"cannot be handed on: {error}"), "")))
