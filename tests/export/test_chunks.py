from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from lstmdump.errors import CorruptModel, DoesNotFit
from lstmdump.export.chunks import ArrayOutput, as_type, filled, pieces
from lstmdump.model.tensor import Tensor, derived

VALUES = np.arange(24, dtype="<f4").reshape(4, 6)


class Source:
    """A stored array that counts how often it is read, and yields its rows three at a time."""

    def __init__(self, values: np.ndarray = VALUES) -> None:
        self.passes = 0
        self.values = values
        self.tensor = Tensor("t", values.shape, str(values.dtype), self.never, self.rows)

    def never(self, _: object) -> np.ndarray:
        raise AssertionError

    def rows(self) -> Iterator[memoryview]:
        self.passes += 1
        for start in range(0, len(self.values), 3):
            yield memoryview(self.values[start : start + 3].tobytes())


def joined(*outputs: ArrayOutput) -> list[list[float]]:
    """Return the numbers of each of `outputs`, joined from its pieces."""
    data = [bytearray() for _ in outputs]
    for index, piece in pieces(outputs):
        data[index] += piece
    return [np.frombuffer(one, output.dtype).tolist() for one, output in zip(data, outputs, strict=True)]


def kept(tensor: Tensor) -> ArrayOutput:
    return ArrayOutput(tensor.name, tensor, tensor.dtype)


def test_columns_of_a_stored_array_are_cut_out_of_its_rows() -> None:
    tensor = Source().tensor
    assert joined(kept(tensor.part(slice(None), slice(0, 2))), kept(tensor.part(slice(None), slice(2, 6)))) == [
        VALUES[:, :2].ravel().tolist(), VALUES[:, 2:].ravel().tolist()
    ]  # fmt: skip


def test_rows_of_a_stored_array_are_cut_out() -> None:
    tensor = Source().tensor
    assert joined(kept(tensor.part(slice(0, 1))), kept(tensor.part(slice(1, 4), slice(1, 2)))) == [
        VALUES[0].tolist(), VALUES[1:, 1].tolist()
    ]  # fmt: skip


def test_all_parts_of_a_stored_array_are_cut_in_one_pass() -> None:
    source = Source()
    joined(*(kept(source.tensor.part(slice(None), slice(column, column + 1))) for column in range(6)))
    assert source.passes == 1


def test_a_stored_array_of_one_dimension_has_elements_as_its_rows() -> None:
    tensor = Source(VALUES.ravel()).tensor
    assert joined(kept(tensor.part(slice(5, 9)))) == [[5, 6, 7, 8]]


def test_a_part_without_columns_has_no_pieces() -> None:
    assert joined(kept(Source().tensor.part(slice(None), slice(2, 2)))) == [[]]


def test_stored_numbers_are_converted_on_the_way() -> None:
    tensor = Source().tensor.part(slice(0, 1))
    assert joined(ArrayOutput("a", tensor, "float64")) == [VALUES[0].tolist()]


def test_a_constant_is_added_on_the_way() -> None:
    tensor = Source().tensor.part(slice(0, 1))
    assert joined(ArrayOutput("a", tensor, "float32", 0.5)) == [(VALUES[0] + np.float32(0.5)).tolist()]


def test_computed_numbers_are_fetched_in_bands_of_bounded_size() -> None:
    asked = []

    def compute(first: int, last: int) -> np.ndarray:
        asked.append(last - first)
        return np.zeros((last - first, 1 << 10), "f4")

    for _ in pieces([kept(derived("d", (1 << 13, 1 << 10), "float32", compute))]):
        pass
    assert (sum(asked), max(asked) * (1 << 10) * 4 <= 1 << 23) == (1 << 13, True)


def test_computed_numbers_come_in_order() -> None:
    wide = np.arange(3 << 20, dtype="f4").reshape(3, 1 << 20)
    assert joined(kept(derived("d", wide.shape, "float32", lambda first, last: wide[first:last]))) == [
        wide.ravel().tolist()
    ]


def test_big_endian_numbers_are_written_in_little_endian_order() -> None:
    values = VALUES.astype(">f4")
    assert joined(kept(Tensor("t", (4, 6), "float32", lambda cuts: values[cuts]))) == [VALUES.ravel().tolist()]


def test_an_array_without_numbers_is_refused() -> None:
    with pytest.raises(CorruptModel, match="t holds object, which are not numbers"):
        _ = kept(Tensor("t", (1,), "object", lambda _: VALUES)).size


@pytest.mark.parametrize(("number", "dtype"), [(1e6, "float16"), (1e300, "float32")])
def test_a_number_that_would_become_infinite_does_not_fit(number: float, dtype: str) -> None:
    with pytest.raises(DoesNotFit, match=f"too large for {dtype}"):
        as_type(np.array([1.0, number]), dtype)


def test_a_number_that_does_not_fit_is_reported_with_the_name_of_the_output() -> None:
    with pytest.raises(DoesNotFit, match=r"^W_i: it holds 70000, which is too large for float16$"):
        joined(ArrayOutput("W_i", Source(np.array([[7e4]], "f4")).tensor, "float16"))


def test_infinity_fits() -> None:
    assert np.isinf(as_type(np.array([np.inf]), "float16")).all()


def test_a_filled_tensor_has_the_number_everywhere() -> None:
    assert filled("b_f", 3, 1.5, "float32").read().tolist() == [1.5, 1.5, 1.5]


class UnverifiedSource(Source):
    """A stored array whose rows can be verified after they have been read."""

    def __init__(self, events: list[str], values: np.ndarray = VALUES, error: Exception | None = None) -> None:
        super().__init__(values)
        self.events = events
        self.error = error
        self.tensor = Tensor(
            "t", values.shape, str(values.dtype), self.never, self.never, unverified=(self.rows, self.check)
        )

    def rows(self) -> Iterator[memoryview]:
        yield from super().rows()
        self.events.append("read")

    def check(self) -> None:
        self.events.append("checked")
        if self.error is not None:
            raise self.error


def test_rows_that_can_be_verified_later_are_verified_once_after_all_pieces() -> None:
    events: list[str] = []
    tensor = UnverifiedSource(events).tensor
    others = Tensor("t", (4, 6), "float32", tensor.fetch, tensor.rows, unverified=tensor.unverified)
    assert joined(kept(tensor), kept(others)) == [VALUES.ravel().tolist()] * 2
    assert events == ["read", "read", "checked"]


def test_damage_is_reported_instead_of_a_number_that_does_not_fit() -> None:
    large = UnverifiedSource([], np.array([[7e4]], "f4"), CorruptModel("the checksum differs"))
    with pytest.raises(CorruptModel, match="the checksum differs"):
        joined(ArrayOutput("W_i", large.tensor, "float16"))


def test_a_number_that_does_not_fit_is_reported_if_there_is_no_damage() -> None:
    large = UnverifiedSource([], np.array([[7e4]], "f4"))
    with pytest.raises(DoesNotFit):
        joined(ArrayOutput("W_i", large.tensor, "float16"))
