"""Jobs for other processes, which import them from here: a file of tests has no name there."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import NoReturn

from lstmdump.errors import NotAnLSTM


def halved(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number // 2


def died(number: int) -> int:
    os.abort() if number == 1 else None
    return number


def ended(number: int) -> int:
    if number < 0:
        os.kill(os.getpid(), -number)
    return number


def process(_: int) -> int:
    return os.getpid()


def refused(_: int) -> NoReturn:
    raise NotAnLSTM("3 is none")


def divided(by: int) -> float:
    return 1 / by


def unpicklable(_: int) -> object:
    return threading.Lock()


def waiting(place: str) -> None:
    Path(place).touch()
    try:
        time.sleep(600)
    finally:
        Path(place).unlink()


def deaf(place: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(place).touch()
    time.sleep(600)


def swallowing(place: str) -> None:
    """As a library of C does, which turns an exception of Python's into an error of its own."""
    Path(place).touch()
    try:
        time.sleep(600)
    except SystemExit as error:
        raise OSError("cannot be read") from error
