"""Inputs of targets: the parts of a model, each of which can be damaged without moving the others.

They are stored in one file, each after the length in four bytes. Any file is a valid list of parts.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

_LENGTH = struct.Struct("<I")


def packed(parts: Sequence[bytes]) -> bytes:
    """Join `parts`."""
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def unpacked(data: bytes) -> list[bytes]:
    """Return the parts in `data`; the last of them may be truncated."""
    parts, position = [], 0
    while position + _LENGTH.size <= len(data):
        start = position + _LENGTH.size
        position = start + _LENGTH.unpack_from(data, position)[0]
        parts.append(data[start:position])
    return parts
