from __future__ import annotations

import pytest
from support.tensorflow_builders import counted, integer, shape

from lstmdump.errors import CorruptModel
from lstmdump.readers.protobuf import Message
from lstmdump.readers.tensorflow.wire import dtypes


@pytest.mark.parametrize(
    ("number", "name"),  # types.proto
    [(1, "float32"), (2, "float64"), (7, "string"), (9, "int64"), (14, "bfloat16"), (19, "float16"), (23, "uint64")],
)
def test_types_have_the_numbers_of_types_proto(number: int, name: str) -> None:
    assert dtypes.dtype_name(number) == name


def test_the_type_of_a_reference_is_that_of_what_it_refers_to() -> None:
    assert dtypes.dtype_name(101) == "float32"


@pytest.mark.parametrize("number", [0, 24, 100, 999, 2**63])
def test_an_unknown_dtype_is_named_by_its_number(number: int) -> None:
    assert dtypes.dtype_name(number).startswith("type ")


def test_bytes_are_elements_times_their_size() -> None:
    assert dtypes.byte_size("bfloat16", (3, 5)) == 3 * 5 * 2
    assert dtypes.byte_size("complex128", ()) == 16


@pytest.mark.parametrize("dtype", ["string", "resource", "variant", "qint8", "type 99"])
def test_dtypes_that_are_not_numbers_have_no_size(dtype: str) -> None:
    assert dtypes.byte_size(dtype, (3,)) is None


@pytest.mark.parametrize("extents", [(), (7,), (0, 3), (2, 3, 4), (2**40,), (1,) * 254])
def test_a_shape_is_its_extents(extents: tuple[int, ...]) -> None:
    assert dtypes.shape_of(Message(shape(extents))) == extents


@pytest.mark.parametrize("data", [shape([-1, 3]), integer(3, 1), shape([-5]), shape([1] * 255)])
def test_an_unknown_shape_of_a_stored_tensor_is_damage(data: bytes) -> None:
    with pytest.raises(CorruptModel, match="which is not valid"):
        dtypes.shape_of(Message(data))


def test_the_name_of_a_dimension_is_ignored() -> None:
    assert dtypes.shape_of(Message(counted(2, integer(1, 4) + counted(2, "units")))) == (4,)


@pytest.mark.parametrize("extents", [(7,), (1,) * 254])  # a short message, which is cached, and a long one
def test_a_shape_in_bytes_is_the_one_in_the_message(extents: tuple[int, ...]) -> None:
    assert [dtypes.shape_in(shape(extents)) for _ in range(2)] == [extents] * 2


def test_a_partly_unknown_shape_is_none_in_each_call() -> None:
    assert [dtypes.known_shape_in(shape([-1, 3])) for _ in range(2)] == [None, None]
