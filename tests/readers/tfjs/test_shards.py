"""Weights in several files that are read as one."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import pytest

from lstmdump.errors import ChangedFile
from lstmdump.model.location import Location
from lstmdump.readers.tfjs.shards import ShardedFile


def write_shards(directory: Path, count: int) -> list[Location]:
    for number in range(count):
        (directory / f"shard{number}").write_bytes(bytes(8))
    model = Location(directory)
    return [model.child(f"shard{number}") for number in range(count)]


def test_a_read_checks_each_opened_file_once(tmp_path: Path) -> None:
    with ShardedFile(write_shards(tmp_path, 20)) as file:
        file.read()
        with mock.patch.object(os, "stat", wraps=os.stat) as stat:
            file.require_unchanged()
    assert stat.call_count == 20


def test_a_shard_that_was_written_after_it_was_read_is_told(tmp_path: Path) -> None:
    with ShardedFile(write_shards(tmp_path, 3)) as file:
        file.read()
        (tmp_path / "shard1").write_bytes(bytes(9))
        with pytest.raises(ChangedFile):
            file.require_unchanged()
