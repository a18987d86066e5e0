"""Damage to protocol buffers that keeps the lengths around it valid; independent of the parser of lstmdump."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from support.tensorflow_builders import varint

_WIDTHS = {1: 8, 5: 4}
_NUMBERS = (0, 1, 2, 3, 7, 9, 14, 100, 101, 127, 128, 255, 2**14, 2**21, 2**24, 2**31 - 1, 2**31, 2**32, 2**40, 2**62,
            2**63 - 1, 2**63, 2**64 - 1)  # fmt: skip
_DEEPEST = 8
_MOST_WRAPPED = 300

Field = tuple[int, bytes]
"""The key (number and wire type) and the content of a field: the bytes of a varint, or the bytes after the length."""


def split_fields(data: bytes) -> list[Field] | None:
    """Return the fields of `data`; None if it is not a message."""
    found, position = [], 0
    while position < len(data):
        key, position = _number(data, position)
        if key & 7 == 0:
            stop = _number(data, position)[1]
        elif key & 7 == 2:
            length, position = _number(data, position)
            stop = position + length
        elif key & 7 in _WIDTHS:
            stop = position + _WIDTHS[key & 7]
        else:
            return None
        if stop > len(data) or not key >> 3:
            return None
        found.append((key, data[position:stop]))
        position = stop
    return found


def join_fields(found: list[Field]) -> bytes:
    """Return a message of the fields `found`."""
    return b"".join(varint(key) + (varint(len(content)) if key & 7 == 2 else b"") + content for key, content in found)


def read_varint(data: bytes) -> int:
    """Return the value of the varint `data`."""
    return _number(data, 0)[0]


def _number(data: bytes, position: int) -> tuple[int, int]:
    """Return the varint in `data` at `position`, and the end of it: after the end of `data` if it is truncated."""
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value % (1 << 64), position
        if shift > 70:
            break
    return value, len(data) + 1


def damaged_message(
    data: bytes, other: bytes, random: Random, damaged_bytes: Callable[[bytes], bytes], depth: int = 0
) -> bytes:
    """Return the message `data` with one field damaged at any depth, or replaced by one of the message `other`."""
    found = split_fields(data)
    if found is None or (not found and not other):
        return damaged_bytes(data)
    if not found:
        return other
    at = random.randrange(len(found))
    key, content = found[at]
    if key & 7 == 2 and depth < _DEEPEST and random.random() < 0.75:
        inner = [content for other_key, content in split_fields(other) or () if other_key == key]
        spare = random.choice(inner) if inner else b""
        found[at] = key, damaged_message(content, spare, random, damaged_bytes, depth + 1)
        return join_fields(found)
    _damage_field(found, at, split_fields(other) or [], random, damaged_bytes)
    return join_fields(found)


def _damage_field(
    found: list[Field], at: int, spare: list[Field], random: Random, damaged_bytes: Callable[[bytes], bytes]
) -> None:
    """Damage the field `at` of `found`, or insert a field of `spare`."""
    key, content = found[at]
    choice = random.randrange(7)
    if choice == 0:
        del found[at]
    elif choice == 1:
        found.insert(random.randrange(len(found) + 1), found[at])
    elif choice == 2:
        to = random.randrange(len(found))
        found[at], found[to] = found[to], found[at]
    elif choice == 3 and spare:
        found.insert(at, random.choice(spare))
    elif choice == 4:
        found[at] = _of_another_kind(key, random)
    elif choice == 5 and key & 7 == 2:
        for _ in range(random.choice((1, 2, _MOST_WRAPPED))):
            found[at] = key, join_fields([found[at]])
    else:
        found[at] = key, varint(random.choice(_NUMBERS)) if key & 7 == 0 else _resized(key, damaged_bytes(content))


def _resized(key: int, content: bytes) -> bytes:
    width = _WIDTHS.get(key & 7)
    return content if width is None else content[:width].ljust(width, b"\0")


def _of_another_kind(key: int, random: Random) -> Field:
    """Return a field of another type with the number of `key`, or one near it."""
    number = random.choice((key >> 3, key >> 3, random.randrange(1, 20)))
    kind = random.choice((0, 0, 1, 2, 5))
    if kind == 0:
        return number << 3, varint(random.choice(_NUMBERS))
    return number << 3 | kind, random.randbytes(_WIDTHS.get(kind, random.randrange(12)))
