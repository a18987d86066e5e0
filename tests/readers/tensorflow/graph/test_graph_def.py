from __future__ import annotations

import struct
import time

import numpy as np
import pytest
from support import tensorflow_builders as tf
from support.tensorflow_builders import constant, counted, integer, node, scalar, shape, varint

from lstmdump.errors import CorruptModel
from lstmdump.readers.protobuf import Message
from lstmdump.readers.tensorflow.graph import graph_def
from lstmdump.readers.tensorflow.graph.graph_def import Graph, integers, tensor_in


def names(nodes: object) -> list[str]:
    return [one.name for one in nodes]  # type: ignore[attr-defined]


def found(data: bytes, name: str) -> graph_def.Node:
    one = Graph(data).node(name)
    assert one is not None
    return one


@pytest.mark.parametrize("length", [1, 60, 130, 20_000])  # whose encoding takes 1, 1, 2 and 3 bytes
def test_a_node_is_found_by_its_name_operation_and_inputs(length: int) -> None:
    long = "n" * length
    graph = Graph(node("a", "Const") + node(long, "Split", "axis", "a") + node("b", "Tanh", f"{long}:1", "^a"))
    assert names(graph.running("Split")) == [long]
    assert names(graph.taking(f"{long}:1")) == ["b"]
    assert (len(graph), graph.turn(long), found(node("x", "Add", "p", "q"), "x").inputs) == (3, 1, ("p", "q"))


def test_a_name_of_forty_thousand_bytes_is_found() -> None:
    long = "n" * 40_000
    graph = Graph(node(long, "Split") + node("b", "Tanh", f"{long}:1"))
    assert names(graph.taking(f"{long}:1")) == ["b"]


@pytest.mark.parametrize("name", ["split", "split:2", "^split"])
def test_an_input_leads_to_its_node(name: str) -> None:
    one = Graph(node("split", "Split")).node(name)
    assert one is not None
    assert one.operation == "Split"


def test_a_missing_node_is_none() -> None:
    assert Graph(node("a", "Const")).node("b") is None
    assert Graph(b"").node("b") is None


@pytest.mark.parametrize("calls", [1, 100])  # a few are searches, many use the table of takers
def test_the_takers_of_an_output_are_found_once_and_in_order(calls: int) -> None:
    data = node("s", "Split") + node("x", "Tanh", "s:1") + node("y", "Add", "s:1", "s:1") + node("z", "Tanh", "s:11")
    graph = Graph(data)
    for _ in range(calls):
        assert names(graph.taking("s:1")) == ["x", "y"]
        assert names(graph.taking("s:2")) == []


def test_text_within_an_attribute_is_not_an_input() -> None:
    attribute = counted(2, b"\x1a\x03s:1\x12\x04Tanh")  # what an input `s:1` and an operation `Tanh` look like
    graph = Graph(node("a", "Placeholder", text=attribute))
    assert (names(graph.taking("s:1")), names(graph.running("Tanh"))) == ([], [])


def test_the_source_is_behind_nodes_that_pass_their_input_on() -> None:
    data = tf.variable("v", (2,)) + node("enter", "Enter", "v/read") + node("switch", "Switch", "enter:0", "p")
    one = Graph(data).source("switch:1")
    assert one is not None
    assert one.name == "v"


def test_a_cycle_of_nodes_that_pass_their_input_on_ends() -> None:
    data = node("a", "Identity", "b") + node("b", "Identity", "a")
    assert Graph(data).source("a") is not None


def test_nodes_after_other_fields_are_damage() -> None:
    with pytest.raises(CorruptModel, match="are not stored together"):
        Graph(node("a", "Const") + counted(4, integer(1, 21)) + node("b", "Const"))


def test_a_library_and_versions_after_the_nodes_are_ignored() -> None:
    assert len(Graph(node("a", "Const") + counted(2, counted(1, "f")) + counted(4, integer(1, 21)))) == 1


@pytest.mark.parametrize("cut", [1, 5])
def test_a_graph_that_is_cut_short_is_damage(cut: int) -> None:
    with pytest.raises(CorruptModel, match="cut short"):
        Graph((node("a", "Const") + node("b", "Placeholder"))[:-cut])


@pytest.mark.parametrize("late", [counted(1, "b"), counted(2, "Tanh"), counted(3, "x")])
def test_a_node_whose_head_follows_its_attributes_is_damage(late: bytes) -> None:
    # TensorFlow would read it; no program writes it, and here the head ends where the attributes begin
    graph = Graph(counted(1, counted(1, "a") + counted(2, "Const") + counted(5, counted(1, "T")) + late))
    found = graph.node("a")
    assert found is not None
    with pytest.raises(CorruptModel, match="name, operation or inputs follow its attributes"):
        _ = found.operation


def test_two_nodes_with_the_same_name_are_damage() -> None:
    with pytest.raises(CorruptModel, match="two nodes named a"):
        Graph(node("a", "Const") + node("a", "Const"))


def test_a_damaged_node_is_detected_when_it_is_parsed() -> None:
    graph = Graph(node("a", "Const") + counted(1, counted(1, "b") + b"\x0f"))
    assert graph.node("a") is not None
    with pytest.raises(CorruptModel):
        _ = graph.node("b").operation


@pytest.mark.parametrize("calls", [graph_def._MAX_SEARCHES, 20_000])
def test_many_searches_in_a_large_graph_take_seconds(calls: int) -> None:
    graph = Graph(b"".join(node(f"n{k}", "Tanh", f"m{k}") for k in range(20_000)))
    started = time.process_time()
    assert all(names(graph.taking(f"m{k}")) == [f"n{k}"] for k in range(calls))
    assert time.process_time() - started < 10


# --- constants


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "int64", "uint8", "bool"])
def test_a_constant_holds_its_numbers_as_bytes(dtype: str) -> None:
    values = np.array([[0, 1], [1, 1]], dtype)
    tensor = graph_def.constant(found(constant("c", values), "c"))
    assert tensor is not None
    assert (tensor.name, tensor.shape, tensor.dtype) == ("c", (2, 2), dtype)
    assert tensor.part(slice(0, 1)).read().tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("dtype", "stored", "values"),
    [
        (1, counted(5, struct.pack("<2f", 1.5, 2)), [1.5, 2, 2]),
        (1, tf.float32(5, 1.5) + tf.float32(5, 2), [1.5, 2, 2]),
        (2, counted(6, struct.pack("<d", -1)), [-1, -1, -1]),
        (3, counted(7, tf.varint(-3)), [-3, -3, -3]),
        (4, integer(7, 200), [200, 200, 200]),
        (9, counted(10, tf.varint(5) + tf.varint(6) + tf.varint(7)), [5, 6, 7]),
        (10, integer(11, 1), [True, True, True]),
        (14, counted(13, tf.varint(0x3F80)), [1, 1, 1]),
        (19, integer(13, 0x3C00), [1, 1, 1]),
        (1, b"", [0, 0, 0]),
    ],
)
def test_a_constant_may_hold_its_first_numbers_by_type(dtype: int, stored: bytes, values: list[float]) -> None:
    tensor = tensor_in(Message(integer(1, dtype) + counted(2, tf.shape([3])) + stored), "c")
    assert tensor is not None
    assert tensor.read().tolist() == values


def test_a_constant_of_another_size_than_its_shape_is_damage() -> None:
    with pytest.raises(CorruptModel, match=r"c is float32 \(3,\), 12 bytes, but 8 are stored"):
        tensor_in(Message(integer(1, 1) + counted(2, tf.shape([3])) + counted(4, bytes(8))), "c")


def test_a_constant_in_an_unknown_form_raises_an_error_of_this_package() -> None:
    tensor = tensor_in(Message(integer(1, 8) + counted(2, tf.shape([3]))), "c")
    assert tensor is not None
    with pytest.raises(CorruptModel, match="complex64 values in an unknown form"):
        tensor.read()


def test_a_constant_of_strings_is_not_a_tensor() -> None:
    assert tensor_in(Message(integer(1, 7) + counted(2, tf.shape([1])) + counted(8, "x")), "c") is None


@pytest.mark.parametrize(
    "data", [node("c", "Placeholder"), node("c", "Const"), node("c", "Const", value=integer(3, 1))]
)
def test_a_node_without_a_tensor_is_not_a_constant(data: bytes) -> None:
    assert graph_def.constant(found(data, "c")) is None


@pytest.mark.parametrize("value", [0.0, 0.25, 0.7, 1.0, -1.0])
@pytest.mark.parametrize("packed", [True, False])
def test_a_scalar_is_one_number(value: float, packed: bool) -> None:
    number = counted(5, struct.pack("<f", value)) if packed else tf.float32(5, value)
    by_type = node("c", "Const", value=counted(8, integer(1, 1) + counted(2, b"") + number))
    assert graph_def.scalar(found(by_type, "c")) == value
    assert graph_def.scalar(found(scalar("c", value), "c")) == value


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_a_scalar_may_be_of_another_width(dtype: str) -> None:
    assert graph_def.scalar(found(constant("c", np.array(0.25, dtype)), "c")) == 0.25


def test_a_half_scalar_may_be_in_bits() -> None:
    data = node("c", "Const", value=counted(8, integer(1, 19) + counted(2, b"") + integer(13, 0x3C00)))
    assert graph_def.scalar(found(data, "c")) == 1.0


@pytest.mark.parametrize("value", [1, -1, 70_000])
@pytest.mark.parametrize("as_bytes", [True, False])
def test_an_integer_scalar_may_be_negative(value: int, as_bytes: bool) -> None:
    by_type = node("c", "Const", value=counted(8, integer(1, 3) + counted(2, b"") + integer(7, value)))
    data = constant("c", np.array(value, "<i4")) if as_bytes else by_type
    assert graph_def.scalar(found(data, "c")) == value


@pytest.mark.parametrize("values", [np.zeros(2, "f4"), np.array("x"), np.array(1, "u1")])
def test_several_numbers_and_other_dtypes_are_not_a_scalar(values: np.ndarray) -> None:
    data = node("c", "Const") if values.dtype.kind == "U" else constant("c", values)
    assert graph_def.scalar(found(data, "c")) is None


def test_a_scalar_without_a_number_is_zero() -> None:
    assert graph_def.scalar(found(node("c", "Const", value=counted(8, integer(1, 1) + counted(2, b""))), "c")) == 0.0


# --- variables


@pytest.mark.parametrize("operation", ["Variable", "VariableV2", "VarHandleOp"])
def test_declared_variables_have_shape_and_type(operation: str) -> None:
    graph = Graph(tf.variable("k", (3, 16), operation))
    assert graph_def.variables_declared(graph) == {"k": ((3, 16), "float32")}


@pytest.mark.parametrize("shape", [integer(3, 1), tf.shape([-1, 16])])
def test_a_variable_with_a_partly_unknown_shape_is_ignored(shape: bytes) -> None:
    graph = Graph(node("k", "VariableV2", shape=counted(7, shape), dtype=integer(6, 1)))
    assert graph_def.variables_declared(graph) == {}


@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        (counted(4, np.array([0, -1], "<i4").tobytes()), (0, -1)),
        (counted(7, varint(0) + varint(-1)), (0, -1)),
        (integer(7, 5), (5, 5)),  # the last number stands for the missing ones
        (b"", (0, 0)),
    ],
)
def test_a_short_vector_of_integers_is_read_in_every_form(content: bytes, numbers: tuple[int, ...]) -> None:
    made = integer(1, 3) + counted(2, shape((2,))) + content
    (found,) = Graph(node("a", "Const", value=counted(8, made))).running("Const")
    assert integers(found) == numbers


@pytest.mark.parametrize(
    "values", [np.zeros(2, "<f4"), np.zeros((1, 2), "<i4"), np.zeros(9, "<i4"), np.array(0, "<i4")]
)
def test_other_constants_are_not_short_vectors_of_integers(values: np.ndarray) -> None:
    (found,) = Graph(constant("a", values)).running("Const")
    assert integers(found) is None
