"""Memory-mapped files: the system reads only the pages that are accessed, and nothing is copied."""

from __future__ import annotations

import mmap
import os

from lstmdump.errors import CorruptModel, UnreadableModel
from lstmdump.model import budget
from lstmdump.model.location import Location
from lstmdump.readers.protobuf import Buffer


def mapped(location: Location, called: str = "it") -> mmap.mmap:
    """Map the file at `location`, which error messages name `called`, into memory.

    Raises:
        CorruptModel: The file is empty.
        UnreadableModel: The file cannot be opened.
    """
    try:
        with location.open() as file:
            if not (size := os.fstat(file.fileno()).st_size):  # an empty file cannot be mapped
                raise CorruptModel(f"{called} is empty")
            budget.allow(size, copies=1)
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UnreadableModel(f"{called} cannot be read: {reason}") from error


def content(location: Location, called: str = "it") -> Buffer:
    """Return the bytes of the file at `location`, mapped if it is local; arguments and errors are those of `mapped`."""
    return memoryview(mapped(location, called)) if location.is_here else location.read()
