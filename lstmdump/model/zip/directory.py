"""The directory of a plain zip archive, read without `zipfile`, whose import takes a tenth of `show` of a small model.

An archive is plain if it is as `zipfile` itself, and so Keras, or PyTorch writes it while nothing in it reaches four
gigabytes: members in order that do not overlap, with names in ASCII, nothing encrypted, no comments and no extra fields
in the directory. PyTorch repeats what the last record states in one of ZIP64, and the sizes of a member behind it. All
others are left to `zipfile`. It reads the plain ones, too, and gives the same answers: tests and fuzzing hold it to
that. Source: PKWARE's APPNOTE.TXT, sections 4.3 and 4.4.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from typing import BinaryIO

from lstmdump.model.named_tuple import NamedTuple

STORED, DEFLATED = 0, 8
"""The methods of compression that Keras's files have."""

ENTRY_SIZE = 46
"""The size in bytes of an entry in the directory, before its name."""

LOCAL_HEADER_SIZE = 30
"""The size in bytes of the header before a member, before its name."""

LOCAL_HEADER = b"PK\x03\x04"
_ENTRY = b"PK\x01\x02"
_END = b"PK\x05\x06"
_ZIP64_END, _ZIP64_LOCATOR = b"PK\x06\x06", b"PK\x06\x07"
_END_SIZE, _ZIP64_LOCATOR_SIZE, _ZIP64_END_SIZE = 22, 20, 56
_FLAGS = 0x808  # UTF-8, and ASCII is the same in both encodings of names; and sizes that are repeated behind a member
_LAST_VERSION = 45  # of the format: with ZIP64, which is also stated by members that turn out to be small


_read_entry = struct.Struct("<4s6H3L5H2L").unpack_from


class Member(NamedTuple):
    """A member of an archive as the directory states it; the attributes are those of `zipfile.ZipInfo`."""

    filename: str
    orig_filename: str
    flag_bits: int
    compress_type: int
    CRC: int
    compress_size: int
    file_size: int
    external_attr: int
    header_offset: int


def read_plain(file: BinaryIO, most: int) -> list[Member] | None:
    """Return the members of the archive in `file`, or None if it is not plain or its directory exceeds `most` bytes."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_SIZE - _ZIP64_LOCATOR_SIZE - _ZIP64_END_SIZE))
    tail = file.read()
    if len(tail) < _END_SIZE:
        return None
    signature, *disks, here, count, length, start, comment = struct.unpack("<4s4H2LH", tail[-_END_SIZE:])
    if signature != _END or any(disks) or here != count or comment:
        return None
    stop = size - _END_SIZE
    if tail[-_END_SIZE - _ZIP64_LOCATOR_SIZE :].startswith(_ZIP64_LOCATOR):
        stop -= _ZIP64_LOCATOR_SIZE + _ZIP64_END_SIZE
        if stop < 0 or not _agree(tail[:-_END_SIZE], count, length, start, stop):
            return None
    if start + length != stop or length > most:
        return None
    file.seek(start)
    members = _parse_directory(file.read(length), start)
    return list(members) if members is not None and len(members) == count else None


def _agree(records: bytes, count: int, length: int, start: int, stop: int) -> bool:
    """Return whether the records of ZIP64, from the offset `stop` on, state what the last record does."""
    signature, size, _, _, *stated = struct.unpack("<4sQ2H2L4Q4sLQL", records)
    expected = [0, 0, count, count, length, start, _ZIP64_LOCATOR, 0, stop, 1]  # disks first and last
    return signature == _ZIP64_END and size == _ZIP64_END_SIZE - 12 and stated == expected


@lru_cache(maxsize=1)  # the format is detected by the names of members, and then the file is read
def _parse_directory(directory: bytes, end: int) -> tuple[Member, ...] | None:
    """Return the members that `directory` lists; None if they are not plain, or not in order before `end`."""
    members: list[Member] = []
    at = last = 0
    while at < len(directory):
        member = _parse_entry(directory, at)
        if member is None or member.header_offset < last:
            return None
        members.append(member)
        at += ENTRY_SIZE + len(member.filename)
        last = member.header_offset + LOCAL_HEADER_SIZE + len(member.filename) + member.compress_size
    return tuple(members) if last <= end else None


def _parse_entry(directory: bytes, at: int) -> Member | None:
    """Return the member whose entry begins at the offset `at`; None if it is not plain."""
    if len(directory) - at < ENTRY_SIZE:
        return None
    signature, _, version, flags, method, _, _, crc, compressed, size, length, *others, _, attributes, start = (
        _read_entry(directory, at)
    )
    if signature != _ENTRY or version > _LAST_VERSION or flags & ~_FLAGS or any(others):
        return None
    if method not in (STORED, DEFLATED) or (method == STORED and compressed != size):
        return None
    at += ENTRY_SIZE
    name = directory[at : at + length]
    if len(name) < length or not name.isascii():
        return None
    called = name.decode()
    if not called.isprintable() or "\\" in called:
        return None
    return Member(called, called, flags, method, crc, compressed, size, attributes, start)


def read_stored(file: BinaryIO, member: Member) -> bytes | None:
    """Return the content of a plain archive's `member`, or None if it is compressed or anything but right."""
    if member.compress_type != STORED:
        return None
    file.seek(member.header_offset)
    name = member.filename.encode()
    header = file.read(LOCAL_HEADER_SIZE + len(name))
    if header[:4] != LOCAL_HEADER or header[26:] != struct.pack("<2H", len(name), 0) + name:
        return None
    content = file.read(member.file_size)
    return content if zlib.crc32(content) == member.CRC else None
