from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tensorflow_builders import counted, integer, piece, piece_key, shape, write_v1

from lstmdump.errors import CorruptModel, ModelClosed, RefusedModel, UnreadableModel
from lstmdump.model.limits import DEFAULTS
from lstmdump.model.locate import at
from lstmdump.model.location import Location
from lstmdump.readers.tensorflow.tf1.checkpoint_v1 import CheckpointV1

KERNEL = np.arange(12, dtype="<f4").reshape(3, 4)
ROWS = [[(0, 1), (0, -1)], [(1, 2), (0, -1)]]
WHOLE = piece_key("kernel", [(0, -1), (0, -1)])


def test_all_tensors_are_listed_with_shape_and_type(tmp_path: Path) -> None:
    tensors = CheckpointV1(
        Location(write_v1(tmp_path / "x", {"kernel": KERNEL, "b": np.zeros(2, "f4"), "s": np.array(1, "f4")}))
    ).tensors()
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()} == {
        "kernel": ((3, 4), "float32"), "b": ((2,), "float32"), "s": ((), "float32")}  # fmt: skip


def test_numbers_are_read_as_written(tmp_path: Path) -> None:
    kernel = CheckpointV1(Location(write_v1(tmp_path / "x", {"kernel": KERNEL}))).tensors()["kernel"]
    assert kernel.read().tolist() == KERNEL.tolist()
    assert kernel.part(slice(1, 2), slice(0, 2)).read().tolist() == [[4, 5]]


@pytest.mark.parametrize("cut", [ROWS, [[(0, -1), (0, 3)], [(0, -1), (3, 1)]]], ids=["rows", "columns"])
def test_pieces_are_joined(cut: Any, tmp_path: Path) -> None:
    kernel = CheckpointV1(Location(write_v1(tmp_path / "x", {"kernel": KERNEL}, {"kernel": cut}))).tensors()["kernel"]
    assert kernel.read().tolist() == KERNEL.tolist()


def test_no_numbers_are_read_before_they_are_requested(tmp_path: Path) -> None:
    path = write_v1(tmp_path / "x", {"kernel": KERNEL}, change=lambda entries: entries.pop(WHOLE))
    kernel = CheckpointV1(Location(path)).tensors()["kernel"]
    assert kernel.shape == (3, 4)
    with pytest.raises(CorruptModel, match="kernel is listed, but not stored"):
        kernel.read()


@pytest.mark.parametrize("cut", [ROWS[:1], [*ROWS, ROWS[0]]], ids=["lacks", "twice"])
def test_pieces_must_cover_the_whole_tensor(cut: Any, tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="do not make up a tensor"):
        CheckpointV1(Location(write_v1(tmp_path / "x", {"kernel": KERNEL}, {"kernel": cut}))).tensors()


def listing(*extents: int, dtype: int = 1, pieces: bytes = b"") -> bytes:
    return counted(1, counted(1, counted(1, "kernel") + counted(2, shape(extents)) + integer(3, dtype) + pieces))


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (listing(3, 4), "is listed without any stored piece"),
        (listing(3, 4, pieces=counted(4, piece([(0, -1)]))), "1 dimensions, but its tensor has 2"),
        (listing(3, -4, pieces=counted(4, piece([(0, -1), (0, -1)]))), "which is not valid"),
        (b"\x0f", "wire type 7"),
    ],
)
def test_an_inconsistent_list_is_corrupt(listed: bytes, words: str, tmp_path: Path) -> None:
    path = write_v1(tmp_path / "x", {"kernel": KERNEL}, change=lambda entries: entries.update({b"": listed}))
    with pytest.raises(CorruptModel, match=words):
        CheckpointV1(Location(path)).tensors()


def test_a_file_without_a_list_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="without its list of tensors"):
        CheckpointV1(Location(write_v1(tmp_path / "x", {"kernel": KERNEL}, change=lambda entries: entries.pop(b""))))


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (counted(5, bytes(52)), r"13 numbers are stored for an array of shape \(3, 4\)"),
        (counted(5, bytes(44)), r"11 numbers are stored for an array of shape \(3, 4\)"),
        (b"", r"0 numbers are stored for an array of shape \(3, 4\)"),
        (counted(5, bytes(7)), "7 bytes are not a whole number"),
        (counted(4, bytes(44)), "48 bytes, but 44 are stored"),
    ],
)
def test_numbers_that_do_not_fit_the_list_are_corrupt(numbers: bytes, words: str, tmp_path: Path) -> None:
    stored = counted(2, counted(3, numbers))
    path = write_v1(tmp_path / "x", {"kernel": KERNEL}, change=lambda entries: entries.update({WHOLE: stored}))
    with pytest.raises(CorruptModel, match=words):
        CheckpointV1(Location(path)).tensors()["kernel"].read()


def test_strings_cannot_be_read_as_numbers(tmp_path: Path) -> None:
    listed = listing(3, 4, dtype=7, pieces=counted(4, piece([(0, -1), (0, -1)])))
    path = write_v1(tmp_path / "x", {"kernel": KERNEL}, change=lambda entries: entries.update({b"": listed}))
    with pytest.raises(CorruptModel, match="holds string, which is not an array of numbers"):
        CheckpointV1(Location(path)).tensors()["kernel"].read()


def test_reading_after_close_is_reported(tmp_path: Path) -> None:
    checkpoint = CheckpointV1(Location(write_v1(tmp_path / "x", {"kernel": KERNEL})))
    kernel = checkpoint.tensors()["kernel"]
    checkpoint.close()
    with pytest.raises(ModelClosed, match="after the model had been closed"):
        kernel.read()


def test_a_missing_or_empty_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    for name, words in (("none", "cannot be read"), ("empty", "is empty")):
        with pytest.raises(UnreadableModel, match=words):
            CheckpointV1(Location(tmp_path / name))


def test_a_changed_byte_is_detected(tmp_path: Path) -> None:
    path = write_v1(tmp_path / "x", {"kernel": KERNEL})
    data = path.read_bytes()
    path.write_bytes(data.replace(KERNEL.tobytes(), (KERNEL + 1).tobytes()))
    with pytest.raises(CorruptModel, match="checksum of a block does not match"):
        CheckpointV1(Location(path))


def test_ten_thousand_tensors_in_one_block_are_read_in_less_than_five_seconds(tmp_path: Path) -> None:
    path = write_v1(tmp_path / "x", {f"t{k:04d}": np.full((2,), k, "f4") for k in range(10_000)})
    started = time.process_time()
    assert [tensor.read()[0] for tensor in CheckpointV1(Location(path)).tensors().values()] == list(range(10_000))
    assert time.process_time() - started < 5


def test_a_tensor_that_is_listed_twice_is_corrupt(tmp_path: Path) -> None:
    one = counted(1, counted(1, "kernel") + counted(2, shape((3, 4))) + integer(3, 1))
    path = write_v1(
        tmp_path / "x", {"kernel": KERNEL}, change=lambda entries: entries.update({b"": counted(1, one * 2)})
    )
    with pytest.raises(CorruptModel, match="a checkpoint that lists kernel twice"):
        CheckpointV1(Location(path))


def test_listed_tensors_are_limited(tmp_path: Path) -> None:
    path = write_v1(tmp_path / "x", {"a": KERNEL, "b": KERNEL, "c": KERNEL})
    assert len(CheckpointV1(at(path, DEFAULTS._replace(objects=4))).tensors()) == 3  # and the list itself
    one = b"".join(counted(1, counted(1, f"{number}")) for number in range(5))
    path = write_v1(tmp_path / "y", {"a": KERNEL}, change=lambda entries: entries.update({b"": counted(1, one)}))
    with pytest.raises(RefusedModel, match="a checkpoint that lists 5 tensors; --limit objects=5 allows it"):
        CheckpointV1(at(path, DEFAULTS._replace(objects=4)))
