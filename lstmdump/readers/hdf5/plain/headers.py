"""Object headers, of groups and of datasets: lists of messages; HDF5 file format, IV.A.1."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from lstmdump.readers.hdf5.choice import NotPlain
from lstmdump.readers.hdf5.plain import checksum
from lstmdump.readers.hdf5.plain.blocks import Blocks

# The start of a header, and of each message in it: type, length and flags.
_HEADER_V1, _HEADER_V2 = struct.Struct("<BxHII4x"), struct.Struct("<4sBB")
_MESSAGE_V1, _MESSAGE_V2 = struct.Struct("<HHB3x"), struct.Struct("<BHB")
_START_V1 = _MESSAGE_V1.size
_PLACE = struct.Struct("<QQ")
_HAS_TIMES, _HAS_PHASES, _SIZE_WIDTH, _ORDERED = 0x20, 0x10, 0x03, 0x04  # flags of a version 2 header
_MARK, _MARK_OF_MORE = b"OHDR", b"OCHK"

# Types of messages; IV.A.2.
_NIL, DATASPACE, LINK_INFO, DATATYPE, OLD_FILL_VALUE, FILL_VALUE, LINK = 0, 1, 2, 3, 4, 5, 6
LAYOUT, GROUP_INFO, FILTERS, ATTRIBUTE, _COMMENT, _OLD_TIME, _CONTINUATION = 8, 0xA, 0xB, 0xC, 0xD, 0xE, 0x10
SYMBOL_TABLE, _TIME, ATTRIBUTE_INFO = 0x11, 0x12, 0x15
_SINGLE = frozenset({DATASPACE, LINK_INFO, DATATYPE, OLD_FILL_VALUE, FILL_VALUE, LAYOUT, GROUP_INFO, FILTERS,
                     SYMBOL_TABLE, ATTRIBUTE_INFO})  # fmt: skip
_WITHOUT_USE = frozenset({_NIL, _COMMENT, _OLD_TIME, _TIME})
_SHARED = 0x2  # the message is stored elsewhere

_IN_CIRCLES = "a header that continues itself"
_Message = tuple[int, int, bytes]  # type, flags and body


class ObjectHeader:
    """The messages of an object.

    Attributes:
        single: the message of each type of which there is one.
        attributes: the messages with an attribute each.
        links: the messages with a link each.
        places: the addresses of the header and its continuations.
    """

    __slots__ = ("attributes", "links", "places", "single")

    def __init__(self) -> None:
        self.single: dict[int, bytes] = {}
        self.attributes: list[bytes] = []
        self.links: list[bytes] = []
        self.places: list[int] = []


def read_header(blocks: Blocks, address: int) -> ObjectHeader:
    """Return the header at `address`.

    Raises:
        NotPlain: It is damaged, or holds messages of another type or stored elsewhere.
    """
    found = ObjectHeader()
    single = found.single
    for kind, flags, body in _read_messages(blocks, address, found.places):
        if flags & _SHARED:
            raise NotPlain("a shared message")
        if kind in _SINGLE and kind not in single:
            single[kind] = body
        elif kind == ATTRIBUTE:
            found.attributes.append(body)
        elif kind == LINK:
            found.links.append(body)
        else:
            raise NotPlain(f"a message of type {kind}")
    return found


def read_layout_message(blocks: Blocks, address: int) -> bytes:
    """Return the message with the layout of the dataset whose header is at `address`, which need not be plain.

    Raises:
        NotPlain: There is none, or more than one.
    """
    found = [body for kind, _, body in _read_messages(blocks, address, []) if kind == LAYOUT]
    if len(found) != 1:
        raise NotPlain("not one layout")
    return found[0]


def _read_messages(blocks: Blocks, address: int, places: list[int]) -> Iterable[_Message]:
    """Return type, flags and body of each message of use, and add the address of each block of them to `places`."""
    head = blocks.read(address, _HEADER_V1.size)
    return _read_v2(blocks, address, head, places) if head[:4] == _MARK else _read_v1(blocks, address, head, places)


def _read_v1(blocks: Blocks, address: int, head: bytes, places: list[int]) -> list[_Message]:
    version, count, _, size = _HEADER_V1.unpack(head)
    if version != 1:
        raise NotPlain("not a header")
    unread, found, unpack = [(address + _HEADER_V1.size, size)], [], _MESSAGE_V1.unpack_from
    for start, length in unread:
        if start in places:
            raise NotPlain(_IN_CIRCLES)
        places.append(start)
        data, at = blocks.read(start, length), 0
        while at < length:
            kind, width, flags = unpack(data, at)
            body = at + _START_V1
            at = body + width
            count -= 1
            if at > length or width & 7:
                raise NotPlain("a message of another length")
            if kind in _WITHOUT_USE:
                continue
            if kind == _CONTINUATION:
                unread.append(_PLACE.unpack_from(data[body:at]))
            else:
                found.append((kind, flags, data[body:at]))
    if count:
        raise NotPlain("another number of messages")
    return found


def _read_v2(blocks: Blocks, address: int, head: bytes, places: list[int]) -> Iterator[_Message]:
    _, version, flags = _HEADER_V2.unpack_from(head)
    if version != 2:
        raise NotPlain("not a header")
    start = _HEADER_V2.size + (16 if flags & _HAS_TIMES else 0) + (4 if flags & _HAS_PHASES else 0)
    width = 1 << (flags & _SIZE_WIDTH)
    size = int.from_bytes(blocks.read(address + start, width), "little")
    start += width
    unread: list[tuple[int, int]] = [(address, start + size + checksum.SIZE)]
    for place, length in unread:
        if place in places:
            raise NotPlain(_IN_CIRCLES)
        places.append(place)
        data = blocks.read(place, length)
        checksum.require_checksum(data)
        if place != address and data[:4] != _MARK_OF_MORE:
            raise NotPlain("not a continuation")
        yield from _split_v2(data[start if place == address else 4 : -checksum.SIZE], flags, unread)


def _split_v2(data: bytes, header_flags: int, unread: list[tuple[int, int]]) -> Iterator[_Message]:
    """Yield the messages of use in a block, but add the blocks of its continuations to `unread`."""
    at, gap = 0, _MESSAGE_V2.size + (2 if header_flags & _ORDERED else 0)
    while at + gap <= len(data):
        kind, width, flags = _MESSAGE_V2.unpack_from(data, at)
        at += gap
        body = data[at : at + width]
        at += width
        if at > len(data):
            raise NotPlain("a message of another length")
        if kind == _CONTINUATION:
            unread.append(_PLACE.unpack_from(body))
        elif kind not in _WITHOUT_USE:
            yield kind, flags, body
