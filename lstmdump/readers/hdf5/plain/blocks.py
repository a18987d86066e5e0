"""Reads at any position of a file, through blocks that are kept."""

from __future__ import annotations

from typing import BinaryIO

from lstmdump.model.seekable import PositionedFile
from lstmdump.readers.hdf5.choice import NotPlain

_BITS = 14
_BLOCK = 1 << _BITS  # bytes
_WITHIN = _BLOCK - 1
_MOST_KEPT = 256  # blocks: 4 MiB
_TIMES, _FREE = 16, 1 << 22  # how many bytes are read for each byte of the file, and beyond that


class Blocks:
    """The bytes of a file up to an end, read in blocks, or as they are requested if the file keeps blocks itself.

    Args:
        file: the file, open for reading at any position.
        end: the end of the bytes that may be read.
    """

    __slots__ = ("_block", "_blocks", "_file", "_left", "end")

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file = file
        self._block = 0 if isinstance(file, PositionedFile) and file.is_cached else _BLOCK
        self._blocks: dict[int, bytes] = {}
        self._left = _FREE + _TIMES * end
        self.end = end

    def read(self, start: int, size: int) -> bytes:
        """Return the `size` bytes from `start` on.

        Raises:
            NotPlain: The file has fewer, or too many have been read: a damaged file can lead in circles.
        """
        if start + size > self.end:
            raise NotPlain("beyond the end")
        self._left -= size
        if self._left < 0:
            raise NotPlain("read too often")
        skipped = start & _WITHIN  # half of the time of divmod: this is the function that is called most
        stop = skipped + size
        if stop > self._block:
            return self._fetch(start, size)
        block = self._blocks.get(start >> _BITS)
        return (self._load(start >> _BITS) if block is None else block)[skipped:stop]

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
