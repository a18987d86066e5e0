from __future__ import annotations

import struct

import numpy as np
import pytest

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.tensor import Cuts, Tensor
from lstmdump.readers.tensorflow.wire import decode

ALL = (slice(0, 2), slice(0, 3))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "int64", "uint8", "bool", "complex64"])
@pytest.mark.parametrize("big_endian", [False, True])
def test_elements_are_stored_row_by_row(dtype: str, big_endian: bool) -> None:
    values = np.array([[0, 1, 2], [3, 4, 5]], dtype)
    data = values.astype(values.dtype.newbyteorder(">" if big_endian else "<")).tobytes()
    found = decode.array_of(bytearray(data), dtype, (2, 3), big_endian=big_endian)
    assert (found.dtype, found.tolist()) == (np.dtype(dtype), values.tolist())


def test_cut_out_returns_the_selected_elements() -> None:
    found = decode.cut_out(bytes(range(6)), "uint8", (2, 3), (slice(1, 2), slice(0, 2)))
    assert found.tolist() == [[3, 4]]


@pytest.mark.parametrize("order", "<>")
def test_a_bfloat16_is_the_upper_half_of_a_float32(order: str) -> None:
    data = struct.pack(f"{order}3H", 0x3F80, 0xC000, 0x4049)
    found = decode.array_of(bytearray(data), "bfloat16", (3,), big_endian=order == ">")
    assert (found.dtype, found.tolist()) == (np.float32, [1.0, -2.0, 3.140625])


def test_numbers_do_not_change_with_the_bytes_they_came_from() -> None:
    data = bytearray(struct.pack("<2f", 1, 2))
    found = decode.cut_out(data, "float32", (2,), (slice(0, 2),))
    data[:4] = bytes(4)
    assert found.tolist() == [1.0, 2.0]


def test_an_array_without_elements_is_read() -> None:
    assert decode.array_of(bytearray(), "float32", (0, 3)).shape == (0, 3)


def test_an_array_of_more_dimensions_than_numpy_has_is_refused() -> None:
    with pytest.raises(RefusedModel, match="dimensions"):
        decode.array_of(bytearray(4), "float32", (1,) * 100)


def test_an_empty_array_with_extents_too_large_for_numpy_is_refused() -> None:
    with pytest.raises(RefusedModel, match="too large"):
        decode.array_of(bytearray(), "float32", (0, 2**62, 2**62))


def test_the_last_number_fills_the_rest() -> None:
    assert decode.filled_up(struct.pack("<2f", 1, 2), "float32", (2, 3)).tolist() == [[1, 2, 2], [2, 2, 2]]


def test_no_numbers_at_all_are_zeros() -> None:
    assert decode.filled_up(b"", "float32", (2,)).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("dtype", "stored", "value"),
    [
        ("float16", 0x3C00, 1.0),
        ("bfloat16", 0xC000, -2.0),
        ("int32", -7, -7),
        ("int64", 2**62, 2**62),
        ("uint64", -1, 2**64 - 1),  # as the wire format's int64
        ("uint8", 255, 255),
        ("bool", 1, True),
    ],
)
def test_integers_are_converted_to_the_dtype(dtype: str, stored: int, value: float) -> None:
    assert decode.filled_up([stored], dtype, (2,)).tolist() == [value, value]


def test_more_numbers_than_elements_are_damage() -> None:
    with pytest.raises(CorruptModel, match=r"3 numbers are stored for an array of shape \(2,\)"):
        decode.filled_up(bytes(12), "float32", (2,))


def test_half_a_number_is_damage() -> None:
    with pytest.raises(CorruptModel, match="7 bytes"):
        decode.filled_up(bytes(7), "float32", (2,))


@pytest.mark.parametrize("shape", [(2**20, 2**20), (2**62, 4), (2**14, 2**14)])
def test_one_number_is_not_expanded_to_gigabytes(shape: tuple[int, ...]) -> None:
    with pytest.raises(RefusedModel, match="declares"):
        decode.filled_up(bytes(4), "float32", shape)


def whole(values: np.ndarray) -> Tensor:
    return Tensor("piece", values.shape, str(values.dtype), lambda cuts: values[cuts])


@pytest.mark.parametrize(
    "cuts", [ALL, (slice(1, 2), slice(1, 3)), (slice(0, 1), slice(0, 1)), (slice(2, 2), slice(0, 3))]
)
def test_pieces_are_put_together(cuts: Cuts) -> None:
    values = np.arange(6, dtype="f4").reshape(2, 3)
    pieces = [((0, 0), whole(values[:, :2])), ((0, 2), whole(values[:, 2:]))]
    assert decode.assembled(pieces, "float32", cuts).tolist() == values[cuts].tolist()


def test_only_the_selected_pieces_are_read() -> None:
    def broken(_: Cuts) -> np.ndarray:
        raise AssertionError("read")

    pieces = [((0,), whole(np.ones(2, "f4"))), ((2,), Tensor("other", (2,), "float32", broken))]
    assert decode.assembled(pieces, "float32", (slice(0, 2),)).tolist() == [1, 1]


def test_pieces_of_bfloat16_become_float32() -> None:
    assert decode.assembled([((0,), whole(np.ones(2, "f4")))], "bfloat16", (slice(0, 2),)).dtype == np.float32


def test_pieces_of_an_array_that_exceeds_the_memory_are_refused() -> None:
    piece = Tensor("huge", (2**62,), "float32", lambda _: np.zeros(0, "f4"))
    with pytest.raises(RefusedModel, match="not enough memory"):
        decode.assembled([((0,), piece)], "float32", (slice(0, 2**62),))


def test_pieces_that_do_not_hold_numbers_are_damage() -> None:
    piece = Tensor("x", (2,), "resource", lambda _: np.zeros(2))
    with pytest.raises(CorruptModel, match="resource values, which cannot be read as numbers"):
        decode.assembled([((0,), piece)], "resource", (slice(0, 2),))
