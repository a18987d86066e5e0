"""Files as memory: the system reads of them what is looked at, and lends the bytes without copying them."""

from __future__ import annotations

import mmap
import os

from lstmdump.errors import CorruptModel, UnreadableModel
from lstmdump.model import budget
from lstmdump.model.location import Location
from lstmdump.readers.tensorflow.wire.protobuf import Buffer


def mapped(location: Location, called: str = "it") -> mmap.mmap:
    """The bytes of the file at LOCATION, which the message calls what it is CALLED.

    Raises:
        CorruptModel: it is empty.
        UnreadableModel: it cannot be opened.
    """
    try:
        with location.open() as file:
            if not (size := os.fstat(file.fileno()).st_size):  # of which there is no map
                raise CorruptModel(f"{called} is empty")
            budget.allow(size, copies=1)
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UnreadableModel(f"{called} cannot be read: {reason}") from error


def content(location: Location, called: str = "it") -> Buffer:
    """The bytes of the file at LOCATION, be it elsewhere, which is called as above; and that is raised, too."""
    return memoryview(mapped(location, called)) if location.is_here else location.read()
