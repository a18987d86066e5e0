"""Arrays of more than 16 million numbers are explained as small ones are, in little memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmdump.model.tensor import Array, Tensor, derived
from lstmdump.replay.differences import explaining
from lstmdump.replay.differences.explaining import ArrayExplanation
from lstmdump.replay.differences.measuring import measure_all
from lstmdump.replay.differences.pairs import ArrayPair

LARGE = 4100, 4200  # more than 1 << 24 numbers


def stored(values: np.ndarray) -> Tensor:
    return Tensor("x", values.shape, values.dtype.name, lambda cuts: values[cuts].copy())


def explain(a: np.ndarray, b: np.ndarray) -> ArrayExplanation:
    pair = ArrayPair(stored(a), stored(b))
    (found,) = measure_all([pair])
    return explaining.explain(pair, found.largest, found.scale)


@pytest.fixture(scope="module")
def large() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(LARGE, dtype=np.float32)


@contextmanager
def at_most(mib: float) -> Iterator[None]:
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < mib * 2**20


CHANGES: list[tuple[Callable[[Array], Array], ArrayExplanation]] = [
    (lambda x: x + np.float32(0.5), ArrayExplanation(added=0.5)),
    (lambda x: x * np.float32(-3), ArrayExplanation(factor=-3.0)),
    (lambda x: x.astype(np.float16).astype(np.float32), ArrayExplanation(rounded_to="float16")),
    (lambda x: (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32), ArrayExplanation(rounded_to="bfloat16")),
    (lambda x: np.round(x * 16) / 16, ArrayExplanation(step=0.0625)),
]


@pytest.mark.parametrize(("change", "explained"), CHANGES)
def test_a_large_array_is_explained_in_little_memory(
    change: Callable[[Array], Array], explained: ArrayExplanation, large: np.ndarray
) -> None:
    a = derived("a", LARGE, "float32", lambda first, last: large[first:last])
    b = derived("b", LARGE, "float32", lambda first, last: change(large[first:last]))
    pair = ArrayPair(a, b)
    with at_most(24):
        (found,) = measure_all([pair])
        assert explaining.explain(pair, found.largest, found.scale) == explained


@pytest.mark.parametrize(("change", "explained"), CHANGES)
def test_one_number_that_is_otherwise_is_no_explanation(
    change: Callable[[Array], Array], explained: ArrayExplanation
) -> None:
    a = np.random.default_rng(1).standard_normal((300, 500), dtype=np.float32)
    b = change(a)
    assert explain(a, b) == explained
    b[-1, -1] += 0.04  # more than half a step
    assert explain(a, b) == ArrayExplanation()


def test_a_large_matrix_that_is_transposed_is_found_in_little_memory(large: np.ndarray) -> None:
    square = large[:, : LARGE[0]]
    after = square.T.copy()
    with at_most(64):
        assert explaining.is_reordered(stored(square), stored(after))
    after[-1, -2] += 1
    assert not explaining.is_reordered(stored(square), stored(after))


def test_a_large_matrix_that_is_stored_by_columns_is_found_in_little_memory(large: np.ndarray) -> None:
    after = large.reshape(LARGE[::-1]).T.copy()
    with at_most(64):
        assert explaining.is_reordered(stored(large), stored(after))
        assert explaining.is_reordered(stored(after), stored(large))
    after[-1, -2] += 1
    assert not explaining.is_reordered(stored(large), stored(after))


@given(st.integers(2, 30), st.integers(2, 30), st.integers(1, 100), st.booleans())
@settings(max_examples=100, deadline=None)
def test_only_the_transpose_is_a_transpose(rows: int, columns: int, at_once: int, is_changed: bool) -> None:
    a = np.random.default_rng(rows).standard_normal((rows, columns), dtype=np.float32)
    b = a.reshape(columns, rows).T.copy()
    if is_changed:
        b[-1, -1] += 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explaining, "_LARGEST", at_once)
        assert explaining.is_reordered(stored(a), stored(b)) is not is_changed


def test_a_factor_is_found_where_the_first_numbers_are_all_0() -> None:
    a = np.zeros((300, 500), np.float32)
    a[200:] = np.random.default_rng(1).standard_normal((100, 500))
    assert explain(a, a * 2) == ArrayExplanation(factor=2.0)


@pytest.mark.parametrize("factor", [0.0, 1.0])
def test_numbers_that_are_not_multiplied_have_no_factor(factor: float) -> None:
    a = np.random.default_rng(1).standard_normal((30, 50)).astype(np.float32)
    b = a * np.float32(factor)
    b[0, 0] += 1e-7
    assert explain(a, b).factor is None
