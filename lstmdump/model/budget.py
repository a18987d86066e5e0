"""What reading one model may take of the machine, in a process that does nothing else: processor time and memory.

A damaged file can have the HDF5 library loop for ever, or ask for all memory there is. No exception ends that, but the
system does (`process_budget`). Outside of such a process, nothing here has any effect.
"""

from __future__ import annotations

from typing import Protocol

from lstmdump.model.limits import DEFAULTS, Limits

ARRAY = 1 << 12
"""Bytes that could be read in the time that an array takes, however few numbers it has."""

HANDED_ON = 2
"""How often numbers are in memory that go from one process to another: as they are, and on their way."""


class Budget(Protocol):
    """What holds a process to it; its methods are those of this module."""

    def begin(self, limits: Limits) -> None: ...  # noqa: D102
    def allow(self, size: int, copies: int) -> None: ...  # noqa: D102
    def end(self) -> None: ...  # noqa: D102


_budgets: list[Budget] = []  # one, where this process has one


def enforce(budget: Budget) -> None:
    """From here on, this process reads models under that BUDGET."""
    _budgets[:] = [budget]


def begin(limits: Limits = DEFAULTS) -> None:
    """A model begins, which may take what LIMITS say, and what is allowed from here on."""
    for budget in _budgets:
        budget.begin(limits)


def allow(size: int, *, copies: int = 0) -> None:
    """SIZE bytes are about to be read, which takes time, and memory for COPIES of them.

    Raises:
        SystemExit: who waited for the model is no more.
    """
    for budget in _budgets:
        budget.allow(size, copies)


def end() -> None:
    """The model is done with."""
    for budget in _budgets:
        budget.end()
