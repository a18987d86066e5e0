"""The wire format of protocol buffers: fields by number, and nothing about whose messages they are.

Source: the encoding's public description. A message is a run of fields, each a key (number and wire type) and a value:
a varint, 8 bytes, a length with that many bytes, or 4 bytes. Groups, which TensorFlow never writes, are refused.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from itertools import islice
from typing import TypeAlias

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import DEFAULTS, limit_exceeded

Buffer: TypeAlias = "bytes | memoryview"
Value: TypeAlias = "int | bytes | memoryview"

_VARINT = 0
_FIXED = {1: 8, 5: 4}  # bytes
_VARINT_BITS = 64
_SHORTEST = 2  # bytes of a field
_FIRST_KEY = 1 << 3  # fields are numbered from 1 on
_SHORT = 0x80  # numbers below it take one byte
_FLOAT32_END = 3.4028235e38


class Message:
    """One message, its fields by number; a field that is absent has its type's zero, as in the format itself.

    It has MOST fields at the most, and so has each message in it.

    Raises:
        CorruptModel: the bytes are no message.
        RefusedModel: it has more fields.
    """

    __slots__ = ("_fields", "_most")

    def __init__(self, data: Buffer, most: int = DEFAULTS.nodes) -> None:
        self._most = most
        found: dict[int, list[Value]] = {}
        for number, value in fields_up_to(most, data):
            if number in found:
                found[number].append(value)
            else:
                found[number] = [value]
        self._fields = found

    def __contains__(self, number: int) -> bool:
        return number in self._fields

    def is_integer(self, number: int) -> bool:
        """Whether field NUMBER is there and a varint."""
        return isinstance(self._fields.get(number, (b"",))[-1], int)

    def integer(self, number: int) -> int:
        """Field NUMBER, not negative; the last one counts, as the format says."""
        found = self._fields.get(number)
        return 0 if found is None else as_integer(found[-1])

    def signed(self, number: int) -> int:
        """Field NUMBER as an int64, which is stored in two's complement."""
        value = self.integer(number)
        return value - (1 << _VARINT_BITS) if value >> (_VARINT_BITS - 1) else value

    def float32(self, number: int) -> float:
        """Field NUMBER as a float of 4 bytes: the shortest decimal number that is stored so, 0.3 for instance."""
        found = self._fields.get(number)
        return 0.0 if found is None else shortest_float32(bytes(_four_bytes(found[-1])))

    def bytes(self, number: int) -> Buffer:
        """Field NUMBER as bytes."""
        found = self._fields.get(number)
        return b"" if found is None else as_bytes(found[-1])

    def all_bytes(self, number: int) -> list[Buffer]:
        """Every field NUMBER as bytes, in order."""
        return [as_bytes(value) for value in self._fields.get(number, ())]

    def text(self, number: int) -> str:
        """Field NUMBER as text; what is no UTF-8 is kept as lone surrogates."""
        return as_text(self.bytes(number))

    def message(self, number: int) -> Message:
        """Field NUMBER as a message; an empty one where it is absent."""
        return Message(self.bytes(number), self._most)

    def messages(self, number: int) -> list[Message]:
        """Every field NUMBER as a message, in order."""
        return [Message(value, self._most) for value in self.all_bytes(number)]

    def integers(self, number: int) -> list[int]:
        """Every field NUMBER as an int64, packed or one by one."""
        found: list[int] = []
        for value in self._fields.get(number, ()):
            found.extend([value] if isinstance(value, int) else varints(value))
        return [value - (1 << _VARINT_BITS) if value >> (_VARINT_BITS - 1) else value for value in found]


def fields_up_to(most: int, data: Buffer) -> Iterator[tuple[int, Value]]:
    """The fields in DATA, as below, of which there may be MOST.

    Raises:
        CorruptModel: as below.
        RefusedModel: there are more.
    """
    return fields(data) if len(data) <= most * _SHORTEST else _counted(fields(data), most)


def _counted(found: Iterator[tuple[int, Value]], most: int) -> Iterator[tuple[int, Value]]:
    yield from islice(found, most)
    if next(found, None) is not None:
        raise limit_exceeded("nodes", f"a message of more than {most:,} fields", needed=10 * most)


def fields(data: Buffer) -> Iterator[tuple[int, Value]]:
    """Number and value of each field in DATA, in order.

    Raises:
        CorruptModel: a field is cut short, or has a wire type or a number that is none.
    """
    position, end = 0, len(data)
    while position < end:
        # `varint` would give the same, but this is done tens of thousands of times, for numbers of one byte mostly.
        key = data[position]
        position += 1
        if key >= _SHORT:
            key, position = varint(data, position - 1)
        if key < _FIRST_KEY:
            raise CorruptModel(f"damaged protocol buffer: a field without a number at byte {position}")
        kind = key & 7
        if kind in (0, 2):  # _VARINT, or a length; by their names it takes a fifth longer
            length = data[position] if position < end else _SHORT
            if length < _SHORT:
                position += 1
            else:
                length, position = varint(data, position)
            if kind == _VARINT:
                yield key >> 3, length
                continue
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise CorruptModel(f"damaged protocol buffer: wire type {kind} at byte {position}")
        stop = position + length
        if stop > end:
            raise CorruptModel(f"damaged protocol buffer: a field of {length} bytes where {end - position} are left")
        yield key >> 3, data[position:stop]
        position = stop


def spans(data: Buffer, wanted: int, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Where in DATA each field WANTED of the message from START to STOP lies, one that is counted or of a fixed size.

    Raises:
        CorruptModel: as in `fields`.
    """
    while start < stop:
        key, start = varint(data, start)
        length, start = (_FIXED[key & 7], start) if key & 7 in _FIXED else varint(data, start)
        if key & 7 == _VARINT:
            continue
        if start + length > stop:
            raise CorruptModel(f"damaged protocol buffer: a field of {length} bytes where {stop - start} are left")
        if key >> 3 == wanted:
            yield start, start + length
        start += length


def varint(data: Buffer, position: int) -> tuple[int, int]:
    """The varint in DATA at POSITION, and the position after it.

    Raises:
        CorruptModel: it is cut short, or longer than the 10 bytes that 64 bits take.
    """
    result = shift = 0
    try:
        while True:
            byte = data[position]
            position += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result & 0xFFFFFFFFFFFFFFFF, position
            shift += 7
            if shift >= 70:
                raise CorruptModel("damaged protocol buffer: a number of more than 10 bytes")
    except IndexError as error:
        raise CorruptModel("damaged protocol buffer: cut short within a number") from error


def varints(data: Buffer) -> list[int]:
    """The varints that fill DATA."""
    found, position = [], 0
    while position < len(data):
        value, position = varint(data, position)
        found.append(value)
    return found


def shortest_float32(data: bytes) -> float:
    """The float in the 4 bytes of DATA, as the shortest decimal number that is stored so."""
    exact: float = struct.unpack("<f", data)[0]
    if not math.isfinite(exact):
        return exact
    shorter = (float(f"{exact:.{digits}g}") for digits in range(1, 10))  # nine tell any two apart
    return next((value for value in shorter if abs(value) < _FLOAT32_END and struct.pack("<f", value) == data), exact)


def as_text(data: Buffer) -> str:
    """DATA as text; what is no UTF-8 is kept as lone surrogates."""
    return str(data, "utf-8", "surrogateescape")


def as_integer(value: Value) -> int:
    """VALUE, which a damaged message has bytes for."""
    if not isinstance(value, int):
        raise CorruptModel("damaged protocol buffer: bytes where a number belongs")
    return value


def as_bytes(value: Value) -> Buffer:
    """VALUE, which a damaged message has a number for."""
    if isinstance(value, int):
        raise CorruptModel("damaged protocol buffer: a number where bytes belong")
    return value


def as_fixed32(value: Value) -> int:
    """VALUE, the 4 bytes of an unsigned number; of which a damaged message has more or fewer."""
    return int.from_bytes(_four_bytes(value), "little")


def _four_bytes(value: Value) -> Buffer:
    data = as_bytes(value)
    if len(data) != 4:
        raise CorruptModel("damaged protocol buffer: a number of 4 bytes has another length")
    return data
