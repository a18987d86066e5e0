from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmdump.model.tensor import Tensor, transposed
from lstmdump.replay.differences import measuring, pairs
from lstmdump.replay.differences.pairs import ArrayPair, count_same_rows


def tensor(values: np.ndarray, *, block_rows: int = 0) -> Tensor:
    """Return `values` as an array of a file, which gives its bytes in blocks of some rows if that is not 0."""

    def rows() -> list[bytes]:
        return [values[first : first + block_rows].tobytes() for first in range(0, len(values), block_rows)]

    return Tensor(
        "x", values.shape, values.dtype.name, lambda cuts: values[cuts], (lambda: iter(rows())) if block_rows else None
    )


def make(shape: tuple[int, ...], seed: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def require(found: measuring.Measured, a: np.ndarray, b: np.ndarray) -> None:
    before, after = a.astype(np.float64), b.astype(np.float64)
    places = np.argwhere(before != after)
    assert found.differing == len(places)
    assert found.place == (tuple(map(int, places[0])) if len(places) else None)
    assert found.size == a.size
    if len(places):
        assert found.values == (before[tuple(places[0])], after[tuple(places[0])])
        assert found.largest == pytest.approx(np.abs(after - before).max(), rel=1e-6)
        assert found.scale == pytest.approx(np.abs(before).max(), rel=1e-6)
        assert found.norm == pytest.approx(np.linalg.norm(after - before), rel=1e-6)
        assert found.norm_before == pytest.approx(np.linalg.norm(before), rel=1e-6)


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 90)),
    st.sampled_from(["float16", "float32", "float64"]),
    st.sampled_from(["float16", "float32", "float64"]),
    st.integers(0, 3),
    st.integers(0, 9),
)
@settings(max_examples=100, deadline=None)
def test_all_is_what_numpy_finds_in_whole_arrays(
    shape: tuple[int, int], one: str, other: str, blocks: int, seed: int
) -> None:
    a = make(shape, seed, one)
    b = a.astype(other)
    b[np.random.default_rng(seed).random(shape) < 0.1] += 1
    found = measuring.measure(tensor(a, block_rows=blocks), tensor(b, block_rows=blocks))
    require(found, a, b)
    assert found.same_bits == (one == other and a.tobytes() == b.tobytes())
    assert found.same_as_float32 == np.array_equal(a.astype(np.float32), b.astype(np.float32))


@given(st.integers(1, 30), st.integers(1, 20), st.integers(0, 9), st.integers(0, 4), st.integers(0, 4))
@settings(max_examples=100, deadline=None)
def test_columns_of_one_array_are_measured_as_if_they_were_alone(
    rows: int, width: int, seed: int, x: int, y: int
) -> None:
    a, b = make((rows, 4 * width), seed), make((rows, 4 * width), seed + 1)
    stored = tensor(a, block_rows=x), tensor(b, block_rows=y)
    cuts = [slice(k * width, (k + 1) * width) for k in range(4)]
    found = measuring.measure_all([ArrayPair(*(one.part(slice(None), cut) for one in stored)) for cut in cuts])
    for one, cut in zip(found, cuts, strict=True):
        require(one, a[:, cut], b[:, cut])


@given(st.tuples(st.integers(1, 12), st.integers(1, 12)), st.integers(0, 9), st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_an_array_and_one_that_is_stored_transposed_are_measured_in_tiles(
    shape: tuple[int, int], seed: int, tile: int
) -> None:
    a, b = make(shape, seed), make(shape, seed)
    b[np.random.default_rng(seed).random(shape) < 0.1] += 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "_TILE", tile)
        pair = ArrayPair(tensor(a), transposed(tensor(b.T.copy()), "b"), is_mixed=True)
        require(measuring.measure_all([pair])[0], a, b)


@given(st.tuples(st.integers(1, 12), st.integers(1, 12)), st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_places_of_arrays_that_are_both_stored_transposed_are_those_of_the_gates(
    shape: tuple[int, int], seed: int
) -> None:
    a, b = make(shape, seed), make(shape, seed)
    b[np.random.default_rng(seed).random(shape) < 0.1] += 1
    pair = ArrayPair(tensor(a.T.copy()), tensor(b.T.copy()), is_transposed=True)
    require(measuring.measure_all([pair])[0], a, b)


@pytest.mark.parametrize("changed", [0, 5, 9])
def test_rows_that_are_known_to_be_the_same_count_for_the_size_of_the_first(changed: int) -> None:
    a = make((10, 70), 0)
    b = a.copy()
    b[changed, 3] += 1
    stored = tensor(a, block_rows=2), tensor(b, block_rows=2)
    same = count_same_rows(*stored)
    assert same == changed // 2 * 2
    require(measuring.measure_all([ArrayPair(*stored, same_rows=same)])[0], a, b)


def test_all_rows_of_arrays_with_the_same_bytes_are_the_same() -> None:
    assert count_same_rows(tensor(make((10, 7), 0), block_rows=3), tensor(make((10, 7), 0), block_rows=3)) == 10


def test_arrays_that_give_bytes_in_other_blocks_are_not_known_to_be_the_same() -> None:
    assert count_same_rows(tensor(make((10, 7), 0), block_rows=3), tensor(make((10, 7), 0), block_rows=4)) == 0


@pytest.mark.parametrize(
    ("before", "after", "largest"), [(3e38, -3e38, 6e38), (1e-30, 3e-30, 2e-30), (1e25, 0.0, 1e25)]
)
def test_numbers_whose_squares_are_no_float32_are_measured_too(before: float, after: float, largest: float) -> None:
    a, b = np.full((3, 80), before, np.float32), np.full((3, 80), after, np.float32)
    found = measuring.measure(tensor(a), tensor(b))
    assert found.largest == pytest.approx(largest)
    assert found.norm == pytest.approx(largest * math.sqrt(240))
    assert found.norm_before == pytest.approx(before * math.sqrt(240))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_infinitely_far_from_others_and_the_same_as_itself(value: float) -> None:
    a = make((3, 80), 0)
    a[1, 2] = value
    b = a.copy()
    b[2, 2] = 7
    only_other = measuring.measure(tensor(a), tensor(b))
    assert (only_other.differing, only_other.place) == (1, (2, 2))
    b[1, 2] = 0
    found = measuring.measure(tensor(a), tensor(b))
    assert (found.differing, found.place, found.largest, found.norm) == (2, (1, 2), math.inf, math.inf)


def test_zeros_of_another_sign_are_other_bits_and_the_same_numbers() -> None:
    found = measuring.measure(tensor(np.zeros((3, 80), np.float32)), tensor(np.full((3, 80), -0.0, np.float32)))
    assert (found.same_bits, found.differing) == (False, 0)
