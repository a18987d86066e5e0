"""The links of a group: symbol tables, and messages in its header; HDF5 file format, III.A, III.B and IV.A.2.g."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

from lstmdump.readers.hdf5.choice import NotPlain
from lstmdump.readers.hdf5.plain.blocks import Blocks
from lstmdump.readers.hdf5.plain.headers import LINK_INFO, SYMBOL_TABLE, ObjectHeader
from lstmdump.readers.hdf5.plain.heaps import read_local_heap
from lstmdump.readers.hdf5.plain.superblock import UNDEFINED, Superblock

_TABLE = struct.Struct("<QQ")
_NODE = struct.Struct("<4sBBHQQ")
_LEAF = struct.Struct("<4sBxH")
_ENTRY = struct.Struct("<QQI20x")
_NOT_SOFT = (0, 1)  # kinds of entries: nothing is kept of the object, or of a group where its table is

_ORDERED, _HAS_KIND, _HAS_CHARSET, _LENGTH_WIDTH = 0x4, 0x8, 0x10, 0x3  # flags of a link
_HARD = 0

Named = tuple[bytes, int]
"""A name and the address of the object."""


class LinkReader:
    """Reads the links of the groups in a file.

    Args:
        blocks: the bytes of the file.
        superblock: the superblock of the file.
        describe: records the addresses of the structures that describe groups.
    """

    __slots__ = ("_blocks", "_claimed", "_describe", "_superblock")

    def __init__(self, blocks: Blocks, superblock: Superblock, describe: Callable[[Iterable[int]], None]) -> None:
        self._blocks = blocks
        self._superblock = superblock
        self._describe = describe
        self._claimed: set[int] = set()  # the addresses of all tables and heaps

    def read(self, header: ObjectHeader) -> dict[bytes, int]:
        """Return the addresses of the members of a group by name, in the order of the names.

        Raises:
            NotPlain: The links are damaged, or stored in another way, or lead out of the group.
        """
        if SYMBOL_TABLE in header.single:
            if header.links or LINK_INFO in header.single:
                raise NotPlain("two kinds of links")
            found = self._read_table(header.single[SYMBOL_TABLE])
        else:
            _require_compact(header.single[LINK_INFO])
            found = sorted(map(_parse_link, header.links))
        links = dict(found)
        if len(links) != len(found) or any(not name or b"/" in name or name == b"." for name in links):
            raise NotPlain("unusual names")
        return links

    def _claim(self, address: int) -> None:
        """Record that a structure is at `address`, where there must not be another one."""
        if address in self._claimed:
            raise NotPlain("a table in two places")
        self._claimed.add(address)
        self._describe((address,))

    def _read_table(self, message: bytes) -> list[Named]:
        tree, heap = _TABLE.unpack_from(message)
        self._claim(heap)
        place, names = read_local_heap(self._blocks, heap)
        self._claim(place)
        found: list[Named] = []
        self._read_node(tree, None, names, found)
        last = b""
        for name, _ in found:
            if name <= last:
                raise NotPlain("names out of order")
            last = name
        return found

    def _read_node(self, address: int, level: int | None, names: bytes, found: list[Named]) -> None:
        """Add the members below a node to `found`, each of them between the two names beside its child.

        HDF5 looks for a name by these, so it would not find others. The order of all members is checked by the caller.
        """
        self._claim(address)
        most = self._superblock.most_children[0]
        data = self._blocks.read(address, _NODE.size + 8 * (2 * most + 1))
        mark, kind, own_level, count, *_ = _NODE.unpack_from(data)
        if (mark, kind) != (b"TREE", 0) or (level is not None and own_level != level) or count > most:
            raise NotPlain("not a node of names")
        keys: tuple[int, ...] = struct.unpack_from(f"<{2 * count + 1}Q", data, _NODE.size)
        for turn in range(count):
            low, child, high = keys[2 * turn : 2 * turn + 3]
            before = len(found)
            if own_level:
                self._read_node(child, own_level - 1, names, found)
            else:
                self._read_leaf(child, names, found)
            if found[before:] and not (
                _name_at(names, low) < found[before][0] and found[-1][0] <= _name_at(names, high)
            ):
                raise NotPlain("a name beyond its node")

    def _read_leaf(self, address: int, names: bytes, found: list[Named]) -> None:
        self._claim(address)
        most = self._superblock.most_names
        data = self._blocks.read(address, _LEAF.size + most * _ENTRY.size)
        mark, version, count = _LEAF.unpack_from(data)
        if (mark, version) != (b"SNOD", 1) or count > most:
            raise NotPlain("not a symbol table node")
        for name, place, kind in _ENTRY.iter_unpack(data[_LEAF.size : _LEAF.size + count * _ENTRY.size]):
            if kind not in _NOT_SOFT:
                raise NotPlain("a soft link")
            found.append((_name_at(names, name), place))


def _name_at(names: bytes, start: int) -> bytes:
    end = names.find(b"\0", start)
    if end < 0:
        raise NotPlain("a name without an end")
    return names[start:end]


def _require_compact(message: bytes) -> None:
    """Check that the links are in messages of the header, by the message that says where they are."""
    version, flags = message[:2]
    heap = int.from_bytes(message[2 + 8 * (flags & 1) :][:8], "little")
    if version or flags > 3 or heap != UNDEFINED:
        raise NotPlain("links in a heap")


def _parse_link(message: bytes) -> Named:
    version, flags = message[:2]
    at = 2
    if flags & _HAS_KIND:
        if message[at] != _HARD:
            raise NotPlain("a soft or external link")
        at += 1
    at += (8 if flags & _ORDERED else 0) + (1 if flags & _HAS_CHARSET else 0)
    width = 1 << (flags & _LENGTH_WIDTH)
    length = int.from_bytes(message[at : at + width], "little")
    at += width
    name, place = message[at : at + length], message[at + length : at + length + 8]
    if version != 1 or len(place) != 8 or b"\0" in name:
        raise NotPlain("a damaged link")
    return name, int.from_bytes(place, "little")
