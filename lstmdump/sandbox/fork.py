"""A process that is forked off this one, and the pipe to it, without what `multiprocessing` takes to import.

Its import takes a quarter of the time that all of `lstmdump show model.h5` takes.
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
_AT_ONCE = 1 << 20  # bytes that are asked for at once
_PAUSE = 0.005  # seconds between two looks at a process that is to end
_OURS = "lstmdump"  # how the names of our own threads begin
_BIRTHS = threading.Lock()  # held while a process is born, and while a pipe is left that it would inherit


HAS_FORK = hasattr(os, "fork") and sys.platform != "darwin"
"""Whether a fork of a process can do what the process can; on macOS, the system's own libraries do not work in one."""


def can_fork() -> bool:
    """Whether this process can be forked now: no thread runs in it but its first one and ours.

    One of others may hold a lock that nobody will ever open in the fork; ours hold none that a fork needs.
    """
    return HAS_FORK and all(
        thread is threading.main_thread() or thread.name.startswith(_OURS) for thread in threading.enumerate()
    )


def thread(target: Callable[..., None], *args: object) -> threading.Thread:
    """A thread of ours that may run while this process is forked: it holds no lock that the fork could need."""
    return threading.Thread(target=target, args=args, daemon=True, name=f"{_OURS}-{target.__name__}")


class Pipe:
    """Our end of two pipes: messages of any length to and from another process."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing

    @property
    def is_open(self) -> bool:
        """Whether it has not been left."""
        return self._reading >= 0

    def send_bytes(self, message: bytes) -> None:
        """Send MESSAGE.

        Raises:
            OSError: nobody is at the other end.
        """
        rest = memoryview(_LENGTH.pack(len(message)) + message)
        while rest:
            rest = rest[os.write(self._writing, rest) :]

    def recv_bytes(self) -> bytes:
        """The next message, when it comes.

        Raises:
            EOFError: nobody is at the other end any more.
        """
        (length,) = _LENGTH.unpack(self._take(_LENGTH.size))
        return self._take(length)

    def poll(self, seconds: float) -> bool:
        """Whether a message, or the end, comes within SECONDS."""
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _take(self, length: int) -> bytes:
        found = bytearray()
        while len(found) < length:
            part = os.read(self._reading, min(length - len(found), _AT_ONCE))
            if not part:
                raise EOFError
            found += part
        return bytes(found)

    def close(self) -> None:
        """Leave. No process is born meanwhile: it would close again what is closed, or by now somebody else's."""
        with _BIRTHS:
            self.leave()

    def leave(self) -> None:
        """Leave, where no process can be born meanwhile."""
        for descriptor in {self._reading, self._writing} - {-1}:
            os.close(descriptor)
        self._reading = self._writing = -1


class Forked:
    """A process that was forked off this one; its methods are those that multiprocessing's have.

    Attributes:
        exitcode: its exit status, or the number of the signal that ended it, negated; None while it runs.
    """

    _ends: set[Pipe] = set()  # noqa: RUF012 - ours, of all forks: none is the business of another fork

    def __init__(self, serve: Callable[[Pipe], None]) -> None:
        self.exitcode: int | None = None
        self._waiting = threading.Lock()
        with _BIRTHS:
            (to_read, to_write), (theirs_to_read, theirs_to_write) = _pipes()
            self.pipe, theirs = Pipe(to_read, to_write), Pipe(theirs_to_read, theirs_to_write)
            Forked._ends = {end for end in Forked._ends if end.is_open} | {self.pipe}
            try:
                self._pid = _fork()
            except OSError:
                self.pipe.leave()
                theirs.leave()
                raise
            if not self._pid:
                _live(serve, theirs, Forked._ends)
            theirs.leave()

    def join(self, seconds: float | None = None) -> None:
        """Wait until it has ended, for SECONDS at most."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self.exitcode is None and not self._has_ended(wait=deadline is None):
            if deadline is not None and time.monotonic() >= deadline:
                return
            time.sleep(_PAUSE)

    def terminate(self) -> None:
        """Tell it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._signal(signal.SIGKILL)

    def _has_ended(self, *, wait: bool) -> bool:
        with self._waiting:
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
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which may hold locks: see `can_fork`
        return os.fork()


def _pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    """What one side reads and writes, and what the other does."""
    one_reads, other_writes = os.pipe()
    other_reads, one_writes = os.pipe()
    return (one_reads, one_writes), (other_reads, other_writes)


def _live(serve: Callable[[Pipe], None], pipe: Pipe, others: set[Pipe]) -> None:
    """What the fork does, all its life: nothing that its parent has begun is brought to an end here."""
    status = 1
    try:
        for other in others:
            other.leave()
        serve(pipe)
        status = 0
    finally:
        os._exit(status)


def ending(status: int) -> str:
    """STATUS, as `subprocess` and `multiprocessing` have it, in words: `signal 6, SIGABRT`, `exit status 1`."""
    if status >= 0:
        return f"exit status {status}"
    with suppress(ValueError):
        return f"signal {-status}, {signal.Signals(-status).name}"
    return f"signal {-status}"
