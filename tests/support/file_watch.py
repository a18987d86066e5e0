"""Observation of the files that are opened in a directory, by inotify."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path

_OPENED_OR_READ = 0x20 | 0x1  # IN_OPEN, IN_ACCESS
_EVENT = struct.Struct("iIII")


class Watch:
    """An inotify watch on the files in a directory. On other systems than Linux, it sees nothing.

    Attributes:
        sees: Whether the system has inotify.
    """

    def __init__(self, directory: Path) -> None:
        self.sees = sys.platform == "linux"
        if not self.sees:
            return
        library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = library.inotify_init1(os.O_NONBLOCK)
        if library.inotify_add_watch(self._descriptor, os.fsencode(directory), _OPENED_OR_READ) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def opened(self) -> set[str]:
        """Return the names of the files that were opened or read since the last call."""
        names = set()
        while events := self._events():
            while events:
                length = _EVENT.unpack_from(events)[3]
                names.add(events[_EVENT.size :][:length].rstrip(b"\0").decode())
                events = events[_EVENT.size + length :]
        return names

    def close(self) -> None:
        """Stop watching."""
        if self.sees:
            os.close(self._descriptor)

    def _events(self) -> bytes:
        try:
            return os.read(self._descriptor, 1 << 16) if self.sees else b""
        except BlockingIOError:
            return b""
