"""A block cache for remote files: few requests, few bytes, bounded memory.

The description of an HDF5 file is read in hundreds of pieces of a few bytes each, which are close together within a
layer and far apart between layers, where HDF5 writes it in areas of 2 KiB; exports read from one end to the other.
Therefore what is near a piece is requested with it and kept for a while, and reading on from where the last request
ended doubles the size of the next one. None of fsspec's caches does both: the usual ones request 5 MB at any position,
and `blockcache` requests one block at a time for a read of any length.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from lstmdump.model import budget
from lstmdump.model.seekable import PositionedFile

# An area begins and ends anywhere, so the block before that of a piece and the one behind it are requested, too. What
# describes 100 layers in 411 MB takes 122 requests and 1.0 MB in an .h5, 196 and 1.4 MB in a .keras. Blocks of 16 KiB
# alone took 132 and 2.5 MB, 207 and 7.1 MB: in an archive, the HDF5 file begins within a block.
BLOCK = 1 << 11  # bytes
_FIRST = 32  # blocks requested at the start of a file: all of most small models
_AROUND = 1  # blocks requested before and behind those of a distant piece
_NEAR = 64  # blocks; a read at most this far from the end of the last request counts as reading on
_REQUEST_COST = 1 << 21  # bytes that could be read locally in the CPU time that a request takes at most
_MOST = 2048  # blocks in one request: 4 MiB
_MOST_KEPT = 4096  # blocks kept in memory: 8 MiB


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
        self._last = self._choose(index, stop)
        budget.allow(_REQUEST_COST)
        data = self._fetch(self._last.start * BLOCK, min(self._last.stop * BLOCK, self.size))
        for number, other in enumerate(self._last):
            self._blocks[other] = data[number * BLOCK : (number + 1) * BLOCK]
        while len(self._blocks) > _MOST_KEPT:
            self._blocks.popitem(last=False)
        return self._blocks[index]

    def _choose(self, index: int, stop: int) -> range:
        """Return the blocks to fetch, none of which is kept: `index`, those up to `stop`, and others near them."""
        start = index
        if not index:
            count = max(stop, _FIRST)
        elif 0 <= index - self._last.stop <= max(_NEAR, len(self._last)):
            count = max(stop - index, 2 * len(self._last))
        else:
            count = stop + _AROUND - index
            while start > max(0, index - _AROUND) and start - 1 not in self._blocks:
                start -= 1
        wanted = range(index, min(index + count, index + _MOST, -(-self.size // BLOCK)))
        return range(start, next((other for other in wanted if other in self._blocks), wanted.stop))


class RangedFile(PositionedFile):
    """A file object that reads from the cached blocks of `ranges`."""

    is_cached = True

    def __init__(self, ranges: Ranges) -> None:
        super().__init__(ranges.size)
        self._ranges = ranges

    def _read(self, view: memoryview, start: int) -> int:
        return self._ranges.read_into(view, start)
