from __future__ import annotations

import struct
import time
from collections.abc import Callable

import pytest
from support import tensorflow_builders as tf
from support.tensorflow_builders import block, finished, framed, stored, table, varint

from lstmdump.errors import CorruptModel, RefusedModel, UnsupportedFormat
from lstmdump.model.limits import DEFAULTS
from lstmdump.readers.tensorflow.wire.sstable import Table

MANY = [(f"layer/{k:04d}/kernel".encode(), f"value {k}".encode()) for k in range(100)]


def contents(data: bytes) -> list[tuple[bytes, bytes]]:
    return [(key, bytes(value)) for key, value in Table(data).items()]


@pytest.mark.parametrize("per_block", [1, 7, 100])
@pytest.mark.parametrize("restart_every", [1, 2, 16])
def test_all_keys_come_in_order_with_their_values(per_block: int, restart_every: int) -> None:
    assert contents(table(MANY, per_block=per_block, restart_every=restart_every)) == MANY


def test_a_key_is_completed_from_the_key_before() -> None:
    entries = (
        b"\x00\x05\x01" + b"alpha" + b"1" + b"\x02\x03\x01" + b"tar" + b"2"
    )  # alpha, then its first 2 bytes and `tar`
    data = framed([(b"altar", entries + struct.pack("<II", 0, 1))])
    assert contents(data) == [(b"alpha", b"1"), (b"altar", b"2")]


def test_one_key_is_found_in_the_block_that_may_hold_it() -> None:
    value = Table(table(MANY, per_block=7)).get(b"layer/0042/kernel")
    assert value is not None
    assert bytes(value) == b"value 42"


@pytest.mark.parametrize("key", [b"", b"layer/0042/kernel0", b"z"])
def test_get_returns_none_for_a_missing_key(key: bytes) -> None:
    assert Table(table(MANY, per_block=7)).get(key) is None


def test_a_key_is_found_although_another_block_is_damaged() -> None:
    data = bytearray(table(MANY, per_block=50))
    data[3] ^= 1  # in the first block
    value = Table(bytes(data)).get(b"layer/0099/kernel")
    assert value is not None
    assert bytes(value) == b"value 99"


def test_a_key_of_the_index_may_be_shorter_than_the_last_of_its_block() -> None:
    data = framed([(b"b", block([(b"abc", b"1")])), (b"t", block([(b"c", b"2")]))])
    assert contents(data) == [(b"abc", b"1"), (b"c", b"2")]
    value = Table(data).get(b"c")
    assert value is not None
    assert bytes(value) == b"2"


def test_a_table_may_be_empty() -> None:
    assert contents(framed([])) == []


@pytest.mark.parametrize("data", [b"", tf.MAGIC, bytes(48), table(MANY)[:-1]])
def test_data_without_a_footer_is_not_a_table(data: bytes) -> None:
    with pytest.raises(CorruptModel, match="not a LevelDB table, or cut short"):
        Table(data)


@pytest.mark.parametrize("at", [0, 10, -60])
def test_a_changed_byte_is_detected(at: int) -> None:
    data = bytearray(table(MANY))
    data[at] ^= 0x10
    with pytest.raises(CorruptModel, match="checksum of a block does not match"):
        contents(bytes(data))


def test_a_block_compressed_with_snappy_is_not_supported() -> None:
    data = framed([(b"a", b"\x0c\x2c...")], kind=1)
    with pytest.raises(UnsupportedFormat, match="snappy"):
        contents(data)


def test_a_block_of_unknown_kind_is_damage() -> None:
    with pytest.raises(CorruptModel, match="unknown kind 7"):
        contents(framed([(b"a", block([(b"a", b"")]))], kind=7))


@pytest.mark.parametrize(("offset", "size"), [(0, 10**6), (10**6, 5), (2**63, 5), (0, 2**64 - 1)])
def test_a_block_outside_the_file_is_damage(offset: int, size: int) -> None:
    data = finished(stored(block([(b"a", b"")])), block([(b"a", varint(offset) + varint(size))]))
    with pytest.raises(CorruptModel, match="outside the file"):
        contents(data)


def test_an_index_outside_the_file_is_damage() -> None:
    data = varint(0) + varint(0) + varint(0) + varint(2**40)
    with pytest.raises(CorruptModel, match="outside the file"):
        Table(data.ljust(40, b"\0") + tf.MAGIC)


def test_keys_out_of_order_are_damage() -> None:
    with pytest.raises(CorruptModel, match="not in order"):
        contents(table([(b"b", b""), (b"a", b"")]))


def test_a_repeated_key_is_damage() -> None:
    with pytest.raises(CorruptModel, match="not in order"):
        contents(table([(b"a", b"1"), (b"a", b"2")], per_block=1))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"abc", "without its restart points"),
        (struct.pack("<I", 9), "more restart points than a block holds"),
        (struct.pack("<I", 2**32 - 1), "more restart points than a block holds"),
        (
            b"\x01\x01\x00a" + struct.pack("<II", 0, 1),
            "reaches beyond its block",
        ),  # shares bytes with a missing key
        (b"\x00\x09\x00a" + struct.pack("<II", 0, 1), "reaches beyond its block"),
        (b"\x00\x01\x09a" + struct.pack("<II", 0, 1), "reaches beyond its block"),
        (b"\x00\x01" + struct.pack("<II", 0x80808080, 1), "more than 10 bytes|cut short|reaches beyond"),
    ],
)
def test_a_block_that_contradicts_itself_is_damage(content: bytes, words: str) -> None:
    with pytest.raises(CorruptModel, match=words):
        contents(framed([(b"z", content)]))


def test_a_block_that_is_listed_twice_is_damage() -> None:
    one = stored(block([], restart_every=1))
    place = varint(0) + varint(len(one) - 5)
    with pytest.raises(CorruptModel, match="blocks overlap"):
        contents(finished(one, block([(b"a", place), (b"b", place)])))


def test_keys_that_expand_to_many_times_their_block_are_rejected_quickly() -> None:
    entries = b"".join(varint(length) + b"\x01\x00x" for length in range(200_000))  # 1, 2, 3, … bytes: 20 GB
    started = time.process_time()
    with pytest.raises(CorruptModel, match="not every 16th key"):
        list(Table(framed([(b"y", entries + struct.pack("<II", 0, 1))]), DEFAULTS._replace(name_length=10**9)).items())
    assert time.process_time() - started < 5


@pytest.mark.parametrize("use", [lambda table: list(table.items()), lambda table: table.get(b"a" * 1001)])
def test_a_key_longer_than_a_name_may_be_is_refused(use: Callable[[Table], object]) -> None:
    longest, longer = b"a" * 1000, b"a" * 1001  # the second takes four bytes of the block
    use(Table(table([(longest, b"1")])))
    data = framed([(b"b", block([(longest, b"1"), (longer, b"2")]))])
    use(Table(data, DEFAULTS._replace(name_length=1001)))
    with pytest.raises(RefusedModel, match="a table with a key of 1,001 bytes; --limit name-length=1001 allows it"):
        use(Table(data))


def test_a_key_of_the_index_longer_than_a_name_may_be_is_refused() -> None:
    with pytest.raises(RefusedModel, match="a table with a key of 1,001 bytes"):
        Table(framed([(b"a" * 1001, block([(b"a", b"1")]))]))


def test_too_many_entries_in_a_block_are_refused() -> None:
    data = table([(b"a", b"1"), (b"b", b"2"), (b"c", b"3")], per_block=3)
    assert bytes(Table(data, DEFAULTS._replace(objects=3)).get(b"b") or b"") == b"2"
    with pytest.raises(RefusedModel, match="a table of more than 2 entries; --limit objects=20 allows it"):
        Table(data, DEFAULTS._replace(objects=2)).get(b"b")


def test_too_many_blocks_are_refused() -> None:
    data = table([(b"a", b"1"), (b"b", b"2"), (b"c", b"3")], per_block=1)
    with pytest.raises(RefusedModel, match="a table of more than 2 entries"):
        Table(data, DEFAULTS._replace(objects=2))
