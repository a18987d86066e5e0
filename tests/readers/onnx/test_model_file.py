from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from support import onnx_builders as onnx
from support.tensorflow_builders import counted, fixed32, integer

import lstmdump
from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.location import Location
from lstmdump.readers.onnx import reader
from lstmdump.readers.onnx.model_file import ModelFile

LARGE = 3 << 20  # bytes: more than are read at once


def made(data: bytes, limits: Limits = DEFAULTS) -> ModelFile:
    return ModelFile(io.BytesIO(data), "it", limits)


@pytest.mark.parametrize("padding", [0, LARGE])
def test_fields_are_numbers_and_the_positions_of_bytes(padding: int) -> None:
    data = integer(1, 300) + counted(2, b"name") + fixed32(3, 7) + counted(4, bytes(padding)) + integer(5, 1)
    file = made(data)
    found = dict(file.fields((0, file.size)))
    assert (found[1], found[5]) == (300, 1)
    contents = {
        number: file.content(value) for number, value in found.items() if number in (2, 3) and type(value) is tuple
    }
    assert contents == {2: b"name", 3: (7).to_bytes(4, "little")}


def test_of_a_large_file_only_the_heads_of_fields_are_read() -> None:
    class Counting(io.BytesIO):
        count = 0

        def read(self, size: int | None = -1) -> bytes:
            Counting.count += size or 0
            return super().read(size)

    data = b"".join(counted(2, bytes(LARGE)) for _ in range(4)) + integer(1, 5)
    file = ModelFile(Counting(data), "it", DEFAULTS)
    assert [number for number, _ in file.fields((0, file.size))] == [2, 2, 2, 2, 1]
    assert Counting.count < LARGE / 10


@pytest.mark.parametrize("padding", [b"", counted(9, bytes(LARGE))])
@pytest.mark.parametrize(
    "data",
    [
        b"\x08",  # no value
        b"\x12\x05abc",  # five bytes of which three are there
        b"\x0b",  # a group
        b"\x00\x01",  # field 0
        b"\x15\x00\x00",  # four bytes of which two are there
        b"\x08" + b"\xff" * 11,
        b"\x12" + b"\xff" * 9 + b"\x01",
    ],
)
def test_damaged_fields_are_an_error(data: bytes, padding: bytes) -> None:
    file = made(padding + data)
    with pytest.raises(CorruptModel):
        list(file.fields((0, file.size)))


def test_a_field_may_not_reach_beyond_its_message() -> None:
    file = made(counted(1, b"\x12\x05abc") + bytes(20))
    ((_, inner),) = list(file.fields((0, 7)))
    assert type(inner) is tuple
    with pytest.raises(CorruptModel):
        list(file.fields(inner))


def test_the_number_of_fields_is_limited() -> None:
    file = made(integer(1, 1) * 100, DEFAULTS._replace(nodes=50))
    with pytest.raises(RefusedModel, match="--limit nodes"):
        list(file.fields((0, file.size)))


@pytest.mark.parametrize("count", [0, 2])
def test_a_model_has_one_graph(count: int, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(integer(1, 8) + counted(2, "x") + counted(7, b"") * count)
    with pytest.raises(CorruptModel, match=f"an ONNX model with {count} graphs, not one"):
        reader.read(Location(tmp_path / "m.onnx"))


def test_a_model_larger_than_what_is_read_at_once_is_read_as_a_small_one(tmp_path: Path) -> None:
    values = onnx.arrays(3, 4)
    graph = onnx.lstm(values)
    nodes, stored = graph.parts[0][1], graph.parts[1][1]
    large = onnx.tensor("large", np.zeros(LARGE // 4, np.float32))
    path = onnx.write(tmp_path / "m.onnx", onnx.Graph(nodes, [large, *stored]))
    with lstmdump.open(path) as model:
        np.testing.assert_array_equal(model.lstms[0].gates["f"].W.read(), onnx.gates(values)["W_f"])
        assert model.model.parameters == LARGE // 4 + 4 * 4 * (3 + 4 + 2)


@pytest.mark.parametrize(
    "graph",
    [
        onnx.Graph([onnx.node("Relu", ["X"], ["Y"]), onnx.node("Relu", ["X"], ["Y"])]),
        onnx.Graph([onnx.node("Relu", ["X"], ["W"])], [onnx.tensor("W", np.ones(1, np.float32))]),
        onnx.Graph([], [onnx.tensor("W", np.ones(1, np.float32))] * 2),
    ],
)
def test_a_value_is_given_once(graph: onnx.Graph, tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match=r"give the value|are called"):
        lstmdump.open(onnx.write(tmp_path / "m.onnx", graph))


def test_graphs_are_not_nested_without_end(tmp_path: Path) -> None:
    graph = onnx.Graph([])
    for _ in range(200):
        graph = onnx.Graph([onnx.node("If", ["c"], ["y"], then_branch=graph)])
    with pytest.raises(RefusedModel, match="nesting="):
        lstmdump.open(onnx.write(tmp_path / "m.onnx", graph))
