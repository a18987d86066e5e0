"""What files that are made of other bytes than those of a file on the disk have in common: where one is in them."""

from __future__ import annotations

import io


class PositionedFile(io.RawIOBase):
    """SIZE bytes, open for reading at any position; a subclass says how they are read."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to OFFSET from the start, from here, or from the end."""
        place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if place < 0:
            raise ValueError(f"byte {place} of a file")
        self._at = place
        return place

    def tell(self) -> int:
        """Where it is."""
        return self._at

    def readinto(self, buffer: object) -> int:
        """Fill BUFFER as far as there are bytes, and say how far."""
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._at)]  # type: ignore[arg-type]
        count = self._read(view, self._at)
        self._at += count
        return count

    def _read(self, view: memoryview, start: int) -> int:
        """Fill VIEW with the bytes from START on, and say how far."""
        raise NotImplementedError
