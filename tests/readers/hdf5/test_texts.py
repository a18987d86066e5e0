"""The lengths of texts in attributes, read from the bytes of the file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import pytest

from lstmdump.readers.hdf5.texts import Texts


def written(path: Path, **options: Any) -> tuple[bytes, int, int]:
    """A file with attributes of a group, where the group's header stands, and what the addresses count from."""
    with h5py.File(path, "w", **options) as file:
        group = file.create_group("group")
        for number in range(6):  # enough that the header goes on elsewhere
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
def test_the_length_of_all_texts_is_known(tmp_path: Path, options: dict[str, Any]) -> None:
    data, address, start = written(tmp_path / "x.h5", **options)
    length = Texts(io.BytesIO(data), start).length(address, b"names", 3)
    assert length is not None
    assert 8000 <= length <= 2 * 8192  # the heap that they lie in is read as a whole


@pytest.mark.parametrize(("name", "count"), [(b"nothing", 1), (b"names", 1000), (b"number", 1)])
def test_what_is_no_such_text_has_no_length(tmp_path: Path, name: bytes, count: int) -> None:
    data, address, start = written(tmp_path / "x.h5")
    assert Texts(io.BytesIO(data), start).length(address, name, count) is None


def test_attributes_that_are_kept_elsewhere_have_no_length(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w", libver="latest") as file:
        for number in range(20):
            file.attrs[f"name {number}"] = "x"
        address = h5py.h5o.get_info(file.id).addr
    assert Texts(io.BytesIO((tmp_path / "x.h5").read_bytes()), 0).length(address, b"name 3", 1) is None


@pytest.mark.parametrize("options", [{}, {"libver": "latest"}], ids=str)
def test_no_damaged_byte_is_an_error(tmp_path: Path, options: dict[str, Any]) -> None:
    data, address, _ = written(tmp_path / "x.h5", **options)
    for place in range(address, address + 400):
        for value in (0x00, 0x10, 0x7F, 0xFF):
            damaged = data[:place] + bytes([value]) + data[place + 1 :]
            found = Texts(io.BytesIO(damaged), 0).length(address, b"names", 3)
            assert found is None or found >= 0


@pytest.mark.parametrize("address", [0, 10**6, 2**63, 2**64 - 1])
def test_where_no_header_is_there_is_no_length(tmp_path: Path, address: int) -> None:
    data, _, _ = written(tmp_path / "x.h5")
    assert Texts(io.BytesIO(data), 0).length(address, b"names", 3) is None
