"""Jobs for worker processes, which cannot import them from a test file."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from lstmdump.errors import NotAnLSTM
from lstmdump.model import budget
from lstmdump.model.limits import DEFAULTS
from lstmdump.readers.detect import Format
from lstmdump.sandbox.fork import Pipe
from lstmdump.sandbox.guard import ModelPath


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


def process_of(_: ModelPath) -> int:
    return os.getpid()


def process_reading_both(first: ModelPath, second: ModelPath) -> int:
    """Open both models and return the process that did."""
    with first.open(), second.open():
        return os.getpid()


def process_reading(model: ModelPath) -> int:
    with model.open() as opened:
        for tensor in opened.model.tensors():
            tensor.read()
    return os.getpid()


def imports_reading(model: ModelPath) -> set[str]:
    """Return the packages that were imported to describe the model."""
    model.open().close()
    return {name.partition(".")[0] for name in sys.modules}


def format_of(model: ModelPath) -> Format | None:
    return model.format


def refused(_: int) -> NoReturn:
    raise NotAnLSTM("3 is none")


def divided(by: int) -> float:
    return 1 / by


def unpicklable(_: int) -> object:
    return threading.Lock()


def heavy(size: int) -> bytes:
    """Return as much as the limit of memory allows once, but not twice."""
    budget.begin(DEFAULTS._replace(memory=size + size // 2))
    return bytes(size)


def waiting(place: str) -> None:
    try:  # before the file exists: the test that waits for it may end this process at once
        Path(place).touch()
        time.sleep(600)
    finally:
        Path(place).unlink()


def deaf(place: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(place).touch()
    time.sleep(600)


def swallowing(place: str) -> None:
    """Swallow an exception like a C library that converts it to an error of its own."""
    Path(place).touch()
    try:
        time.sleep(600)
    except SystemExit as error:
        raise OSError("cannot be read") from error


def spinning(seconds: int) -> None:
    budget.begin(DEFAULTS._replace(seconds=seconds))
    while True:
        pass


def summed(size: int, allowed: int) -> int:
    """Use `size` seconds, more than the limit without the time that reading `allowed` bytes adds."""
    budget.begin(DEFAULTS._replace(seconds=1))
    budget.allow(allowed)
    begun = time.process_time()
    while time.process_time() - begun < size:
        pass
    return size


def trusting(size: int) -> int:
    """Set the limits of memory and time to `size`, and allow `size` more bytes."""
    budget.begin(DEFAULTS._replace(seconds=size, memory=size))
    budget.allow(size, copies=1)
    return size


def hoarding(size: int, memory: int, allowed: int) -> int:
    budget.begin(DEFAULTS._replace(memory=memory))
    budget.allow(allowed, copies=1)
    return len(bytearray(size))


def chattering(text: str) -> str:
    for descriptor in (1, 2):
        os.write(descriptor, text.encode())
    return text


def babbling(seconds: float) -> float:
    """Send an invalid answer and go on, like a process whose memory a damaged file has overwritten."""
    for pipe in [one for one in gc.get_objects() if isinstance(one, Pipe) and one.is_open]:
        pipe.send_bytes(b"blah")
    return idle(seconds)


def idle(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def lively(times: int) -> int:
    for _ in range(times):
        time.sleep(0.05)
        for one in budget._budgets:
            one.next_sign = 0.0
        budget.allow(2**21)
    return times


def orphaned(_: int) -> None:
    for one in budget._budgets:
        one.parent = -1
    budget.allow(2**21)


def imported(name: str) -> bool:
    return name in sys.modules


def fabricating(answer: bytes) -> None:
    """Send an answer like a process that a damaged file has taken over, and end."""
    for pipe in [one for one in gc.get_objects() if isinstance(one, Pipe) and one.is_open]:
        pipe.send_bytes(answer)
    os._exit(0)
