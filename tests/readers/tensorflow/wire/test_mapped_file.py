from __future__ import annotations

from pathlib import Path

import pytest

from lstmdump.errors import CorruptModel, UnreadableModel
from lstmdump.model.location import Location
from lstmdump.readers.tensorflow.wire.mapped_file import mapped


def test_the_bytes_are_the_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"bytes")
    assert bytes(mapped(Location(tmp_path / "a"))) == b"bytes"


def test_an_empty_file_is_reported_as_empty(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(CorruptModel, match=r"^saved_model\.pb is empty$"):
        mapped(Location(tmp_path / "a"), "saved_model.pb")


def test_a_missing_file_is_reported_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match=r"^it cannot be read: No such file or directory$"):
        mapped(Location(tmp_path / "none"))
