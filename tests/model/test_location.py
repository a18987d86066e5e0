from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lstmdump.errors import MissingDependency, RefusedModel
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.locate import at, is_url
from lstmdump.model.location import Location


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with a file `b`, a directory `a` and a broken link `c`."""
    (tmp_path / "b").write_bytes(b"bytes")
    (tmp_path / "a").mkdir()
    (tmp_path / "c").symlink_to("none")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "exists", "is_file", "is_dir"),
    [("a", True, False, True), ("b", True, True, False), ("c", False, False, False), ("b/x", False, False, False)],
)
def test_a_location_knows_files_and_directories(
    name: str, exists: bool, is_file: bool, is_dir: bool, folder: Path
) -> None:
    location = Location(folder / name)
    assert (location.exists(), location.is_file(), location.is_dir()) == (exists, is_file, is_dir)


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000])
def test_an_invalid_path_does_not_exist(path: str) -> None:
    assert not Location(path).exists()


def test_a_child_is_in_the_directory(folder: Path) -> None:
    assert Location(folder).child("b").read() == b"bytes"


def test_a_sibling_is_in_the_directory_of_the_file(folder: Path) -> None:
    assert Location(folder / "x").sibling("b").read() == b"bytes"


def test_a_relative_file_name_has_siblings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert Location("x").sibling("b").read() == b"bytes"


def test_a_relative_file_name_has_a_parent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert Location("b").parent.child("b").is_file()


def test_a_directory_is_listed_in_order_without_broken_links(folder: Path) -> None:
    found = [(entry.name, is_directory) for entry, is_directory in Location(folder).entries()]
    assert found == [("a", True), ("b", False)]


def test_a_link_to_a_directory_is_not_listed_as_a_directory(folder: Path) -> None:
    (folder / "d").symlink_to("a")
    assert ("d", False) in [(entry.name, is_directory) for entry, is_directory in Location(folder).entries()]


def test_a_file_is_read_at_any_position(folder: Path) -> None:
    with Location(folder / "b").open() as file:
        file.seek(2)
        assert file.read(2) == b"te"


@pytest.mark.parametrize("path", ["s3://bucket/m.h5", "simplecache::s3://bucket/m.h5", "zip://m.h5::s3://bucket/a.zip"])
def test_a_url_is_recognized(path: str) -> None:
    assert is_url(path)


@pytest.mark.parametrize("path", ["m.h5", "C://models/m.h5", "./s3://m.h5", "/a://b", "", "://", "a\0b"])
def test_other_paths_are_not_urls(path: str) -> None:
    assert not is_url(path)


def test_an_existing_file_named_like_a_url_is_that_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "s3:").mkdir()
    (folder / "s3:" / "m.h5").write_bytes(b"mine")
    assert at("s3://m.h5").read() == b"mine"


def test_without_fsspec_the_error_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "lstmdump.model.remote.files", raising=False)
    monkeypatch.delattr("lstmdump.model.remote.files", raising=False)  # where an earlier test has imported it
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingDependency, match=r"pip install 'fsspec\[http\]'"):
        at("https://host/m.h5")


# --- links


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model's directory with a file in a subdirectory, next to a private file of the user."""
    (tmp_path / "private").write_bytes(b"secret")
    (tmp_path / "model" / "variables").mkdir(parents=True)
    (tmp_path / "model" / "variables" / "data").write_bytes(b"bytes")
    return tmp_path / "model"


def test_a_link_out_of_the_models_directory_is_refused(model: Path) -> None:
    (model / "data").symlink_to("../private")
    with pytest.raises(RefusedModel, match="data is reached through a link that leads out of the model's directory"):
        Location(model).child("data").read()


def test_a_sibling_that_is_a_link_out_of_the_directory_is_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (model / "d").symlink_to("../private")
    monkeypatch.chdir(model)
    for location in (Location(model / "index"), Location("index")):
        with pytest.raises(RefusedModel):
            location.sibling("d").open()


def test_a_file_in_a_linked_directory_outside_of_the_model_is_refused(model: Path) -> None:
    (model.parent / "elsewhere").mkdir()
    (model.parent / "elsewhere" / "data").write_bytes(b"secret")
    (model / "linked").symlink_to("../elsewhere")
    with pytest.raises(RefusedModel):
        Location(model).child("linked").child("data").read()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files have names on Linux only")
@pytest.mark.parametrize("below", [False, True])
def test_a_directory_that_is_swapped_after_it_was_looked_at_is_noticed(
    below: bool, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model.parent / "elsewhere").mkdir()
    (model.parent / "elsewhere" / "data").write_bytes(b"secret")
    found = Location(model / "variables" / "data", below=str(model))
    location = found if below else Location(model).child("variables").child("data")
    has_links = Location._has_links

    def swapping(self: Location, directory: str) -> bool:
        known = has_links(self, directory)
        (model / "variables").rename(model / "moved")
        (model / "variables").symlink_to("../elsewhere")
        return known

    monkeypatch.setattr(Location, "_has_links", swapping)
    with pytest.raises(RefusedModel, match="data is reached through a link that leads out of"):
        location.open()


def test_a_link_within_the_models_directory_is_followed(model: Path) -> None:
    (model / "data").symlink_to("variables/data")
    assert Location(model).child("data").read() == b"bytes"


def test_a_link_that_the_user_names_is_followed(model: Path) -> None:
    (model.parent / "named").symlink_to("model")
    (model.parent / "file").symlink_to("model/variables/data")
    assert Location(model.parent / "named").child("variables").child("data").read() == b"bytes"
    assert Location(model.parent / "file").read() == b"bytes"


def test_links_into_the_store_of_a_hubs_cache_are_followed(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--a--b" / "snapshots" / "0123"
    (snapshot / "variables").mkdir(parents=True)
    (tmp_path / "models--a--b" / "blobs").mkdir()
    (tmp_path / "models--a--b" / "blobs" / "89ab").write_bytes(b"bytes")
    (snapshot / "variables" / "data").symlink_to("../../../blobs/89ab")
    assert Location(snapshot).child("variables").child("data").read() == b"bytes"


def test_a_store_that_is_itself_a_link_is_refused(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--a--b" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key").write_bytes(b"secret")
    (tmp_path / "models--a--b" / "blobs").symlink_to("../private")
    (snapshot / "data").symlink_to("../../blobs/key")
    with pytest.raises(RefusedModel):
        Location(snapshot).child("data").read()


def test_directories_named_like_a_hubs_store_elsewhere_are_refused(tmp_path: Path) -> None:
    snapshot = tmp_path / "home" / "snapshots" / "model"
    snapshot.mkdir(parents=True)
    (tmp_path / "home" / "blobs").mkdir()
    (tmp_path / "home" / "blobs" / "key").write_bytes(b"secret")
    (snapshot / "data").symlink_to("../../blobs/key")
    with pytest.raises(RefusedModel):
        Location(snapshot).child("data").read()


RAISED = Limits(objects=10**9)


@pytest.mark.parametrize(
    "reached",
    [
        lambda model: model,
        lambda model: model.child("variables"),
        lambda model: model.child("variables").child("data"),
        lambda model: model.sibling("other"),
        lambda model: model.parent,
        lambda model: model.entries()[0][0],
    ],
    ids=["itself", "child", "grandchild", "sibling", "parent", "entry"],
)
@pytest.mark.parametrize("url", ["", "file://"])
def test_a_derived_location_has_the_same_limits(reached: Callable[[Location], Location], url: str, model: Path) -> None:
    assert reached(at(f"{url}{model}", RAISED)).limits == RAISED


@pytest.mark.parametrize("url", ["", "file://"])
def test_the_size_of_a_file_is_known(url: str, model: Path) -> None:
    assert at(f"{url}{model}").child("variables").child("data").size() == len(b"bytes")


def test_a_directory_of_too_many_files_is_refused(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / str(number)).touch()
    assert len(Location(tmp_path, limits=DEFAULTS._replace(objects=6)).entries()) == 6
    with pytest.raises(RefusedModel, match=r"a directory of more than 5 files and .*; --limit objects=50 allows it"):
        Location(tmp_path, limits=DEFAULTS._replace(objects=5)).entries()
