"""Formats independent of their content: protocol buffers and tables."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from hostile.fuzz.messages import read_varint, split_fields
from hostile.fuzz.target import BYTES, MESSAGE, Parts, Target
from support import tensorflow_builders as tf

from lstmdump.errors import CorruptModel
from lstmdump.readers import protobuf
from lstmdump.readers.protobuf import Message
from lstmdump.readers.tensorflow.wire.sstable import Table

_LARGEST_SEED = 16_000  # bytes: larger ones only make each execution slower


def _read_message(parts: Parts) -> None:
    data = parts[0]
    expected = split_fields(data)
    found = list(protobuf.fields(data))
    if expected is not None:
        assert [(number, bytes(tf.varint(value)) if isinstance(value, int) else bytes(value))
                for number, value in found] == [(key >> 3, _canonical(key, content)) for key, content in expected]  # fmt: skip
    message = Message(memoryview(data))
    for number in {number for number, _ in found}:
        assert number in message
        for ask in (message.integer, message.signed, message.integers, message.text, message.messages):
            with suppress(CorruptModel):
                ask(number)
        with suppress(CorruptModel):
            _check_float(message, number)
        _check_spans(data, number)


def _canonical(key: int, content: bytes) -> bytes:
    """Return `content`, with a varint encoded in the fewest bytes."""
    if key & 7:
        return content
    return tf.varint(read_varint(content))


def _check_float(message: Message, number: int) -> None:
    value, stored = message.float32(number), bytes(message.bytes(number))
    assert value != value or struct.pack("<f", value) == stored  # noqa: PLR0124 - NaNs may have different bits


def _check_spans(data: bytes, number: int) -> None:
    spans = [data[start:stop] for start, stop in protobuf.spans(data, number, 0, len(data))]
    assert spans == [value for at, value in protobuf.fields(data) if at == number and not isinstance(value, int)]


def _message_seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    yield [b""]
    for root in roots:
        for path in sorted(root.rglob("*.pb")):
            if path.stat().st_size <= _LARGEST_SEED:
                yield [path.read_bytes()]
        for path in sorted(root.rglob("*.index")):
            yield from ([bytes(value)] for _, value in list(Table(path.read_bytes()).items())[:4])


def _read_table(parts: Parts) -> None:
    table = Table(parts[0])
    with suppress(CorruptModel):
        table.get(b"kernel")
    found = list(table.items())
    assert found == sorted(found)
    for key, value in found:
        assert table.get(key) in (None, value)  # None if the index has too low a key for the block


def _table_seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    yield [tf.framed([])]
    yield [tf.table([(b"layer/%03d" % turn, b"value") for turn in range(40)], per_block=7, restart_every=3)]
    almost_too_long = [(b"k" * 600 + b"%02d" % turn, b"") for turn in range(18)]  # if keys rarely restart
    yield [tf.table(almost_too_long, restart_every=1000)]
    yield [tf.table([(b"k" * 200 + b"%d" % turn, b"v" * 150) for turn in range(3)])]
    for root in roots:
        for path in sorted(root.rglob("*.index")):
            if path.stat().st_size <= _LARGEST_SEED:
                yield [path.read_bytes()]


TARGETS = (
    Target("protobuf", (MESSAGE,), _read_message, _message_seeds),
    Target("sstable", (BYTES,), _read_table, _table_seeds, checks_sums=True),
)
