from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lstmdump.errors import RefusedModel
from lstmdump.model.location import Location
from lstmdump.readers.hdf5.data import Data, Numbers
from lstmdump.readers.hdf5.object_headers import Headers

FLOATS = np.zeros((3, 4), "<f4")


def shape_in(path: Path, make: Callable[[h5py.File], Any], **settings: Any) -> tuple[int, ...] | None:
    with h5py.File(path, "w", **settings) as file:
        make(file)
    with h5py.File(path, "r") as file, path.open("rb") as opened:
        found = Headers(opened, file.id).plain(h5py.h5o.get_info(file.id, b"x").addr)
        if found is not None:
            assert (found.start, found.size) == (file["x"].id.get_offset(), file["x"].nbytes)
        return None if found is None else found.shape


@pytest.mark.parametrize("shape", [(), (1,), (3, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("settings", [{}, {"userblock_size": 512}])
def test_the_shape_of_float32_in_one_piece_is_known(
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
def test_where_no_header_is_there_is_no_shape(tmp_path: Path, address: int) -> None:
    path = tmp_path / "x.h5"
    shape_in(path, lambda file: file.__setitem__("x", FLOATS))
    with h5py.File(path, "r") as file, path.open("rb") as opened:
        assert Headers(opened, file.id).plain(address) is None


def test_no_damaged_byte_of_a_header_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    shape_in(path, lambda file: file.__setitem__("x", FLOATS))
    with h5py.File(path, "r") as file:
        address = h5py.h5o.get_info(file.id, b"x").addr
        whole = path.read_bytes()
        for at in range(address, address + 272):
            for value in (0x00, 0x7F, 0xFF):
                damaged = io.BytesIO(whole[:at] + bytes([value]) + whole[at + 1 :])
                found = Headers(damaged, file.id).plain(address)
                assert found is None or found.shape == (3, 4)


def test_numbers_in_another_file_are_refused_again_when_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    shape_in(path, external)
    with h5py.File(path, "r") as file:
        data = Data(Location(path), file, at_hand=True)
        with pytest.raises(RefusedModel, match="x keeps its numbers in another file"):
            Numbers("x", data, is_bfloat16=False).fetch((slice(0, 3), slice(0, 4)))
