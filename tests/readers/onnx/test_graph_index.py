"""Large graphs, of which only the nodes that matter are read, against the same graphs read as a whole."""

from __future__ import annotations

import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import large_onnx_graphs as large
from support import onnx_builders as onnx
from support.tensorflow_builders import counted, integer

import lstmdump
from lstmdump.errors import CorruptModel, LstmdumpError, RefusedModel
from lstmdump.model.limits import DEFAULTS
from lstmdump.model.location import Location
from lstmdump.readers.onnx import graph_index, reader
from lstmdump.readers.onnx.graph import OnnxGraph, OnnxNode
from lstmdump.report.facts import describe

WHOLE = 1 << 40  # bytes, so that every graph is read as a whole
GRAPHS = {
    "node": large.graph(30, large.lstm(), large.LSTM_SHAPES),
    "node among gates": large.graph(30, large.lstm(), large.LSTM_SHAPES, gate="Sigmoid"),
    "cell": large.graph(30, large.cell(3), large.CELL_SHAPES),
    "cell of many steps": large.graph(30, large.cell(24), large.CELL_SHAPES),
    "nothing": large.graph(30, [], {}),
}


def answer(path: Path, few: int) -> object:
    """Return what is said of a model and its arrays, or the class of the error."""
    with mock.patch.object(reader, "_FEW", few):
        try:
            with lstmdump.open(path) as model:
                numbers = [gate.W.read().tobytes() for one in model.lstms for gate in one.gates.values()]
                return describe(model), numbers, model.model.sources()
        except LstmdumpError as error:
            return type(error)


def read_nodes(path: Path) -> int:
    """Return how many nodes are read."""
    with mock.patch.object(OnnxNode, "__init__", autospec=True, side_effect=OnnxNode.__init__) as made:
        reader.read(Location(path)).close()
    return made.call_count


@pytest.mark.parametrize("name", GRAPHS)
def test_a_large_graph_is_described_as_if_it_were_read_as_a_whole(name: str, tmp_path: Path) -> None:
    path = onnx.write(tmp_path / "m.onnx", GRAPHS[name])
    assert answer(path, 0) == answer(path, WHOLE)


def test_of_a_large_graph_few_nodes_are_read(tmp_path: Path) -> None:
    path = onnx.write(tmp_path / "m.onnx", large.graph(300, large.lstm(), large.LSTM_SHAPES, gate="Sigmoid"))
    assert path.stat().st_size > 10 * reader._FEW
    assert read_nodes(path) < 20


def test_all_stored_tensors_count_as_parameters(tmp_path: Path) -> None:
    with lstmdump.open(onnx.write(tmp_path / "m.onnx", large.graph(100, large.lstm(), large.LSTM_SHAPES))) as model:
        assert model.model.parameters == 100 * 104 + 4 * 4 * (3 + 4 + 2)


def test_parameters_in_a_graph_too_large_to_be_held_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = onnx.write(tmp_path / "m.onnx", large.graph(100, large.lstm(), large.LSTM_SHAPES))
    held = answer(path, 0)
    monkeypatch.setattr(graph_index, "_MOST_HELD", 1 << 14)
    monkeypatch.setattr(graph_index, "_STEP", 1 << 14)
    assert answer(path, 0) == held


def test_after_many_searches_all_nodes_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = onnx.write(tmp_path / "m.onnx", GRAPHS["cell"])
    monkeypatch.setattr(graph_index, "_MOST_LOOKUPS", 20)
    assert answer(path, 0) == answer(path, WHOLE)


def edited(change: Callable[[list[bytes], list[bytes]], None]) -> onnx.Graph:
    """Return the graph with an LSTM node after `change` of its nodes and tensors."""
    (_, nodes), (_, stored), (_, inputs), (_, outputs) = GRAPHS["node"].parts
    nodes, stored = list(nodes), list(stored)
    change(nodes, stored)
    return onnx.Graph(nodes, stored, inputs, outputs)


def lengthen(_: list[bytes], stored: list[bytes]) -> None:
    stored[5] = stored[5] + counted(9, bytes(12))


def repeat(_: list[bytes], stored: list[bytes]) -> None:
    stored.append(stored[5])


def give_weights(nodes: list[bytes], _: list[bytes]) -> None:
    nodes.insert(3, onnx.node("Relu", ["input"], ["lstm.W"]))


def take_two(nodes: list[bytes], _: list[bytes]) -> None:
    nodes.append(onnx.node("LSTM", ["input", *large.LSTM_SHAPES], ["other"], "/encoder/LSTM_1", hidden_size=4))


@pytest.mark.parametrize("change", [lengthen, repeat, give_weights, take_two])
def test_a_changed_graph_has_the_same_answer_as_if_it_were_read_as_a_whole(
    change: Callable[[list[bytes], list[bytes]], None], tmp_path: Path
) -> None:
    path = onnx.write(tmp_path / "m.onnx", edited(change))
    assert answer(path, 0) == answer(path, WHOLE)


@pytest.mark.parametrize("change", [lengthen, repeat, give_weights])
def test_damage_that_concerns_numbers_is_refused(
    change: Callable[[list[bytes], list[bytes]], None], tmp_path: Path
) -> None:
    with pytest.raises(CorruptModel):
        lstmdump.open(onnx.write(tmp_path / "m.onnx", edited(change)))


@pytest.mark.parametrize("named", [1, 2000])
def test_an_lstm_of_another_domain_is_noted(named: int, tmp_path: Path) -> None:
    others = [onnx.node("Relu", ["input"], [f"LSTM_{number}"], f"rnn/LSTM_{number}") for number in range(named)]
    foreign = onnx.node("DynamicQuantizeLSTM", ["input"], ["y"], "quantized", domain="com.microsoft")
    path = onnx.write(tmp_path / "m.onnx", large.graph(30, [*others, foreign], {}))
    with mock.patch.object(reader, "_FEW", 0), lstmdump.open(path) as model:
        (note,) = model.model.notes
    assert note.startswith("quantized is a com.microsoft.DynamicQuantizeLSTM, which is not an operator of ONNX itself")


def test_a_cut_graph_is_refused(tmp_path: Path) -> None:
    data = onnx.model(GRAPHS["node"])
    (tmp_path / "m.onnx").write_bytes(data[: len(data) // 2])
    with pytest.raises(CorruptModel):
        reader.read(Location(tmp_path / "m.onnx"))


def test_the_number_of_nodes_is_limited(tmp_path: Path) -> None:
    path = onnx.write(tmp_path / "m.onnx", GRAPHS["node"])
    with pytest.raises(RefusedModel, match="--limit nodes"):
        reader.read(Location(path, limits=DEFAULTS._replace(nodes=200)))


def test_the_number_of_tensors_is_limited(tmp_path: Path) -> None:
    path = onnx.write(tmp_path / "m.onnx", GRAPHS["node"])
    with pytest.raises(RefusedModel, match="--limit objects"):
        reader.read(Location(path, limits=DEFAULTS._replace(objects=50)))


def test_a_graph_whose_nodes_are_not_its_beginning_is_read_as_a_whole(tmp_path: Path) -> None:
    (_, nodes), (_, stored), *_ = GRAPHS["node"].parts
    parts = [counted(5, one) for one in stored] + [counted(1, one) for one in nodes]
    (tmp_path / "m.onnx").write_bytes(
        onnx.model(GRAPHS["nothing"])[:20].split(b"\x3a")[0] + counted(7, b"".join(parts))
    )
    with mock.patch.object(reader, "OnnxGraph", wraps=OnnxGraph) as whole, lstmdump.open(tmp_path / "m.onnx") as model:
        assert (whole.call_count, len(model.lstms)) == (1, 1)


MODELS = {name: onnx.model(large.graph(3, nodes, shapes, gate="Sigmoid")) for name, nodes, shapes in (
    ("node", large.lstm(), large.LSTM_SHAPES), ("cell", large.cell(2), large.CELL_SHAPES),
    ("steps", large.cell(10), large.CELL_SHAPES))}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
@settings(deadline=None)
@given(data=st.data())
def test_a_damaged_graph_is_refused_or_has_the_numbers_that_it_has_when_read_as_a_whole(
    name: str, data: st.DataObject
) -> None:
    model = bytearray(MODELS[name])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(model) - 1))
        model[place] = data.draw(
            st.integers(0, 255) | st.sampled_from([model[place] ^ 1, 0x0A, 0x12, 0x22, 0x2A, 0x80])
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        path.write_bytes(model)
        searched, whole = answer(path, 0), answer(path, WHOLE)
    if isinstance(whole, tuple):
        assert searched == whole


def test_a_name_that_looks_like_an_operator_may_end_the_graph(tmp_path: Path) -> None:
    name = 'x"\x03Add'
    gate, product = onnx.node("Sigmoid", ["input"], ["gate"]), onnx.node("Mul", ["input", "gate"], [name])
    graph = b"".join(counted(1, node) for node in (gate, product, counted(1, name)))
    path = tmp_path / "m.onnx"
    path.write_bytes(integer(1, 8) + counted(2, "hand") + counted(7, graph) + counted(8, integer(2, onnx.OPSET)))
    with mock.patch.object(reader, "_FEW", 0), reader.read(Location(path)) as model:
        assert not model.parameters


def test_tensors_with_names_behind_unusual_keys_take_no_more_memory(tmp_path: Path) -> None:
    key = b"\xc2\x00"  # that of a name, in two bytes
    stored = [onnx.tensor("", np.zeros(20, np.float32)).replace(b"\x42\x00", key + b"\x04%04d" % number)
              for number in range(2_000)]  # fmt: skip
    path = onnx.write(tmp_path / "m.onnx", onnx.Graph([], stored))
    with mock.patch.object(reader, "_FEW", 0):
        tracemalloc.start()
        with reader.read(Location(path)) as model:
            assert model.parameters == 2_000 * 20
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 10 << 20  # a file of 200 KB


HIDDEN = {
    "key": lambda node: node.replace(b"\x22\x04LSTM", b"\xa2\x00\x04LSTM"),
    "length": lambda node: node.replace(b"\x22\x04LSTM", b"\x22\x84\x00LSTM"),
    "key and length": lambda node: node.replace(b"\x22\x04LSTM", b"\xa2\x80\x00\x84\x80\x00LSTM"),
}


@pytest.mark.parametrize("change", HIDDEN.values(), ids=HIDDEN)
def test_a_layer_is_not_hidden_by_numbers_in_more_bytes_than_they_need(
    change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    nodes = [change(node) for node in large.lstm()]
    path = onnx.write(tmp_path / "m.onnx", large.graph(100, nodes, large.LSTM_SHAPES))
    assert path.stat().st_size > reader._FEW
    with lstmdump.open(path) as model:
        assert len(model) == 1


def test_two_layers_that_give_the_same_value_are_refused(tmp_path: Path) -> None:
    path = onnx.write(tmp_path / "m.onnx", large.graph(100, [*large.lstm(), *large.lstm()], large.LSTM_SHAPES))
    with pytest.raises(CorruptModel, match="two nodes or tensors of the graph give the value"):
        lstmdump.open(path)
