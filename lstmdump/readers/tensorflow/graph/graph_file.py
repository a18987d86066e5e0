"""Read a GraphDef from a file without the numbers of its large constants, which stay there until they are asked for.

The graph of a model of 400 MB is some kilobytes. The bytes are put where they are in the file, into memory of the same
size, of which the system provides only what is written: all that is known of the graph by offset stays true.
"""

from __future__ import annotations

import mmap
import os
import weakref
from contextlib import suppress
from typing import BinaryIO

from lstmdump.errors import CorruptModel
from lstmdump.model import budget
from lstmdump.model.location import Location
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.tensor import Array, Cuts, Tensor
from lstmdump.readers.protobuf import Buffer, varint
from lstmdump.readers.raw_array import StoredArray
from lstmdump.readers.tensorflow.wire import decode, dtypes
from lstmdump.readers.tensorflow.wire.file_bytes import as_unreadable, read_at, read_whole, require_memory

SMALL = 1 << 20
"""Bytes of a graph that is read as a whole."""
_LARGE = 1 << 16  # bytes of a content that is left out; only the heads of longer nodes are ever searched
_CONTENT = (1, 5, 2, 8, 4)  # the fields that lead to it: a node, an attribute, its AttrValue, its TensorProto
_BLOCK = 1 << 16
_LONGEST = 20  # bytes of a key and a length
_COPIES = 2  # of a graph in memory: the bytes, and those that are searched
_FIXED = {1: 8, 5: 4}
_VARINT, _LENGTH_DELIMITED = 0, 2


class GraphFile:
    """A GraphDef, and the file that holds it.

    Attributes:
        data: Its bytes, in which the contents of large constants are missing.
        contents: Where these contents end in the file, by where they start.
        file: The file, if it is needed for these contents.
        called: Its name in error messages.
    """

    def __init__(
        self, data: Buffer, contents: dict[int, int], file: BinaryIO | None = None, called: str = "it"
    ) -> None:
        self.data = data
        self.contents = contents
        self.file = file
        self.called = called
        if file is not None:
            weakref.finalize(self, file.close)  # if nobody closes the model

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()


class StoredContent(NamedTuple):
    """The content of a large constant, which is in the file from `start` on."""

    graph: GraphFile
    start: int

    def tensor(self, name: str, shape: tuple[int, ...], dtype: str) -> Tensor:
        """Return the array of the constant, whose bytes are as many as its shape has.

        Raises:
            CorruptModel: Its dtype is not one of numbers.
        """
        width, file = dtypes.item_size(dtype), self.graph.file
        if width is None or file is None:
            raise CorruptModel(f"{name} holds {dtype} values in an unknown form")
        stored = StoredArray(lambda: file, self.graph.called, self.start, shape, width)

        def fetch(cuts: Cuts) -> Array:
            return decode.array_of(stored.block(cuts), dtype, tuple(cut.stop - cut.start for cut in cuts))

        return Tensor(name, shape, dtype, fetch, None if dtype == "bfloat16" else stored.rows)


def read_graph(location: Location) -> GraphFile:
    """Read the GraphDef at `location`; one at a URL is read as a whole.

    Raises:
        CorruptModel: The file is empty, or cut short.
        RefusedModel: It is longer than the limit on memory, even without the contents of large constants.
        UnreadableModel: The file cannot be read.
    """
    if not location.is_here or (location.size() or 0) <= SMALL:
        return GraphFile(read_whole(location), {})
    try:
        file = location.open(buffered=False)
        try:
            outline = _Outline(file, location)
            return GraphFile(outline.data, outline.contents, file, location.name)
        except BaseException:
            file.close()
            raise
    except (OSError, ValueError) as error:
        raise as_unreadable(error, "it") from error


class _Outline:
    """The bytes of the file, but for the contents of large constants.

    Attributes:
        data: The bytes.
        contents: Where the contents that are left out end, by where they start.
    """

    def __init__(self, file: BinaryIO, location: Location) -> None:
        self._file = file
        self._location = location
        self._size = file.seek(0, os.SEEK_END)
        self._read = self._kept = 0  # up to where the file has been read, and how much of it
        budget.allow(self._size, copies=1)
        self.data = memoryview(mmap.mmap(-1, self._size, access=mmap.ACCESS_COPY))  # of no file
        self.contents: dict[int, int] = {}
        with suppress(CorruptModel):  # reported when it is parsed
            self._walk(0, self._size, 0)
        self._load(self._size)

    def _walk(self, position: int, stop: int, depth: int) -> None:
        """Read the message up to `stop`, but for large contents in it; `depth` steps of the way to them are done."""
        while position < stop:
            self._load(position + _LONGEST)
            key, position = varint(self.data, position)
            if key & 7 == _VARINT:
                _, position = varint(self.data, position)
                continue
            length = _FIXED.get(key & 7, 0)
            if key & 7 == _LENGTH_DELIMITED:
                length, position = varint(self.data, position)
            end = position + length
            if end > stop:
                raise CorruptModel("the graph is cut short")
            if length > _LARGE and key == _CONTENT[depth] << 3 | _LENGTH_DELIMITED:
                self._enter(position, end, depth + 1)
            position = end

    def _enter(self, start: int, stop: int, depth: int) -> None:
        if depth < len(_CONTENT):
            self._walk(start, stop, depth)
            return
        self._load(start)
        self.contents[start] = stop
        self._read = max(self._read, stop)

    def _load(self, stop: int) -> None:
        """Read the file up to `stop`, and a little further: up to the end of a block."""
        stop = min(stop, self._size)
        if stop <= self._read:
            return
        end = min(-(-stop // _BLOCK) * _BLOCK, self._size)
        self._kept += end - self._read
        words = f"the graph has {self._kept:,} bytes beside large arrays"
        require_memory(self._kept * _COPIES, words, self._location)
        while self._read < end:
            size = min(end - self._read, SMALL)
            self.data[self._read : self._read + size] = read_at(self._file, self._read, size, "the graph")
            self._read += size
