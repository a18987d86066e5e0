"""CPU time and memory that reading a model may take in a worker process.

A damaged file can make the HDF5 library loop forever or request all memory. No exception ends that, but the system does
(`lstmdump.sandbox.rlimits`). Outside of a worker process, the functions of this module have no effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol

from lstmdump.model.limits import DEFAULTS, Limits

ARRAY = 1 << 12
"""The fixed cost of an array of any size, as the number of bytes that could be read in the same time."""

HANDED_ON = 2
"""Copies in memory of an array that is sent to another process: the array and its pickle."""


class Budget(Protocol):
    """What enforces the limits of a process; the methods correspond to the functions of this module."""

    def begin(self, limits: Limits) -> None: ...  # noqa: D102
    def allow(self, size: int, copies: int) -> None: ...  # noqa: D102
    def end(self) -> None: ...  # noqa: D102
    def loading(self) -> AbstractContextManager[None]: ...  # noqa: D102


_budgets: list[Budget] = []  # one in a worker process, else empty


def enforce(budget: Budget) -> None:
    """Make `budget` the budget of this process."""
    _budgets[:] = [budget]


def begin(limits: Limits = DEFAULTS) -> None:
    """Start a model, which may take what `limits` state and what `allow` adds."""
    for budget in _budgets:
        budget.begin(limits)


def allow(size: int, *, copies: int = 0) -> None:
    """Allow the time to read `size` more bytes, and the memory to hold `copies` of them.

    Raises:
        SystemExit: The parent process, which waited for the model, has ended.
    """
    for budget in _budgets:
        budget.allow(size, copies)


@contextmanager
def loading() -> Iterator[None]:
    """Let the block import libraries, which takes neither time nor memory of the model."""
    with ExitStack() as stack:
        for budget in _budgets:
            stack.enter_context(budget.loading())
        yield


def end() -> None:
    """End the model."""
    for budget in _budgets:
        budget.end()
