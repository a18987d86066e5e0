"""Missing and damaged chunks, for which HDF5 itself would return zeros or the content of its memory."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lstmdump.errors import CorruptModel, RefusedModel, UnsupportedFormat
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.locate import at
from lstmdump.readers.hdf5.file import HDF5File

NUMBERS = np.arange(4096, dtype="f4")
CHUNK = NUMBERS[1024:2048].tobytes()


def packed(path: Path, **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("packed", data=NUMBERS, chunks=(1024,), **options)
    return path


def replaced(path: Path, chunk: bytes, mask: int = 0, **options: Any) -> Path:
    """Write a file and replace the second of its four chunks."""
    with h5py.File(packed(path, **options), "r+") as file:
        file["packed"].id.write_direct_chunk((1024,), chunk, mask)
    return path


def read(path: Path, limits: Limits = DEFAULTS) -> list[float]:
    file = HDF5File(at(path, limits))
    try:
        tensor = file.tensor("packed", opaque_is_bfloat16=False)
        assert tensor is not None
        numbers: list[float] = tensor.read().tolist()
        assert tensor.rows is not None
        assert b"".join(map(bytes, tensor.rows())) == tensor.read().tobytes()
        return numbers
    finally:
        file.close()


def literal(data: bytes) -> bytes:
    """Return `data` in LZF without repetitions: runs of up to 32 bytes, each after its length less one."""
    runs = [data[start : start + 32] for start in range(0, len(data), 32)]
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shuffle": True},
        {"fletcher32": True},
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {"compression": "lzf"},
        {"compression": "lzf", "shuffle": True, "fletcher32": True},
    ],
    ids=str,
)
def test_whole_chunks_are_read(tmp_path: Path, options: dict[str, Any]) -> None:
    assert read(packed(tmp_path / "x.h5", **options)) == NUMBERS.tolist()


@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (6, 8)])
@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
def test_chunks_that_reach_beyond_the_edge_are_read(
    tmp_path: Path, shape: tuple[int, int], compression: str | None
) -> None:
    values = np.arange(np.prod(shape), dtype="f4").reshape(shape)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("packed", data=values, chunks=(min(2, shape[0]), min(3, shape[1])), compression=compression)
    assert read(tmp_path / "x.h5") == values.tolist()


def test_a_chunk_stored_without_compression_is_read(tmp_path: Path) -> None:
    assert read(replaced(tmp_path / "x.h5", CHUNK, mask=1, compression="gzip")) == NUMBERS.tolist()


def test_repetitions_in_lzf_are_counted(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        values = np.tile(np.arange(16, dtype="f4"), 256)
        file.create_dataset("packed", data=values, chunks=(1024,), compression="lzf")
        assert file["packed"].id.get_storage_size() < 2048
    assert read(tmp_path / "x.h5") == values.tolist()


@pytest.mark.parametrize("length", [1, 100, 4095, 4097, 8192])
@pytest.mark.parametrize(
    ("pack", "options"),
    [
        (zlib.compress, {"compression": "gzip"}),
        (literal, {"compression": "lzf"}),
        (bytes, {"shuffle": True}),
    ],
    ids=["gzip", "lzf", "shuffle"],
)
def test_a_chunk_of_another_length_is_an_error(
    tmp_path: Path, length: int, pack: Callable[[bytes], bytes], options: dict[str, Any]
) -> None:
    path = replaced(tmp_path / "x.h5", pack((CHUNK * 2)[:length]), **options)
    with pytest.raises(CorruptModel, match=r"a chunk of packed has (more than|[\d,]+ of) its 4,096 bytes"):
        read(path)


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"compression": "lzf"}], ids=str)
def test_a_chunk_that_cannot_be_decompressed_is_an_error(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(CorruptModel, match="a chunk of packed"):
        read(replaced(tmp_path / "x.h5", b"\x1fnonsense", **options))


def test_a_chunk_that_expands_without_bound_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="a chunk of packed has more than its 4,096 bytes"):
        read(replaced(tmp_path / "x.h5", zlib.compress(bytes(1 << 28)), compression="gzip"))


@pytest.mark.parametrize("options", [{"compression": "szip"}, {"scaleoffset": 3}], ids=str)
def test_filters_whose_output_cannot_be_measured_are_not_supported(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(
        UnsupportedFormat, match=r"packed is compressed in a way that is not supported \(HDF5 filters \d"
    ):
        read(packed(tmp_path / "x.h5", **options))


def test_a_missing_chunk_is_an_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("packed", (4096,), "f4", chunks=(1024,), compression="gzip")[:1024] = 1.0
    with pytest.raises(CorruptModel, match="3 of 4 chunks of packed are missing from the file"):
        read(tmp_path / "x.h5")


def test_an_array_without_any_chunk_is_an_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("packed", (4096,), "f4", chunks=(1024,))
    with pytest.raises(CorruptModel, match="packed declares 16384 bytes, but 0 are stored"):
        HDF5File(at(tmp_path / "x.h5")).tensor("packed", opaque_is_bfloat16=False)


def test_overlapping_chunks_are_an_error(tmp_path: Path) -> None:
    with h5py.File(packed(tmp_path / "x.h5"), "r") as file:
        first, second = (file["packed"].id.get_chunk_info(turn).byte_offset for turn in range(2))
    data = (tmp_path / "x.h5").read_bytes()
    assert data.count(struct.pack("<Q", second)) == 1
    (tmp_path / "x.h5").write_bytes(data.replace(struct.pack("<Q", second), struct.pack("<Q", first)))
    with pytest.raises(CorruptModel, match="a chunk of packed and a chunk of packed overlap"):
        read(tmp_path / "x.h5")


def test_too_many_chunks_are_refused(tmp_path: Path) -> None:
    packed(tmp_path / "x.h5")
    assert read(tmp_path / "x.h5", DEFAULTS._replace(nodes=4)) == NUMBERS.tolist()
    with pytest.raises(RefusedModel, match="packed has 4 chunks; --limit nodes=4 allows it"):
        read(tmp_path / "x.h5", DEFAULTS._replace(nodes=3))


def test_a_chunk_that_takes_too_much_memory_is_refused(tmp_path: Path) -> None:
    packed(tmp_path / "x.h5", compression="gzip")
    with pytest.raises(RefusedModel, match="each chunk of packed has 4,096 bytes; --limit memory=1MiB allows it"):
        read(tmp_path / "x.h5", DEFAULTS._replace(memory=4 * 4095))


def test_rows_of_tall_chunks_are_read_in_bounded_memory(tmp_path: Path) -> None:
    values = np.arange(64 * 1024, dtype="f4").reshape(64, 1024)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("packed", data=values, chunks=(64, 16), compression="gzip")
    file = HDF5File(at(tmp_path / "x.h5", DEFAULTS._replace(memory=4 * 16384)))
    tensor = file.tensor("packed", opaque_is_bfloat16=False)
    assert tensor is not None
    assert tensor.rows is not None
    blocks = [bytes(block) for block in tensor.rows()]
    assert b"".join(blocks) == values.tobytes()
    assert max(map(len, blocks)) <= 16384
    file.close()
