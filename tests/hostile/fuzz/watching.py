"""Check that a parser reads an input or refuses it with an `LstmdumpError`, within seconds."""

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

MOST_SECONDS = 5  # of CPU time for one input of some kilobytes: a thousand times what most inputs need
_PACKAGE = str(Path(lstmdump.__file__).parent)


class TookTooLong(BaseException):
    """The time limit of a parser. Not an `Exception`, so that no parser catches it."""


class Finding(NamedTuple):
    """A failure: the `kind`, which identifies duplicates, and the traceback."""

    kind: str
    words: str


def finding(target: Target, data: bytes) -> Finding | None:
    """Run `target` on the input `data`; return the failure, or None."""
    parts = target.padded(sections.unpacked(data))
    try:
        with _limited(), sums_that_hold(target):
            target.run(parts)
    except LstmdumpError:
        return None
    except (Exception, TookTooLong) as error:  # noqa: BLE001 - every other exception is a finding
        return Finding(_kind(error), "".join(traceback.format_exception(error)))
    return None


def _kind(error: BaseException) -> str:
    """Return the class of `error` and the last function of lstmdump in the traceback, without the line, which may change."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name != _stop.__name__]
    ours = [frame for frame in frames if frame.filename.startswith(_PACKAGE)] or frames
    return f"{type(error).__name__} in {Path(ours[-1].filename).stem}.{ours[-1].name}"


@contextmanager
def _limited() -> Iterator[None]:
    if not hasattr(signal, "setitimer"):  # Windows, where a hang is not detected
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
    raise TookTooLong(f"more than {MOST_SECONDS} seconds of CPU time")


class _AnySum(int):
    """A checksum that compares equal to all others."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = int.__hash__


@contextmanager
def sums_that_hold(target: Target) -> Iterator[None]:
    """Accept every checksum of a table or a tensor, if `target` checks them."""
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
