"""The superblock, which HDF5 files begin with; HDF5 file format, II.A."""

from __future__ import annotations

import struct

from lstmdump.readers.hdf5.choice import NotPlain
from lstmdump.readers.hdf5.plain.blocks import Blocks
from lstmdump.readers.hdf5.plain.checksum import require_checksum

SIGNATURE = b"\x89HDF\r\n\x1a\n"
UNDEFINED = 2**64 - 1
"""The address of what does not exist."""

# Versions 0 and 1: versions and sizes, then 2 more fields in version 1, then addresses.
_V0 = struct.Struct("<8s8B2HI")
_ADDRESSES_V0 = struct.Struct("<4Q8xQ")  # base, free space, end, driver; the header of the root, in its entry
_EXTRA_V1 = struct.Struct("<H2x")
_V2 = struct.Struct("<8s4B4Q4x")
_CHUNK_NODE = 32  # half of the chunks that a node holds, if the superblock does not state it
_SIZE_V0, _SIZE_V2 = 96, 48


class Superblock:
    """What the superblock says.

    Attributes:
        end: the end of the file, as it was written.
        root: the address of the header of the root group.
        size: the bytes of the superblock.
        most_names: the most names in a symbol table node.
        most_children: the most children of a node of names, and of a node of chunks.
    """

    __slots__ = ("end", "most_children", "most_names", "root", "size")

    def __init__(self, end: int, root: int, size: int) -> None:
        self.end = end
        self.root = root
        self.size = size
        self.most_names = 0
        self.most_children = (0, 2 * _CHUNK_NODE)


def read_superblock(blocks: Blocks) -> Superblock:
    """Return the superblock of a file.

    Raises:
        NotPlain: It is damaged, the file is cut short, has a user block, or addresses of another size.
    """
    head = blocks.read(0, 9)
    if head[:8] != SIGNATURE:
        raise NotPlain("no signature at 0")
    found = _read_v0(blocks, head[8]) if head[8] < 2 else _read_v2(blocks)
    if found.end > blocks.end:
        raise NotPlain("cut short")
    return found


def _read_v0(blocks: Blocks, version: int) -> Superblock:
    size = _SIZE_V0 + version * _EXTRA_V1.size
    data = blocks.read(0, size)
    _, _, free_space, entry, _, shared, *sizes, _, names, children, flags = _V0.unpack_from(data)
    base, _, end, driver, root = _ADDRESSES_V0.unpack_from(data, _V0.size + version * _EXTRA_V1.size)
    if (free_space, entry, shared, sizes) != (0, 0, 0, [8, 8]) or flags or base or driver != UNDEFINED:
        raise NotPlain("an unusual superblock")
    found = Superblock(end, root, _SIZE_V0)
    chunks = _EXTRA_V1.unpack_from(data, _V0.size)[0] if version else _CHUNK_NODE
    found.most_names, found.most_children = 2 * names, (2 * children, 2 * chunks)
    return found


def _read_v2(blocks: Blocks) -> Superblock:
    data = blocks.read(0, _SIZE_V2)
    _, version, *sizes, flags, base, extension, end, root = _V2.unpack(data)
    if version > 3 or sizes != [8, 8] or flags or base or extension != UNDEFINED:
        raise NotPlain("an unusual superblock")
    require_checksum(data)
    return Superblock(end, root, _SIZE_V2)
