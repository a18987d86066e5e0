"""Reads at any position of a file, through blocks that are kept."""

from __future__ import annotations

from typing import BinaryIO

from lstmdump.model.seekable import PositionedFile
from lstmdump.readers.hdf5.choice import NotPlain

_BLOCK = 1 << 14  # bytes
_SMALL = 1 << 16  # bytes of a file that is read at once
_MOST_KEPT = 256  # blocks: 4 MiB
_TIMES, _FREE = 16, 1 << 22  # how many bytes are read for each byte of the file, and beyond that


class Blocks:
    """The bytes of a file up to an end, read in blocks, or as they are requested if the file keeps blocks itself.

    A small file is read at once: a whole model is described in 70 pieces.

    Args:
        file: the file, open for reading at any position.
        end: the end of the bytes that may be read.
    """

    __slots__ = ("_block", "_blocks", "_file", "_left", "_whole", "end")

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file = file
        self._block = 0 if isinstance(file, PositionedFile) and file.is_cached else _BLOCK
        self._blocks: dict[int, bytes] = {}
        self._left = _FREE + _TIMES * end
        self._whole = self._fetch(0, end) if self._block and end <= _SMALL else None
        self.end = end

    def read(self, start: int, size: int) -> bytes:
        """Return the `size` bytes from `start` on.

        Raises:
            NotPlain: The file has fewer, or too many have been read: a damaged file can lead in circles.
        """
        end = start + size
        if end > self.end:
            raise NotPlain("beyond the end")
        self._left = left = self._left - size
        if left < 0:
            raise NotPlain("read too often")
        return self._read_block(start, size) if self._whole is None else self._whole[start:end]

    def _read_block(self, start: int, size: int) -> bytes:
        number, skipped = divmod(start, _BLOCK)
        if skipped + size > self._block:
            return self._fetch(start, size)
        block = self._blocks.get(number)
        return (self._load(number) if block is None else block)[skipped : skipped + size]

    def _load(self, number: int) -> bytes:
        start = number * _BLOCK
        block = self._fetch(start, min(_BLOCK, self.end - start))
        if len(self._blocks) == _MOST_KEPT:
            self._blocks.clear()
        self._blocks[number] = block
        return block

    def _fetch(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        found = self._file.read(size)
        while len(found) < size:  # a file without a buffer may return less
            more = self._file.read(size - len(found))
            if not more:
                raise NotPlain("cut short")
            found += more
        return found
