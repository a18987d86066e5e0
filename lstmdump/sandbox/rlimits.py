"""CPU time and memory limits of a worker process, as far as the system can enforce them.

A timer limits the CPU time: when it expires, the system ends the process. The size of the address space limits the
memory: further allocations fail.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lstmdump.model.limits import Limits

try:
    import resource
except ImportError:  # Windows
    _CAN_LIMIT = False
else:
    _CAN_LIMIT = hasattr(signal, "setitimer")

_SPEED = 5e6  # bytes that are read and written in another form in one second of CPU time, at least
_STEP = 1 << 20  # bytes; fewer cost neither time nor memory that matters
_STATUS = "/proc/self/statm"
_SIGN_OF_LIFE = 5.0  # seconds between two of them
_LITTLE_MEMORY = 256 << 20  # bytes of address space; numpy and h5py with their libraries take half of it
_FEW_FILES = 32
_FOR_EVER = 10**9  # seconds: about as many as a timer of the system accepts


def describe_low() -> str | None:
    """Return which limit the user has set for this process that is too low for some models, in words; None for none."""
    if not _CAN_LIMIT:
        return None
    memory, files = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_NOFILE))
    if 0 <= memory < _LITTLE_MEMORY:  # -1 is infinity on some systems
        return f"the limit of {memory >> 20} MiB of memory (ulimit -v)"
    if 0 <= files < _FEW_FILES:
        return f"the limit of {files} open files (ulimit -n)"
    return None


class ProcessBudget:
    """The budget of this process; `lstmdump.model.budget` describes the methods.

    Attributes:
        sign: Reports to the parent that the work goes on.
        next_sign: When to call `sign` next, on the monotonic clock.
        parent: The id of the parent process, which waits for the result.
        own: Bytes of address space in use before the first model; 0 if the system does not report them.
        most: The limit of the address space that the process was started with, in bytes.
        memory: The current limit of the address space, in bytes.
        running: Whether a model is being read.
        pending: Bytes read since the limits were last raised, too few yet to be worth a system call.
        held: Bytes of memory that those take.
    """

    def __init__(self, sign: Callable[[], None]) -> None:
        self.sign = sign
        self.next_sign = 0.0
        self.parent = os.getppid()
        self.running = False
        self.pending = self.held = 0
        self.own = _read_address_space() if _CAN_LIMIT else 0
        if _CAN_LIMIT:
            self.memory = self.most = resource.getrlimit(resource.RLIMIT_AS)[0]
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

    def begin(self, limits: Limits) -> None:
        """Start the limits of a model; see `budget.begin`."""
        if _CAN_LIMIT:
            self.running = True
            self.pending = self.held = 0
            self._limit_time(limits.seconds)
            self._limit_memory(self.own + limits.memory)

    def allow(self, size: int, copies: int) -> None:
        """Raise the limits by what `size` bytes take; see `budget.allow`."""
        self.pending += size
        self.held += copies * size
        if self.pending < _STEP:
            return
        size, held = self.pending, self.held
        self.pending = self.held = 0
        if os.getppid() != self.parent:
            raise SystemExit
        if time.monotonic() > self.next_sign:
            self.next_sign = time.monotonic() + _SIGN_OF_LIFE
            self.sign()
        if self.running:
            self._limit_time(signal.getitimer(signal.ITIMER_PROF)[0] + size / _SPEED)
            if held:
                self._limit_memory(self.memory + held)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Lift the limits in the block, and then add the memory that it took; see `budget.loading`."""
        if not self.running:
            yield
            return
        seconds, memory, before = signal.getitimer(signal.ITIMER_PROF)[0], self.memory, _read_address_space()
        signal.setitimer(signal.ITIMER_PROF, 0)
        self._limit_memory(self.most if self.most != resource.RLIM_INFINITY else sys.maxsize)
        try:
            yield
        finally:
            taken = max(0, _read_address_space() - before)
            self.own += taken if self.own else 0
            self._limit_memory(memory + taken)
            self._limit_time(seconds)

    def end(self) -> None:
        """Stop the timer; see `budget.end`."""
        if self.running:
            self.running = False
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _limit_time(self, seconds: float) -> None:
        signal.setitimer(signal.ITIMER_PROF, min(seconds, _FOR_EVER))

    def _limit_memory(self, size: int) -> None:
        least = min(size, sys.maxsize if self.most == resource.RLIM_INFINITY else self.most)
        if self.own and least != self.memory:
            self.memory = least
            resource.setrlimit(resource.RLIMIT_AS, (least, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _read_address_space() -> int:
    try:
        with open(_STATUS, "rb") as file:  # noqa: PTH123 - pathlib takes 3 ms to import
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0
