from __future__ import annotations

import zlib

import h5py
import numpy as np
import pytest

from lstmdump.errors import CorruptModel, UnsupportedFormat
from lstmdump.readers.hdf5.filters import Filter, fletcher32, require_readable, unpack

GZIP, SHUFFLE, FLETCHER32, LZF = (1, (4,)), (2, (4,)), (3, ()), (32000, ())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"\x01\x02", 0x0102_0102),
        (b"\x01\x02\x03\x04", 0x0508_0406),  # 0102 + 0304, and 2 · 0102 + 0304
        (b"\x01", 0x0100_0100),
        (b"\xff\xff", 0xFFFF_FFFF),
        (b"\xff\xff\x00\x01", 0x0001_0001),
    ],
)
def test_fletchers_checksum_is_of_big_endian_words(data: bytes, expected: int) -> None:
    assert fletcher32(data) == expected


@pytest.mark.parametrize("length", [1, 2, 3, 719, 720, 721, 5000, 70_001])
@pytest.mark.parametrize("value", [None, 0, 255])
def test_fletchers_checksum_is_that_of_hdf5(length: int, value: int | None) -> None:
    numbers = (
        np.random.default_rng(length).integers(0, 256, length, "u1") if value is None else np.full(length, value, "u1")
    )
    with h5py.File("x", "w", driver="core", backing_store=False) as file:
        made = file.create_dataset("x", data=numbers, chunks=(length,), fletcher32=True)
        stored = made.id.read_direct_chunk((0,))[1]
    assert int.from_bytes(stored[-4:], "little") == fletcher32(numbers.tobytes())


def test_a_checksum_with_swapped_bytes_is_accepted() -> None:
    checksum = bytes([0x06, 0x04, 0x08, 0x05])
    for found in (checksum, bytes([checksum[1], checksum[0], checksum[3], checksum[2]])):
        assert unpack(b"\1\2\3\4" + found, [FLETCHER32], 0, 4, "x") == b"\1\2\3\4"


def test_shuffled_bytes_are_put_in_order() -> None:
    assert unpack(b"acebdf", [(2, (2,))], 0, 6, "x") == b"abcdef"


def unshuffled(data: bytes, width: int) -> bytes:
    count = len(data) // width
    return bytes(data[place * count + number] for number in range(count) for place in range(width))


@pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("length", [0, 8, 24, 25])
def test_bytes_behind_the_last_element_are_not_shuffled(width: int, length: int) -> None:
    data = bytes(range(length))
    whole = length // width * width
    expected = unshuffled(data[:whole], width) + data[whole:]
    if width <= max(1, length):
        assert unpack(data, [(2, (width,))], 0, length, "x") == expected


@pytest.mark.parametrize("width", [0, 9, 2**32 - 1])
def test_elements_of_no_size_or_longer_than_a_chunk_are_an_error(width: int) -> None:
    with pytest.raises(CorruptModel, match="the chunks of x are shuffled by elements of"):
        unpack(bytes(8), [(2, (width,))], 0, 8, "x")


def test_a_compressed_chunk_without_its_end_is_an_error() -> None:
    whole = zlib.compress(bytes(100))
    assert unpack(whole, [GZIP], 0, 100, "x") == bytes(100)
    with pytest.raises(CorruptModel, match="a chunk of x is cut short"):
        unpack(whole[:-1], [GZIP], 0, 100, "x")


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (b"\x00", "cut short"),
        (b"\x03abc", "cut short"),
        (b"\x20\x00", "before its start"),
        (b"\x00a\x20", "1 of its 100 bytes"),
        (b"\x00a\xe0\xff\x00\xe0\xff\x00", "more than its 100 bytes"),
    ],
)
def test_damaged_lzf_is_an_error(stored: bytes, message: str) -> None:
    with pytest.raises(CorruptModel, match=message):
        unpack(stored, [LZF], 0, 100, "x")


@pytest.mark.parametrize("distance", [1, 2, 5, 8])
def test_a_repetition_may_overlap_what_it_appends(distance: int) -> None:
    start = b"abcdefgh"
    expected = bytearray(start)
    for _ in range(20):
        expected.append(expected[-distance])
    stored = bytes([7]) + start + bytes([7 << 5, 20 - 2 - 7, distance - 1])
    assert unpack(stored, [LZF], 0, 28, "x") == expected


@pytest.mark.parametrize(
    "filters", [[(4, ())], [GZIP, GZIP], [GZIP, LZF], [GZIP, SHUFFLE], [(307, ()), SHUFFLE]], ids=str
)
def test_other_filters_and_orders_are_not_supported(filters: list[Filter]) -> None:
    with pytest.raises(UnsupportedFormat, match=r"x is compressed in a way that is not supported \(HDF5 filters \d"):
        require_readable(filters, "x")
