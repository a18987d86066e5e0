from __future__ import annotations

import time

import pytest
from support.tensorflow_builders import counted, integer, piece

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.readers.protobuf import Message
from lstmdump.readers.tensorflow.wire import partitions


@pytest.mark.parametrize(
    ("number", "code"),  # as many ones as bytes, a zero, then the number; a negative one is the complement of ~number
    [
        (0, "80"),
        (1, "81"),
        (63, "bf"),
        (64, "c040"),
        (-1, "7f"),
        (-64, "40"),
        (-65, "3fbf"),
        (8191, "dfff"),
        (8192, "e02000"),
        (-8192, "2000"),
        (2**20 - 1, "efffff"),
        (2**31, "f880000000"),
        (2**48 - 1, "feffffffffffff"),
        (2**55 - 1, "ff7fffffffffffff"),
        (2**55, "ff8080000000000000"),
        (2**62, "ffc04000000000000000"),
        (2**63 - 1, "ffc07fffffffffffffff"),
        (-(2**63), "003f8000000000000000"),
    ],
)
def test_a_signed_number_has_the_code_of_tensorflow(number: int, code: str) -> None:
    key = partitions.key_of("", [(number, 0)])
    assert key.hex() == "00" + "0001" + "0101" + code + "80"


def test_codes_sort_as_their_numbers_do() -> None:
    numbers = [-(2**62), -(2**31), -8193, -8192, -65, -64, -1, 0, 1, 63, 64, 8191, 8192, 2**31, 2**62]
    codes = [partitions.key_of("", [(number, 0)]) for number in numbers]
    assert codes == sorted(codes)


def test_a_key_is_a_zero_the_name_the_rank_and_the_spans() -> None:
    # From a checkpoint written by TensorFlow: rows 0 to 4, and columns 0 to 24, of a matrix.
    key = partitions.key_of("m/rnn/lstm_cell/kernel", [(0, 4), (0, 24)])
    assert key == b"\0m/rnn/lstm_cell/kernel\0\x01\x01\x02\x80\x84\x80\x98"


def test_the_two_special_bytes_are_escaped_in_names() -> None:
    assert partitions.key_of("a\0b\udcffc", []) == b"\0a\0\xffb\xff\0c\0\x01\x00"


@pytest.mark.parametrize(("rank", "code"), [(0, "00"), (1, "0101"), (3, "0103"), (254, "01fe")])
def test_the_rank_has_its_length_before_it(rank: int, code: str) -> None:
    assert partitions.key_of("a", [(0, -1)] * rank).hex() == "0061" + "0001" + code + "807f" * rank


def test_an_extent_without_a_length_is_the_whole_dimension() -> None:
    assert partitions.spans_of(Message(piece([(0, -1), (4, 2)])), 2) == ((0, -1), (4, 2))


def test_a_length_of_zero_is_not_the_whole_dimension() -> None:
    assert partitions.spans_of(Message(counted(1, integer(1, 3) + integer(2, 0))), 1) == ((3, 0),)


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_a_piece_of_another_rank_is_damage(rank: int) -> None:
    with pytest.raises(CorruptModel, match=f"a piece has 2 dimensions, but its tensor has {rank}"):
        partitions.spans_of(Message(piece([(0, -1), (4, 2)])), rank)


def test_whole_dimensions_get_their_lengths() -> None:
    assert partitions.resolved([(0, -1), (4, 2)], (5, 6)) == ((0, 5), (4, 2))


@pytest.mark.parametrize("span", [(0, 7), (5, 2), (-1, 3), (0, -2), (7, 0), (2, -1), (2**63 - 1, 1)])
def test_a_piece_outside_its_tensor_is_damage(span: tuple[int, int]) -> None:
    with pytest.raises(CorruptModel, match="outside its tensor"):
        partitions.resolved([span], (6,))


@pytest.mark.parametrize(
    ("pieces", "shape"),
    [
        ([()], ()),
        ([((0, 6),)], (6,)),
        ([((4, 2),), ((0, 4),)], (6,)),
        ([((0, 0), (0, 3))], (0, 3)),
        ([((0, 2), (0, 5)), ((2, 1), (0, 5))], (3, 5)),
        ([((0, 3), (0, 2)), ((0, 3), (2, 3))], (3, 5)),
        ([((a, 1), (b, 1), (c, 1)) for a in range(2) for b in range(3) for c in range(4)], (2, 3, 4)),
        # a pinwheel, which no straight cut divides
        ([((0, 1), (0, 2)), ((0, 2), (2, 1)), ((2, 1), (1, 2)), ((1, 2), (0, 1)), ((1, 1), (1, 1))], (3, 3)),
    ],
)
def test_pieces_that_cover_each_element_once_are_a_whole(
    pieces: list[tuple[tuple[int, int], ...]], shape: tuple[int, ...]
) -> None:
    partitions.require_whole(pieces, shape)


@pytest.mark.parametrize(
    ("pieces", "shape"),
    [
        ([], (6,)),
        ([], ()),
        ([(), ()], ()),
        ([((0, 4),)], (6,)),
        ([((0, 4),), ((5, 1),)], (6,)),
        ([((0, 4),), ((3, 3),)], (6,)),
        ([((0, 4),), ((0, 2),)], (6,)),  # six elements, but four distinct ones
        ([((0, 3),), ((0, 3),)], (6,)),
        ([((0, 2), (0, 2)), ((1, 2), (1, 2)), ((0, 1), (2, 1))], (3, 3)),  # nine elements, one of them twice
        ([((0, 3), (0, 5)), ((0, 3), (0, 5))], (3, 5)),
    ],
)
def test_pieces_that_lack_or_double_an_element_are_damage(
    pieces: list[tuple[tuple[int, int], ...]], shape: tuple[int, ...]
) -> None:
    with pytest.raises(CorruptModel, match="do not make up a tensor"):
        partitions.require_whole(pieces, shape)


def test_an_empty_piece_beside_others_is_damage() -> None:
    with pytest.raises(CorruptModel, match="do not make up a tensor"):
        partitions.require_whole([((0, 6),), ((2, 0),)], (6,))


def test_a_hundred_thousand_pieces_are_checked_in_seconds() -> None:
    started = time.process_time()
    partitions.require_whole([((k, 1), (0, 4)) for k in range(100_000)], (100_000, 4))
    assert time.process_time() - started < 10


def test_a_partition_along_many_dimensions_is_refused() -> None:
    shape = (2,) * 12
    with pytest.raises(RefusedModel, match="12 dimensions"):
        partitions.require_whole([tuple((0, 1) for _ in shape), tuple((1, 1) for _ in shape)], shape)
