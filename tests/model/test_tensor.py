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
