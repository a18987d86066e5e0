"""Messages in a file that may be larger than the memory: only what is asked for is read, at its position.

`protobuf` reads messages in memory. Here a field of bytes is its position in the file, so that the numbers of a model
are skipped by their length.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Container, Iterable, Iterator
from typing import BinaryIO, TypeAlias

from lstmdump.errors import CorruptModel, ModelClosed, UnreadableModel
from lstmdump.model import budget
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.readers.protobuf import varint, varints

Span: TypeAlias = "tuple[int, int]"
"""The positions in the file of the first byte of a field and of the byte after its last."""

_WINDOW = 1 << 14  # bytes that are read at once
_WHOLE = 1 << 20  # bytes of a file that is read as a whole
_LONGEST_HEAD = 20  # bytes of the key of a field and the number or the length after it
_FIRST_KEY = 1 << 3  # fields are numbered from 1
_SHORT = 0x80  # smaller numbers take one byte
_VARINT, _DELIMITED = 0, 2
_BYTES = 4  # of a character at most
_FIXED = {1: 8, 5: 4}  # bytes
_SIGN, _RANGE = 1 << 63, 1 << 64


class ModelFile:
    """The bytes of an open file, read in pieces.

    Args:
        file: The file.
        called: Its name in error messages.
        limits: The limits; at most `limits.nodes` fields are read.

    Attributes:
        size: The size of the file, in bytes.
    """

    def __init__(self, file: BinaryIO, called: str, limits: Limits) -> None:
        self._file, self._called, self._limits = file, called, limits
        self._base, self._end, self._window = 0, 0, b""
        self._fields = 0
        self._longest_text = _BYTES * limits.name_length
        self.size = file.seek(0, os.SEEK_END)
        if self.size <= _WHOLE:
            self._move(0, self.size)

    def content(self, span: Span) -> bytes:
        """Return the bytes at `span`, which is inside the file and short.

        Raises:
            CorruptModel: The file is cut short.
            RefusedModel: They are more than a limit allows.
        """
        start, stop = span
        if stop - start > self._limits.json_size:
            raise limit_exceeded("json_size", f"a text of {stop - start:,} bytes", needed=stop - start)
        if self._base <= start and stop <= self._end:
            return self._window[start - self._base : stop - self._base]
        return self._read_at(start, stop)

    def text(self, value: int | Span) -> str:
        """Return the text at `value`, of bounded length; bytes that are not UTF-8 become lone surrogates."""
        start, stop = value if type(value) is tuple else as_span(value)
        if stop - start > self._longest_text:
            raise limit_exceeded("name_length", f"a name of {stop - start:,} bytes", needed=stop - start)
        base = self._base
        if base <= start and stop <= self._end:
            return str(self._window[start - base : stop - base], "utf-8", "surrogateescape")
        return str(self._read_at(start, stop), "utf-8", "surrogateescape")

    def float32(self, span: Span) -> float:
        """Return the float32 at `span`."""
        data = self.content(span)
        if len(data) != 4:
            raise CorruptModel("damaged protocol buffer: a number of 4 bytes has another length")
        return float(struct.unpack("<f", data)[0])

    def integers(self, span: Span) -> list[int]:
        """Return the packed int64 at `span`, which are few."""
        return [signed(value) for value in varints(self.content(span))]

    def fields(self, span: Span) -> Iterable[tuple[int, int | Span]]:
        """Return the number and the value of each field of the message at `span`, in order; of bytes, their position.

        Raises:
            CorruptModel: A field is cut short, or its wire type or number is not valid.
            RefusedModel: The file has too many fields.
        """
        start, stop = span
        if stop - start > _WHOLE:
            return self._walk(start, stop)
        if not (self._base <= start and stop <= self._end):
            self._move(start, max(stop, min(self.size, start + _WINDOW)))
        found: list[tuple[int, int | Span]] = []
        window, base = self._window, self._base
        at, end = start - base, stop - base
        while at < end:
            key = window[at]
            # Inlined from `read_field`: this runs tens of thousands of times, mostly for names.
            if _FIRST_KEY <= key < _SHORT and key & 7 == _DELIMITED and at + 1 < end:
                length = window[at + 1]
                if length < _SHORT and at + 2 + length <= end:
                    at += 2 + length
                    found.append((key >> 3, (base + at - length, base + at)))
                    continue
            number, value, at = read_field(window, at, end, base)
            found.append((number, value))
        self.count(len(found))
        return found

    def fields_with_texts(self, span: Span, texts: Container[int]) -> Iterable[tuple[int, int | Span | str]]:
        """Return what `fields` does, and in place of their positions the texts of the fields with these numbers.

        Raises:
            CorruptModel: As in `fields`.
            RefusedModel: As in `fields`, or a text is too long.
        """
        start, stop = span
        if not (self._base <= start and stop <= self._end):
            return [(number, self.text(value) if number in texts else value) for number, value in self.fields(span)]
        found: list[tuple[int, int | Span | str]] = []
        window, base, longest = self._window, self._base, min(self._longest_text, _SHORT - 1)
        at, end = start - base, stop - base
        while at < end:
            key = window[at]
            if _FIRST_KEY <= key < _SHORT and key & 7 == _DELIMITED and at + 1 < end:
                length, begin = window[at + 1], at + 2
                if length <= longest and begin + length <= end:
                    at, number = begin + length, key >> 3
                    if number in texts:
                        found.append((number, str(window[begin:at], "utf-8", "surrogateescape")))
                    else:
                        found.append((number, (base + begin, base + at)))
                    continue
            number, value, at = read_field(window, at, end, base)
            found.append((number, self.text(value) if number in texts else value))
        self.count(len(found))
        return found

    def hold(self, span: Span) -> bytes:
        """Return the bytes at `span`, which may be long, and keep them for what is read next."""
        start, stop = span
        if not (self._base <= start and stop <= self._end):
            self._move(start, stop)
        return self._window[start - self._base : stop - self._base]

    def walk_heads(self, span: Span) -> Iterator[tuple[int, int | Span, int, bytes, int]]:
        """Yield the fields of a long message, of which only the beginnings are read.

        Behind the number and the value of each follow its position, bytes from there on, and the position of these.
        """
        position, end = span
        while position < end:
            window, base = self._around(position)
            number, value, after = read_field(window, position - base, end - base, base)
            self.count(1)
            yield number, value, position, window, base
            position = after + base

    def _walk(self, position: int, end: int) -> Iterator[tuple[int, int | Span]]:
        """Yield the fields of a long message, of which only the heads of fields are read."""
        for number, value, *_ in self.walk_heads((position, end)):
            yield number, value

    def count(self, fields: int) -> None:
        """Count fields that were read.

        Raises:
            RefusedModel: There are too many in all.
        """
        self._fields += fields
        if self._fields > self._limits.nodes:
            raise limit_exceeded("nodes", f"more than {self._limits.nodes:,} fields", needed=2 * self._fields)

    def _move(self, start: int, stop: int) -> None:
        self._window = self._read_at(start, stop)
        self._base, self._end = start, stop

    def _around(self, position: int) -> tuple[bytes, int]:
        """Return bytes that hold the head of the field at `position`, and their own position."""
        if not (self._base <= position < self._end) or (position + _LONGEST_HEAD > self._end < self.size):
            self._move(position, min(self.size, position + _WINDOW))
        return self._window, self._base

    def _read_at(self, start: int, stop: int) -> bytes:
        try:
            self._file.seek(start)
            data = self._file.read(stop - start)
        except ValueError as error:
            raise ModelClosed(f"{self._called} was to be read after the model had been closed") from error
        except OSError as error:
            raise UnreadableModel(f"{self._called} cannot be read: {error.strerror or error}") from error
        budget.allow(stop - start)
        if len(data) < stop - start:
            raise CorruptModel(f"{self._called} is cut short")
        return data


def read_field(window: bytes, at: int, end: int, base: int) -> tuple[int, int | Span, int]:
    """Return the number and the value of the field in `window` at `at`, and the index after it, at most `end`.

    `base` is the position of the window in the file.
    """
    key = window[at]
    at += 1
    if key >= _SHORT:
        key, at = varint(window, at - 1)
    kind = key & 7
    if kind in (_VARINT, _DELIMITED):
        value = window[at] if at < len(window) else _SHORT
        if value < _SHORT:
            at += 1
        else:
            value, at = varint(window, at)
    elif kind in _FIXED:
        value = _FIXED[kind]
    else:
        raise CorruptModel(f"damaged protocol buffer: wire type {kind} at byte {base + at}")
    if key < _FIRST_KEY or at > end:
        raise CorruptModel(f"damaged protocol buffer: a field without a number, or cut short, at byte {base + at}")
    if kind == _VARINT:
        return key >> 3, value, at
    if value > end - at:
        raise CorruptModel(f"damaged protocol buffer: a field of {value} bytes where {end - at} are left")
    return key >> 3, (base + at, base + at + value), at + value


def signed(value: int) -> int:
    """Return `value`, a varint, as an int64, which is stored in two's complement."""
    return value - _RANGE if value >= _SIGN else value


def as_span(value: int | Span) -> Span:
    """Return `value` as a position; a damaged message may hold a number in its place."""
    if isinstance(value, int):
        raise CorruptModel("damaged protocol buffer: a number in place of bytes")
    return value


def as_number(value: int | Span) -> int:
    """Return `value` as a number; a damaged message may hold bytes in its place."""
    if not isinstance(value, int):
        raise CorruptModel("damaged protocol buffer: bytes in place of a number")
    return value
