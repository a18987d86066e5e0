"""A block cache for remote files: few requests, few bytes, bounded memory.

libhdf5 makes hundreds of reads of a few bytes each, close together within a layer and far apart between layers; exports
read from one end to the other. Therefore whole blocks are requested and kept for a while, and reading on from where the
last request ended doubles the size of the next one. None of fsspec's caches does both: the usual ones request 5 MB at
any position, and `blockcache` requests one block at a time for a read of any length.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from lstmdump.model import budget
from lstmdump.model.seekable import PositionedFile

# Measured with HDF5 files of 411 MB: the metadata of 4 layers took 6 requests and 147 KB, of 100 layers 168 and 2.9 MB.
# With blocks of 4 KiB it was 8 requests and 102 KB, 231 and 1.1 MB; with 64 KiB, 6 and 393 KB, 154 and 10 MB.
BLOCK = 1 << 14  # bytes
_FIRST = 4  # blocks requested at the start of a file: all of most small models
_NEAR = 8  # blocks; a read at most this far from the end of the last request counts as reading on
_REQUEST_COST = 1 << 21  # bytes that could be read locally in the CPU time that a request takes at most
_MOST = 256  # blocks in one request: 4 MiB
_MOST_KEPT = 512  # blocks kept in memory: 8 MiB


class Ranges:
    """The cached blocks of a remote file.

    Args:
        size: The size of the file in bytes.
        fetch: Returns the bytes from its first argument up to its second, exclusive.

    Attributes:
        size: The size of the file in bytes.
    """

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self.size = size
        self._fetch = fetch
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._last = range(0)  # the blocks that were fetched last

    def read_into(self, view: memoryview, start: int) -> int:
        """Fill `view` with the bytes from `start` on, and return how many there are up to the end of the file.

        Raises:
            UnreadableModel: The bytes cannot be fetched.
        """
        end = min(start + len(view), self.size)
        at = start
        while at < end:
            index, skipped = divmod(at, BLOCK)
            block = self._get_block(index, -(-end // BLOCK))
            part = memoryview(block)[skipped : skipped + end - at]
            view[at - start : at - start + len(part)] = part
            at += len(part)
        return max(0, end - start)

    def _get_block(self, index: int, stop: int) -> bytes:
        """Return block number `index`; if it must be fetched, fetch those up to `stop`, too, which are needed next."""
        if index in self._blocks:
            self._blocks.move_to_end(index)
            return self._blocks[index]
        reads_on = 0 <= index - self._last.stop <= max(_NEAR, len(self._last))
        count = max(stop - index, 2 * len(self._last) if reads_on else 1, 0 if index else _FIRST)
        wanted = range(index, index + min(count, _MOST))
        stop = next((other for other in wanted if other in self._blocks), wanted.stop)
        budget.allow(_REQUEST_COST)
        data = self._fetch(index * BLOCK, min(stop * BLOCK, self.size))
        self._last = range(index, stop)
        for number, other in enumerate(self._last):
            self._blocks[other] = data[number * BLOCK : (number + 1) * BLOCK]
        while len(self._blocks) > _MOST_KEPT:
            self._blocks.popitem(last=False)
        return self._blocks[index]


class RangedFile(PositionedFile):
    """A file object that reads from the cached blocks of `ranges`."""

    def __init__(self, ranges: Ranges) -> None:
        super().__init__(ranges.size)
        self._ranges = ranges

    def _read(self, view: memoryview, start: int) -> int:
        return self._ranges.read_into(view, start)
