"""Calls of h5py: its exceptions stop here, and no garbage is collected meanwhile.

h5py holds a lock during each call, and takes it as well to let go of what it opened and nobody needs any more. Python
collects such garbage in any thread. Where a file lies elsewhere, another thread fetches the bytes that the call waits
for: were it that thread that collects, both would wait for each other forever.
"""

from __future__ import annotations

import gc
import threading
from types import TracebackType

from lstmdump.readers.foreign_errors import as_corrupt

FOREIGN_ERRORS = (OSError, KeyError, ValueError, TypeError, RuntimeError, IndexError, OverflowError, MemoryError)


class H5pyCall:
    """A context in which h5py is called: no garbage is collected, and h5py's exceptions do not leave it.

    Args:
        doing: what the call is for, in the words of the message; without it, h5py's exceptions are not converted.

    Raises:
        CorruptModel: h5py raised over a damaged file.
    """

    __slots__ = ("_doing",)

    _lock = threading.Lock()
    _running = 0
    _collecting = False

    def __init__(self, doing: str | None = None) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        with H5pyCall._lock:
            if not H5pyCall._running:
                H5pyCall._collecting = gc.isenabled()
                gc.disable()
            H5pyCall._running += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with H5pyCall._lock:
            H5pyCall._running -= 1
            if not H5pyCall._running and H5pyCall._collecting:
                gc.enable()
        if self._doing is not None and isinstance(error, FOREIGN_ERRORS) and not isinstance(error, RecursionError):
            raise as_corrupt(error, f"damaged HDF5: {self._doing} fails") from error
