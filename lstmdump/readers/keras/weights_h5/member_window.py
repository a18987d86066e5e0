"""An uncompressed member of a zip archive as a file of its own, and its checksum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from lstmdump.errors import CorruptModel
from lstmdump.model import budget
from lstmdump.model.opening import require_unchanged
from lstmdump.model.seekable import PositionedFile
from lstmdump.model.zip.archives import crc32, crc32_combine

_CHUNK = 1 << 20
_SUMMED = 1 << 16  # bytes; what is read in smaller pieces is read again for the checksum, in chunks


class MemberWindow(PositionedFile):
    """The `size` bytes of the archive `file` from `start` on, whose checksum is to be `crc`.

    Args:
        file: the archive.
        name: the name of the member.
        start: the offset of its bytes in the archive.
        size: the number of its bytes.
        crc: the checksum that the archive states.
    """

    def __init__(self, file: BinaryIO, name: str, start: int, size: int, crc: int) -> None:
        super().__init__(size)
        self._file = file
        self.is_cached = isinstance(file, PositionedFile) and file.is_cached
        self.name = name
        self._start = start
        self._crc = crc
        self._is_verified = False
        self._parts: list[tuple[int, int, int]] = []  # start, end and checksum of what has been read in large pieces

    def readall(self) -> bytes:
        """Return all bytes from the current position on."""
        self._file.seek(self._start + self._at)
        found = self._file.read(max(0, self._size - self._at))
        self._at += len(found)
        return found

    def require_unchanged(self) -> None:
        """Check that nobody has written the archive since it was opened.

        Raises:
            ChangedFile: Somebody has.
        """
        require_unchanged(self._file)

    def _read(self, view: memoryview, start: int) -> int:
        count = self._fetch(view, start)
        if count >= _SUMMED and not self._is_verified and crc32_combine is not None:
            self._add(view[:count], start)
        return count

    def _fetch(self, view: memoryview, start: int) -> int:
        self._file.seek(self._start + start)
        return int(self._file.readinto(view))  # type: ignore[attr-defined]

    def _add(self, data: memoryview, start: int) -> None:
        """Add the checksum of `data`, which was read from `start` on, to the part that it continues, or as a part."""
        end = start + len(data)
        if self._parts and self._parts[-1][1] == start:
            first, _, crc = self._parts[-1]
            self._parts[-1] = first, end, crc32(data, crc)
        else:
            self._parts.append((start, end, crc32(data)))

    def verify(self) -> None:
        """Compare the checksum of what has been read so far, and of the rest, which is read now.

        Raises:
            CorruptModel: The checksum differs.
        """
        if self._sum() != self._crc:
            raise CorruptModel(f"{self.name} is damaged: its checksum differs from the one in the zip archive")
        self._is_verified = True

    def _sum(self) -> int:
        at = crc = 0
        for start, end, own in sorted(self._parts):
            if start >= at and crc32_combine is not None:  # else it overlaps another one, which has been summed
                crc = crc32_combine(self._sum_again(at, start, crc), own, end - start)
                at = end
        return self._sum_again(at, self._size, crc)

    def _sum_again(self, start: int, end: int, crc: int) -> int:
        """Return `crc` continued by the bytes from `start` to `end`, which are read for it."""
        for chunk in self._read_chunks(start, end):
            budget.allow(len(chunk))
            crc = crc32(chunk, crc)
        return crc

    def _read_chunks(self, start: int, end: int) -> Iterator[memoryview]:
        """Yield the bytes from `start` to `end`, or to the end of the archive."""
        buffer = memoryview(bytearray(min(_CHUNK, end - start)))
        while start < end and (count := self._fetch(buffer[: end - start], start)):
            yield buffer[:count]
            start += count
