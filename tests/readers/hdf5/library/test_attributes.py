from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lstmdump.readers.hdf5.groups import AttributeTooLong
from lstmdump.readers.hdf5.library import attributes as hdf5_attributes


def no_texts(name: bytes, count: int) -> int:
    raise AssertionError((name, count))


def read_back(path: Path, value: Any) -> Any:
    with h5py.File(path, "w") as file:
        file.attrs["name"] = value
    with h5py.File(path, "r") as file:
        return hdf5_attributes.read_attribute(h5py.h5g.open(file.id, b"/"), b"name", 1000, lambda _, count: 10 * count)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array([b"kernel:0", b"bias:0"]), ["kernel:0", "bias:0"]),
        (np.array([["a"], ["b"]], dtype=object), ["a", "b"]),
        (np.array([b""]), [""]),
        (np.array([], dtype="S1"), []),
        (np.array([], dtype="f8"), []),
        (np.array([1, 2]), [1, 2]),
        (np.bytes_(b"2.2.4"), "2.2.4"),
        ("2.2.4", "2.2.4"),
        ("größer", "größer"),
        (np.array(["größer".encode()]), ["größer"]),
        (np.array([b"\xff"]), ["\udcff"]),
        (3, 3),
        (0.5, 0.5),
    ],
)
def test_an_attribute_is_returned_as_a_python_value(tmp_path: Path, value: Any, expected: Any) -> None:
    assert read_back(tmp_path / "x.h5", value) == expected


def test_a_missing_attribute_is_none(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        assert (
            hdf5_attributes.read_attribute(h5py.h5g.open(file.id, b"/"), b"name", 1000, lambda _, count: 10 * count)
            is None
        )


@pytest.mark.parametrize("padding", [h5py.h5t.STR_NULLTERM, h5py.h5t.STR_SPACEPAD, h5py.h5t.STR_NULLPAD])
def test_text_ends_where_its_padding_begins(tmp_path: Path, padding: int) -> None:
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(8)
    kind.set_strpad(padding)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        made = h5py.h5a.create(file.id, b"name", kind, h5py.h5s.create(h5py.h5s.SCALAR))
        made.write(np.array(b"kernel", dtype="S8"))
        root = h5py.h5g.open(file.id, b"/")
        expected = h5py.File(file.id).attrs["name"].decode()
        assert hdf5_attributes.read_attribute(root, b"name", 8, no_texts) == expected


@pytest.mark.parametrize(("value", "length"), [(np.zeros(25, "f4"), 100), (np.bytes_(b"x" * 100), 100), ("text", 100)])
def test_an_attribute_that_is_too_long_is_not_read(
    tmp_path: Path, value: Any, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["name"] = value
        root = h5py.h5g.open(file.id, b"/")
        assert hdf5_attributes.read_attribute(root, b"name", 100, lambda *_: length) is not None
        monkeypatch.setattr(hdf5_attributes, "_read_plain_text", no_texts)
        with pytest.raises(AttributeTooLong) as raised:
            hdf5_attributes.read_attribute(root, b"name", 99, lambda *_: length)
        assert raised.value.length == 100


@pytest.mark.parametrize(
    "kind", [h5py.vlen_dtype("i4"), np.dtype([("a", "S100")]), np.dtype("V4"), h5py.ref_dtype], ids=str
)
def test_an_attribute_of_another_type_is_not_read(tmp_path: Path, kind: Any) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        h5py.h5a.create(file.id, b"name", h5py.h5t.py_create(kind, logical=True), h5py.h5s.create_simple((2,)))
        with pytest.raises(TypeError, match="neither text nor numbers"):
            hdf5_attributes.read_attribute(h5py.h5g.open(file.id, b"/"), b"name", 1000, no_texts)
