from __future__ import annotations

import io

import numpy as np
import pytest

from lstmdump.export import npy

TYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
         "complex64", "complex128"]  # fmt: skip


@pytest.mark.parametrize("dtype", TYPES)
def test_numpy_reads_numbers_behind_the_header(dtype: str) -> None:
    values = np.array([[0, 1, 0], [1, 1, 0]], dtype)
    read = np.load(io.BytesIO(npy.header(dtype, (2, 3)) + values.tobytes()))
    assert (read.dtype, read.tolist()) == (values.dtype, values.tolist())


@pytest.mark.parametrize("dtype", TYPES)
def test_the_size_of_a_number_is_numpys(dtype: str) -> None:
    assert npy.item_size(dtype) == np.dtype(dtype).itemsize


@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 4), (2, 0, 5), (10**15, 1)])
def test_numbers_begin_at_a_multiple_of_64_bytes(shape: tuple[int, ...]) -> None:
    assert len(npy.header("float32", shape)) % 64 == 0


@pytest.mark.parametrize("shape", [(), (0,), (7,), (2, 0, 5)])
def test_the_shape_is_read_as_it_was_written(shape: tuple[int, ...]) -> None:
    file = io.BytesIO(npy.header("float32", shape))
    np.lib.format.read_magic(file)
    assert np.lib.format.read_array_header_1_0(file) == (shape, False, np.dtype("float32"))


@pytest.mark.parametrize("text", ["{}", "é · 𝄞", "é𝄞" * 200_000])
def test_text_is_an_array_without_dimensions_that_needs_no_unpickling(text: str) -> None:
    size, parts = npy.text(text)
    data = b"".join(parts)
    read = np.load(io.BytesIO(data), allow_pickle=False)
    assert (read.shape, read.item(), len(data)) == ((), text, size)


def test_a_dtype_without_numbers_has_no_size() -> None:
    assert npy.item_size("object") is None
