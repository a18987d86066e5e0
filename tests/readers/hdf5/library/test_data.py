from __future__ import annotations

import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from support import builders

from lstmdump.errors import ModelClosed
from lstmdump.model.location import Location
from lstmdump.model.tensor import Tensor
from lstmdump.readers.hdf5.library.data import DatasetNumbers
from lstmdump.readers.hdf5.library.file import LibraryFile
from lstmdump.readers.keras.weights_h5.zip_container import ZipContainer

VALUES = np.arange(30, dtype="<f4").reshape(5, 6)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "x.h5"
    with h5py.File(made, "w"):
        return made


def tensor(path: Path, name: str = "array") -> Tensor:
    found = LibraryFile(Location(path)).tensor(name, opaque_is_bfloat16=False)
    assert found is not None
    return found


def rows(tensor: Tensor) -> bytes:
    assert tensor.rows is not None
    return b"".join(bytes(block) for block in tensor.rows())


@pytest.mark.parametrize(
    "options",
    [{}, {"chunks": (2, 4)}, {"chunks": (2, 4), "compression": "gzip", "shuffle": True}, {"compression": "lzf"}],
    ids=str,
)
def test_rows_are_the_numbers_in_order(path: Path, options: dict[str, object]) -> None:
    builders.change(path, lambda file: file.create_dataset("array", data=VALUES, **options))
    assert rows(tensor(path)) == VALUES.tobytes()


def test_rows_of_big_endian_numbers_are_little_endian(path: Path) -> None:
    builders.change(path, lambda file: file.create_dataset("array", data=VALUES, dtype=">f4"))
    assert rows(tensor(path)) == VALUES.tobytes()


def test_rows_of_a_type_that_numpy_lacks_equal_the_fetched_numbers(path: Path) -> None:
    numbers = np.arange(6, dtype="<i2")

    def add(file: h5py.File) -> None:
        kind = h5py.h5t.STD_I16LE.copy()
        kind.set_precision(12)  # of the 16 bits, the upper 12
        kind.set_offset(4)
        space = h5py.h5s.create_simple((6,))
        h5py.h5d.create(file.id, b"array", kind, space).write(h5py.h5s.ALL, h5py.h5s.ALL, numbers)

    found = tensor(builders.change(path, add))
    assert (rows(found), found.dtype) == (numbers.tobytes(), "int16")


def test_rows_are_read_from_a_file_with_a_user_block(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", userblock_size=1024) as file:
        file["array"] = VALUES
    assert rows(tensor(path)) == VALUES.tobytes()


def test_rows_are_read_from_a_member_of_a_zip_archive(path: Path, tmp_path: Path) -> None:
    builders.change(path, lambda file: file.create_dataset("array", data=VALUES))
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as archive:
        archive.writestr("first", b"1234567")
        archive.write(path, "weights")
    files = ZipContainer(Location(tmp_path / "x.keras"))
    found = files.hdf5("weights").tensor("array", opaque_is_bfloat16=False)
    assert found is not None
    assert rows(found) == VALUES.tobytes()
    files.close()


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced")
def test_rows_are_read_from_the_opened_file_after_it_was_replaced(path: Path, tmp_path: Path) -> None:
    builders.change(path, lambda file: file.create_dataset("array", data=VALUES))
    found = tensor(path)
    (tmp_path / "other").write_bytes(bytes(path.stat().st_size))
    (tmp_path / "other").replace(path)
    assert rows(found) == VALUES.tobytes()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted on Linux")
def test_a_replacement_of_the_file_is_opened_only_once(path: Path, tmp_path: Path) -> None:
    builders.change(path, lambda file: file.create_dataset("array", data=VALUES))
    file = LibraryFile(Location(path))
    tensors = [file.tensor("array", opaque_is_bfloat16=False) for _ in range(9)]
    (tmp_path / "other").write_bytes(bytes(path.stat().st_size))
    (tmp_path / "other").replace(path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for found in tensors:
        assert found is not None
        found.read()
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 1
    file.close()


def test_contiguous_rows_are_not_read_by_h5py(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builders.change(path, lambda file: file.create_dataset("array", data=VALUES))
    monkeypatch.delattr(DatasetNumbers, "_read_bands")
    assert rows(tensor(path)) == VALUES.tobytes()


def test_an_array_without_elements_has_no_rows(path: Path) -> None:
    builders.change(path, lambda file: file.create_dataset("array", (0, 6), "f4", chunks=(1, 6), maxshape=(None, 6)))
    assert rows(tensor(path)) == b""


def test_rows_after_close_raise_model_closed(path: Path) -> None:
    builders.change(path, lambda file: file.create_dataset("array", data=VALUES))
    file = LibraryFile(Location(path))
    found = file.tensor("array", opaque_is_bfloat16=False)
    file.close()
    assert found is not None
    with pytest.raises(ModelClosed, match="array was requested after the model had been closed"):
        rows(found)


def packed(path: Path, **options: object) -> Path:
    return builders.change(
        path, lambda file: file.create_dataset("packed", data=np.arange(4096, dtype="f4"), chunks=(1024,), **options)
    )


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {"compression": "lzf"},
        {"shuffle": True},
    ],
)
def test_compressed_numbers_are_the_same_numbers(path: Path, options: dict[str, object]) -> None:
    assert tensor(packed(path, **options), "packed").read().tolist() == list(range(4096))
