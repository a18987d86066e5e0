"""Handlers of the signals that end a run, such as those that cancel CI jobs, so that no unfinished file is left."""

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


def install_handlers() -> None:
    """Raise `Ended` when the process receives a signal to end.

    Signals that the parent has set to be ignored, as `nohup` does, stay ignored. Child processes end when this process
    ends them: a terminal that is closed signals all of them.
    """
    for number in _ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _raise_ended)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_restore_in_child)


def _raise_ended(number: int, _frame: object) -> NoReturn:
    for other in _ENDING:  # a closed terminal signals twice, the second time through the shell
        if signal.getsignal(other) is _raise_ended:
            signal.signal(other, _ignore)
    raise Ended(number)


def _ignore(_number: int, _frame: object) -> None:
    """Ignore the signal, as the process is ending already."""


def _restore_in_child() -> None:
    for number in _ENDING:
        if signal.getsignal(number) in (_raise_ended, _ignore):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)


def reraise_dropped(dropped: UnraisableHookArgs) -> None:
    """Raise a lost signal again: Python drops what a callback of a weak reference raises, for example.

    h5py has such a callback for each object that it releases; without this hook, one Ctrl-C in twenty had no effect.
    """
    if issubclass(dropped.exc_type, KeyboardInterrupt):
        _raise_again(signal.SIGINT)
    elif isinstance(dropped.exc_value, Ended):
        with suppress(ValueError):  # in another thread
            signal.signal(dropped.exc_value.number, _raise_ended)
        _raise_again(dropped.exc_value.number)
    else:
        sys.__unraisablehook__(dropped)


def _raise_again(number: int) -> None:
    _thread.start_new_thread(
        lambda: _thread.interrupt_main(signal.Signals(number)), ()
    )  # raised directly here, it would be dropped again
