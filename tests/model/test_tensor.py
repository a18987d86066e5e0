from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from lstmdump.errors import CorruptModel
from lstmdump.model.tensor import Tensor, chained, derived, transposed

VALUES = np.arange(24).reshape(4, 6)


@pytest.fixture
def tensor() -> Tensor:
    return Tensor("t", (4, 6), "int64", lambda cuts: VALUES[cuts])


def test_size_is_the_product_of_the_shape(tensor: Tensor) -> None:
    assert tensor.size == 4 * 6


def test_making_a_part_reads_nothing() -> None:
    def never(_: object) -> np.ndarray:
        raise AssertionError

    assert Tensor("t", (4, 6), "int64", never).part(slice(1, 3), slice(2, 6)).shape == (2, 4)


def test_part_of_a_part_is_the_block_within_the_block(tensor: Tensor) -> None:
    inner = tensor.part(slice(1, 4), slice(2, 6)).part(slice(1, 2), slice(1, 3))
    assert inner.read().tolist() == VALUES[2:3, 3:5].tolist()


def test_part_takes_all_of_the_dimensions_it_does_not_cut(tensor: Tensor) -> None:
    assert tensor.part(slice(3, 4)).read().tolist() == VALUES[3:4].tolist()


def test_a_part_has_no_step(tensor: Tensor) -> None:
    with pytest.raises(ValueError, match="no step"):
        tensor.part(slice(0, 4, 2))


def test_reading_another_shape_than_declared_is_an_error() -> None:
    with pytest.raises(CorruptModel, match=r"declared with shape \(3,\), but has shape \(2,\)"):
        Tensor("t", (3,), "int64", lambda _: np.zeros(2)).read()


def test_a_derived_tensor_can_be_cut() -> None:
    tensor = derived("d", (4, 6), "int64", lambda first, last: VALUES[first:last])
    assert tensor.part(slice(1, 2), slice(4, 6)).read().tolist() == VALUES[1:2, 4:6].tolist()


def test_only_the_requested_rows_of_a_derived_tensor_are_computed() -> None:
    asked = []

    def compute(first: int, last: int) -> np.ndarray:
        asked.append((first, last))
        return VALUES[first:last]

    derived("d", (4, 6), "int64", compute).part(slice(1, 3)).read()
    assert asked == [(1, 3)]


def test_a_part_of_a_part_knows_its_place_in_the_whole(tensor: Tensor) -> None:
    place = tensor.part(slice(1, 4), slice(2, 6)).part(slice(1, 2), slice(1, 3)).place
    assert place == (tensor, ((2, 3), (3, 5)))


def test_a_guarded_tensor_is_checked_before_it_is_read(tensor: Tensor) -> None:
    def check() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        tensor.guarded(check).read()


def test_a_guarded_tensor_is_checked_before_its_rows_are_read() -> None:
    def check() -> None:
        raise RuntimeError

    guarded = Tensor("t", (1,), "uint8", lambda cuts: VALUES[cuts], lambda: iter([b"1"])).guarded(check)
    with pytest.raises(RuntimeError):
        next(guarded.rows())  # type: ignore[misc]


def test_a_guarded_tensor_that_can_only_be_fetched_has_no_rows(tensor: Tensor) -> None:
    assert tensor.guarded(lambda: None).rows is None


def test_a_check_that_may_come_later_is_handed_over_with_the_unverified_rows() -> None:
    def check() -> None:
        raise RuntimeError

    tensor = Tensor("t", (1,), "uint8", lambda cuts: VALUES[cuts], lambda: iter([b"1"])).guarded(check, also_later=True)
    assert tensor.unverified is not None
    rows, later = tensor.unverified
    assert (list(rows()), later) == ([b"1"], check)


def test_a_check_that_must_come_first_is_not_handed_over() -> None:
    tensor = Tensor("t", (1,), "uint8", lambda cuts: VALUES[cuts], lambda: iter([b"1"]))
    assert tensor.guarded(lambda: None).unverified is None


def test_the_rows_of_arrays_are_chained_in_their_order() -> None:
    pieces = [Tensor(text, (1,), "uint8", lambda cuts: VALUES[cuts], partial(iter, [text.encode()])) for text in "abc"]
    rows = chained(pieces)
    assert rows is not None
    assert [list(rows()) for _ in range(2)] == [[b"a", b"b", b"c"]] * 2


def test_no_rows_are_chained_if_one_array_has_none(tensor: Tensor) -> None:
    assert chained([Tensor("t", (1,), "uint8", lambda cuts: VALUES[cuts], lambda: iter([b"1"])), tensor]) is None


@pytest.mark.parametrize(
    ("dtype", "step", "values"),
    [("float16", None, "float16"), ("bfloat16", None, "float32"), ("int8", 0.5, "float32"), ("int8", None, "int8")],
)
def test_values_of_bfloat16_and_of_quantized_integers_are_float32(dtype: str, step: float | None, values: str) -> None:
    assert Tensor("t", (4, 6), dtype, lambda cuts: VALUES[cuts], step=step).value_dtype == values


def test_what_is_made_of_quantized_integers_is_quantized(tensor: Tensor) -> None:
    quantized = Tensor("t", (4, 6), "int8", tensor.fetch, step=0.5)
    made = (
        quantized.part(slice(1, 3)),
        quantized.guarded(lambda: None),
        quantized.renamed("u"),
        transposed(quantized, "v"),
    )
    assert [one.step for one in made] == [0.5] * 4


def asked_for(cuts: list[tuple[slice, ...]]) -> Tensor:
    """Return an array that notes which blocks are read."""

    def fetch(block: tuple[slice, ...]) -> np.ndarray:
        cuts.append(block)
        return VALUES[block]

    return Tensor("t", (4, 6), "int64", fetch)


INDICES = [
    0, -1, 3, np.int32(2), (1, 2), (-4, -6), (..., 2), (2, ...), (slice(None), 2), slice(1, 3), slice(None, None, -1),
    slice(3, 0, -2), slice(10, 20), (slice(None, None, 2), slice(5, 1, -3)), ..., (), (..., slice(1, 4)), (0, ..., 3), (0, 3, ...),
    [0, 2], ([1, 3], slice(0, 2)), None, (slice(None), None, 2), np.array([True, False, True, False]), True,
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_indexing_selects_what_numpy_selects(tensor: Tensor, index: object) -> None:
    selected = tensor[index]  # type: ignore[index]
    assert np.array_equal(selected, VALUES[index])  # type: ignore[call-overload]
    assert np.shape(selected) == np.shape(VALUES[index])  # type: ignore[call-overload]
    assert type(selected) is type(VALUES[index])  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("index", "block"),
    [
        (2, (slice(2, 3), slice(0, 6))),
        ((slice(None), 5), (slice(0, 4), slice(5, 6))),
        ((slice(3, 0, -2), slice(1, 6, 2)), (slice(1, 4), slice(1, 6))),
        ((slice(None, None, 3), slice(0, 5, 2)), (slice(0, 4), slice(0, 5))),
    ],
)
def test_indexing_reads_only_the_range_of_the_index(index: object, block: tuple[slice, ...]) -> None:
    cuts: list[tuple[slice, ...]] = []
    asked_for(cuts)[index]  # type: ignore[index]
    assert cuts == [block]


@pytest.mark.parametrize("index", [4, -5, (0, 6), (0, 0, 0), (..., 0, ...)])
def test_an_index_outside_the_array_is_an_index_error(tensor: Tensor, index: object) -> None:
    with pytest.raises(IndexError):
        tensor[index]  # type: ignore[index]


def test_numpy_takes_the_values(tensor: Tensor) -> None:
    assert np.array_equal(np.asarray(tensor), VALUES)


def test_numpy_takes_the_values_as_another_type(tensor: Tensor) -> None:
    assert np.asarray(tensor, dtype="float32").dtype == np.float32


def test_the_values_cannot_be_had_without_a_copy(tensor: Tensor) -> None:
    with pytest.raises(ValueError, match="t is in a file, so that its values cannot be had without a copy"):
        tensor.__array__(copy=False)


def test_functions_of_numpy_take_an_array_of_a_file(tensor: Tensor) -> None:
    assert np.sum(tensor) == 24 * 23 // 2


def test_an_array_has_as_many_dimensions_as_its_shape_has_lengths(tensor: Tensor) -> None:
    assert tensor.ndim == 2


def test_the_length_of_an_array_is_that_of_its_first_axis(tensor: Tensor) -> None:
    assert len(tensor) == 4


def test_an_array_is_iterated_over_row_by_row(tensor: Tensor) -> None:
    assert [row.tolist() for row in tensor] == VALUES.tolist()


def test_iterating_reads_the_array_once() -> None:
    cuts: list[tuple[slice, ...]] = []
    list(asked_for(cuts))
    assert len(cuts) == 1


@pytest.mark.parametrize(
    ("dtype", "width"), [("float32", 4), ("float64", 8), ("bool", 1), ("int8", 1), ("complex64", 8), ("bfloat16", 4)]
)
def test_the_bytes_are_those_of_the_values_that_are_read(dtype: str, width: int) -> None:
    assert Tensor("t", (4, 6), dtype, lambda cuts: VALUES[cuts]).nbytes == 4 * 6 * width


def test_what_is_not_numbers_has_no_bytes() -> None:
    with pytest.raises(TypeError, match="t holds string, which are not numbers"):
        _ = Tensor("t", (4, 6), "string", lambda cuts: VALUES[cuts]).nbytes


@pytest.mark.parametrize("call", [len, iter])
def test_an_array_without_axes_has_no_length(call: object) -> None:
    with pytest.raises(TypeError, match="without axes"):
        call(Tensor("t", (), "int64", lambda _: np.int64(3)))  # type: ignore[operator]


def test_an_array_counts_as_true_whatever_it_holds() -> None:
    assert Tensor("t", (0, 6), "int64", lambda _: np.zeros((0, 6)))


def test_integers_that_stand_for_other_numbers_have_the_bytes_of_those() -> None:
    assert Tensor("t", (4, 6), "int8", lambda cuts: VALUES[cuts], step=0.5).nbytes == 4 * 6 * 4
