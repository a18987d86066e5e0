"""An array that lies in a file row by row: read in blocks of bounded size, whatever its own size is.

It is read, not mapped: pages of a mapping count as resident memory, a file that is cut short under a mapping kills the
process, and reading through one buffer took 0.7 of the time of mapping (403 MB, each byte looked at twice).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import BinaryIO, NamedTuple

from lstmdump.errors import CorruptModel, UnreadableModel
from lstmdump.model import budget
from lstmdump.model.tensor import Array, Cuts

BLOCK = 1 << 20  # bytes; what fits a core's own cache is still there when it is summed and written

COPIES = 4
"""How often numbers that are asked for at once are in memory: as they are stored, and as they are computed with."""


class StoredArray(NamedTuple):
    """An array of SHAPE whose numbers have WIDTH bytes each, from OFFSET on in a file.

    Attributes:
        file: opens the file, or gives it where it is open already.
        called: what a message calls the file.
    """

    file: Callable[[], BinaryIO]
    called: str
    offset: int
    shape: tuple[int, ...]
    width: int

    @property
    def size(self) -> int:
        """Its bytes."""
        return math.prod(self.shape) * self.width

    def rows(self) -> Iterator[memoryview]:
        """All its bytes, in blocks of whole rows, each good until the next is asked for.

        Raises:
            CorruptModel: the file is cut short.
            UnreadableModel: the system cannot read it.
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

    def block(self, cuts: Cuts) -> bytearray:
        """The bytes of the elements that CUTS select.

        Raises:
            CorruptModel: the file is cut short.
            UnreadableModel: the system cannot read it.
        """
        lengths = [cut.stop - cut.start for cut in cuts]
        budget.allow(budget.ARRAY)
        budget.allow(math.prod(lengths) * self.width, copies=COPIES)
        found = bytearray(math.prod(lengths) * self.width)
        if not found:
            return found
        strides = [math.prod(self.shape[axis + 1 :]) * self.width for axis in range(len(self.shape))]
        inner = len(cuts)  # of the axes from this one on, all is wanted
        while inner and lengths[inner - 1] == self.shape[inner - 1]:
            inner -= 1
        outer = max(0, inner - 1)
        first = sum(cut.start * stride for cut, stride in zip(cuts[outer:], strides[outer:], strict=True))
        run = math.prod(lengths[outer:]) * self.width
        file, view = self.file(), memoryview(found)
        places = product(*(range(cut.start * stride, cut.stop * stride, stride)
                           for cut, stride in zip(cuts[:outer], strides[:outer], strict=True)))  # fmt: skip
        for number, place in enumerate(places):
            self._fill(file, first + sum(place), view[number * run : (number + 1) * run])
        return found

    def _fill(self, file: BinaryIO, start: int, view: memoryview) -> None:
        try:
            file.seek(self.offset + start)
            self._read(file, view)
        except OSError as error:
            raise UnreadableModel(f"{self.called} cannot be read: {error.strerror or error}") from error

    def _read(self, file: BinaryIO, view: memoryview) -> None:
        while view:
            count = file.readinto(view)  # type: ignore[attr-defined] # typeshed: BinaryIO has none
            if not count:
                raise CorruptModel(f"{self.called} is cut short")
            view = view[count:]


def from_bfloat16(halves: Array) -> Array:
    """Return the float32 values of bfloat16 numbers, each of which is the upper half of a float32.

    Args:
        halves: the bits of the numbers, as unsigned integers of two bytes in any byte order.
    """
    import numpy as np  # when the first number is read: describing a model takes none

    return (halves.astype(np.uint32) << 16).view(np.float32)
