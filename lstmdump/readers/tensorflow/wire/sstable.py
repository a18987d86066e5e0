"""LevelDB's table: sorted keys and values in blocks with checksums, independent of their meaning.

The footer of 48 bytes holds the offset of the index block, whose entries point to the data blocks. In a block, a key is
stored as its difference from the key before. Source: LevelDB's `table_format.md`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from lstmdump.errors import CorruptModel, UnsupportedFormat
from lstmdump.model.limits import DEFAULTS, Limits, limit_exceeded
from lstmdump.readers.detect import LEVELDB_MAGIC
from lstmdump.readers.protobuf import Buffer, varint
from lstmdump.readers.tensorflow.wire import crc32c
from lstmdump.readers.tensorflow.wire.file_bytes import FileBytes

Block = TypeVar("Block", bytes, memoryview)

_FOOTER, _TRAILER = 48, 5
_UNCOMPRESSED, _SNAPPY = 0, 1

# TensorFlow writes every 16th key whole, so the keys of a block never take more than 16 times its bytes. A malicious
# table could expand 5 MB to a terabyte.
_RESTART_INTERVAL = 16


class Table:
    """A table whose blocks are read on demand and checked when they are read.

    Args:
        data: the bytes of the table, or the file that holds it, of which one block is read at a time.
        limits: the limits for the number of blocks, that of the entries in each block, and the length of keys.

    Raises:
        CorruptModel: `data` is not a table, or a checksum does not match.
        RefusedModel: The table has more blocks, or longer keys.
        UnsupportedFormat: The table is compressed, which TensorFlow never does.
    """

    def __init__(self, data: Buffer | FileBytes, limits: Limits = DEFAULTS) -> None:
        self._limits = limits
        self._data = data if isinstance(data, FileBytes) else memoryview(data)
        if len(data) < _FOOTER or self._data[-len(LEVELDB_MAGIC) :] != LEVELDB_MAGIC:
            raise CorruptModel("not a LevelDB table, or cut short: the footer is missing")
        footer = self._data[-_FOOTER:]
        _, position = _read_handle(footer, 0)
        index, _ = _read_handle(footer, position)
        self._blocks = [(key, _read_handle(value, 0)[0]) for key, value in self._read_entries(index)]
        self._last_keys = [key for key, _ in self._blocks]
        self._cached: tuple[int, dict[bytes, memoryview]] = (-1, {})
        ends = [0, *(offset + size for _, (offset, size) in self._blocks)]
        if any(offset < end for end, (_, (offset, _)) in zip(ends, self._blocks, strict=False)):
            raise CorruptModel("damaged LevelDB table: its blocks overlap")

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield all keys with their values, in the order of the keys; the values are copied, as they are short.

        Raises:
            CorruptModel: The table is damaged.
            RefusedModel: A key is too long.
        """
        last = None
        for _, place in self._blocks:
            for key, value in _parse_entries(bytes(self._read_block(place)), self._limits):
                if last is not None and key <= last:
                    raise CorruptModel("damaged LevelDB table: its keys are not in order")
                last = key
                yield key, value

    def get(self, wanted: bytes) -> memoryview | None:
        """Return the value of the key `wanted`, or None; only the block that may hold it is read, and is cached."""
        turn = bisect_left(self._last_keys, wanted)
        if turn == len(self._blocks):
            return None
        if self._cached[0] != turn:
            self._cached = turn, dict(self._read_entries(self._blocks[turn][1]))
        return self._cached[1].get(wanted)

    def _read_entries(self, place: tuple[int, int]) -> list[tuple[bytes, memoryview]]:
        """Return the entries of the block at `place` (offset and size)."""
        most = self._limits.objects
        found = list(islice(_parse_entries(self._read_block(place), self._limits), most + 1))
        if len(found) > most:
            raise limit_exceeded("objects", f"a table of more than {most:,} entries", needed=10 * most)
        return found

    def _read_block(self, place: tuple[int, int]) -> memoryview:
        offset, size = place
        trailer = offset + size
        if trailer + _TRAILER > len(self._data) - _FOOTER:
            raise CorruptModel("damaged LevelDB table: a block is outside the file")
        block = self._data[offset : trailer + _TRAILER]
        kind = block[size]
        stored = int.from_bytes(block[size + 1 :], "little")
        if crc32c.masked(block[: size + 1]) != stored:
            raise CorruptModel("damaged LevelDB table: the checksum of a block does not match")
        if kind == _SNAPPY:
            raise UnsupportedFormat("a LevelDB table compressed with snappy, which TensorFlow does not write")
        if kind != _UNCOMPRESSED:
            raise CorruptModel(f"damaged LevelDB table: a block of unknown kind {kind}")
        return block[:size]


def _read_handle(data: Buffer, position: int) -> tuple[tuple[int, int], int]:
    offset, position = varint(data, position)
    size, position = varint(data, position)
    return (offset, size), position


def _parse_entries(block: Block, limits: Limits) -> Iterator[tuple[bytes, Block]]:
    """Yield the keys and values of `block`; the values are slices of it."""
    longest = limits.name_length
    if len(block) < 4:
        raise CorruptModel("damaged LevelDB table: a block without its restart points")
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")
    if end < 0:
        raise CorruptModel("damaged LevelDB table: more restart points than a block holds")
    position, key, unfolded = 0, b"", 0
    while position < end:
        shared, own, length = block[position : position + 3]  # restart points follow the entries, so three bytes exist
        if (shared | own | length) < 0x80:
            position += 3
        else:
            shared, position = varint(block, position)
            own, position = varint(block, position)
            length, position = varint(block, position)
        stop = position + own + length
        if shared > len(key) or stop > end:
            raise CorruptModel("damaged LevelDB table: an entry reaches beyond its block")
        if shared + own > longest:  # before the key is made: a few bytes each make keys of any length
            words = f"a table with a key of {shared + own:,} bytes"
            raise limit_exceeded("name_length", words, needed=shared + own)
        unfolded += shared + own
        if unfolded > _RESTART_INTERVAL * len(block):
            raise CorruptModel(f"damaged LevelDB table: not every {_RESTART_INTERVAL}th key is stored whole")
        key = key[:shared] + bytes(block[position : position + own])
        yield key, block[position + own : stop]
        position = stop
