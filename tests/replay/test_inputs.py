from __future__ import annotations

import errno
import io
import os
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lstmdump.errors import BadInput
from lstmdump.replay import inputs

WIDTHS = {"h": 4, "c": 4}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.npy"


def saved(path: Path, values: object) -> Path:
    np.save(path, np.asarray(values), allow_pickle=True)
    return path


def header(shape: str, descr: str = "'<f4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def refusal(path: Path, dtype: str = "float32") -> str:
    with pytest.raises(BadInput) as caught:
        inputs.sequences(str(path), dtype)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


def test_an_input_of_two_dimensions_is_a_batch_of_one(path: Path) -> None:
    saved(path, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert inputs.sequences(str(path), "float32").tolist() == [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]


def test_an_input_of_three_dimensions_is_unchanged(path: Path) -> None:
    saved(path, np.arange(24.0).reshape(2, 3, 4))
    np.testing.assert_array_equal(inputs.sequences(str(path), "float32"), np.arange(24.0).reshape(2, 3, 4))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", ">f4", "<f8", ">f8", "longdouble"])
def test_numbers_of_every_dtype_are_converted(dtype: str, path: Path) -> None:
    saved(path, np.array([[0, 1], [1, 0]], dtype))
    values = inputs.sequences(str(path), "float32")
    assert (values.dtype, values.tolist()) == (np.float32, [[[0.0, 1.0], [1.0, 0.0]]])


def test_an_array_in_fortran_order_is_read(path: Path) -> None:
    saved(path, np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)))
    np.testing.assert_array_equal(inputs.sequences(str(path), "float64"), np.arange(24.0).reshape(2, 3, 4))


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_each_version_of_the_header_is_read(version: tuple[int, int], path: Path) -> None:
    with path.open("wb") as file:
        np.lib.format.write_array(file, np.ones((2, 3)), version=version)
    assert inputs.sequences(str(path), "float64").shape == (1, 2, 3)


def test_a_header_that_python_2_wrote_is_read(path: Path) -> None:
    path.write_bytes(header("(1L, 2L)") + np.ones(2, np.float32).tobytes())
    assert inputs.sequences(str(path), "float32").tolist() == [[[1.0, 1.0]]]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_large_input_is_read_in_blocks(dtype: str, order: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(path, np.asarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4), order=order))
    monkeypatch.setattr(inputs, "_BLOCK", 7)
    np.testing.assert_array_equal(inputs.sequences(str(path), dtype), np.arange(24.0).reshape(2, 3, 4))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reading_a_large_input_takes_the_memory_of_what_is_computed_with(dtype: str, path: Path) -> None:
    saved(path, np.zeros((1000, 1000, 20), np.float32))  # 80 MB
    tracemalloc.start()
    try:
        values = inputs.sequences(str(path), dtype)
        assert tracemalloc.get_traced_memory()[1] < values.nbytes + 20e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_number_that_is_not_finite_in_a_later_block_is_named(
    order: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "_BLOCK", 7)
    values = np.zeros((2, 3, 4))
    values[1, 2, 1] = np.nan
    assert refusal(saved(path, np.asarray(values, order=order))) == "it holds NaN at [1, 2, 1]"


def test_an_input_that_is_cut_short_while_it_is_read_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(path, np.zeros((5_000_000, 5), np.float32))  # it was mapped, and this killed the process
    finite = np.isfinite

    def cutting(block: np.ndarray) -> np.ndarray:
        os.truncate(path, 1000)
        return finite(block)

    monkeypatch.setattr(np, "isfinite", cutting)
    assert refusal(path) == "it was changed while it was read"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is empty; give the array as .npy, as numpy.save writes it"),
        (b"a,b\n1,2\n", "it is text; numpy.loadtxt(…, delimiter=',') reads tables; give the array as .npy"),
        (b"PK\x03\x04" + bytes(100), "it is an .npz archive, which may hold several arrays; give the array as .npy"),
        (pickle.dumps([1.0]), "it is a Python pickle, which is never unpickled here; give the array as .npy"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "it is an HDF5 file; give"),
        (bytes(100), "it is not a .npy array; give"),
        (b"\x93NUMPY", "its header is cut short"),
        (b"\x93NUMPY\x01\x00\xff\x00{", "its header is cut short"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(100), "its header is too long"),
        (header("(1, 2)")[:8] + b"\x04\x00{{{{" + bytes(100), "its header is damaged"),
        (header("'a'") + bytes(100), "its header is damaged"),
        (header("(-1, 3)") + bytes(100), "its header is damaged"),
        (header("(2, 3)", "'<i4, <f4'") + bytes(100), "it holds records, not real numbers"),
        (header("(2, 3)", "'<c8'") + bytes(100), "it holds complex numbers, not real numbers"),
        (header("(2, 3)", "'<U5'") + bytes(200), "it holds text, not real numbers"),
        (header("(2, 3)", "'<M8[s]'") + bytes(200), "it holds dates, not real numbers"),
        (header("(2, 3)", "'|O'") + bytes(200), "it holds pickled Python objects, which are never unpickled here"),
        (header("(2, 3)") + bytes(23), "it is cut short: (2, 3) of float32 are 24 bytes, but it has 23"),
        (header(f"({2**62}, 3)") + bytes(24), "it is cut short: "),
    ],
)  # fmt: skip
def test_a_file_that_is_not_an_array_is_named_for_what_it_is(data: bytes, words: str, path: Path) -> None:
    path.write_bytes(data)
    assert refusal(path).startswith(words)


def test_memory_for_a_declared_size_is_not_allocated(path: Path) -> None:
    path.write_bytes(header("(1000, 1000, 1000)") + bytes(100))
    tracemalloc.start()
    try:
        refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            np.zeros(3),
            "it is (3,); an input is (length, d) or (batch, length, d): x[:, None] where each step is one number",
        ),
        (np.zeros((1, 2, 3, 4)), "it is (1, 2, 3, 4); an input is (length, d) or (batch, length, d)"),
        (np.zeros((0, 3)), "it is (0, 3), which is empty"),
        (np.zeros((2, 0, 3)), "it is (2, 0, 3), which is empty"),
        (np.zeros((0, 2, 3)), "it is (0, 2, 3), which is empty"),
        ([[1.0, 2.0], [np.nan, np.nan]], "it holds NaN at [1, 0]"),
        ([[[1.0, -np.inf]]], "it holds infinity at [0, 0, 1]"),
        ([[1.0, 1e39]], "it holds 1e+39 at [0, 1], which is too large for float32; use --dtype float64"),
    ],
)
def test_an_array_that_is_not_an_input_is_refused(values: object, words: str, path: Path) -> None:
    assert refusal(saved(path, values)) == words


def test_the_first_of_many_bad_numbers_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_BLOCK", 4)
    values = np.zeros((3, 5))
    values[1, 4] = values[2, 2] = np.nan
    assert refusal(saved(path, values)) == "it holds NaN at [1, 4]"


def test_float64_accepts_a_number_too_large_for_float32(path: Path) -> None:
    assert inputs.sequences(str(saved(path, [[1e39]])), "float64").tolist() == [[[1e39]]]


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith("it is a directory; ")


def test_a_url_is_refused() -> None:
    with pytest.raises(BadInput, match=r"^https://host/x\.npy: only models are read from URLs; download it first$"):
        inputs.sequences("https://host/x.npy", "float32")


def test_a_missing_file_is_reported(path: Path) -> None:
    assert refusal(path) == "no such file or directory"


def test_a_file_that_cannot_be_opened_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    saved(path, np.ones((1, 2)))
    monkeypatch.setattr(inputs, "WatchedFile", refused)
    assert refusal(path) == "cannot be opened: Permission denied"


@pytest.mark.parametrize("values", [[True, False], [1, 0], [1.0, 0.0], [[True, False], [True, False]]])
def test_a_mask_of_one_dimension_applies_to_each_sequence(values: object, path: Path) -> None:
    found = inputs.mask(str(saved(path, values)), (2, 2))
    assert (found.dtype, found.tolist()) == (np.bool_, [[True, False], [True, False]])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1, 0, 1], "it is (3,); a mask of this input is (2,) or (3, 2)"),
        ([1, 2], "it holds 2 at [1]; a mask holds 1 for a step, and 0 for one to skip"),
        ([1, np.nan], "it holds nan at [1]; a mask holds 1 for a step, and 0 for one to skip"),
        (["a", "b"], "it holds text, not real numbers"),
        ([0, 0], "it masks every step; at least one element must be 1"),
    ],
)
def test_an_array_that_is_not_a_mask_is_refused(values: object, words: str, path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        inputs.mask(str(saved(path, values)), (3, 2))
    assert str(caught.value) == f"{path}: {words}"


def test_first_states_are_broadcast_over_the_batch(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    np.savez(path, h=np.arange(4), c=np.arange(8.0).reshape(2, 4))
    found = inputs.first_states(str(path), WIDTHS, 2, "float32")
    assert (found["h"].tolist(), found["c"].tolist()) == ([[0, 1, 2, 3]] * 2, [[0, 1, 2, 3], [4, 5, 6, 7]])


def test_first_states_may_be_compressed(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    np.savez_compressed(path, h=np.ones(4))
    assert inputs.first_states(str(path), WIDTHS, 1, "float64")["h"].tolist() == [[1.0] * 4]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"H": np.ones(4)}, "it holds H; it may hold h, c"),
        ({}, "it is empty; it may hold h, c"),
        ({"h": np.ones(3)}, "h: it is (3,); the first state is (4,) or (2, 4)"),
        ({"c": [1, 2, np.nan, 4]}, "c: it holds NaN at [2]"),
        ({"c": [1, 2, 3, "a"]}, "c: it holds text, not real numbers"),
    ],
)
def test_arrays_that_are_not_first_states_are_refused(arrays: dict[str, object], words: str, tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(BadInput) as caught:
        inputs.first_states(str(path), WIDTHS, 2, "float32")
    assert str(caught.value) == f"{path}: {words}"


def test_first_states_outside_an_archive_are_refused(path: Path) -> None:
    words = r"x\.npy: it is not an \.npz archive; write one with numpy\.savez\('state\.npz', h=h, c=c\)$"
    with pytest.raises(BadInput, match=words):
        inputs.first_states(str(saved(path, [1.0])), WIDTHS, 1, "float32")


def test_a_directory_instead_of_first_states_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"it is a directory; write one with numpy\.savez"):
        inputs.first_states(str(tmp_path), WIDTHS, 1, "float32")


def test_two_first_states_of_one_name_are_refused(tmp_path: Path) -> None:
    path, file = tmp_path / "s.npz", io.BytesIO()
    np.save(file, np.ones(4))
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("h.npy", "h"):
            archive.writestr(name, file.getvalue())
    with pytest.raises(BadInput, match=r"it holds two arrays of one name$"):
        inputs.first_states(str(path), WIDTHS, 1, "float32")


def test_only_some_of_many_names_of_first_states_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    np.savez(path, H=np.ones(4))
    with pytest.raises(BadInput, match=r"it may hold 0, 1, 2, 3, 4, 5, 6, 7, …$"):
        inputs.first_states(str(path), {str(k): 4 for k in range(9)}, 1, "float32")


def test_a_damaged_member_is_reported(tmp_path: Path) -> None:
    path, file = tmp_path / "s.npz", io.BytesIO()
    np.save(file, np.ones(4))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("h.npy", file.getvalue())
    path.write_bytes(path.read_bytes().replace(np.ones(4).tobytes(), np.zeros(4).tobytes()))
    with pytest.raises(BadInput, match=r"h is damaged: Bad CRC-32"):
        inputs.first_states(str(path), WIDTHS, 1, "float32")


def test_a_truncated_member_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("h.npy", header("(4,)") + bytes(15))
    with pytest.raises(BadInput, match=r"h: it is cut short: \(4,\) of float32 are 16 bytes, but it has 15"):
        inputs.first_states(str(path), WIDTHS, 1, "float32")
