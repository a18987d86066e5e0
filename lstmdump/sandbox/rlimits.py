"""The budget of a process that does nothing but read models, as far as the system can hold it to one.

Processor time is held by a timer, at whose end the system ends the process; memory by the size of its address space,
at whose end whoever asks for more is refused.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

from lstmdump.model.limits import Limits

try:
    import resource
except ImportError:  # Windows
    _CAN_LIMIT = False
else:
    _CAN_LIMIT = hasattr(signal, "setitimer")

_SPEED = 5e6  # bytes that are read, and written in another form, in a second of processor time at the least
_NOTED = 1 << 20  # bytes; fewer take neither time nor memory that matters
_STATUS = "/proc/self/statm"
_SIGN_OF_LIFE = 5.0  # seconds between two of them
_FOR_EVER = 10**9  # seconds: a timer of the system takes not many more


class ProcessBudget:
    """That of this process; see `budget` for what its methods are for.

    Attributes:
        sign: tells who waits that the work goes on.
        parent: who waits.
        own: bytes of address space that were in use before the first model; 0 where the system does not tell.
        most: bytes of address space that the process may have in any case.
        memory: bytes of address space that it may have now.
        running: whether a model is being read.
        unnoted: bytes that are read, too few yet to be worth a call of the system.
        held: bytes of memory that they take.
    """

    def __init__(self, sign: Callable[[], None]) -> None:
        self.sign = sign
        self.next_sign = 0.0
        self.parent = os.getppid()
        self.running = False
        self.unnoted = self.held = 0
        self.own = _address_space()
        if _CAN_LIMIT:
            self.memory = self.most = resource.getrlimit(resource.RLIMIT_AS)[0]
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

    def begin(self, limits: Limits) -> None:
        """See `budget.begin`."""
        if _CAN_LIMIT:
            self.running = True
            self.unnoted = self.held = 0
            self._limit_time(limits.seconds)
            self._limit_memory(self.own + limits.memory)

    def allow(self, size: int, copies: int) -> None:
        """See `budget.allow`."""
        self.unnoted += size
        self.held += copies * size
        if self.unnoted < _NOTED:
            return
        size, held = self.unnoted, self.held
        self.unnoted = self.held = 0
        if os.getppid() != self.parent:
            raise SystemExit
        if time.monotonic() > self.next_sign:
            self.next_sign = time.monotonic() + _SIGN_OF_LIFE
            self.sign()
        if self.running:
            self._limit_time(signal.getitimer(signal.ITIMER_PROF)[0] + size / _SPEED)
            if held:
                self._limit_memory(self.memory + held)

    def end(self) -> None:
        """See `budget.end`."""
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


def _address_space() -> int:
    try:
        with open(_STATUS, "rb") as file:  # noqa: PTH123 - pathlib takes 3 ms to import
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0
