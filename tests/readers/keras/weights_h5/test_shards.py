from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import builders

import lstmdump
from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import Limits
from lstmdump.readers import declared_sizes

KERNEL, RECURRENT, BIAS = builders.cell()  # 3·16, 4·16 and 16 numbers of 4 bytes
BYTES = 4 * (48 + 64 + 16)
CELL = "/layers/lstm/cell/vars"


def spread(folder: Path, weight_map: Any, size: Any = BYTES) -> Path:
    """A cell in two shards, the second of which has all but the kernel."""
    builders.saved(folder / "x_00000.weights.h5", {"layers/lstm/cell": {0: KERNEL}}, {"layers/lstm": "only"})
    builders.saved(folder / "x_00001.weights.h5", {"layers/lstm/cell": {1: RECURRENT, 2: BIAS}})
    index = folder / "x.weights.json"
    index.write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": weight_map}))
    return index


def refuse(path: Path, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words), lstmdump.open(path):
        pass


def test_one_layer_may_lie_in_two_shards(tmp_path: Path) -> None:
    index = spread(tmp_path, {CELL: ["x_00000.weights.h5", "x_00001.weights.h5"]})
    with lstmdump.open(index) as model:
        assert [(lstm.name, lstm.parameters) for lstm in model.lstms] == [("only", 128)]


def test_its_format_and_producer_are_told(tmp_path: Path) -> None:
    with lstmdump.open(spread(tmp_path, {CELL: ["x_00000.weights.h5", "x_00001.weights.h5"]})) as model:
        assert (model.format, model.producer) == ("keras-weights-h5", "keras 3.10 or later")


def test_a_shard_that_keras_3_10_left_out_of_its_list_is_read(tmp_path: Path) -> None:
    with lstmdump.open(spread(tmp_path, {CELL: "x_00000.weights.h5"})) as model:
        assert model.model.parameters == 128


def test_a_shard_that_is_neither_listed_nor_there_is_missed(tmp_path: Path) -> None:
    index = spread(tmp_path, {CELL: "x_00000.weights.h5"})
    (tmp_path / "x_00001.weights.h5").unlink()
    refuse(index, CorruptModel, "speaks of 512 bytes of arrays, but the files beside it hold 192")


def test_a_listed_shard_that_is_not_there_is_missed(tmp_path: Path) -> None:
    refuse(spread(tmp_path, {CELL: "x_00002.weights.h5"}), CorruptModel, "lists x_00002.weights.h5, which is not there")


@pytest.mark.parametrize(
    "name", ["../x.h5", "/etc/passwd", "a/b.h5", "a\\b.h5", "..", "", "c:x.h5", "a\nb", 3, None, {}]
)
def test_a_shard_elsewhere_is_never_opened(tmp_path: Path, name: Any) -> None:
    refuse(spread(tmp_path, {CELL: [name]}), (RefusedModel, CorruptModel), "no file beside it|does not list")  # type: ignore[arg-type]


@pytest.mark.parametrize("size", ["many", None, -1, {}])
def test_a_size_that_is_none_is_passed_over(tmp_path: Path, size: Any) -> None:
    with lstmdump.open(spread(tmp_path, {CELL: ["x_00000.weights.h5", "x_00001.weights.h5"]}, size)) as model:
        assert model.model.parameters == 128


def test_an_array_in_two_shards_is_a_contradiction(tmp_path: Path) -> None:
    index = spread(tmp_path, {CELL: ["x_00000.weights.h5", "x_00001.weights.h5"]})
    builders.saved(tmp_path / "x_00001.weights.h5", {"layers/lstm/cell": [KERNEL, RECURRENT, BIAS]})
    refuse(index, CorruptModel, "layers/lstm/cell/vars/0 is in more than one of the files")


def test_a_shard_alone_points_to_the_list(tmp_path: Path) -> None:
    index = spread(tmp_path, {CELL: ["x_00000.weights.h5", "x_00001.weights.h5"]})
    refuse(tmp_path / "x_00001.weights.h5", lstmdump.errors.UnknownFormat, f"name {index.name}, which lists them")


def test_a_shard_without_its_list_is_read_with_a_note(tmp_path: Path) -> None:
    spread(tmp_path, {}).unlink()
    with lstmdump.open(tmp_path / "x_00000.weights.h5") as model:
        assert "layers and arrays may be missing" in model.model.notes[0]


def test_a_shard_that_lacks_the_first_array_of_a_layer_is_not_read_alone(tmp_path: Path) -> None:
    spread(tmp_path, {}).unlink()
    refuse(tmp_path / "x_00001.weights.h5", CorruptModel, "but not number 0")


def test_an_index_of_safetensors_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"metadata": {"total_size": 4}, "weight_map": {"lstm.weight": "x.safetensors"}}')
    refuse(tmp_path / "x.json", lstmdump.errors.UnknownFormat, "JSON text")


def test_shards_may_declare_together_what_all_of_them_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = spread(tmp_path, {CELL: ["x_00000.weights.h5", "x_00001.weights.h5"]})
    monkeypatch.setattr(declared_sizes, "FREE", -sum(path.stat().st_size for path in tmp_path.glob("*.h5")) + BYTES)
    with lstmdump.open(index, limits=Limits(unfolding=1)):
        pass
    monkeypatch.setattr(declared_sizes, "FREE", declared_sizes.FREE - 1)
    with (
        pytest.raises(RefusedModel, match="its arrays declare 512 bytes"),
        lstmdump.open(index, limits=Limits(unfolding=1)),
    ):
        pass
