"""A worker process that runs jobs under limits of CPU time and memory, and is replaced when it dies.

A damaged model can crash the HDF5 library or make it loop forever. In a worker process, only that model fails.
"""

from __future__ import annotations

import errno
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, NoReturn, Protocol, cast

from lstmdump.errors import LstmdumpError, RefusedModel, WorkerDied
from lstmdump.model import budget
from lstmdump.sandbox import answers
from lstmdump.sandbox.fork import Forked, can_fork, ending
from lstmdump.sandbox.rlimits import ProcessBudget, describe_low

Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
Answer = tuple[bool, Any]  # whether the job succeeded; its result, or its error and the traceback
GRACE = 2.0
"""Seconds that an interrupted process has to remove its unfinished output; enough on a busy machine, too."""

_HELP = dict.fromkeys((errno.EMFILE, errno.ENFILE), "raise the limit on open files (ulimit -n)") | {
    errno.ENOMEM: "end other processes, or raise the limit on memory (ulimit -v)"
}
_SIGN_OF_LIFE = b""
_PATIENCE = 600  # seconds without a sign of life: servers and disks may be slow
_TICK = 1.0


class Box(NamedTuple):
    """What a worker process may do.

    Attributes:
        writes: The files and directories that it may write, which need not exist yet.
        reads: The files and directories that it may read, beside `writes` and libraries; None for all.
        network: Whether it may use the network, and run programs, which packages for URLs may do to log in.
    """

    writes: tuple[str, ...] = ()
    network: bool = False
    reads: tuple[str, ...] | None = None


class _Setup(NamedTuple):
    modules: tuple[str, ...]
    box: Box | None


class Connection(Protocol):
    """One end of a pipe."""

    def send_bytes(self, message: bytes, /) -> None: ...  # noqa: D102 - see `fork.Pipe`
    def recv_bytes(self) -> bytes: ...  # noqa: D102
    def poll(self, seconds: float, /) -> bool: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class Process(Protocol):
    """The process at the other end of a `Connection`."""

    exitcode: int | None

    def join(self, seconds: float | None = None, /) -> None: ...  # noqa: D102 - see `fork.Forked`
    def terminate(self) -> None: ...  # noqa: D102
    def kill(self) -> None: ...  # noqa: D102


class Worker:
    """A worker process and our end of the pipe to it, started for the first job and again after it has died.

    Args:
        modules: Modules to import in the process before the first job.
        box: What the process may do; None for everything.

    Attributes:
        waiting: Called about each second that the process gives no sign of life, with the number of these seconds.
    """

    waiting: Callable[[int], None] | None = None

    def __init__(self, *modules: str, box: Box | None = None) -> None:
        self._setup = _Setup(modules, box)
        self._lock = threading.Lock()
        self._stopped = False
        self._process: Process | None = None
        self._connection: Connection | None = None

    def start(self) -> Connection:
        """Start the process and return our end of the pipe.

        Raises:
            WorkerDied: The process could not be started.
        """
        with self._lock, _delay_interrupts():
            if self._stopped:
                from concurrent.futures import CancelledError

                raise CancelledError
            try:
                self._connection, self._process = (
                    _fork_worker(self._setup) if can_fork() else _spawn_worker(self._setup)
                )
            except OSError as error:
                help_ = _HELP.get(error.errno or 0, "end other processes, or raise the limit on processes (ulimit -u)")
                words = f"the worker process could not be started ({error.strerror or error}); {help_}"
                raise WorkerDied(words) from error
            return self._connection

    def do(self, work: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Run `work` in the process, and return its result or raise its exception.

        Raises:
            WorkerDied: The process could not be started, ended, or has given no sign of life for ten minutes.
        """
        task = pickle.dumps((work, args, options))
        connection = self._idle_connection() or self.start()
        try:
            connection.send_bytes(task)
            done, value = _decode_answer(self._receive(connection))
        except TimeoutError as error:
            self._reap(connection)
            raise WorkerDied(f"the worker process has given no sign of life for {_PATIENCE} s") from error
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise WorkerDied(self._reap(connection)) from error
        if done:
            return value
        failure, trace = value
        raise failure from (_RemoteTraceback(trace) if trace else None)

    def _idle_connection(self) -> Connection | None:
        """Return our end of the pipe if the process still runs: it may have been killed between two jobs."""
        if self._connection is not None:
            with suppress(OSError):
                if not self._connection.poll(0):
                    return self._connection
            self._reap(self._connection)
        return None

    def _receive(self, connection: Connection) -> bytes:
        message = _SIGN_OF_LIFE
        while message == _SIGN_OF_LIFE:
            ticks = 0
            while not connection.poll(_TICK):  # counted, not timed: this process may be stopped and continued
                ticks += 1
                if self.waiting is not None:
                    self.waiting(ticks)
                if ticks * _TICK >= _PATIENCE and self._process is not None:
                    self._process.kill()
                    raise TimeoutError
            message = connection.recv_bytes()
        return message

    def _reap(self, connection: Connection) -> str:
        """End the process if it still runs, and return how it ended, in words."""
        connection.close()
        self._connection, process = None, self._process
        if process is None:
            return "the worker process could not be started"
        process.kill()  # no effect on one that has ended; one that still runs has sent an invalid answer
        process.join()
        return _describe_death(process.exitcode or 0)

    def dismiss(self) -> None:
        """Close the pipe, so that the idle process ends, and wait for it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.join()

    def interrupt(self) -> None:
        """Send SIGTERM to the process. On Windows only Ctrl-C itself can interrupt it."""
        with self._lock:
            self._stopped = True
        if self._process is not None and os.name == "posix":
            self._process.terminate()

    def end(self, deadline: float) -> None:
        """Wait for the process to end; kill it at `deadline`, a time of the monotonic clock."""
        if self._process is not None:
            self._process.join(max(0.0, deadline - time.monotonic()))
            self._process.kill()
            self._process.join()


class _RemoteTraceback(Exception):
    """The traceback of an error in another process, as text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _describe_death(status: int) -> str:
    if status == -getattr(signal, "SIGPROF", 0):
        return (
            "reading it takes more CPU time than a model of its size needs, usually because it is damaged; "
            "--limit seconds=… allows more"
        )
    low = describe_low()
    return f"the worker process died ({ending(status)}); a damaged file can cause that{f', or {low}' if low else ''}"


def _fork_worker(setup: _Setup) -> tuple[Connection, Process]:
    process = Forked(lambda pipe: _serve(pipe, setup))
    return process.pipe, process


def _spawn_worker(setup: _Setup) -> tuple[Connection, Process]:
    import multiprocessing

    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, setup), daemon=True)
    process.start()
    theirs.close()
    return cast("Connection", ours), cast("Process", process)


@contextmanager
def _delay_interrupts() -> Iterator[None]:
    """Delay Ctrl-C until the block is left, so that a process forked in it does not print a traceback for it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, setup: _Setup) -> None:
    """Run tasks in the worker process until the other end of the pipe is closed.

    SIGTERM ends the process. Ctrl-C is ignored: the terminal sends it to all processes, and the first one decides.
    """
    terminated = threading.Event()

    def end(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.unraisablehook = lambda _: None  # no messages from unfinished work
        terminated.set()
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN if os.name == "posix" else end)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _silence_streams()
    refusal = _set_up(setup)
    with suppress(EOFError, OSError):
        budget.enforce(ProcessBudget(lambda: connection.send_bytes(_SIGN_OF_LIFE)))
        while not terminated.is_set():  # SystemExit may be lost when the signal arrives in a C library
            task = connection.recv_bytes()
            answer = _run_task(task) if refusal is None else (False, (refusal, ""))
            budget.end()
            connection.send_bytes(_encode_answer(answer))


def _set_up(setup: _Setup) -> WorkerDied | None:
    """Import the modules, then confine the process; return an error where it must not read a model."""
    if setup.box is not None:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # Landlock may not hold for threads that numpy has started
    with suppress(ImportError):  # the first job will report it
        for module in setup.modules:
            __import__(module)
    if setup.box is None:
        return None
    from lstmdump.sandbox import jail

    try:
        lacking = jail.enter(setup.box)
        if lacking and jail.is_required():
            return WorkerDied(
                f"the process that reads models cannot be confined ({lacking}), but {jail.VARIABLE}=require"
            )
    except WorkerDied as error:
        return error
    return None


def _silence_streams() -> None:
    """Redirect the standard streams to the null device: what a C library prints before it dies is of no use."""
    if os.environ.get("LSTMDUMP_DEBUG", "") in ("", "0"):
        nowhere = _open_null_device()
        for descriptor in range(3):
            os.dup2(nowhere, descriptor)
        if nowhere > 2:
            os.close(nowhere)


def _open_null_device() -> int:
    """Return a descriptor that discards what is written to it; after a chroot, there may be no null device."""
    with suppress(OSError):
        return os.open(os.devnull, os.O_RDWR)
    reading, writing = os.pipe()
    os.close(reading)
    return writing


_TOO_MUCH_MEMORY = "reading it takes more memory than a model of its size needs; --limit memory=… allows more"
_OUT_OF_MEMORY: Answer = (False, (RefusedModel(_TOO_MUCH_MEMORY), ""))


def _run_task(task: bytes) -> Answer:
    try:
        work, args, options = pickle.loads(task)  # noqa: S301 - from our own process
        return True, work(*args, **options)
    except MemoryError:
        return _OUT_OF_MEMORY
    except Exception as error:  # noqa: BLE001 - every exception belongs to the caller
        return False, (error, "" if isinstance(error, LstmdumpError) else _format_traceback())


def _format_traceback() -> str:
    import traceback

    return traceback.format_exc()


def _encode_answer(answer: Answer) -> bytes:
    try:
        return answers.encode(answer)
    except MemoryError:
        return answers.encode(_OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001 - what cannot cross is a bug, and is reported
        return answers.encode((False, _replace_foreign_error(answer, error)))


def _replace_foreign_error(answer: Answer, error: Exception) -> tuple[Exception, str]:
    """Return an error that says in words what `answer` is, and the traceback."""
    done, value = answer
    if done:
        return TypeError(f"the result cannot be sent: {error}"), ""
    failure, trace = value
    return RuntimeError(f"{type(failure).__name__}: {failure}"), trace


def _decode_answer(message: bytes) -> Answer:
    """Return the answer in `message`, which the process may have made up.

    Raises:
        pickle.UnpicklingError: It is not an answer.
    """
    match answers.decode(message):
        case (True, value):
            return True, value
        case (False, (Exception() as failure, str() as trace)):
            return False, (failure, trace)
    raise pickle.UnpicklingError("the answer is invalid")
