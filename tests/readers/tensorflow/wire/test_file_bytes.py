from __future__ import annotations

from pathlib import Path

import pytest

from lstmdump.errors import CorruptModel, RefusedModel, UnreadableModel
from lstmdump.model.limits import Limits
from lstmdump.model.location import Location
from lstmdump.readers.tensorflow.wire.file_bytes import FileBytes, read_whole


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a"
    path.write_bytes(b"some bytes")
    return path


def test_the_bytes_are_the_files(path: Path) -> None:
    assert read_whole(Location(path)) == b"some bytes"


def test_slices_are_those_of_the_bytes(path: Path) -> None:
    data = FileBytes(Location(path))
    assert [bytes(data[2:6]), bytes(data[-5:]), bytes(data[8:99]), bytes(data[6:2])] == [b"me b", b"bytes", b"es", b""]
    assert len(data) == 10


@pytest.mark.parametrize("read", [read_whole, FileBytes])
def test_an_empty_file_is_reported_as_empty(read: type, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(CorruptModel, match=r"^saved_model\.pb is empty$"):
        read(Location(tmp_path / "a"), "saved_model.pb")


@pytest.mark.parametrize("read", [read_whole, FileBytes])
def test_a_missing_file_is_reported_without_its_path(read: type, tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match=r"^it cannot be read: No such file or directory$"):
        read(Location(tmp_path / "none"))


def test_a_file_is_read_as_a_whole_only_if_its_copies_are_within_the_limit_on_memory(path: Path) -> None:
    limited = Location(path, limits=Limits(memory=30))
    assert read_whole(limited, copies=3) == b"some bytes"
    with pytest.raises(RefusedModel, match=r"^it has 10 bytes; --limit memory=1MiB allows it$"):
        read_whole(limited, copies=4)


def test_a_slice_of_a_file_that_was_cut_short_is_refused(path: Path) -> None:
    data = FileBytes(Location(path))
    path.write_bytes(b"some")
    with pytest.raises(UnreadableModel, match="a was changed while it was read"):
        data[6:]
