from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from support import builders
from support.file_watch import Watch

from lstmdump.errors import CorruptModel, ModelClosed, RefusedModel
from lstmdump.model import budget
from lstmdump.model.limits import DEFAULTS
from lstmdump.model.locate import at
from lstmdump.model.location import Location
from lstmdump.readers.hdf5.library.file import LibraryFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "x.h5"
    with h5py.File(made, "w") as file:
        file["group/array"] = np.arange(6, dtype="f4").reshape(2, 3)
        file["group"].attrs["names"] = np.array([b"one", b"two"])
    return made


def test_shape_and_dtype_are_known_before_an_array_is_read(path: Path) -> None:
    tensor = LibraryFile(Location(path)).tensor("group/array", opaque_is_bfloat16=False)
    assert tensor is not None
    assert (tensor.name, tensor.shape, tensor.dtype) == ("group/array", (2, 3), "float32")


def test_a_part_of_an_array_is_read(path: Path) -> None:
    tensor = LibraryFile(Location(path)).tensor("group/array", opaque_is_bfloat16=False)
    assert tensor is not None
    assert tensor.part(slice(1, 2), slice(0, 2)).read().tolist() == [[3.0, 4.0]]


def test_reading_after_close_raises_model_closed(path: Path) -> None:
    file = LibraryFile(Location(path))
    tensor = file.tensor("group/array", opaque_is_bfloat16=False)
    file.close()
    assert tensor is not None
    with pytest.raises(ModelClosed, match="after the model had been closed"):
        tensor.read()


@pytest.mark.parametrize("missing", ["nothing", "group/nothing", "group/array/within"])
def test_a_missing_array_is_none(path: Path, missing: str) -> None:
    assert LibraryFile(Location(path)).tensor(missing, opaque_is_bfloat16=False) is None


@pytest.mark.parametrize("missing", ["group\0array", "group/array\0", "nothing\0"])
def test_a_name_with_a_nul_does_not_exist(path: Path, missing: str) -> None:
    assert LibraryFile(Location(path)).tensor(missing, opaque_is_bfloat16=False) is None


def test_a_link_further_up_the_path_is_refused_each_time(path: Path) -> None:
    file = LibraryFile(Location(builders.change(path, lambda file: file.__setitem__("soft", h5py.SoftLink("/group")))))
    for _ in range(2):
        with pytest.raises(RefusedModel, match="soft/array is a soft or external link"):
            file.tensor("soft/array", opaque_is_bfloat16=False)


def test_an_array_that_is_not_read_does_not_stay_open(path: Path) -> None:
    file = LibraryFile(Location(path))
    assert file.tensor("group/array", opaque_is_bfloat16=False) is not None
    assert h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_DATASET) == 0


def test_a_divided_list_of_names_is_joined(path: Path) -> None:
    def cut(file: h5py.File) -> None:
        for k in range(3):
            file["group"].attrs[f"long{k}"] = np.array([f"{k}a".encode(), f"{k}b".encode()])

    group = LibraryFile(Location(builders.change(path, cut))).group("group")
    assert group is not None
    assert group.strings("long") == ["0a", "0b", "1a", "1b", "2a", "2b"]


def test_an_empty_list_of_names_is_an_array_of_floats(path: Path) -> None:
    builders.change(path, lambda file: file["group"].attrs.create("none", np.zeros(0)))
    group = LibraryFile(Location(path)).group("group")
    assert group is not None
    assert group.strings("none") == []


def test_a_list_of_numbers_is_not_a_list_of_names(path: Path) -> None:
    builders.change(path, lambda file: file["group"].attrs.create("none", np.zeros(2)))
    with pytest.raises(CorruptModel, match="is not a list of names"):
        LibraryFile(Location(path)).group("group").strings("none")  # type: ignore[union-attr]


@pytest.mark.parametrize("link", [h5py.SoftLink("/group/array"), h5py.ExternalLink("other.h5", "/x")])
def test_links_are_refused_and_not_followed(path: Path, link: object) -> None:
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["x"] = np.zeros(3)

    def add(file: h5py.File) -> None:
        file["link"] = link

    builders.change(path, add)
    with pytest.raises(RefusedModel, match="link is a soft or external link"):
        LibraryFile(Location(path)).tensor("link", opaque_is_bfloat16=False)


def test_data_in_another_file_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(12))

    def add(file: h5py.File) -> None:
        file.create_dataset("outside", (3,), "f4", external=[(str(tmp_path / "secret"), 0, 12)])

    builders.change(path, add)
    with pytest.raises(RefusedModel, match="stores its numbers in another file"):
        LibraryFile(Location(path)).tensor("outside", opaque_is_bfloat16=False)


def test_a_virtual_dataset_is_refused(path: Path) -> None:
    def add(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((3,), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
        file.create_virtual_dataset("virtual", layout)

    builders.change(path, add)
    with pytest.raises(RefusedModel, match="stores its numbers in another file"):
        LibraryFile(Location(path)).tensor("virtual", opaque_is_bfloat16=False)


@pytest.mark.skipif(sys.platform != "linux", reason="opened files are observed on Linux")
def test_filter_plugins_are_not_searched_for(tmp_path: Path) -> None:
    (tmp_path / "libfilter.so").write_bytes(b"no library")
    watch = Watch(tmp_path)
    asked = "import lstmdump.readers.hdf5.library.file, h5py; h5py.h5z.filter_avail(307)"
    subprocess.run([sys.executable, "-c", asked], env=os.environ | {"HDF5_PLUGIN_PATH": str(tmp_path)}, check=True)
    opened = watch.opened()
    watch.close()
    assert opened == set()


def test_an_array_that_was_never_written_is_an_error(path: Path) -> None:
    builders.change(path, lambda file: file.create_dataset("hollow", (1000, 1000), "f4"))
    with pytest.raises(CorruptModel, match="declares 4000000 bytes, but 0 are stored"):
        LibraryFile(Location(path)).tensor("hollow", opaque_is_bfloat16=False)


def moved(path: Path, name: str, place: int) -> Path:
    """Change the file so that the contiguous array `name` starts at `place`."""
    with h5py.File(path, "r") as file:
        before = file[name].id.get_offset()
    data = path.read_bytes()
    assert data.count(before.to_bytes(8, "little")) == 1
    path.write_bytes(data.replace(before.to_bytes(8, "little"), place.to_bytes(8, "little")))
    return path


@pytest.fixture(params=["<f4", "<f8"], ids=["header decoded without h5py", "header decoded by h5py"])
def beside(path: Path, request: pytest.FixtureRequest) -> tuple[Path, int]:
    """A file with `group/array` and `group/beside`, and the offset of the first one."""
    made = builders.change(path, lambda file: file.create_dataset("group/beside", data=np.ones(3, request.param)))
    with h5py.File(made, "r") as file:
        return made, file["group/array"].id.get_offset()


@pytest.mark.parametrize("looking", [True, False])
def test_overlapping_arrays_are_an_error(beside: tuple[Path, int], looking: bool) -> None:
    path, place = beside
    file = LibraryFile(Location(moved(path, "group/beside", place + 20)))
    if looking:
        file.look_ahead()
    for name in ("group/array", "group/beside"):
        file.tensor(name, opaque_is_bfloat16=False)
    with pytest.raises(CorruptModel, match="group/array and group/beside overlap in the file"):
        file.check_declared_sizes()


@pytest.mark.parametrize("looking", [True, False])
def test_an_array_beyond_the_end_of_the_file_is_an_error(beside: tuple[Path, int], looking: bool) -> None:
    path, _ = beside
    file = LibraryFile(Location(moved(path, "group/beside", path.stat().st_size - 4)))
    if looking:
        file.look_ahead()
    with pytest.raises(CorruptModel, match=r"group/beside (reaches beyond the end of the file|fails)"):
        file.tensor("group/beside", opaque_is_bfloat16=False)


@pytest.mark.parametrize("looking", [True, False])
def test_an_array_that_overlaps_the_file_header_is_an_error(beside: tuple[Path, int], looking: bool) -> None:
    file = LibraryFile(Location(moved(beside[0], "group/beside", 40)))
    if looking:
        file.look_ahead()
    with pytest.raises(CorruptModel, match="group/beside overlaps the file header"):
        file.tensor("group/beside", opaque_is_bfloat16=False)


def test_an_array_that_overlaps_an_object_header_is_an_error(beside: tuple[Path, int]) -> None:
    with h5py.File(beside[0], "r") as file:
        place = h5py.h5o.get_info(file["group"].id).addr
    file = LibraryFile(Location(moved(beside[0], "group/beside", place - 4)))
    file.look_ahead()
    file.tensor("group/beside", opaque_is_bfloat16=False)
    with pytest.raises(CorruptModel, match="group/beside overlaps the file's metadata"):
        file.check_declared_sizes()


def test_two_names_of_one_array_are_an_error(path: Path) -> None:
    builders.change(path, lambda file: file.__setitem__("group/again", file["group/array"]))
    file = LibraryFile(Location(path))
    for name in ("group/array", "group/again"):
        file.tensor(name, opaque_is_bfloat16=False)
    with pytest.raises(CorruptModel, match="overlap in the file"):
        file.check_declared_sizes()


def test_an_array_that_is_looked_up_twice_counts_once(path: Path) -> None:
    file = LibraryFile(Location(path))
    for _ in range(2):
        file.tensor("group/array", opaque_is_bfloat16=False)
    file.check_declared_sizes()


def test_big_endian_numbers_are_the_same_numbers(path: Path) -> None:
    builders.change(path, lambda file: file.create_dataset("big", data=np.array([1.5, -2.0], ">f4")))
    tensor = LibraryFile(Location(path)).tensor("big", opaque_is_bfloat16=False)
    assert tensor is not None
    assert (tensor.dtype, tensor.read().tolist()) == ("float32", [1.5, -2.0])


def test_a_labelled_bfloat16_is_the_upper_half_of_a_float32(path: Path) -> None:
    def add(file: h5py.File) -> None:
        file["half"] = np.array([0x3F80, 0xC000], "<u2").view("V2")  # 1.0 and -2.0
        file["half"].attrs["dtype"] = "bfloat16"

    tensor = LibraryFile(Location(builders.change(path, add))).tensor("half", opaque_is_bfloat16=False)
    assert tensor is not None
    assert (tensor.dtype, tensor.read().tolist()) == ("bfloat16", [1.0, -2.0])


def test_a_file_cut_short_is_reported(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorruptModel, match="cut short"):
        LibraryFile(Location(path))


def test_a_file_with_only_a_signature_is_reported_as_damaged(path: Path) -> None:
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    with pytest.raises(CorruptModel, match="HDF5, but it cannot be opened"):
        LibraryFile(Location(path))


def test_a_file_with_a_damaged_root_is_reported(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w", libver="latest") as file:
        file.create_group("group")
    data = bytearray((tmp_path / "x.h5").read_bytes())
    root = int.from_bytes(data[36:44], "little")  # its place in the superblock; HDF5 file format, II.A, version 2 and 3
    data[root + 10] ^= 0xFF
    (tmp_path / "x.h5").write_bytes(data)
    with pytest.raises(CorruptModel, match="damaged HDF5: looking up / fails"):
        LibraryFile(Location(tmp_path / "x.h5"))


def test_a_file_in_memory_is_read_only_once(path: Path) -> None:
    source = io.BytesIO(path.read_bytes())
    file = LibraryFile(source, in_memory=True)
    source.truncate(0)
    tensor = file.tensor("group/array", opaque_is_bfloat16=False)
    assert tensor is not None
    assert tensor.shape == (2, 3)


def test_unused_bytes_of_a_file_add_bounded_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[int] = []
    monkeypatch.setattr(budget, "allow", lambda size, **_: allowed.append(size))
    os.truncate(path, 2**40)
    LibraryFile(Location(path)).close()
    assert sum(allowed) <= 2**29


def test_metadata_is_allowed_twenty_times_its_size_in_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export of 6,000 layers of 4 units, 27 MB of almost only metadata, took 654 MiB."""
    held: list[int] = []
    monkeypatch.setattr(budget, "allow", lambda size, copies=0: held.append(size * copies))
    LibraryFile(Location(path)).close()
    assert sum(held) == 20 * path.stat().st_size


@pytest.mark.parametrize("stored", ["<f4", ">f4"])
def test_reading_numbers_is_allowed_time_for_their_bytes(
    stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["array"] = np.zeros(1000, stored)
    tensor = LibraryFile(Location(tmp_path / "x.h5")).tensor("array", opaque_is_bfloat16=False)
    assert tensor is not None
    allowed: list[int] = []
    monkeypatch.setattr(budget, "allow", lambda size, **_: allowed.append(size))
    tensor.read()
    assert sum(allowed) == 4000 + budget.ARRAY


LIMITED = DEFAULTS._replace(json_size=100_000)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("longer", [0, 1])
def test_text_is_read_up_to_the_limit(libver: str, longer: int, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w", libver=libver) as file:
        file["array"] = np.zeros(100_000)  # a file larger than the limit is not refused for that
        file.attrs["version"] = "2.2.4"
        file.attrs["model_config"] = "x" * (99_000 + 1_000 * longer)  # its heap has some more bytes
    file = LibraryFile(at(tmp_path / "x.h5", LIMITED))
    assert file.text("version") == "2.2.4"
    if longer:
        with pytest.raises(
            RefusedModel, match=r"model_config of / has up to 10[0-9],[0-9]+ bytes; --limit json-size=1MiB"
        ):
            file.text("model_config")
    else:
        assert file.text("model_config") == "x" * 99_000
    file.close()


def test_text_of_a_fixed_length_is_read_up_to_the_limit(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w", libver="latest") as file:  # older formats limit attributes to 64 KB
        for name, length in (("short", 100_000), ("long", 100_001)):
            file.attrs.create(name, np.zeros((), f"S{length}"))
    file = LibraryFile(at(tmp_path / "x.h5", LIMITED))
    assert file.text("short") is not None
    with pytest.raises(RefusedModel, match="the attribute long of / has up to 100,001 bytes"):
        file.text("long")
    file.close()


def elements(length: int, data: bytes) -> list[int]:
    """Return the offsets in a file of the attribute elements for texts of this length, which refer to a heap."""
    found = [match.start() for match in re.finditer(re.escape(struct.pack("<I", length)), data)]
    places = {place: int.from_bytes(data[place + 4 : place + 12], "little") for place in found}
    return [place for place, heap in places.items() if data[heap : heap + 4] == b"GCOL"]


def test_many_names_that_share_one_text_are_refused_before_reading(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["names"] = ["x" * 1000, *["y"] * 999]
    data = bytearray((tmp_path / "x.h5").read_bytes())
    (first,) = elements(1000, data)
    data[first : first + 16_000] = data[first : first + 16] * 1000
    (tmp_path / "x.h5").write_bytes(data)
    file = LibraryFile(at(tmp_path / "x.h5", LIMITED))
    with pytest.raises(RefusedModel, match="the attribute names of / has up to 1,000,000 bytes"):
        file.strings("names")
    file.close()
    allowed = LibraryFile(at(tmp_path / "x.h5"))
    assert allowed.strings("names") == ["x" * 1000] * 1000
    allowed.close()


def test_a_short_text_in_a_large_heap_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["long"] = "x" * 200_000
        file.attrs["short"] = "y"
    data = bytearray((tmp_path / "x.h5").read_bytes())
    (long,), (short,) = elements(200_000, data), elements(1, data)
    data[short + 4 : short + 16] = data[long + 4 : long + 16]
    (tmp_path / "x.h5").write_bytes(data)
    file = LibraryFile(at(tmp_path / "x.h5", LIMITED))
    with pytest.raises(RefusedModel, match=r"the attribute short of / has up to 20[0-9],"):
        file.text("short")
    file.close()


def test_a_list_of_names_beyond_the_limit_is_refused_before_reading(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w", libver="latest") as file:
        space = h5py.h5s.create_simple((2**24,))
        h5py.h5a.create(file.id, b"layer_names", h5py.h5t.py_create(np.dtype("S16")), space)
    file = LibraryFile(Location(tmp_path / "x.h5"))
    with pytest.raises(RefusedModel, match="the attribute layer_names of / has up to 268,435,456 bytes"):
        file.strings("layer_names")
    file.close()


def test_the_pieces_of_a_list_are_counted_together(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for turn in range(3):
            file.attrs[f"names{turn}"] = np.array([b"x" * 40_000])
    file = LibraryFile(at(tmp_path / "x.h5", LIMITED))
    with pytest.raises(RefusedModel, match="the attribute names of / has up to 120,000 bytes"):
        file.strings("names")
    file.close()
