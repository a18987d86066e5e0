"""Files elsewhere, read in ranges: few requests, few bytes, bounded memory.

libhdf5 makes hundreds of reads of a few bytes each, close together within a layer and far apart between layers; exports
read from one end to the other. So what is asked for comes in whole blocks, which are kept for a while, and who reads on
where the last request ended is given twice as much each time. Of fsspec's caches none does both: the usual ones ask for
5 MB wherever one reads, `blockcache` for one block at a time however far one reads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from lstmdump.model import budget
from lstmdump.model.seekable import PositionedFile

# The description of 4 layers in 411 MB of HDF5 came in 6 requests and 147 KB, that of 100 layers in 168 and 2.9 MB; in
# blocks of 4 KiB it was 8 requests and 102 KB, 231 and 1.1 MB, in blocks of 64 KiB 6 and 393 KB, 154 and 10 MB.
BLOCK = 1 << 14  # bytes
_FIRST = 4  # blocks of the start of a file: all of most small models
_NEAR = 8  # blocks; who goes no further than this from where the last request ended is reading on
_REQUEST = 1 << 21  # bytes that could be read here in the processor time that a request takes at the most
_MOST = 256  # blocks in one request: 4 MiB
_KEPT = 512  # blocks


class Ranges:
    """A file of SIZE bytes, of which FETCH gets those from its first argument up to its second.

    Attributes:
        size: its bytes.
    """

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self.size = size
        self._fetch = fetch
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._last = range(0)  # the blocks that were fetched last

    def read_into(self, view: memoryview, start: int) -> int:
        """Fill VIEW with the bytes from START on, as far as there are any, and say how many there were.

        Raises:
            UnreadableModel: they cannot be fetched.
        """
        end = min(start + len(view), self.size)
        at = start
        while at < end:
            turn, skipped = divmod(at, BLOCK)
            block = self._block(turn, -(-end // BLOCK))
            part = memoryview(block)[skipped : skipped + end - at]
            view[at - start : at - start + len(part)] = part
            at += len(part)
        return max(0, end - start)

    def _block(self, turn: int, stop: int) -> bytes:
        """The block of that TURN; if it must be fetched, then with those up to STOP, which will be asked for next."""
        if turn in self._blocks:
            self._blocks.move_to_end(turn)
            return self._blocks[turn]
        reads_on = 0 <= turn - self._last.stop <= max(_NEAR, len(self._last))
        count = max(stop - turn, 2 * len(self._last) if reads_on else 1, 0 if turn else _FIRST)
        wanted = range(turn, turn + min(count, _MOST))
        stop = next((other for other in wanted if other in self._blocks), wanted.stop)
        budget.allow(_REQUEST)
        data = self._fetch(turn * BLOCK, min(stop * BLOCK, self.size))
        self._last = range(turn, stop)
        for number, other in enumerate(self._last):
            self._blocks[other] = data[number * BLOCK : (number + 1) * BLOCK]
        while len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)
        return self._blocks[turn]


class RangedFile(PositionedFile):
    """A file to read, at any position, of the bytes in RANGES."""

    def __init__(self, ranges: Ranges) -> None:
        super().__init__(ranges.size)
        self._ranges = ranges

    def _read(self, view: memoryview, start: int) -> int:
        return self._ranges.read_into(view, start)
