from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lstmdump import npz
from lstmdump.errors import DoesNotFit


def test_numpy_reads_what_was_written(tmp_path: Path) -> None:
    arrays = {"a/W_i": np.arange(6.0).reshape(2, 3), "file": np.zeros(0), "self": np.float16([1])}
    npz.write(tmp_path / "a.npz", arrays.items(), compress=False, overwrite=False)
    with np.load(tmp_path / "a.npz") as read:
        assert {name: read[name].tolist() for name in read.files} == {n: v.tolist() for n, v in arrays.items()}


def test_the_size_is_that_of_the_file(tmp_path: Path) -> None:
    size = npz.write(tmp_path / "a.npz", [("a", np.zeros(9))], compress=False, overwrite=False)
    assert size == (tmp_path / "a.npz").stat().st_size


def test_compressing_makes_it_smaller(tmp_path: Path) -> None:
    arrays = [("a", np.zeros(10_000))]
    plain = npz.write(tmp_path / "a.npz", arrays, compress=False, overwrite=False)
    assert npz.write(tmp_path / "b.npz", arrays, compress=True, overwrite=False) < plain / 10


def test_equal_arrays_give_equal_files(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        npz.write(tmp_path / name, [("a", np.arange(9))], compress=False, overwrite=False)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_columns_are_written_as_the_numbers_they_are(tmp_path: Path) -> None:
    npz.write(tmp_path / "a.npz", [("a", np.arange(12).reshape(3, 4)[:, 1:3].T)], compress=False, overwrite=False)
    assert np.load(tmp_path / "a.npz")["a"].tolist() == [[1, 5, 9], [2, 6, 10]]


def test_an_array_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def arrays() -> Iterator[tuple[str, np.ndarray]]:
        yield "a", np.zeros(3)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        npz.write(tmp_path / "a.npz", arrays(), compress=False, overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_the_zip_is_whole(tmp_path: Path) -> None:
    npz.write(tmp_path / "a.npz", [("a", np.zeros(9)), ("é/b", np.ones(2))], compress=True, overwrite=False)
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert archive.testzip() is None


def test_text_is_an_array_without_dimensions() -> None:
    assert npz.text_array("abc").shape == ()


@pytest.mark.parametrize(("number", "dtype"), [(1e6, "float16"), (1e300, "float32")])
def test_a_number_that_would_become_infinite_does_not_fit(number: float, dtype: str) -> None:
    with pytest.raises(DoesNotFit, match=f"too large for {dtype}"):
        npz.as_type(np.array([1.0, number]), dtype)


def test_infinity_fits() -> None:
    assert np.isinf(npz.as_type(np.array([np.inf]), "float16")).all()
