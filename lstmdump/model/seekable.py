"""The base class of file objects that are not backed by a file on disk; it keeps the position."""

from __future__ import annotations

import io


class PositionedFile(io.RawIOBase):
    """A file of `size` bytes, readable at any position; a subclass implements `_read`.

    Attributes:
        is_cached: Whether what is near the bytes that are read is kept, so that small pieces may be read one by one.
    """

    is_cached = False

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to `offset` from the start, the current position, or the end."""
        place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if place < 0:
            raise ValueError(f"cannot seek to byte {place} of a file")
        self._at = place
        return place

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def readinto(self, buffer: object) -> int:
        """Fill `buffer` with the next bytes, and return how many were read."""
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._at)]  # type: ignore[arg-type]
        count = self._read(view, self._at)
        self._at += count
        return count

    def _read(self, view: memoryview, start: int) -> int:
        """Fill `view` with the bytes from `start` on, and return how many were read."""
        raise NotImplementedError
