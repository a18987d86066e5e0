"""The wire format of protocol buffers: fields by number, without any schema.

Source: the public description of the encoding. A message is a sequence of fields, each a key (number and wire type) and
a value: a varint, 8 bytes, a length with that many bytes, or 4 bytes. Groups are refused; neither TensorFlow nor ONNX
writes them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
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
_FIRST_KEY = 1 << 3  # fields are numbered from 1
_SHORT = 0x80  # smaller numbers take one byte
_FLOAT32_END = 3.4028235e38
_MOST_MERGED = 1 << 22  # bytes; no program that writes models stores a message in parts


class Message:
    """A message, with its fields by number; an absent field has the zero value of its type, as the format defines.

    Args:
        most: the largest number of fields of the message and of each message within.

    Raises:
        CorruptModel: The bytes are not a message.
        RefusedModel: The message has more fields.
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

    def holds_only(self, *numbers: int) -> bool:
        """Return whether all fields are among `numbers`."""
        return self._fields.keys() <= set(numbers)

    def is_integer(self, number: int) -> bool:
        """Return whether field `number` is present and a varint."""
        return isinstance(self._fields.get(number, (b"",))[-1], int)

    def integer(self, number: int) -> int:
        """Return field `number` as an unsigned integer; the last of repeated fields counts, as the format defines."""
        found = self._fields.get(number)
        return 0 if found is None else as_integer(found[-1])

    def signed(self, number: int) -> int:
        """Return field `number` as an int64, which is stored in two's complement."""
        value = self.integer(number)
        return value - (1 << _VARINT_BITS) if value >> (_VARINT_BITS - 1) else value

    def float32(self, number: int) -> float:
        """Return field `number`, a float32, as the shortest decimal number with this value, for instance 0.3."""
        found = self._fields.get(number)
        return 0.0 if found is None else shortest_float32(bytes(_check_four_bytes(found[-1])))

    def bytes(self, number: int) -> Buffer:
        """Return field `number` as bytes; the last of repeated fields counts, as the format defines."""
        found = self._fields.get(number)
        return b"" if found is None else as_bytes(found[-1])

    def choice(self, number: int) -> Message:
        """Return field `number`, a message of which one field at most is present: the value that its writer chose.

        Raises:
            CorruptModel: It has several, of which readers would have to take the last.
        """
        found = self.message(number)
        if len(found._fields) > 1:
            raise CorruptModel("damaged protocol buffer: two values where there may be one")
        return found

    def all_bytes(self, number: int) -> list[Buffer]:
        """Return all values of the repeated field `number` as bytes, in order."""
        return [as_bytes(value) for value in self._fields.get(number, ())]

    def text(self, number: int) -> str:
        """Return field `number` as text; bytes that are not UTF-8 become lone surrogates."""
        return as_text(self.bytes(number))

    def message(self, number: int) -> Message:
        """Return field `number` as a message, which is empty if the field is absent."""
        return Message(self.message_bytes(number), self._most)

    def message_bytes(self, number: int) -> Buffer:
        """Return the bytes of field `number`, a message; repeated ones are merged, as the format defines."""
        found = self._fields.get(number)
        if found is None:
            return b""
        return as_bytes(found[0]) if len(found) == 1 else merge(found)

    def messages(self, number: int) -> list[Message]:
        """Return all values of the repeated field `number` as messages, in order."""
        return [Message(value, self._most) for value in self.all_bytes(number)]

    def integers(self, number: int) -> list[int]:
        """Return all values of the repeated field `number` as int64, whether they are packed or not."""
        found: list[int] = []
        for value in self._fields.get(number, ()):
            found.extend([value] if isinstance(value, int) else varints(value))
        return [value - (1 << _VARINT_BITS) if value >> (_VARINT_BITS - 1) else value for value in found]


def merge(parts: Sequence[Value]) -> bytes:
    """Merge `parts`, which are encoded messages, into one: in this encoding, they only have to follow each other.

    Raises:
        CorruptModel: They are longer than any that a program would store in parts.
    """
    messages = [as_bytes(part) for part in parts]
    if (size := sum(map(len, messages))) > _MOST_MERGED:
        raise CorruptModel(f"damaged protocol buffer: a message of {size:,} bytes in {len(messages)} parts")
    return b"".join(messages)


def merged_fields(data: Buffer, *messages: int) -> dict[int, Value]:
    """Return the fields in `data`, one value for each number.

    Of a field that is there several times, the last value counts, as the format defines, but those of `messages` are
    merged.

    Raises:
        CorruptModel: As in `fields`.
    """
    pairs = list(fields(data))
    found = dict(pairs)
    if len(found) < len(pairs):
        for wanted in messages:
            parts = [value for number, value in pairs if number == wanted]
            if len(parts) > 1:
                found[wanted] = merge(parts)
    return found


def fields_up_to(most: int, data: Buffer) -> Iterator[tuple[int, Value]]:
    """Iterate over the fields in `data`, as `fields` does, up to `most`.

    Raises:
        CorruptModel: As in `fields`.
        RefusedModel: There are more fields.
    """
    return fields(data) if len(data) <= most * _SHORTEST else _limit_fields(fields(data), most)


def _limit_fields(found: Iterator[tuple[int, Value]], most: int) -> Iterator[tuple[int, Value]]:
    yield from islice(found, most)
    if next(found, None) is not None:
        raise limit_exceeded("nodes", f"a message of more than {most:,} fields", needed=10 * most)


def fields(data: Buffer) -> Iterator[tuple[int, Value]]:
    """Yield the number and the value of each field in `data`, in order.

    Raises:
        CorruptModel: A field is cut short, or its wire type or number is not valid.
    """
    position, end = 0, len(data)
    while position < end:
        # Inlined from `varint`: this runs tens of thousands of times, mostly for numbers of one byte.
        key = data[position]
        position += 1
        if key >= _SHORT:
            key, position = varint(data, position - 1)
        if key < _FIRST_KEY:
            raise CorruptModel(f"damaged protocol buffer: a field without a number at byte {position}")
        kind = key & 7
        if kind in (0, 2):  # a varint or a length; named constants take a fifth longer
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
    """Yield the start and end in `data` of each field `wanted` of the message from `start` to `stop`.

    Varint fields are skipped.

    Raises:
        CorruptModel: As in `fields`.
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
    """Return the varint in `data` at `position`, and the position after it.

    Raises:
        CorruptModel: The varint is cut short, or longer than the 10 bytes that 64 bits take.
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


def encode_varint(value: int) -> bytes:
    """Return `value`, which is not negative, as a varint, in as few bytes as possible."""
    found = bytearray()
    while value >= _SHORT:
        found.append(value & (_SHORT - 1) | _SHORT)
        value >>= 7
    return bytes((*found, value))


def varints(data: Buffer) -> list[int]:
    """Return the varints that `data` consists of."""
    found, position = [], 0
    while position < len(data):
        value, position = varint(data, position)
        found.append(value)
    return found


def shortest_float32(data: bytes) -> float:
    """Return the float32 in the 4 bytes of `data` as the shortest decimal number with this value."""
    exact: float = struct.unpack("<f", data)[0]
    if not math.isfinite(exact):
        return exact
    shorter = (float(f"{exact:.{digits}g}") for digits in range(1, 10))  # nine digits identify any float32
    return next((value for value in shorter if abs(value) < _FLOAT32_END and struct.pack("<f", value) == data), exact)


def as_text(data: Buffer) -> str:
    """Return `data` as text; bytes that are not UTF-8 become lone surrogates."""
    return str(data, "utf-8", "surrogateescape")


def as_integer(value: Value) -> int:
    """Return `value` as an integer; a damaged message may hold bytes in its place."""
    if not isinstance(value, int):
        raise CorruptModel("damaged protocol buffer: bytes in place of a number")
    return value


def as_bytes(value: Value) -> Buffer:
    """Return `value` as bytes; a damaged message may hold a number in their place."""
    if isinstance(value, int):
        raise CorruptModel("damaged protocol buffer: a number in place of bytes")
    return value


def as_fixed32(value: Value) -> int:
    """Return the unsigned number in the 4 bytes of `value`; a damaged message may hold more or fewer."""
    return int.from_bytes(_check_four_bytes(value), "little")


def _check_four_bytes(value: Value) -> Buffer:
    data = as_bytes(value)
    if len(data) != 4:
        raise CorruptModel("damaged protocol buffer: a number of 4 bytes has another length")
    return data
