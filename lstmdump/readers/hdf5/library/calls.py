"""Calls of h5py: exceptions are converted, and garbage collection is suspended.

h5py holds a lock during each call, and takes the same lock to close objects that are no longer referenced. Python may
collect such garbage in any thread. If the file is remote, another thread fetches the bytes that a call waits for; if
that thread collected garbage, both threads would wait for each other forever.
"""

from __future__ import annotations

import gc
import threading
from types import TracebackType

from lstmdump.readers.foreign_errors import as_corrupt

FOREIGN_ERRORS = (OSError, KeyError, ValueError, TypeError, RuntimeError, IndexError, OverflowError, MemoryError)


class H5pyCall:
    """A context in which h5py is called: no garbage is collected, and h5py's exceptions are converted.

    Args:
        doing: the purpose of the call, for error messages; without it, h5py's exceptions are not converted.

    Raises:
        CorruptModel: h5py raised an exception, as the file is damaged.
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
