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
from support.hdf5_edges import mark_edges, write_short_edge

from lstmdump.errors import CorruptModel, RefusedModel, UnsupportedFormat
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.locate import at
from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.hdf5.choice import NotPlain
from lstmdump.readers.hdf5.groups import HDF5File
from lstmdump.readers.hdf5.library.file import LibraryFile
from lstmdump.readers.hdf5.plain.file import PlainFile

NUMBERS = np.arange(4096, dtype="f4")
CHUNK = NUMBERS[1024:2048].tobytes()


Reader = Callable[[Path, Limits], HDF5File]


def open_plain(path: Path, limits: Limits) -> HDF5File:
    return PlainFile(at(path), declared=Declared(limits))


def open_with_library(path: Path, limits: Limits) -> HDF5File:
    return LibraryFile(at(path, limits))


@pytest.fixture(params=[open_plain, open_with_library], ids=["plain", "library"])
def reader(request: pytest.FixtureRequest) -> Reader:
    """A function that opens a file with one of both readers."""
    found: Reader = request.param
    return found


def packed(path: Path, *, libver: str = "earliest", **options: Any) -> Path:
    with h5py.File(path, "w", libver=libver) as file:
        file.create_dataset("packed", data=NUMBERS, chunks=(1024,), **options)
    return path


def replaced(path: Path, chunk: bytes, mask: int = 0, **options: Any) -> Path:
    """Write a file and replace the second of its four chunks."""
    with h5py.File(packed(path, **options), "r+") as file:
        file["packed"].id.write_direct_chunk((1024,), chunk, mask)
    return path


def read(reader: Reader, path: Path, limits: Limits = DEFAULTS) -> list[float]:
    file = reader(path, limits)
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
def test_whole_chunks_are_read(reader: Reader, tmp_path: Path, options: dict[str, Any]) -> None:
    assert read(reader, packed(tmp_path / "x.h5", **options)) == NUMBERS.tolist()


@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (6, 8)])
@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
def test_chunks_that_reach_beyond_the_edge_are_read(
    reader: Reader, tmp_path: Path, shape: tuple[int, int], compression: str | None
) -> None:
    values = np.arange(np.prod(shape), dtype="f4").reshape(shape)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("packed", data=values, chunks=(min(2, shape[0]), min(3, shape[1])), compression=compression)
    assert read(reader, tmp_path / "x.h5") == values.tolist()


def test_a_chunk_stored_without_compression_is_read(reader: Reader, tmp_path: Path) -> None:
    assert read(reader, replaced(tmp_path / "x.h5", CHUNK, mask=1, compression="gzip")) == NUMBERS.tolist()


def test_repetitions_in_lzf_are_counted(reader: Reader, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        values = np.tile(np.arange(16, dtype="f4"), 256)
        file.create_dataset("packed", data=values, chunks=(1024,), compression="lzf")
        assert file["packed"].id.get_storage_size() < 2048
    assert read(reader, tmp_path / "x.h5") == values.tolist()


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
    reader: Reader, tmp_path: Path, length: int, pack: Callable[[bytes], bytes], options: dict[str, Any]
) -> None:
    path = replaced(tmp_path / "x.h5", pack((CHUNK * 2)[:length]), **options)
    with pytest.raises(CorruptModel, match=r"a chunk of packed has (more than|[\d,]+ of) its 4,096 bytes"):
        read(reader, path)


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"compression": "lzf"}], ids=str)
def test_a_chunk_that_cannot_be_decompressed_is_an_error(
    reader: Reader, tmp_path: Path, options: dict[str, Any]
) -> None:
    with pytest.raises(CorruptModel, match="a chunk of packed"):
        read(reader, replaced(tmp_path / "x.h5", b"\x1fnonsense", **options))


def test_a_chunk_that_expands_without_bound_is_an_error(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="a chunk of packed has more than its 4,096 bytes"):
        read(reader, replaced(tmp_path / "x.h5", zlib.compress(bytes(1 << 28)), compression="gzip"))


@pytest.mark.parametrize("options", [{"compression": "szip"}, {"scaleoffset": 3}], ids=str)
def test_filters_whose_output_cannot_be_measured_are_not_supported(
    reader: Reader, tmp_path: Path, options: dict[str, Any]
) -> None:
    with pytest.raises(
        UnsupportedFormat, match=r"packed is compressed in a way that is not supported \(HDF5 filters \d"
    ):
        read(reader, packed(tmp_path / "x.h5", **options))


def test_a_missing_chunk_is_an_error(reader: Reader, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("packed", (4096,), "f4", chunks=(1024,), compression="gzip")[:1024] = 1.0
    with pytest.raises(CorruptModel, match="3 of 4 chunks of packed are missing from the file"):
        read(reader, tmp_path / "x.h5")


def test_an_array_without_any_chunk_is_an_error(reader: Reader, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("packed", (4096,), "f4", chunks=(1024,))
    with pytest.raises(CorruptModel, match="packed declares 16384 bytes, but 0 are stored"):
        reader(tmp_path / "x.h5", DEFAULTS).tensor("packed", opaque_is_bfloat16=False)


def test_overlapping_chunks_are_an_error(reader: Reader, tmp_path: Path) -> None:
    with h5py.File(packed(tmp_path / "x.h5"), "r") as file:
        first, second = (file["packed"].id.get_chunk_info(turn).byte_offset for turn in range(2))
    data = (tmp_path / "x.h5").read_bytes()
    assert data.count(struct.pack("<Q", second)) == 1
    (tmp_path / "x.h5").write_bytes(data.replace(struct.pack("<Q", second), struct.pack("<Q", first)))
    with pytest.raises(CorruptModel, match="a chunk of packed and a chunk of packed overlap"):
        read(reader, tmp_path / "x.h5")


def test_too_many_chunks_are_refused(reader: Reader, tmp_path: Path) -> None:
    packed(tmp_path / "x.h5")
    assert read(reader, tmp_path / "x.h5", DEFAULTS._replace(nodes=4)) == NUMBERS.tolist()
    with pytest.raises(RefusedModel, match="packed has 4 chunks; --limit nodes=4 allows it"):
        read(reader, tmp_path / "x.h5", DEFAULTS._replace(nodes=3))


def test_a_chunk_that_takes_too_much_memory_is_refused(reader: Reader, tmp_path: Path) -> None:
    packed(tmp_path / "x.h5", compression="gzip")
    with pytest.raises(RefusedModel, match="each chunk of packed has 4,096 bytes; --limit memory=1MiB allows it"):
        read(reader, tmp_path / "x.h5", DEFAULTS._replace(memory=4 * 4095))


def test_rows_of_tall_chunks_are_read_in_bounded_memory(reader: Reader, tmp_path: Path) -> None:
    values = np.arange(64 * 1024, dtype="f4").reshape(64, 1024)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("packed", data=values, chunks=(64, 16), compression="gzip")
    file = reader(tmp_path / "x.h5", DEFAULTS._replace(memory=4 * 16384))
    tensor = file.tensor("packed", opaque_is_bfloat16=False)
    assert tensor is not None
    assert tensor.rows is not None
    blocks = [bytes(block) for block in tensor.rows()]
    assert b"".join(blocks) == values.tobytes()
    assert max(map(len, blocks)) <= 16384
    file.close()


@pytest.mark.parametrize(
    ("shape", "chunk", "options"),
    [
        ((511, 256), (256, 256), {}),
        ((1023, 64), (512, 64), {}),
        ((100, 7), (64, 7), {}),
        ((511, 256), (256, 256), {"shuffle": True}),
        ((65, 65), (32, 32), {}),
        ((9, 10, 11), (4, 5, 6), {}),
        ((255, 256), (256, 256), {"maxshape": (256, 256)}),
        ((511, 256), (256, 256), {"maxshape": (None, 256)}),
        ((511, 256), (256, 256), {"maxshape": (None, None)}),
    ],
    ids=str,
)
def test_chunks_at_the_edge_without_their_filters_are_refused(
    reader: Reader, tmp_path: Path, shape: tuple[int, ...], chunk: tuple[int, ...], options: dict[str, Any]
) -> None:
    path = write_short_edge(tmp_path / "x.h5", shape, chunk, **options)
    if reader is open_plain and None in options.get("maxshape", ()):
        with pytest.raises(NotPlain):
            read(reader, path)
    else:
        with pytest.raises(UnsupportedFormat, match="packed stores the chunks at its edge without the filters"):
            read(reader, path)


def test_the_mark_of_edges_without_filters_means_nothing_where_no_chunk_reaches_over_the_edge(
    reader: Reader, tmp_path: Path
) -> None:
    path = mark_edges(packed(tmp_path / "x.h5", compression="gzip", libver="v110"))
    assert read(reader, path) == NUMBERS.tolist()


def test_a_chunk_that_differs_from_its_checksum_is_an_error(reader: Reader, tmp_path: Path) -> None:
    path = packed(tmp_path / "x.h5", fletcher32=True)
    data = path.read_bytes()
    assert data.count(CHUNK) == 1
    path.write_bytes(data.replace(CHUNK, CHUNK[:-1] + b"\1"))
    with pytest.raises(CorruptModel, match="a chunk of packed is damaged: its checksum differs"):
        read(reader, path)


def test_a_chunk_that_leaves_out_a_filter_that_does_not_exist_is_an_error(reader: Reader, tmp_path: Path) -> None:
    path = replaced(tmp_path / "x.h5", packed_chunk := zlib.compress(CHUNK), compression="gzip")
    data, key = path.read_bytes(), struct.pack("<IIQ", len(packed_chunk), 0, 1024)
    assert data.count(key) == 1
    path.write_bytes(data.replace(key, struct.pack("<IIQ", len(packed_chunk), 2, 1024)))
    with pytest.raises(CorruptModel, match="a chunk of packed leaves out filters"):
        read(reader, path)


@pytest.mark.parametrize("libver", ["earliest", "v110"])
@pytest.mark.parametrize("chunk", [(1, 1, 1), (2, 3, 2), (5, 7, 4), (3, 7, 4), (5, 2, 4), (4, 4, 4)])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_parts_of_an_array_in_chunks_are_those_of_the_whole(
    reader: Reader, tmp_path: Path, chunk: tuple[int, ...], compression: str | None, libver: str
) -> None:
    values = np.arange(5 * 7 * 4, dtype="f8").reshape(5, 7, 4)
    with h5py.File(tmp_path / "x.h5", "w", libver=libver) as file:
        file.create_dataset("packed", data=values, chunks=chunk, compression=compression)
    tensor = reader(tmp_path / "x.h5", DEFAULTS).tensor("packed", opaque_is_bfloat16=False)
    assert tensor is not None
    for cuts in ((slice(1, 4), slice(2, 6), slice(1, 3)), (slice(0, 5), slice(6, 7), slice(0, 4)), (slice(2, 2),)):
        assert tensor.part(*cuts).read().tolist() == values[cuts].tolist()


@pytest.mark.parametrize("count", [1, 2, 1025, 3000])
def test_fixed_arrays_of_one_page_and_of_several_are_read(reader: Reader, tmp_path: Path, count: int) -> None:
    values = np.arange(count * 2, dtype="<i4")
    with h5py.File(tmp_path / "x.h5", "w", libver="v110") as file:
        file.create_dataset("packed", data=values, chunks=(2,), compression="gzip", maxshape=(4 * count,))
    assert read(reader, tmp_path / "x.h5") == values.tolist()


def test_big_endian_numbers_in_chunks_are_the_same_numbers(reader: Reader, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("packed", data=NUMBERS, dtype=">f4", chunks=(1000,), compression="gzip", shuffle=True)
    assert read(reader, tmp_path / "x.h5") == NUMBERS.tolist()


def test_numbers_in_chunks_of_a_type_that_numpy_lacks_are_not_supported(tmp_path: Path) -> None:
    kind = h5py.h5t.STD_I16LE.copy()
    kind.set_precision(12)
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk((3,))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        made = h5py.h5d.create(file.id, b"packed", kind, h5py.h5s.create_simple((6,)), settings)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(6, dtype="<i2"))
    with pytest.raises(UnsupportedFormat, match="packed has chunks of numbers of an unusual form"):
        read(open_with_library, tmp_path / "x.h5")


def test_a_chunk_that_hdf5_would_not_find_is_an_error(reader: Reader, tmp_path: Path) -> None:
    """HDF5 takes zeros for a chunk that is not below the last key of its node."""
    path = packed(tmp_path / "x.h5")
    data = bytearray(path.read_bytes())
    last = data.index(b"TREE\1") + 24 + 4 * (8 + 16 + 8) + 8  # the corner in the key after four keys with children
    assert struct.unpack_from("<QQ", data, last) == (3072, 4)
    struct.pack_into("<QQ", data, last, 3072, 0)
    path.write_bytes(data)
    with pytest.raises(CorruptModel, match=r"chunks? of packed"):
        read(reader, path)
