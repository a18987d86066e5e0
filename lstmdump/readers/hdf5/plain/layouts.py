"""Where the numbers of a dataset are; HDF5 file format, IV.A.2.i and l."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from lstmdump.errors import UnsupportedFormat
from lstmdump.readers.hdf5.choice import NotPlain
from lstmdump.readers.hdf5.filters import Filter

_COMPACT, _CONTIGUOUS, _CHUNKED = 0, 1, 2  # classes
_OLD, _NEW = 3, 4  # versions; they differ for chunks only
_PLACE = struct.Struct("<QQ")

_EDGES_UNFILTERED, _SINGLE_FILTERED = 0x1, 0x2  # flags of chunks of version 4
TREE, SINGLE, IMPLICIT, FIXED_ARRAY = 0, 1, 2, 3
"""How chunks are found; the first one is the only one before version 4."""

_FIRST_WITH_NAME = 256  # the number of the first filter that has a name, in version 2 of the filters
_REQUIRED_FILTER = struct.Struct("<HHHH")


class Contiguous:
    """Numbers in one piece, from an offset on."""

    __slots__ = ("size", "start")

    def __init__(self, start: int, size: int) -> None:
        self.start = start
        self.size = size


class ChunkIndex:
    """How the chunks of a dataset are found.

    Attributes:
        kind: one of the constants of this module.
        address: where the index is, or the chunk, if it is the only one.
        chunk: the shape of a chunk.
        width: the bytes per element.
        size: the bytes of the only chunk, if it has filters.
        left_out: the mask of its filters that were not applied.
    """

    __slots__ = ("address", "chunk", "kind", "left_out", "size", "width")

    def __init__(self, kind: int, address: int, chunk: tuple[int, ...], width: int) -> None:
        self.kind = kind
        self.address = address
        self.chunk = chunk
        self.width = width
        self.size = self.left_out = 0


def parse_layout(message: bytes) -> Contiguous | ChunkIndex | bytes:
    """Return where the numbers are, or the numbers themselves.

    Raises:
        NotPlain: They are stored in another way.
    """
    version, kind = message[:2]
    if version not in (_OLD, _NEW):
        raise NotPlain("another version of layouts")
    if kind == _COMPACT:
        size = int.from_bytes(message[2:4], "little")
        if 4 + size > len(message):
            raise NotPlain("cut short")
        return message[4 : 4 + size]
    if kind == _CONTIGUOUS:
        return Contiguous(*_PLACE.unpack_from(message, 2))
    if kind != _CHUNKED:
        raise NotPlain("another layout")
    return _parse_tree(message) if version == _OLD else _parse_new_index(message)


def _parse_tree(message: bytes) -> ChunkIndex:
    rank = message[2]
    address, *sizes = struct.unpack_from(f"<Q{rank}I", message, 3)
    return _index(TREE, address, sizes)


def _parse_new_index(message: bytes) -> ChunkIndex:
    flags, rank, width = message[2:5]
    at = 5 + rank * width
    sizes = [int.from_bytes(message[start : start + width], "little") for start in range(5, at, width)]
    kind = message[at]
    if flags & ~(_EDGES_UNFILTERED | _SINGLE_FILTERED) or width > 8 or kind not in (SINGLE, IMPLICIT, FIXED_ARRAY):
        raise NotPlain("an unusual index")
    at += 1
    details = message[at : at + 12] if flags & _SINGLE_FILTERED else b""
    if bool(details) and kind != SINGLE:
        raise NotPlain("an unusual index")
    at += len(details) + (1 if kind == FIXED_ARRAY else 0)
    found = _index(kind, int.from_bytes(message[at : at + 8], "little"), sizes)
    if details:
        found.size, found.left_out = struct.unpack("<QI", details)
    return found


def _index(kind: int, address: int, sizes: Sequence[int]) -> ChunkIndex:
    *chunk, width = sizes
    if not chunk or not all(sizes):
        raise NotPlain("chunks without elements")
    return ChunkIndex(kind, address, tuple(chunk), width)


def require_filtered_edges(message: bytes, shape: Sequence[int], path: str) -> None:
    """Check that the filters were applied to all chunks, also those that reach beyond the array.

    HDF5 takes such a chunk for a whole one without measuring it, so a short one lets it read on in its memory.

    Args:
        message: the message with the layout of the dataset.
        shape: the shape of the dataset.
        path: the path of the dataset, for the message.

    Raises:
        UnsupportedFormat: They were not.
    """
    version, kind = message[:2]
    if kind != _CHUNKED or version < _NEW or not message[2] & _EDGES_UNFILTERED:
        return
    rank, width = message[3:5]
    chunk = [int.from_bytes(message[5 + turn * width :][:width], "little") for turn in range(rank - 1)]
    if any(length % (size or 1) for length, size in zip(shape, chunk, strict=True)):
        raise UnsupportedFormat(f"{path} stores the chunks at its edge without the filters of the others, which is not "
                                "supported; rewrite the file with `h5repack -f GZIP=1`")  # fmt: skip


def parse_filters(message: bytes) -> list[Filter]:
    """Return the filters of a dataset, in the order in which they are applied.

    Raises:
        NotPlain: The message is damaged.
    """
    version, count = message[:2]
    at = 8 if version == 1 else 2
    if version not in (1, 2):
        raise NotPlain("another version of filters")
    found: list[Filter] = []
    for _ in range(count):
        code = int.from_bytes(message[at : at + 2], "little")
        if version == 1 or code >= _FIRST_WITH_NAME:
            _, name, _, values = _REQUIRED_FILTER.unpack_from(message, at)
            at += 8 + (-(-name // 8) * 8 if version == 1 else name)
        else:
            _, values = struct.unpack_from("<HH", message, at + 2)
            at += 6
        found.append((code, struct.unpack_from(f"<{values}I", message, at)))
        at += 4 * (values + (values % 2 if version == 1 else 0))
    return found
