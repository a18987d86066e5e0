"""What a target takes: the parts of a model, each of which can be damaged without moving the others.

They are kept in one file, each after its length in four bytes. Any file is some list of parts.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

_LENGTH = struct.Struct("<I")


def packed(parts: Sequence[bytes]) -> bytes:
    """PARTS in one."""
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def unpacked(data: bytes) -> list[bytes]:
    """The parts in DATA, the last of them perhaps cut short."""
    parts, position = [], 0
    while position + _LENGTH.size <= len(data):
        start = position + _LENGTH.size
        position = start + _LENGTH.unpack_from(data, position)[0]
        parts.append(data[start:position])
    return parts
