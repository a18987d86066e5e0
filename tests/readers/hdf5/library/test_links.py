from __future__ import annotations

from pathlib import Path

import h5py
import pytest

from lstmdump.errors import RefusedModel
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.locate import at
from lstmdump.model.location import Location
from lstmdump.readers.hdf5.library.file import LibraryFile
from lstmdump.readers.hdf5.library.links import Links, find_links_below


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "x.h5"
    with h5py.File(made, "w") as file:
        file["outer/b/array"] = [1.0]
        file["outer/a/array"] = [2.0]
        file.create_group("outer/empty")
    return made


def links_of(path: Path, limits: Limits = DEFAULTS) -> Links | None:
    with h5py.File(path, "r") as file:
        return find_links_below(h5py.h5g.open(file.id, b"/"), limits)


def test_links_hold_the_address_of_each_path(path: Path) -> None:
    links = links_of(path)
    assert links is not None
    with h5py.File(path, "r") as file:
        paths = [b"outer", b"outer/a", b"outer/a/array", b"outer/b", b"outer/b/array", b"outer/empty"]
        assert links.addresses == {name: h5py.h5o.get_info(file.id, name).addr for name in paths}


def test_names_are_in_the_order_in_which_hdf5_lists_them(path: Path) -> None:
    links = links_of(path)
    assert links is not None
    with h5py.File(path, "r") as file:
        assert links.names[b"outer"] == list(h5py.h5g.open(file.id, b"outer"))


@pytest.mark.parametrize("link", [h5py.SoftLink("/outer/a"), h5py.ExternalLink("other.h5", "/a")])
def test_links_are_not_collected_if_one_is_not_hard(path: Path, link: object) -> None:
    with h5py.File(path, "a") as file:
        file["outer/z"] = link
    assert links_of(path) is None


@pytest.mark.parametrize("first", ["outer/a", "outer", "/"])
def test_links_are_not_collected_if_an_object_has_two(path: Path, first: str) -> None:
    with h5py.File(path, "a") as file:
        file["outer/again"] = file[first]
    assert links_of(path) is None


def test_links_are_not_collected_if_a_name_contains_a_slash(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["outer/aXarray"] = [3.0]
    path.write_bytes(path.read_bytes().replace(b"aXarray", b"a/array"))
    assert links_of(path) is None


def test_links_are_not_collected_if_groups_are_too_deep(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file.create_group("/".join(["deep"] * 102))
    assert links_of(path) is None


def test_a_group_with_collected_links_returns_the_same_as_without(path: Path) -> None:
    known, asked = LibraryFile(Location(path)), LibraryFile(Location(path))
    known.look_ahead()
    for file in (known, asked):
        group = file.group("outer/b")
        assert group is not None
        array = group.tensor("array", opaque_is_bfloat16=False)
        assert array is not None
        assert (array.name, array.shape, array.read().tolist()) == ("outer/b/array", (1,), [1.0])
        assert group.group("array") is None
        assert group.group("nothing") is None
        assert group.names() == ["array"]
    assert [file.group("outer/b").address for file in (known, asked)] == [known.group("outer/b").address] * 2  # type: ignore[union-attr]


def test_a_soft_link_is_refused_after_look_ahead(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["outer/z"] = h5py.SoftLink("/outer/a")
    file = LibraryFile(Location(path))
    file.look_ahead()
    with pytest.raises(RefusedModel, match="outer/z is a soft or external link"):
        file.group("outer/z")


def test_too_many_links_are_refused(path: Path) -> None:
    assert links_of(path, DEFAULTS._replace(objects=6)) is not None
    with pytest.raises(RefusedModel, match="HDF5 file with more than 5 links; --limit objects=50 allows it"):
        links_of(path, DEFAULTS._replace(objects=5))


def test_too_many_links_of_one_group_are_refused(path: Path) -> None:
    file = LibraryFile(at(path, DEFAULTS._replace(objects=2)))
    group = file.group("outer/a")
    assert group is not None
    assert group.names() == ["array"]
    outer = file.group("outer")
    assert outer is not None
    with pytest.raises(RefusedModel, match="HDF5 file with more than 2 links"):
        outer.names()
    file.close()
