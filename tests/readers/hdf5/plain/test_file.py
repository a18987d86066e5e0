from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lstmdump.errors import CorruptModel, ModelClosed, RefusedModel
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.location import Location
from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.hdf5.choice import NotPlain, plain_files_only
from lstmdump.readers.hdf5.plain import file as plain_file
from lstmdump.readers.hdf5.plain.file import PlainFile

VALUES = np.arange(12, dtype="f4").reshape(3, 4)
FORMS: list[dict[str, Any]] = [
    {},
    {"libver": "v108"},
    {"libver": "latest"},
    {"track_order": True},
    {"libver": "latest", "track_order": True},
]


def opened(path: Path, limits: Limits = DEFAULTS) -> PlainFile:
    return PlainFile(Location(path), declared=Declared(limits))


def write(path: Path, make: Callable[[h5py.File], Any], **options: Any) -> Path:
    with h5py.File(path, "w", **options) as file:
        make(file)
    return path


def fill(file: h5py.File) -> None:
    for number in range(7):  # more than are in one node of the table, or in the first block of a header
        file[f"group/inner {6 - number}/array"] = VALUES + number
    file["group"].attrs["names"] = np.array([b"one", b"two"])
    file["group"].attrs["config"] = "größer" * 1000
    file["group"].attrs["texts"] = ["a", "", "b" * 3000]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_groups_arrays_and_attributes_are_those_that_were_written(tmp_path: Path, form: dict[str, Any]) -> None:
    file = opened(write(tmp_path / "x.h5", fill, **form))
    group = file.group("group")
    assert group is not None
    assert group.names() == [f"inner {number}" for number in range(7)]
    for number in range(7):
        array = group.tensor(f"inner {number}/array", opaque_is_bfloat16=False)
        assert array is not None
        assert (array.name, array.dtype) == (f"group/inner {number}/array", "float32")
        assert array.read().tolist() == (VALUES + 6 - number).tolist()
    assert group.strings("names") == ["one", "two"]
    assert group.text("config") == "größer" * 1000
    assert group.strings("texts") == ["a", "", "b" * 3000]
    file.check_declared_sizes()


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_group_of_many_members_lists_them_by_name(tmp_path: Path, form: dict[str, Any]) -> None:
    count = 7 if form else 1000
    names = [f"layer_{number}" for number in range(count)]
    file = opened(write(tmp_path / "x.h5", lambda file: [file.create_group(name) for name in names], **form))
    assert file.names() == sorted(names)


@pytest.mark.parametrize(
    "dtype", ["<f2", "<f4", "<f8", ">f4", ">f8", "i1", "<i2", "<i4", "<i8", "u1", "<u2", "<u4", "<u8", ">i4", "?"]
)
@pytest.mark.parametrize("shape", [(), (1,), (3, 4), (2, 3, 4, 5), (0, 3)])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_numbers_are_those_that_were_written(tmp_path: Path, dtype: str, shape: tuple[int, ...], libver: str) -> None:
    values = (np.arange(np.prod(shape, dtype=int)) % 2).astype(dtype).reshape(shape)
    path = write(tmp_path / "x.h5", lambda file: file.__setitem__("group/array", values), libver=libver)
    if not values.size:
        return
    array = opened(path).tensor("group/array", opaque_is_bfloat16=False)
    assert array is not None
    assert (array.shape, array.dtype) == (shape, str(values.dtype.newbyteorder("=")))
    found = array.read()
    assert found.dtype == values.dtype.newbyteorder("=")
    assert found.tolist() == values.tolist()
    assert array.rows is not None
    assert b"".join(map(bytes, array.rows())) == values.astype(values.dtype.newbyteorder("<")).tobytes()


def test_numbers_in_the_header_of_an_array_are_read(tmp_path: Path) -> None:
    def make(file: h5py.File) -> None:
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_layout(h5py.h5d.COMPACT)
        made = h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((3, 4)), settings)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, VALUES)

    array = opened(write(tmp_path / "x.h5", make)).tensor("x", opaque_is_bfloat16=False)
    assert array is not None
    assert array.part(slice(1, 3), slice(0, 2)).read().tolist() == VALUES[1:3, 0:2].tolist()
    assert array.rows is not None
    assert b"".join(map(bytes, array.rows())) == VALUES.tobytes()


@pytest.mark.parametrize("labelled", [False, True])
def test_bfloat16_is_the_upper_half_of_a_float32(tmp_path: Path, *, labelled: bool) -> None:
    def make(file: h5py.File) -> None:
        file["half"] = np.array([0x3F80, 0xC000], "<u2").view("V2")  # 1.0 and -2.0
        if labelled:
            file["half"].attrs["dtype"] = "bfloat16"

    array = opened(write(tmp_path / "x.h5", make)).tensor("half", opaque_is_bfloat16=not labelled)
    assert array is not None
    assert (array.dtype, array.read().tolist(), array.rows) == ("bfloat16", [1.0, -2.0], None)


def test_two_bytes_of_unknown_type_keep_their_type(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", lambda file: file.__setitem__("half", np.zeros(2, "V2")))
    array = opened(path).tensor("half", opaque_is_bfloat16=False)
    assert array is not None
    assert array.dtype == "|V2"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array([b"kernel:0", b"bias:0"]), ["kernel:0", "bias:0"]),
        (np.array([["a"], ["b"]], dtype=object), ["a", "b"]),
        (np.array([b""]), [""]),
        (np.array([], dtype="S1"), []),
        (np.array([], dtype="f8"), []),
        (np.array([1, 2]), [1, 2]),
        (np.array([[1.5, 2.5]], ">f2"), [1.5, 2.5]),
        (np.bytes_(b"2.2.4"), "2.2.4"),
        ("2.2.4", "2.2.4"),
        ("größer", "größer"),
        ("", ""),
        (np.array(["größer".encode()]), ["größer"]),
        (np.array([b"\xff"]), ["\udcff"]),
        (np.uint8(200), 200),
        (-3, -3),
        (0.5, 0.5),
        (True, True),
        (np.array([True, False]), [True, False]),
    ],
)
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_an_attribute_is_a_python_value(tmp_path: Path, value: Any, expected: Any, libver: str) -> None:
    file = opened(write(tmp_path / "x.h5", lambda file: file.attrs.__setitem__("name", value), libver=libver))
    found = file.attribute("name")
    assert (found, type(found)) == (expected, type(expected))
    assert file.has_attribute("name")
    assert not file.has_attribute("other")
    assert file.attribute("other") is None


@pytest.mark.parametrize("padding", [h5py.h5t.STR_NULLTERM, h5py.h5t.STR_SPACEPAD, h5py.h5t.STR_NULLPAD])
@pytest.mark.parametrize("text", [b"kernel", b"ker\0el", b"kernel  ", b"kernel\0 ", b"kernel12"])
def test_text_ends_where_hdf5_ends_it(tmp_path: Path, padding: int, text: bytes) -> None:
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(8)
    kind.set_strpad(padding)

    def make(file: h5py.File) -> None:
        made = h5py.h5a.create(file.id, b"name", kind, h5py.h5s.create(h5py.h5s.SCALAR))
        made.write(np.array(text.ljust(8, b"\0"), "V8"), kind)

    path = write(tmp_path / "x.h5", make)
    with h5py.File(path) as file:
        expected = file.attrs["name"].decode()
    assert opened(path).attribute("name") == expected


def soft(file: h5py.File) -> None:
    file["group"]["soft"] = h5py.SoftLink("/group/array")


def external(file: h5py.File) -> None:
    file["group"]["external"] = h5py.ExternalLink("other.h5", "/x")


def twice(file: h5py.File) -> None:
    file["group/again"] = file["group/array"]


def circle(file: h5py.File) -> None:
    file["group/again"] = file["group"]


def of_texts(file: h5py.File) -> None:
    file["group/texts"] = ["a"]


def of_named_type(file: h5py.File) -> None:
    file["type"] = np.dtype("<f4")
    file.create_dataset("group/texts", data=VALUES, dtype=file["type"])


def outside(file: h5py.File) -> None:
    file.create_dataset("group/texts", (3,), "f4", external=[("secret", 0, 12)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
    file.create_virtual_dataset("group/texts", layout)


def unwritten(file: h5py.File) -> None:
    file.create_dataset("group/texts", (3,), "f4")


def empty(file: h5py.File) -> None:
    file["group/texts"] = h5py.Empty("f4")


def compound(file: h5py.File) -> None:
    file["group/texts"] = np.zeros(2, [("a", "f4")])


def read_all(path: Path) -> None:
    file = opened(path)
    group = file.group("group")
    assert group is not None
    for name in group.names():
        group.tensor(name, opaque_is_bfloat16=True)
        group.attribute("odd")


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize(
    "make", [soft, external, twice, circle, of_texts, of_named_type, outside, virtual, unwritten, empty, compound]
)
def test_what_keras_does_not_write_is_not_plain(tmp_path: Path, make: Callable[[h5py.File], None], libver: str) -> None:
    def make_both(file: h5py.File) -> None:
        file["group/array"] = VALUES
        make(file)

    with pytest.raises(NotPlain):
        read_all(write(tmp_path / "x.h5", make_both, libver=libver))


@pytest.mark.parametrize(
    "value", [h5py.Empty("f4"), np.zeros(2, "c8"), np.zeros(2, [("a", "f4")]), np.zeros(2, "V2")], ids=str
)
def test_an_attribute_of_another_type_is_not_plain(tmp_path: Path, value: Any) -> None:
    def make(file: h5py.File) -> None:
        file["group/array"] = VALUES
        file["group"].attrs["odd"] = value

    with pytest.raises(NotPlain):
        read_all(write(tmp_path / "x.h5", make))


def test_attributes_and_links_in_heaps_are_not_plain(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", lambda file: [file.create_group(f"{n}") for n in range(20)], libver="latest")
    with pytest.raises(NotPlain):
        opened(path).names()
    path = write(tmp_path / "y.h5", lambda file: [file.attrs.create(f"{n}", 1) for n in range(20)], libver="latest")
    with pytest.raises(NotPlain):
        opened(path).attribute("3")


@pytest.mark.parametrize("options", [{"userblock_size": 512}, {"fs_strategy": "page"}], ids=str)
def test_a_file_of_another_form_is_not_plain(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(NotPlain):
        opened(write(tmp_path / "x.h5", fill, **options))


def test_a_file_cut_short_is_not_plain(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", fill)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(NotPlain):
        opened(path)


@pytest.mark.parametrize("missing", ["nothing", "group/nothing", "group/array/within", "group\0array", "group/array\0"])
def test_a_missing_object_is_none(tmp_path: Path, missing: str) -> None:
    file = opened(write(tmp_path / "x.h5", lambda file: file.__setitem__("group/array", VALUES)))
    assert file.tensor(missing, opaque_is_bfloat16=False) is None
    assert file.group(missing) is None
    assert file.tensor("group", opaque_is_bfloat16=False) is None
    assert file.group("group/array") is None


def test_an_array_can_be_read_as_long_as_the_file_is_open(tmp_path: Path) -> None:
    file = opened(write(tmp_path / "x.h5", lambda file: file.__setitem__("x", VALUES)))
    array = file.tensor("x", opaque_is_bfloat16=False)
    assert array is not None
    assert array.read().tolist() == VALUES.tolist()
    file.close()
    for read in (array.read, lambda: list(array.rows())):  # type: ignore[misc]
        with pytest.raises(ModelClosed, match="x was requested after the model had been closed"):
            read()


def test_an_array_can_be_read_when_the_file_object_is_gone(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", lambda file: file.__setitem__("x", VALUES))
    array = opened(path).tensor("x", opaque_is_bfloat16=False)
    assert array is not None
    assert array.read().tolist() == VALUES.tolist()


def test_arrays_that_overlap_are_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", lambda file: [file.__setitem__(name, VALUES) for name in "ab"])
    with h5py.File(path) as read:
        first, second = (read[name].id.get_offset().to_bytes(8, "little") for name in "ab")
    data = path.read_bytes()
    assert data.count(second) == 1
    path.write_bytes(data.replace(second, first))
    file = opened(path)
    for name in "ab":
        file.tensor(name, opaque_is_bfloat16=False)
    with pytest.raises(CorruptModel, match="a and b overlap in the file"):
        file.check_declared_sizes()


@pytest.mark.parametrize("mark", [b"TREE", b"SNOD", b"HEAP", b"GCOL"])
def test_an_array_that_overlaps_a_table_is_an_error(tmp_path: Path, mark: bytes) -> None:
    def make(file: h5py.File) -> None:
        file["group/array"] = VALUES
        file["group"].attrs["names"] = "text"

    path = write(tmp_path / "x.h5", make)
    data = path.read_bytes()
    with h5py.File(path) as read:
        place = struct.pack("<QQ", read["group/array"].id.get_offset(), VALUES.nbytes)
    assert data.count(place) == 1
    path.write_bytes(data.replace(place, struct.pack("<QQ", data.rindex(mark) - 40, VALUES.nbytes)))
    file = opened(path)
    group = file.group("group")
    assert group is not None
    assert group.text("names") == "text"
    group.tensor("array", opaque_is_bfloat16=False)
    with pytest.raises(CorruptModel, match="group/array overlaps the file's metadata"):
        file.check_declared_sizes()


def test_too_many_links_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", lambda file: [file.create_group(name) for name in "abc"])
    assert opened(path, DEFAULTS._replace(objects=3)).names() == ["a", "b", "c"]
    with pytest.raises(RefusedModel, match="HDF5 file with more than 2 links; --limit objects=20 allows it"):
        opened(path, DEFAULTS._replace(objects=2)).names()


@pytest.mark.parametrize(("limit", "most"), [("MOST_OBJECTS", 3), ("MOST_MEMBERS", 2)])  # the root, and its members
def test_a_process_without_limits_reads_files_of_a_usual_size_only(
    limit: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_file, limit, most)
    path = write(tmp_path / "x.h5", lambda file: [file.create_group(name) for name in "abc"])
    assert opened(path).names() == ["a", "b", "c"]
    with plain_files_only(), pytest.raises(NotPlain):
        opened(path).names()


@pytest.mark.parametrize("form", [{}, {"libver": "latest"}], ids=str)
def test_a_damaged_byte_raises_nothing_else(tmp_path: Path, form: dict[str, Any]) -> None:
    def make(file: h5py.File) -> None:
        file["group/array"] = VALUES
        file["group"].attrs["names"] = ["a", "b"]
        file.create_dataset("group/packed", data=VALUES, chunks=(2, 4), compression="gzip")

    data = write(tmp_path / "x.h5", make, **form).read_bytes()
    for place in [*range(min(len(data), 2000)), *range(2000, len(data), 7)]:
        for value in (0x00, 0x01, 0x7F, 0xFF):
            damaged = io.BytesIO(data[:place] + bytes([value]) + data[place + 1 :])
            try:
                file = PlainFile(damaged, declared=Declared())
                group = file.group("group")
                if group is not None:
                    group.attribute("names")
                    for name in group.names():
                        array = group.tensor(name, opaque_is_bfloat16=False)
                        if array is not None:
                            array.read()
                file.check_declared_sizes()
            except (NotPlain, CorruptModel, RefusedModel):
                pass
