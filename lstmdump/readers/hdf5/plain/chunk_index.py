"""The indexes of chunks: B-trees of version 1, and those of version 4 of layouts but for arrays that grow.

Source: HDF5 file format, III.A.1 (B-trees) and appendix C (fixed arrays, single chunks, chunks without an index).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise

from lstmdump.readers.hdf5.choice import NotPlain
from lstmdump.readers.hdf5.chunks import Chunk, Chunking
from lstmdump.readers.hdf5.plain import checksum, layouts
from lstmdump.readers.hdf5.plain.blocks import Blocks
from lstmdump.readers.hdf5.plain.superblock import UNDEFINED

_NODE = struct.Struct("<4sBBHQQ")
_CHUNKS = 1  # the type of a node
_FIXED, _FIXED_BLOCK = struct.Struct("<4s4BQQ"), struct.Struct("<4sBBQ")


class ChunkFinder:
    """Finds the chunks of a dataset.

    Args:
        blocks: the bytes of the file.
        index: what the layout says of the chunks.
        chunking: how the array is divided.
        most: the longest that each dimension can be, by which a fixed array is numbered.
        most_children: the most children of a node of a B-tree.
    """

    __slots__ = ("_blocks", "_chunking", "_index", "_most", "_most_children", "_seen")

    def __init__(
        self, blocks: Blocks, index: layouts.ChunkIndex, chunking: Chunking, most: Sequence[int], most_children: int
    ) -> None:
        self._blocks = blocks
        self._index = index
        self._chunking = chunking
        self._most = most
        self._most_children = most_children
        self._seen: set[int] = set()

    def find(self) -> Iterator[Chunk]:
        """Yield all chunks that have been stored.

        Raises:
            NotPlain: The index is damaged.
        """
        index, length = self._index, self._chunking.length
        if index.address == UNDEFINED:
            return iter(())
        if index.kind == layouts.TREE:
            return self._read_node(index.address, None)
        if index.kind == layouts.SINGLE:
            size = index.size if self._chunking.filters else length
            return iter([Chunk((0,) * len(index.chunk), index.address, size, index.left_out)])
        if index.kind == layouts.IMPLICIT:
            if self._chunking.filters:
                raise NotPlain("filters without an index")
            return self._number((index.address + turn * length, length, 0) for turn in range(self._count()))
        return self._number(self._read_fixed_array())

    def _read_node(self, address: int, level: int | None) -> Iterator[Chunk]:
        if address in self._seen:
            raise NotPlain("a node in two places")
        self._seen.add(address)
        rank = len(self._index.chunk)
        key, child = struct.Struct(f"<II{rank + 1}Q"), struct.Struct("<Q")
        width = key.size + child.size
        data = self._blocks.read(address, _NODE.size + self._most_children * width + key.size)
        mark, kind, own_level, count, *_ = _NODE.unpack_from(data)
        if (mark, kind) != (b"TREE", _CHUNKS) or (level is not None and own_level != level):
            raise NotPlain("not a node of chunks")
        if count > self._most_children:
            raise NotPlain("a node of another size")
        keys = [key.unpack_from(data, _NODE.size + turn * width) for turn in range(count + 1)]
        for turn, ((size, left_out, *first), (_, _, *end)) in enumerate(pairwise(keys)):
            (place,) = child.unpack_from(data, _NODE.size + turn * width + key.size)
            *corner, inner = first
            if not own_level and inner:
                raise NotPlain("a chunk within an element")
            found = [Chunk(tuple(corner), place, size, left_out)]
            for chunk in self._read_node(place, own_level - 1) if own_level else found:
                if not first <= [*chunk.corner, 0] < end:  # HDF5 looks for a chunk by these, so it would not find it
                    raise NotPlain("a chunk beyond its node")
                yield chunk

    def _grid(self) -> list[int]:
        """Return for each dimension how many chunks it can have."""
        return [-(-length // size) for length, size in zip(self._most, self._index.chunk, strict=True)]

    def _count(self) -> int:
        return math.prod(self._grid())

    def _number(self, places: Iterator[tuple[int, int, int]]) -> Iterator[Chunk]:
        """Yield those of the chunks at `places`, in the order of their indexes, that exist and are within the array."""
        grid = self._grid()
        ends = self._chunking.shape
        for number, (start, size, left_out) in enumerate(places):
            rest, corner = number, []
            for count, width in zip(reversed(grid), reversed(self._index.chunk), strict=True):
                rest, step = divmod(rest, count)
                corner.append(step * width)
            corner.reverse()
            if start != UNDEFINED and all(at < end for at, end in zip(corner, ends, strict=True)):
                yield Chunk(tuple(corner), start, size, left_out)

    def _read_fixed_array(self) -> Iterator[tuple[int, int, int]]:
        """Yield the address, size and mask of each chunk."""
        data = self._blocks.read(self._index.address, _FIXED.size + checksum.SIZE)
        checksum.require_checksum(data)
        mark, version, client, width, page_bits, count, block = _FIXED.unpack_from(data)
        filtered = bool(self._chunking.filters)
        if (mark, version, client) != (b"FAHD", 0, int(filtered)) or count != self._count():
            raise NotPlain("not a fixed array")
        if not (13 <= width <= 20 if filtered else width == 8) or page_bits > 32:
            raise NotPlain("entries of another size")
        if block == UNDEFINED:
            return
        for entry in self._read_entries(block, client, width, count, 1 << page_bits):
            yield (int.from_bytes(entry[:8], "little"),
                   int.from_bytes(entry[8:-4], "little") if filtered else self._chunking.length,
                   int.from_bytes(entry[-4:], "little") if filtered else 0)  # fmt: skip

    def _read_entries(self, address: int, client: int, width: int, count: int, page: int) -> Iterator[bytes]:
        paged = count > page
        pages = -(-count // page)
        bitmap = -(-pages // 8) if paged else 0
        size = _FIXED_BLOCK.size + bitmap + (0 if paged else count * width) + checksum.SIZE
        data = self._blocks.read(address, size)
        checksum.require_checksum(data)
        mark, version, found_client, owner = _FIXED_BLOCK.unpack_from(data)
        if (mark, version, found_client, owner) != (b"FADB", 0, client, self._index.address):
            raise NotPlain("not a block of a fixed array")
        if not paged:
            yield from _split(data[_FIXED_BLOCK.size : -checksum.SIZE], width)
            return
        bits = data[_FIXED_BLOCK.size : _FIXED_BLOCK.size + bitmap]
        for turn in range(pages):
            here = min(page, count - turn * page)
            if not bits[turn // 8] >> (7 - turn % 8) & 1:  # never written
                yield from (UNDEFINED.to_bytes(8, "little") + bytes(width - 8) for _ in range(here))
                continue
            data = self._blocks.read(
                address + size + turn * (page * width + checksum.SIZE), here * width + checksum.SIZE
            )
            checksum.require_checksum(data)
            yield from _split(data[: -checksum.SIZE], width)


def _split(data: bytes, width: int) -> Iterator[bytes]:
    return (data[start : start + width] for start in range(0, len(data), width))
