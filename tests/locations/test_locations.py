from __future__ import annotations

from pathlib import Path

import pytest

from lstmdump.locations import Location


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory of a file `b`, a directory `a` and a link `c` that leads nowhere."""
    (tmp_path / "b").write_bytes(b"bytes")
    (tmp_path / "a").mkdir()
    (tmp_path / "c").symlink_to("none")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "exists", "is_file", "is_dir"),
    [("a", True, False, True), ("b", True, True, False), ("c", False, False, False), ("b/x", False, False, False)],
)
def test_what_lies_there_is_told(name: str, exists: bool, is_file: bool, is_dir: bool, folder: Path) -> None:
    location = Location(folder / name)
    assert (location.exists(), location.is_file(), location.is_dir()) == (exists, is_file, is_dir)


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000])
def test_at_a_path_that_no_file_can_have_lies_nothing(path: str) -> None:
    assert not Location(path).exists()


def test_a_child_lies_in_the_directory(folder: Path) -> None:
    assert Location(folder).child("b").read() == b"bytes"


def test_a_sibling_lies_beside_the_file(folder: Path) -> None:
    assert Location(folder / "x").sibling("b").read() == b"bytes"


def test_a_file_named_alone_has_siblings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert Location("x").sibling("b").read() == b"bytes"


def test_a_file_named_alone_lies_in_a_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert Location("b").parent.child("b").is_file()


def test_a_directory_is_listed_in_order(folder: Path) -> None:
    assert Location(folder).names() == ["a", "b", "c"]


def test_a_file_is_read_at_any_position(folder: Path) -> None:
    with Location(folder / "b").open() as file:
        file.seek(2)
        assert file.read(2) == b"te"
