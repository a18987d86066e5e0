"""What a parser may do with an input: read it, or refuse it with an error of ours, before long."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hostile.fuzz import sections
from hostile.fuzz.target import Target

import lstmdump
from lstmdump.errors import LstmdumpError
from lstmdump.readers.tensorflow.wire import crc32c as wire_crc32c

MOST_SECONDS = 5  # of the processor, for one input of some kilobytes: a thousand times what most take
_PACKAGE = str(Path(lstmdump.__file__).parent)


class TookTooLong(BaseException):
    """The parser was still at it when its time was over. No `Exception`, so that nothing takes it for one of its own."""


class Finding(NamedTuple):
    """What went wrong: its `kind`, by which one that was found before is known again, and all of its words."""

    kind: str
    words: str


def finding(target: Target, data: bytes) -> Finding | None:
    """What is wrong with how TARGET takes the input DATA; None where nothing is."""
    parts = target.padded(sections.unpacked(data))
    try:
        with _limited(), sums_that_hold(target):
            target.run(parts)
    except LstmdumpError:
        return None
    except (Exception, TookTooLong) as error:  # noqa: BLE001 - all of them are what is looked for
        return Finding(_kind(error), "".join(traceback.format_exception(error)))
    return None


def _kind(error: BaseException) -> str:
    """The class of ERROR and the last place of ours that it passed; the line does not count, as it moves."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name != _stop.__name__]
    ours = [frame for frame in frames if frame.filename.startswith(_PACKAGE)] or frames
    return f"{type(error).__name__} in {Path(ours[-1].filename).stem}.{ours[-1].name}"


@contextmanager
def _limited() -> Iterator[None]:
    if not hasattr(signal, "setitimer"):  # Windows, where an input that hangs has to be seen by who waits
        yield
        return
    before = signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _stop(*_: object) -> None:
    raise TookTooLong(f"more than {MOST_SECONDS} seconds of the processor")


class _AnySum(int):
    """A checksum that is equal to all others."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = int.__hash__


@contextmanager
def sums_that_hold(target: Target) -> Iterator[None]:
    """For a target that checks them, every checksum of a table or a tensor is the right one."""
    if not target.checks_sums:
        yield
        return
    mask, crc32c = wire_crc32c.mask, wire_crc32c.crc32c
    wire_crc32c.mask, wire_crc32c.crc32c = _any_sum, _no_sum
    try:
        yield
    finally:
        wire_crc32c.mask, wire_crc32c.crc32c = mask, crc32c


def _any_sum(_: int) -> int:
    return _AnySum()


def _no_sum(_data: object, _before: int = 0) -> int:
    return 0
