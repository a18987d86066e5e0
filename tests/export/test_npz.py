from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from lstmdump.export import npz
from lstmdump.export.chunks import ArrayOutput
from lstmdump.model.tensor import Tensor


def output(name: str, values: np.ndarray) -> ArrayOutput:
    return ArrayOutput(
        name, Tensor(name, values.shape, str(values.dtype), lambda cuts: values[cuts]), str(values.dtype)
    )


def written(path: Path, *arrays: ArrayOutput, compress: bool = False) -> int:
    return npz.write(path, {"text": "é"}, [arrays], compress=compress, overwrite=False)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("width", [3, 300_000])
def test_numpy_reads_what_was_written(tmp_path: Path, width: int, compress: bool) -> None:
    arrays = {"a/W_i": np.arange(2.0 * width).reshape(2, width), "file": np.zeros(0), "self": np.float16([1])}
    written(tmp_path / "a.npz", *(output(name, values) for name, values in arrays.items()), compress=compress)
    with np.load(tmp_path / "a.npz") as read:
        assert {name: read[name].tolist() for name in read.files} == {
            "text": "é", **{name: values.tolist() for name, values in arrays.items()}
        }  # fmt: skip


@pytest.mark.parametrize("width", [3, 300_000])
def test_the_size_is_that_of_the_file(tmp_path: Path, width: int) -> None:
    assert written(tmp_path / "a.npz", output("a", np.zeros(width))) == (tmp_path / "a.npz").stat().st_size


def test_compressing_makes_it_smaller(tmp_path: Path) -> None:
    array = output("a", np.zeros(10_000))
    assert written(tmp_path / "b.npz", array, compress=True) < written(tmp_path / "a.npz", array) / 10


def test_equal_arrays_give_equal_files(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        written(tmp_path / name, output("a", np.arange(9)))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_columns_are_written_with_their_numbers(tmp_path: Path) -> None:
    written(tmp_path / "a.npz", output("a", np.arange(12).reshape(3, 4)[:, 1:3].T))
    assert np.load(tmp_path / "a.npz")["a"].tolist() == [[1, 5, 9], [2, 6, 10]]


@pytest.mark.parametrize("length", [1, 1 << 20])
def test_numbers_that_fail_verification_at_the_end_leave_no_file(tmp_path: Path, length: int) -> None:
    def rows() -> Iterator[bytes]:
        yield bytes(length)
        raise RuntimeError

    tensor = Tensor("a", (length,), "uint8", lambda _: np.zeros(0), rows)
    with pytest.raises(RuntimeError):
        written(tmp_path / "a.npz", ArrayOutput("a", tensor, "uint8"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compress", [False, True])
def test_thousands_of_arrays_are_planned_and_written_in_batches(tmp_path: Path, compress: bool) -> None:
    planned = deepest = 0

    def groups() -> Iterator[list[ArrayOutput]]:
        nonlocal planned
        for layer in range(3000):
            planned += 4
            yield [output(f"{layer}/{gate}", np.full(2, layer)) for gate in "ifco"]

    def watch(writer: npz.NpzWriter, arrays: Sequence[ArrayOutput]) -> None:
        nonlocal deepest
        deepest = max(deepest, len(arrays))
        add(writer, arrays)

    add = npz.NpzWriter.add
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npz.NpzWriter, "add", watch)
        npz.write(tmp_path / "a.npz", {}, groups(), compress=compress, overwrite=False)
    assert (planned, deepest) == (12_000, 4096)
    with np.load(tmp_path / "a.npz") as read:
        assert len(read.files) == 12_000
        assert [read[f"{layer}/o"].tolist() for layer in (0, 1023, 1024, 2999)] == [
            [layer, layer] for layer in (0, 1023, 1024, 2999)
        ]


@pytest.mark.parametrize("compress", [False, True])
def test_the_zip_is_whole(tmp_path: Path, compress: bool) -> None:
    written(tmp_path / "a.npz", output("a", np.zeros(9)), output("é/b", np.ones(300_000)), compress=compress)
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert archive.testzip() is None
