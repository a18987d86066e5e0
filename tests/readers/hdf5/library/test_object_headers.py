from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lstmdump.errors import RefusedModel
from lstmdump.readers.hdf5.library.data import DatasetNumbers, HDF5Data
from lstmdump.readers.hdf5.library.object_headers import AttributeTexts, DatasetHeaders

FLOATS = np.zeros((3, 4), "<f4")


def shape_in(path: Path, make: Callable[[h5py.File], Any], **settings: Any) -> tuple[int, ...] | None:
    with h5py.File(path, "w", **settings) as file:
        make(file)
    with h5py.File(path, "r") as file, path.open("rb") as opened:
        found = DatasetHeaders(opened, file.id).plain(h5py.h5o.get_info(file.id, b"x").addr)
        if found is not None:
            assert (found.start, found.size) == (file["x"].id.get_offset(), file["x"].nbytes)
        return None if found is None else found.shape


@pytest.mark.parametrize("shape", [(), (1,), (3, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("settings", [{}, {"userblock_size": 512}])
def test_the_shape_of_contiguous_float32_is_decoded(
    tmp_path: Path, shape: tuple[int, ...], settings: dict[str, Any]
) -> None:
    assert shape_in(tmp_path / "x.h5", lambda file: file.__setitem__("x", np.zeros(shape, "<f4")), **settings) == shape


def external(file: h5py.File) -> None:
    file.create_dataset("x", (3, 4), "<f4", external=[("other.bin", 0, 48)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3, 4), "<f4")
    layout[:] = h5py.VirtualSource("other.h5", "y", (3, 4))
    file.create_virtual_dataset("x", layout)


def compact(file: h5py.File) -> None:
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_layout(h5py.h5d.COMPACT)
    h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((3, 4)), created)


def with_attribute(file: h5py.File) -> None:
    file["x"] = FLOATS
    file["x"].attrs["dtype"] = "bfloat16"


def of_a_named_type(file: h5py.File) -> None:
    file["type"] = np.dtype("<f4")
    file.create_dataset("x", data=FLOATS, dtype=file["type"])


@pytest.mark.parametrize(
    "make",
    [
        external,
        virtual,
        compact,
        with_attribute,
        of_a_named_type,
        lambda file: file.create_group("x"),
        lambda file: file.create_dataset("x", (3, 4), "<f4"),
        lambda file: file.create_dataset("x", data=FLOATS, chunks=(1, 4)),
        lambda file: file.create_dataset("x", data=h5py.Empty("<f4")),
        *(lambda file, kind=kind: file.create_dataset("x", data=FLOATS.astype(kind)) for kind in (">f4", "<f8", "<i4")),
        lambda file: file.create_dataset("x", data=FLOATS.view("V4")),
    ],
)
def test_any_other_dataset_is_left_to_h5py(tmp_path: Path, make: Callable[[h5py.File], Any]) -> None:
    assert shape_in(tmp_path / "x.h5", make) is None


def test_headers_of_another_version_are_left_to_h5py(tmp_path: Path) -> None:
    assert shape_in(tmp_path / "x.h5", lambda file: file.__setitem__("x", FLOATS), libver="latest") is None


@pytest.mark.parametrize("address", [0, 1 << 20, 1 << 63, (1 << 64) - 1])
def test_an_address_without_a_header_has_no_shape(tmp_path: Path, address: int) -> None:
    path = tmp_path / "x.h5"
    shape_in(path, lambda file: file.__setitem__("x", FLOATS))
    with h5py.File(path, "r") as file, path.open("rb") as opened:
        assert DatasetHeaders(opened, file.id).plain(address) is None


def test_a_damaged_byte_of_a_dataset_header_raises_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    shape_in(path, lambda file: file.__setitem__("x", FLOATS))
    with h5py.File(path, "r") as file:
        address = h5py.h5o.get_info(file.id, b"x").addr
        whole = path.read_bytes()
        for at in range(address, address + 272):
            for value in (0x00, 0x7F, 0xFF):
                damaged = io.BytesIO(whole[:at] + bytes([value]) + whole[at + 1 :])
                found = DatasetHeaders(damaged, file.id).plain(address)
                assert found is None or found.shape == (3, 4)


def test_numbers_in_another_file_are_refused_again_when_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    shape_in(path, external)
    with h5py.File(path, "r") as file, path.open("rb") as opened:
        data = HDF5Data(opened, file, at_hand=True)
        with pytest.raises(RefusedModel, match="x stores its numbers in another file"):
            DatasetNumbers("x", data, is_bfloat16=False).fetch((slice(0, 3), slice(0, 4)))


def written(path: Path, **options: Any) -> tuple[bytes, int, int]:
    """Return a file with attributes of a group, the address of the group's header, and the offset of address 0."""
    with h5py.File(path, "w", **options) as file:
        group = file.create_group("group")
        for number in range(6):  # enough to continue the header in another block
            group.attrs[f"filling {number}"] = "x" * 10
        group.attrs["names"] = ["x" * 3000, "y" * 5000, ""]
        group.attrs["number"] = 3
        address = h5py.h5o.get_info(group.id).addr
    return path.read_bytes(), address, options.get("userblock_size", 0)


@pytest.mark.parametrize(
    "options",
    [{}, {"userblock_size": 512}, {"libver": "latest"}, {"libver": "latest", "track_order": True}, {"libver": "v108"}],
    ids=str,
)
def test_the_length_of_all_texts_is_decoded(tmp_path: Path, options: dict[str, Any]) -> None:
    data, address, start = written(tmp_path / "x.h5", **options)
    length = AttributeTexts(io.BytesIO(data), start).length(address, b"names", 3)
    assert length is not None
    assert 8000 <= length <= 2 * 8192  # their heap is read as a whole


@pytest.mark.parametrize(("name", "count"), [(b"nothing", 1), (b"names", 1000), (b"number", 1)])
def test_an_attribute_without_such_texts_has_no_length(tmp_path: Path, name: bytes, count: int) -> None:
    data, address, start = written(tmp_path / "x.h5")
    assert AttributeTexts(io.BytesIO(data), start).length(address, name, count) is None


def test_attributes_stored_outside_the_header_have_no_length(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w", libver="latest") as file:
        for number in range(20):
            file.attrs[f"name {number}"] = "x"
        address = h5py.h5o.get_info(file.id).addr
    assert AttributeTexts(io.BytesIO((tmp_path / "x.h5").read_bytes()), 0).length(address, b"name 3", 1) is None


@pytest.mark.parametrize("options", [{}, {"libver": "latest"}], ids=str)
def test_a_damaged_byte_of_an_attribute_raises_nothing(tmp_path: Path, options: dict[str, Any]) -> None:
    data, address, _ = written(tmp_path / "x.h5", **options)
    for place in range(address, address + 400):
        for value in (0x00, 0x10, 0x7F, 0xFF):
            damaged = data[:place] + bytes([value]) + data[place + 1 :]
            found = AttributeTexts(io.BytesIO(damaged), 0).length(address, b"names", 3)
            assert found is None or found >= 0


@pytest.mark.parametrize("address", [0, 10**6, 2**63, 2**64 - 1])
def test_an_address_without_a_header_has_no_length(tmp_path: Path, address: int) -> None:
    data, _, _ = written(tmp_path / "x.h5")
    assert AttributeTexts(io.BytesIO(data), 0).length(address, b"names", 3) is None
