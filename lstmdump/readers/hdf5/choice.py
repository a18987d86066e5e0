"""The choice between the reader of plain HDF5 files and the HDF5 library.

Keras writes few of the structures that HDF5 has. The reader of plain files knows these, raises `NotPlain` for anything
else, and so leaves every other file to the HDF5 library, and every damaged one, whose fault the library names. A file
can crash the library, or make it run forever; a process without limits must not call it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

MOST_OBJECTS = 10_000
"""HDF5 objects that are read without limits of time and memory; a model of 1,000 layers has 7,000."""
MOST_MEMBERS = 1_500
"""Members of one group that are: as many layers have about `MOST_OBJECTS`, of which most would be read in vain."""
MOST_TEXT = 1 << 19
"""Bytes of a JSON text that are read without these limits; that of 700 layers has a quarter of it."""

_without_limits: ContextVar[bool] = ContextVar("without_limits", default=False)
_with_library: ContextVar[bool] = ContextVar("with_library", default=False)


class NotPlain(Exception):
    """A file holds what the reader of plain HDF5 files does not know, or more than a process without limits reads."""


@contextmanager
def plain_files_only() -> Iterator[None]:
    """Let the block read plain files of a usual size only; `NotPlain` leaves it for any other file."""
    token = _without_limits.set(True)
    try:
        yield
    finally:
        _without_limits.reset(token)


@contextmanager
def with_library() -> Iterator[None]:
    """Let the HDF5 library read all files in the block."""
    token = _with_library.set(True)
    try:
        yield
    finally:
        _with_library.reset(token)


def library_is_allowed() -> bool:
    """Return whether this process may call the HDF5 library."""
    return not _without_limits.get()


def library_is_required() -> bool:
    """Return whether the HDF5 library reads files, also those that are plain."""
    return _with_library.get()


def require_usual(size: int, most: int) -> None:
    """Check that a process without limits of time and memory may read something of this `size`.

    Raises:
        NotPlain: It is larger than `most`.
    """
    if size > most and _without_limits.get():
        raise NotPlain(f"{size} are more than {most}")
