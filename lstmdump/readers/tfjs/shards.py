"""The files that hold the weights of one group, end to end: an array may begin in one file and end in the next."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import BinaryIO

from lstmdump.errors import CorruptModel, UnreadableModel
from lstmdump.model.location import Location
from lstmdump.model.seekable import PositionedFile


class ShardedFile(PositionedFile):
    """The files at `shards`, read as one; only one of them is open at a time.

    Raises:
        CorruptModel: A file is missing.
        UnreadableModel: The system cannot read a file.
    """

    def __init__(self, shards: Sequence[Location]) -> None:
        self._open: tuple[int, BinaryIO] | None = None  # first: `close` is called even if a file is missing
        self._shards = shards
        sizes = [_find_size(shard) for shard in shards]
        self._starts = [0, *accumulate(sizes)]
        super().__init__(sum(sizes))

    @property
    def size(self) -> int:
        """The size of all files together, in bytes."""
        return self._size

    def require_unchanged(self) -> None:
        """Check that nobody has written a file of the model since it was opened.

        Raises:
            ChangedFile: Somebody has.
        """
        if self._shards:
            self._shards[0].require_unchanged()  # it knows what was opened of all of them

    def _read(self, view: memoryview, start: int) -> int:
        if not view:
            return 0
        number = bisect_right(self._starts, start) - 1
        file = self._open_shard(number)
        file.seek(start - self._starts[number])
        count: int = file.readinto(view[: self._starts[number + 1] - start])  # type: ignore[attr-defined]
        return count

    def _open_shard(self, number: int) -> BinaryIO:
        if self._open is None or self._open[0] != number:
            self._close_shard()
            self._open = number, self._shards[number].open(buffered=False)
        return self._open[1]

    def _close_shard(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def close(self) -> None:
        """Close the file that is open."""
        self._close_shard()
        super().close()


def _find_size(shard: Location) -> int:
    try:
        if not shard.is_file():
            raise CorruptModel(f"{shard.name}, which holds weights, is missing")
        size = shard.size()
        if size is None:
            with shard.open() as file:
                size = file.seek(0, 2)
    except OSError as error:
        raise UnreadableModel(f"{shard.name} cannot be read: {error.strerror or error}") from error
    return size
