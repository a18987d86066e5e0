from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest
from support import tensorflow_builders as tf
from support.tensorflow_builders import counted, fixed32, float32, integer

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.readers import protobuf
from lstmdump.readers.protobuf import Message


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x00", 0),
        (b"\x7f", 127),
        (b"\x80\x01", 128),
        (b"\xac\x02", 300),  # the example in the encoding's description
        (b"\xff" * 9 + b"\x01", 2**64 - 1),
    ],
)
def test_a_varint_has_seven_bits_to_a_byte_the_lowest_first(data: bytes, value: int) -> None:
    assert protobuf.varint(data, 0) == (value, len(data))


def test_a_varint_of_ten_bytes_keeps_64_bits() -> None:
    assert protobuf.varint(b"\xff" * 9 + b"\x7f", 0) == (2**64 - 1, 10)


def test_a_varint_of_eleven_bytes_is_damage() -> None:
    with pytest.raises(CorruptModel, match="more than 10 bytes"):
        protobuf.varint(b"\x80" * 10 + b"\x01", 0)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff\xff"])
def test_a_varint_that_does_not_end_is_damage(data: bytes) -> None:
    with pytest.raises(CorruptModel, match="cut short within a number"):
        protobuf.varint(data, 0)


def test_the_four_wire_types_are_distinguished() -> None:
    data = b"\x08\x96\x01" + b"\x12\x07testing" + b"\x1d\x01\x00\x00\x00" + b"\x21" + bytes(range(8))
    found = [(number, value if isinstance(value, int) else bytes(value)) for number, value in protobuf.fields(data)]
    assert found == [(1, 150), (2, b"testing"), (3, b"\x01\0\0\0"), (4, bytes(range(8)))]


@pytest.mark.parametrize("kind", [3, 4, 6, 7])
def test_other_wire_types_are_damage(kind: int) -> None:
    with pytest.raises(CorruptModel, match=f"wire type {kind}"):
        Message(bytes([8 | kind, 0]))


@pytest.mark.parametrize("data", [b"\x0a\x05abc", b"\x0d\x00\x00", b"\x09" + bytes(7), b"\x0a" + b"\xff" * 9 + b"\x01"])
def test_a_field_that_reaches_beyond_the_message_is_damage(data: bytes) -> None:
    with pytest.raises(CorruptModel, match=r"a field of \d+ bytes where"):
        Message(data)


def test_an_absent_field_is_the_zero_of_its_type() -> None:
    message = Message(b"")
    assert (message.integer(1), bytes(message.bytes(1)), message.text(1), message.float32(1)) == (0, b"", "", 0.0)
    assert (message.messages(1), message.integers(1), 1 in message.message(1)) == ([], [], False)


def test_the_last_of_repeated_fields_counts() -> None:
    message = Message(integer(1, 5) + counted(2, "a") + integer(1, 7) + counted(2, "b"))
    assert (message.integer(1), message.text(2), [bytes(one) for one in message.all_bytes(2)]) == (7, "b", [b"a", b"b"])


def test_a_message_in_parts_is_merged() -> None:
    parts = counted(3, integer(1, 5) + counted(2, "a")) + counted(3, integer(1, 7) + counted(2, "b"))
    message = Message(parts).message(3)
    assert (message.integer(1), [bytes(one) for one in message.all_bytes(2)]) == (7, [b"a", b"b"])


def test_fields_are_merged_by_number() -> None:
    data = integer(1, 5) + counted(2, "a") + counted(3, "c") + integer(1, 7) + counted(2, "b") + counted(3, "d")
    assert protobuf.merged_fields(data, 2) == {1: 7, 2: b"ab", 3: b"d"}


@pytest.mark.parametrize("merge", [lambda data: Message(data).message(3), lambda data: protobuf.merged_fields(data, 3)])
def test_a_long_message_in_parts_is_damage(merge: Callable[[bytes], object]) -> None:
    half = counted(3, counted(1, bytes(3 << 20)))
    merge(half)
    with pytest.raises(CorruptModel, match=r"a message of 6,291,\d{3} bytes in 2 parts"):
        merge(half + half)


def test_a_number_as_a_part_of_a_message_is_damage() -> None:
    with pytest.raises(CorruptModel, match="a number in place of bytes"):
        Message(integer(3, 1) + counted(3, integer(1, 5))).message(3)


def test_a_choice_is_one_field_or_none() -> None:
    assert Message(counted(3, integer(1, 5) + integer(1, 7))).choice(3).integer(1) == 7
    assert 1 not in Message(b"").choice(3)


def test_a_choice_of_two_fields_is_damage() -> None:
    with pytest.raises(CorruptModel, match="two values where there may be one"):
        Message(counted(3, integer(1, 5) + integer(2, 5))).choice(3)


@pytest.mark.parametrize(("stored", "value"), [(2**64 - 1, -1), (2**63, -(2**63)), (2**63 - 1, 2**63 - 1)])
def test_a_signed_number_is_in_twos_complement(stored: int, value: int) -> None:
    assert Message(integer(1, stored)).signed(1) == value


def test_repeated_numbers_may_be_packed_or_not() -> None:
    data = integer(1, 3) + counted(1, tf.varint(300) + tf.varint(-1)) + integer(1, 4)
    assert Message(data).integers(1) == [3, 300, -1, 4]


def test_a_number_of_four_bytes_is_little_endian() -> None:
    assert [protobuf.as_fixed32(value) for _, value in protobuf.fields(fixed32(6, 0x01020304))] == [0x01020304]


@pytest.mark.parametrize("value", [1.0, 0.3, 0.7, -2.5, 0.0, 1e-45, 3.4028234663852886e38, 123456.79])
def test_a_float_is_the_shortest_decimal_number_with_its_value(value: float) -> None:
    found = Message(float32(4, value)).float32(4)
    assert np.float32(found) == np.float32(value)
    assert len(repr(found)) <= len(repr(value))


def test_a_float_may_take_nine_digits() -> None:
    # Below 2**30, adjacent floats differ by 64. The nearest numbers of eight digits, 1000000000 and 1000000100, are
    # stored as 1000000000 and 1000000128.
    assert protobuf.shortest_float32(struct.pack("<f", 1000000064)) == 1000000060.0


@pytest.mark.parametrize("text", ["inf", "-inf"])
def test_an_infinite_float_stays_infinite(text: str) -> None:
    assert Message(float32(4, float(text))).float32(4) == float(text)


def test_nan_stays_nan() -> None:
    assert np.isnan(Message(float32(4, float("nan"))).float32(4))


def test_text_that_is_not_utf_8_is_kept() -> None:
    assert Message(counted(1, b"a\xff")).text(1).encode("utf-8", "surrogateescape") == b"a\xff"


def test_bytes_in_place_of_a_number_are_damage() -> None:
    with pytest.raises(CorruptModel, match="bytes in place of a number"):
        Message(counted(1, "a")).integer(1)


@pytest.mark.parametrize("ask", ["bytes", "text", "message", "messages", "all_bytes", "float32"])
def test_a_number_in_place_of_bytes_is_damage(ask: str) -> None:
    with pytest.raises(CorruptModel, match="a number in place of bytes"):
        getattr(Message(integer(1, 5)), ask)(1)


def test_a_fixed32_of_another_length_is_damage() -> None:
    with pytest.raises(CorruptModel, match="has another length"):
        protobuf.as_fixed32(b"abc")


def test_a_float_of_another_length_is_damage() -> None:
    with pytest.raises(CorruptModel, match="has another length"):
        Message(counted(1, b"abc")).float32(1)


def test_a_message_reports_its_fields_and_which_are_numbers() -> None:
    message = Message(integer(1, 0) + counted(2, ""))
    assert (1 in message, 2 in message, 3 in message) == (True, True, False)
    assert (message.is_integer(1), message.is_integer(2), message.is_integer(3)) == (True, False, False)


def test_spans_are_those_of_the_fields() -> None:
    data = integer(4, 300) + counted(4, "ab") + fixed32(4, 7) + counted(5, "no") + counted(4, "cde")
    found = [data[start:stop] for start, stop in protobuf.spans(data, 4, 0, len(data))]
    assert found == [value for number, value in protobuf.fields(data) if number == 4 and not isinstance(value, int)]


def test_a_span_beyond_its_message_is_damage() -> None:
    data = counted(1, counted(2, "abc"))
    with pytest.raises(CorruptModel, match="a field of 3 bytes where 1 are left"):
        list(protobuf.spans(data, 2, 2, 5))


def test_too_many_fields_are_refused() -> None:
    assert Message(integer(1, 1) * 5, 5).integers(1) == [1] * 5
    with pytest.raises(RefusedModel, match="a message of more than 5 fields; --limit nodes=50 allows it"):
        Message(integer(1, 1) * 6, 5)


def test_too_many_fields_in_a_nested_message_are_refused() -> None:
    outer = Message(counted(1, integer(1, 1) * 6), 5)
    with pytest.raises(RefusedModel, match="more than 5 fields"):
        outer.message(1)
    with pytest.raises(RefusedModel, match="more than 5 fields"):
        outer.messages(1)


def test_a_field_without_a_number_is_damage() -> None:
    with pytest.raises(CorruptModel, match="a field without a number"):
        Message(b"\x00\x01")
