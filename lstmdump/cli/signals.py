"""Signals that end a run in its midst, so that nothing half done is left: Ctrl-C, and what cancels jobs of CI."""

from __future__ import annotations

import _thread
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from lstmdump.cli.exit_status import Ended

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def heed() -> None:
    """Raise `Ended` when the process is told to end.

    What whoever started the process had it ignore, as `nohup` does, is ignored. Processes that this one starts end when
    this one tells them: a terminal that is closed tells all.
    """
    for number in _ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_leave_to_the_first)


def _end(number: int, _frame: object) -> NoReturn:
    for other in _ENDING:  # a terminal tells of its end twice, by way of the shell
        if signal.getsignal(other) is _end:
            signal.signal(other, _overhear)
    raise Ended(number)


def _overhear(_number: int, _frame: object) -> None:
    """Nothing, as the process ends already."""


def _leave_to_the_first() -> None:
    for number in _ENDING:
        if signal.getsignal(number) in (_end, _overhear):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)


def raise_again(dropped: UnraisableHookArgs) -> None:
    """Raise what ends the process anew where it is lost: Python drops what a weak reference's callback raises, say.

    h5py has such a callback for each object that it lets go; without this, one Ctrl-C in twenty changed nothing.
    """
    if issubclass(dropped.exc_type, KeyboardInterrupt):
        _raise_anew(signal.SIGINT)
    elif isinstance(dropped.exc_value, Ended):
        with suppress(ValueError):  # in another thread
            signal.signal(dropped.exc_value.number, _end)
        _raise_anew(dropped.exc_value.number)
    else:
        sys.__unraisablehook__(dropped)


def _raise_anew(number: int) -> None:
    _thread.start_new_thread(
        lambda: _thread.interrupt_main(signal.Signals(number)), ()
    )  # here and now it would be dropped once more
