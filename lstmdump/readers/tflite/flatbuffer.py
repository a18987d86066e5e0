"""FlatBuffers: tables whose fields are found through offsets. Every offset and length is checked against the file.

A table begins with the distance back to its vtable; the vtable has its own size, the size of the table, and for each
field the distance from the start of the table, or 0 for a field that is missing. Text, vectors and other tables are
stored elsewhere, at an unsigned distance from the field. Source: https://flatbuffers.dev/internals.

The file is read in blocks as it is accessed, so a model of a gigabyte takes no longer to describe than a small one.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from lstmdump.errors import CorruptModel, UnreadableModel
from lstmdump.model import budget
from lstmdump.model.limits import Limits, limit_exceeded

_BLOCK = 1 << 14  # bytes; descriptions lie together, and between the numbers of large arrays
_SMALL = 1 << 18  # bytes of a file that is read at once
_MOST_BLOCKS = 1 << 12  # 64 MiB
_MOST_VTABLES = 1 << 10  # that are kept; a writer stores one for all tables with the same fields, so there are dozens
_MOST_FIELDS = 1 << 6  # of a vtable that is kept; those of the schema have half as many
_OFFSET = struct.Struct("<I")
_TABLE = struct.Struct("<i")
_VTABLE = struct.Struct("<HH")
_VTABLE_HEAD = 4
_WIDTHS = {"f": 4, "i": 4, "I": 4, "q": 8}

UINT8 = struct.Struct("<B")
INT8 = struct.Struct("<b")
INT32 = struct.Struct("<i")
UINT32 = struct.Struct("<I")
UINT64 = struct.Struct("<Q")
FLOAT32 = struct.Struct("<f")


class FlatContent:
    """The bytes of a file, read in blocks.

    Args:
        file: The file, open for reading at any position.
        size: Its size in bytes.
        limits: The limits; each value that is read counts as one of its `nodes`.
    """

    __slots__ = ("_block_size", "_blocks", "_file", "_limits", "_taken", "_vtables", "size")

    def __init__(self, file: BinaryIO, size: int, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._taken = 0
        self._blocks: dict[int, bytes] = {}
        self._vtables: dict[int, tuple[int, tuple[int, ...]]] = {}
        self._block_size = _BLOCK
        self.size = size
        if size <= _SMALL:
            self._block_size = max(1, size)
            self._blocks[0] = self._read(0, size)

    def unpack(self, layout: struct.Struct, at: int) -> int:
        """Return the number of the given layout that is stored at `at`.

        Raises:
            CorruptModel: It would lie outside of the file.
        """
        block_size = self._block_size
        block, within = self._blocks.get(at // block_size), at % block_size
        if block is not None and within + layout.size <= len(block):
            number: int = layout.unpack_from(block, within)[0]
            return number
        first: int = layout.unpack(self.raw(at, layout.size))[0]
        return first

    def raw(self, at: int, size: int) -> bytes:
        """Return `size` bytes from `at` on.

        Raises:
            CorruptModel: They would lie outside of the file, or the file is cut short.
        """
        block_size = self._block_size
        first, within = at // block_size, at % block_size
        block = self._blocks.get(first)
        if block is not None and within + size <= len(block):
            return block[within : within + size]
        if at < 0 or at + size > self.size:
            raise CorruptModel("an offset leads beyond the end of the file")
        last = (at + size - 1) // block_size
        if last - first > 1:
            return self._read(at, size)
        found = b"".join(map(self._block, range(first, last + 1)))
        return found[within : within + size]

    def fields(self, at: int) -> tuple[int, ...]:
        """Return the distances of the fields from the start of the table at `at`, 0 for those that are missing.

        Raises:
            CorruptModel: The table or its vtable would lie outside of the file.
        """
        self._taken += 1
        if self._taken > self._limits.nodes:
            self.charge(0)
        vtable = at - self.unpack(_TABLE, at)
        known = self._vtables.get(vtable)
        if known is None:
            known = self._read_vtable(vtable, at)
            if len(known[1]) <= _MOST_FIELDS and len(self._vtables) < _MOST_VTABLES:
                self._vtables[vtable] = known
        if at + known[0] > self.size:
            raise CorruptModel("a table in the file has an impossible size")
        return known[1]

    def _read_vtable(self, vtable: int, at: int) -> tuple[int, tuple[int, ...]]:
        """Return the size of the table at `at`, which is in its vtable, and the distances of its fields."""
        size, length = _VTABLE.unpack(self.raw(vtable, _VTABLE_HEAD))
        if size < _VTABLE_HEAD or size % 2 or length < _TABLE.size or at + length > self.size:
            raise CorruptModel("a table in the file has an impossible size")
        count = (size - _VTABLE_HEAD) // 2
        fields = struct.unpack(f"<{count}H", self.raw(vtable + _VTABLE_HEAD, size - _VTABLE_HEAD))
        if fields and max(fields) >= length:
            raise CorruptModel("a field in the file lies outside of its table")
        return length, fields

    def unpack_behind(self, at: int) -> tuple[int, int]:
        """Return where the distance that is stored at `at` leads to, and the number that is stored there.

        Raises:
            CorruptModel: One of them would lie outside of the file.
        """
        block_size = self._block_size
        block, within = self._blocks.get(at // block_size), at % block_size
        if block is not None and within + _OFFSET.size <= len(block):
            distance = _OFFSET.unpack_from(block, within)[0]
            within += distance
            if within + _OFFSET.size <= len(block):
                return at + distance, _OFFSET.unpack_from(block, within)[0]
        to = at + self.unpack(_OFFSET, at)
        return to, self.unpack(_OFFSET, to)

    def charge(self, values: int) -> None:
        """Count `values` that are read.

        Raises:
            RefusedModel: They are more than the limits allow.
        """
        self._taken += values
        if self._taken > self._limits.nodes:
            words = f"its operators and tensors have more than {self._limits.nodes:,} values"
            raise limit_exceeded("nodes", words, needed=2 * self._taken)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            if len(self._blocks) >= _MOST_BLOCKS:
                self._blocks.clear()
            start = number * self._block_size
            self._blocks[number] = self._read(start, min(self._block_size, self.size - start))
        return self._blocks[number]

    def _read(self, at: int, size: int) -> bytes:
        budget.allow(size, copies=1)
        try:
            self._file.seek(at)
            found = self._file.read(size)
        except OSError as error:
            raise UnreadableModel(f"cannot be read: {error.strerror or error}") from error
        if len(found) != size:
            raise CorruptModel("the file is cut short")
        return found


class FlatTable:
    """A table in a FlatBuffer; fields are addressed by their number in the schema.

    Args:
        content: The file.
        at: Where the table begins.

    Raises:
        CorruptModel: The table or its vtable would lie outside of the file.
    """

    __slots__ = ("_at", "_content", "_fields")

    def __init__(self, content: FlatContent, at: int) -> None:
        self._at = at
        self._content = content
        self._fields = content.fields(at)

    def has(self, field: int) -> bool:
        """Return whether the field is stored."""
        return field < len(self._fields) and self._fields[field] != 0

    def number(self, field: int, layout: struct.Struct, default: float = 0) -> int:
        """Return a number, or `default` if it is not stored."""
        fields = self._fields
        if field >= len(fields) or not fields[field]:
            return default  # type: ignore[return-value] # of the type of the field
        return self._content.unpack(layout, self._at + fields[field])

    def real(self, field: int) -> float:
        """Return a floating-point number; 0 if it is not stored."""
        return self.number(field, FLOAT32)

    def table(self, field: int) -> FlatTable | None:
        """Return a table; None if it is not stored."""
        fields = self._fields
        if field >= len(fields) or not fields[field]:
            return None
        at = self._at + fields[field]
        return FlatTable(self._content, at + self._content.unpack(_OFFSET, at))

    def text(self, field: int) -> str:
        """Return a text; empty if it is not stored.

        Raises:
            RefusedModel: It is longer than a name may be.
        """
        return self.raw(field).decode("utf-8", "backslashreplace")

    def raw(self, field: int) -> bytes:
        """Return the bytes of a text or of a vector of bytes; empty if it is not stored."""
        start, count = self.extent(field)
        self._content.charge(count // _TABLE.size)
        return self._content.raw(start, count)

    def extent(self, field: int, width: int = 1) -> tuple[int, int]:
        """Return where the elements of a vector begin, and how many there are, each of `width` bytes.

        Raises:
            CorruptModel: They would reach beyond the end of the file.
        """
        fields = self._fields
        if field >= len(fields) or not fields[field]:
            return 0, 0
        at, count = self._content.unpack_behind(self._at + fields[field])
        start = at + _OFFSET.size
        if start + count * width > self._content.size:
            raise CorruptModel(f"a vector of {count:,} elements reaches beyond the end of the file")
        return start, count

    def vector(self, field: int, code: str) -> tuple[int, ...]:
        """Return a vector of numbers of the type that `struct` calls `code`; empty if it is not stored."""
        width = _WIDTHS[code]
        start, count = self.extent(field, width)
        if not count:
            return ()
        self._content.charge(count)
        return struct.unpack(f"<{count}{code}", self._content.raw(start, count * width))

    def places(self, field: int) -> tuple[int, ...]:
        """Return where the tables in a vector of tables begin."""
        start, _ = self.extent(field, _OFFSET.size)
        return tuple([start + place * _OFFSET.size + offset for place, offset in enumerate(self.vector(field, "I"))])


def root(content: FlatContent) -> FlatTable:
    """Return the table that the file begins with.

    Raises:
        CorruptModel: The file has none.
    """
    return FlatTable(content, content.unpack(_OFFSET, 0))
