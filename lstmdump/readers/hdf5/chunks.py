"""The chunks of HDF5 datasets, put together to arrays after a check that all of them exist and have their full length.

HDF5 does not check either: for a missing chunk it returns zeros, for one that is too short whatever its memory holds.
So chunks are never read by HDF5, only found, and unpacked by `filters`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product

from lstmdump.errors import CorruptModel
from lstmdump.model import budget
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.tensor import Cuts
from lstmdump.readers.hdf5.filters import Filter, require_readable, unpack
from lstmdump.readers.raw_array import COPIES

_COPIES = 4  # of a chunk or band in memory: as it is stored, as it is decompressed, and as the caller gets it
_BAND = 1 << 22  # bytes of rows that are unpacked at once, if the chunks of the file allow


class Chunk(NamedTuple):
    """A chunk: the index of its first element, its offset and size in the file, and the mask of skipped filters."""

    corner: tuple[int, ...]
    start: int
    size: int
    left_out: int


class Chunking(NamedTuple):
    """How an array is divided into chunks.

    Attributes:
        shape: the shape of the array.
        chunk: the shape of each chunk.
        width: the bytes per element.
        filters: the filters, in the order in which they were applied.
    """

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    width: int
    filters: Sequence[Filter]

    @property
    def length(self) -> int:
        """The bytes of a chunk."""
        return math.prod(self.chunk) * self.width

    def starts(self) -> list[range]:
        """Return for each dimension where chunks start."""
        return [range(0, length, chunk) for length, chunk in zip(self.shape, self.chunk, strict=True)]


class ChunkedArray:
    """An array stored in chunks.

    Args:
        path: the path of the array, for error messages.
        chunking: how it is divided.
        find: returns the chunks that the file lists, in any order.
        read: returns the bytes of a chunk as they are stored.
        take: records where the chunks are, each by its offset and size.
        limits: the limits on the number and the size of the chunks.
    """

    def __init__(
        self,
        path: str,
        chunking: Chunking,
        find: Callable[[], Iterable[Chunk]],
        read: Callable[[Chunk], bytes],
        take: Callable[[str, Iterable[tuple[int, int]]], None],
        limits: Limits,
    ) -> None:
        self._path = path
        self._chunking = chunking
        self._find = find
        self._read = read
        self._take = take
        self._limits = limits
        self._found: dict[tuple[int, ...], Chunk] | None = None

    def rows(self) -> Iterator[memoryview]:
        """Yield all bytes in blocks of whole rows: bands of whole chunks, so that each chunk is decompressed once.

        Raises:
            CorruptModel: A chunk is missing or damaged, or overlaps another one.
            RefusedModel: The chunks are too many or too long.
            UnsupportedFormat: The chunks have other filters.
        """
        shape, chunk, width, _ = self._chunking
        if not math.prod(shape):
            return
        self._prepare()
        row = math.prod(shape[1:]) * width
        most = self._limits.memory // _COPIES
        if row > most:
            raise limit_exceeded("memory", f"each row of {self._path} has {row:,} bytes", needed=row * _COPIES)
        step = min(chunk[0] * max(1, _BAND // (chunk[0] * row)), most // row)
        whole = [(0, length) for length in shape[1:]]
        for start in range(0, shape[0], step):
            yield memoryview(self._assemble([(start, min(start + step, shape[0])), *whole]))

    def block(self, cuts: Cuts) -> bytearray:
        """Return the bytes of the elements that `cuts` select.

        Raises:
            CorruptModel, RefusedModel, UnsupportedFormat: As in `rows`.
        """
        spans = [(cut.start, cut.stop) for cut in cuts]
        if not math.prod(self._chunking.shape):
            return bytearray()
        self._prepare()
        return self._assemble(spans)

    def _prepare(self) -> None:
        """Find all chunks, once."""
        if self._found is None:
            require_readable(self._chunking.filters, self._path)
            budget.allow(math.prod(self._chunking.shape) * self._chunking.width, copies=COPIES)
            found = self._collect()
            self._take(self._path, ((chunk.start, chunk.size) for chunk in found.values()))
            self._found = found
        budget.allow(budget.ARRAY)

    def _collect(self) -> dict[tuple[int, ...], Chunk]:
        starts, length = self._chunking.starts(), self._chunking.length
        expected = math.prod(map(len, starts))
        if expected > self._limits.nodes:
            raise limit_exceeded("nodes", f"{self._path} has {expected:,} chunks", needed=expected)
        if length * _COPIES > self._limits.memory:
            words = f"each chunk of {self._path} has {length:,} bytes"
            raise limit_exceeded("memory", words, needed=length * _COPIES)
        found: dict[tuple[int, ...], Chunk] = {}
        for chunk in self._find():
            if chunk.corner in found or not all(map(range.__contains__, starts, chunk.corner)):
                raise CorruptModel(f"the file lists chunks of {self._path} that the array does not have")
            found[chunk.corner] = chunk
        if len(found) != expected:
            raise CorruptModel(f"{expected - len(found):,} of {expected:,} chunks of {self._path} are missing "
                               "from the file")  # fmt: skip
        return found

    def _assemble(self, spans: Sequence[tuple[int, int]]) -> bytearray:
        """Return the bytes of the elements from the first to the second index of each dimension."""
        _, chunk, width, filters = self._chunking
        found = bytearray(math.prod(stop - start for start, stop in spans) * width)
        if not found or self._found is None:
            return found
        touched = (range(start - start % size, stop, size) for (start, stop), size in zip(spans, chunk, strict=True))
        for corner in product(*touched):
            place = self._found[corner]
            data = unpack(self._read(place), filters, place.left_out, self._chunking.length, self._path)
            _copy(data, corner, chunk, found, spans, width)
        return found


def _copy(
    data: bytes | bytearray,
    corner: Sequence[int],
    chunk: Sequence[int],
    found: bytearray,
    spans: Sequence[tuple[int, int]],
    width: int,
) -> None:
    """Copy the elements of a chunk that are within `spans` to `found`, in runs that are as long as possible."""
    lengths = [stop - start for start, stop in spans]
    common = [
        range(max(first, start), min(first + size, stop))
        for first, size, (start, stop) in zip(corner, chunk, spans, strict=True)
    ]
    inner = len(chunk)  # all axes from this one on are copied as a whole
    while inner and len(common[inner - 1]) == chunk[inner - 1] == lengths[inner - 1]:
        inner -= 1
    outer = max(0, inner - 1)
    source, target = _strides(chunk, width), _strides(lengths, width)
    from_, to = memoryview(data), memoryview(found)
    run = math.prod(map(len, common[outer:])) * width
    origin = [start for start, _ in spans]
    ends = [part.start for part in common[outer:]]
    for index in product(*common[:outer]):
        start, goal = _offset((*index, *ends), corner, source), _offset((*index, *ends), origin, target)
        to[goal : goal + run] = from_[start : start + run]


def _offset(index: Sequence[int], origin: Sequence[int], strides: Sequence[int]) -> int:
    """Return the offset in bytes of the element at `index` in a block that begins with the one at `origin`."""
    return sum((at - first) * stride for at, first, stride in zip(index, origin, strides, strict=True))


def _strides(shape: Sequence[int], width: int) -> list[int]:
    """Return for each dimension how many bytes are between two neighbours."""
    return [math.prod(shape[axis + 1 :]) * width for axis in range(len(shape))]
