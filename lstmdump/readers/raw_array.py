"""An array stored row by row in a file, which is read in blocks of bounded size.

The file is read, not mapped: mapped pages count as resident memory, a file that is cut short while it is mapped kills
the process, and reading through one buffer took 0.7 of the time of mapping (403 MB, each byte accessed twice).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import BinaryIO

from lstmdump.errors import CorruptModel, UnreadableModel
from lstmdump.model import budget
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.opening import require_unchanged
from lstmdump.model.tensor import Array, Cuts

BLOCK = 1 << 20  # bytes; a block that fits a core's cache is still there for the checksum and for writing

COPIES = 4
"""How often numbers that are requested at once are in memory: as they are stored, and as they are computed with."""


class StoredArray(NamedTuple):
    """An array stored contiguously in a file.

    Attributes:
        file: returns the open file.
        called: the name of the file in error messages.
        offset: where the array begins in the file, in bytes.
        width: the bytes per element.
    """

    file: Callable[[], BinaryIO]
    called: str
    offset: int
    shape: tuple[int, ...]
    width: int

    @property
    def size(self) -> int:
        """The size in bytes."""
        return math.prod(self.shape) * self.width

    def rows(self) -> Iterator[memoryview]:
        """Yield all bytes in blocks of whole rows; a block is valid until the next one is requested.

        Raises:
            ChangedFile: Somebody has written the file meanwhile.
            CorruptModel: The file is cut short.
            UnreadableModel: The system cannot read the file.
        """
        if not self.size:
            return
        budget.allow(budget.ARRAY)
        file = self.file()
        row = math.prod(self.shape[1:]) * self.width
        step = max(1, BLOCK // row) * row
        buffer = memoryview(bytearray(min(step, self.size)))
        for start in range(0, self.size, step):
            block = buffer[: self.size - start]
            budget.allow(len(block))
            self._fill(file, start, block)
            yield block
        require_unchanged(file)

    def block(self, cuts: Cuts) -> bytearray:
        """Return the bytes of the elements that `cuts` select.

        Raises:
            ChangedFile: Somebody has written the file meanwhile.
            CorruptModel: The file is cut short.
            UnreadableModel: The system cannot read the file.
        """
        lengths = [cut.stop - cut.start for cut in cuts]
        budget.allow(budget.ARRAY)
        size = math.prod(lengths) * self.width
        budget.allow(size, copies=COPIES)
        if not size:
            return bytearray()
        file = self.file()  # before memory is taken: only the length of a file that is there has been compared
        found = bytearray(size)
        strides = [math.prod(self.shape[axis + 1 :]) * self.width for axis in range(len(self.shape))]
        inner = len(cuts)  # all axes from this one on are read as a whole
        while inner and lengths[inner - 1] == self.shape[inner - 1]:
            inner -= 1
        outer = max(0, inner - 1)
        first = sum(cut.start * stride for cut, stride in zip(cuts[outer:], strides[outer:], strict=True))
        run = math.prod(lengths[outer:]) * self.width
        view = memoryview(found)
        places = product(*(range(cut.start * stride, cut.stop * stride, stride)
                           for cut, stride in zip(cuts[:outer], strides[:outer], strict=True)))  # fmt: skip
        for number, place in enumerate(places):
            self._fill(file, first + sum(place), view[number * run : (number + 1) * run])
        require_unchanged(file)
        return found

    def _fill(self, file: BinaryIO, start: int, view: memoryview) -> None:
        try:
            file.seek(self.offset + start)
            self._read(file, view)
        except OSError as error:
            raise UnreadableModel(f"{self.called} cannot be read: {error.strerror or error}") from error

    def _read(self, file: BinaryIO, view: memoryview) -> None:
        while view:
            count = file.readinto(view)  # type: ignore[attr-defined] # missing in typeshed's BinaryIO
            if not count:
                require_unchanged(file)
                raise CorruptModel(f"{self.called} is cut short")
            view = view[count:]


def from_bfloat16(halves: Array) -> Array:
    """Return the float32 values of bfloat16 numbers, each of which is the upper half of a float32.

    Args:
        halves: the bits of the numbers, as unsigned integers of two bytes in any byte order.
    """
    import numpy as np  # when the first number is read: describing a model takes none

    return (halves.astype(np.uint32) << 16).view(np.float32)


def swapped(block: bytes | memoryview, width: int) -> memoryview:
    """Return `block` with the bytes of each element of `width` bytes in reverse order."""
    found = bytearray(len(block))
    for turn in range(width):
        found[turn::width] = block[width - 1 - turn :: width]
    return memoryview(found)
