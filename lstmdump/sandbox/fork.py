"""Forked child processes and the pipes to them, without `multiprocessing`.

Importing `multiprocessing` takes a quarter of the run time of `lstmdump show model.h5`.
"""

from __future__ import annotations

import os
import select
import signal
import struct
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress

_LENGTH = struct.Struct("<Q")
_READ_SIZE = 1 << 20  # bytes requested by one read
_PAUSE = 0.005  # seconds between two checks whether a process has ended
_OURS = "lstmdump"  # prefix of the names of our own threads
_FORK_LOCK = threading.Lock()  # held while forking, and while closing a pipe that a fork would inherit


HAS_FORK = hasattr(os, "fork") and sys.platform != "darwin"
"""Whether a forked child can do what its parent can; on macOS, the system libraries do not work after a fork."""


def can_fork() -> bool:
    """Return whether this process can be forked now: only the main thread and our own threads are running.

    Any other thread may hold a lock, which would never be released in the child. Our own threads hold no lock that a
    child needs.
    """
    return HAS_FORK and all(
        thread is threading.main_thread() or thread.name.startswith(_OURS) for thread in threading.enumerate()
    )


def thread(target: Callable[..., None], *args: object) -> threading.Thread:
    """Return a daemon thread that may run during a fork; `target` must hold no lock that a child could need."""
    return threading.Thread(target=target, args=args, daemon=True, name=f"{_OURS}-{target.__name__}")


class Pipe:
    """One end of a two-way connection to another process, for messages of any length."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing

    @property
    def is_open(self) -> bool:
        """Whether this end has not been closed."""
        return self._reading >= 0

    def send_bytes(self, message: bytes) -> None:
        """Send `message`.

        Raises:
            OSError: The other end is closed.
        """
        rest = memoryview(_LENGTH.pack(len(message)) + message)
        while rest:
            rest = rest[os.write(self._writing, rest) :]

    def recv_bytes(self) -> bytes:
        """Wait for the next message and return it.

        Raises:
            EOFError: The other end is closed.
        """
        (length,) = _LENGTH.unpack(self._read_exactly(_LENGTH.size))
        return self._read_exactly(length)

    def poll(self, seconds: float) -> bool:
        """Return whether a message, or the end of the stream, arrives within `seconds`."""
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _read_exactly(self, length: int) -> bytes:
        found = bytearray()
        while len(found) < length:
            part = os.read(self._reading, min(length - len(found), _READ_SIZE))
            if not part:
                raise EOFError
            found += part
        return bytes(found)

    def close(self) -> None:
        """Close this end while no process is being forked.

        A child forked meanwhile would close the same descriptors again, which may belong to another file by then.
        """
        with _FORK_LOCK:
            self.leave()

    def leave(self) -> None:
        """Close this end; the caller makes sure that no process is being forked."""
        for descriptor in {self._reading, self._writing} - {-1}:
            os.close(descriptor)
        self._reading = self._writing = -1


class Forked:
    """A forked child process, with the methods of `multiprocessing.Process`.

    Attributes:
        exitcode: The exit status, or the negated number of the signal that ended the process; None while it runs.
    """

    _ends: set[Pipe] = set()  # noqa: RUF012 - our ends of all pipes: each new child closes those of its siblings

    def __init__(self, serve: Callable[[Pipe], None]) -> None:
        self.exitcode: int | None = None
        self._wait_lock = threading.Lock()
        with _FORK_LOCK:
            (to_read, to_write), (theirs_to_read, theirs_to_write) = _open_pipes()
            self.pipe, theirs = Pipe(to_read, to_write), Pipe(theirs_to_read, theirs_to_write)
            Forked._ends = {end for end in Forked._ends if end.is_open} | {self.pipe}
            try:
                self._pid = _fork()
            except OSError:
                self.pipe.leave()
                theirs.leave()
                raise
            if not self._pid:
                _run_child(serve, theirs, Forked._ends)
            theirs.leave()

    def join(self, seconds: float | None = None) -> None:
        """Wait until the process has ended, at most `seconds`."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self.exitcode is None and not self._poll_exit(wait=deadline is None):
            if deadline is not None and time.monotonic() >= deadline:
                return
            time.sleep(_PAUSE)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._signal(signal.SIGKILL)

    def _poll_exit(self, *, wait: bool) -> bool:
        with self._wait_lock:
            if self.exitcode is None:
                pid, status = os.waitpid(self._pid, 0 if wait else os.WNOHANG)
                self.exitcode = os.waitstatus_to_exitcode(status) if pid else None
            return self.exitcode is not None

    def _signal(self, number: int) -> None:
        if self.exitcode is None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about threads that may hold locks: see `can_fork`
        return os.fork()


def _open_pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the read and write descriptors of one side, then those of the other."""
    one_reads, other_writes = os.pipe()
    other_reads, one_writes = os.pipe()
    return (one_reads, one_writes), (other_reads, other_writes)


def _run_child(serve: Callable[[Pipe], None], pipe: Pipe, others: set[Pipe]) -> None:
    """Run `serve` in the child, then exit at once: the child must not finish anything that its parent has begun."""
    status = 1
    try:
        for other in others:
            other.leave()
        serve(pipe)
        status = 0
    finally:
        os._exit(status)


def ending(status: int) -> str:
    """Return an exit status of `subprocess` or `multiprocessing` in words: `signal 6, SIGABRT`, `exit status 1`."""
    if status >= 0:
        return f"exit status {status}"
    with suppress(ValueError):
        return f"signal {-status}, {signal.Signals(-status).name}"
    return f"signal {-status}"
