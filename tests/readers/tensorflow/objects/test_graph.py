from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from support import tensorflow_builders as tf
from support.tensorflow_builders import Object, Variable, counted, integer

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import DEFAULTS
from lstmdump.readers.tensorflow.objects import graph as object_graph
from lstmdump.readers.tensorflow.objects.graph import path_of_key

ENDING = tf.ENDING


def checkpoint_graph(root: Object) -> bytes:
    known = tf.numbered(root)
    return b"".join(counted(1, tf._node(one, known)) for one in known)


def test_a_checkpoints_graph_has_edges_variables_and_keys() -> None:
    kernel = Variable("lstm/kernel", np.zeros(2, "f4"))
    graph = object_graph.of_checkpoint(checkpoint_graph(Object({"cell": Object({"kernel": kernel})})))
    assert [node.children for node in graph.nodes] == [[("cell", 1)], [("kernel", 2)], []]
    variable = graph.nodes[2].variable
    assert variable is not None
    assert (variable.full_name, variable.key, variable.shape) == ("lstm/kernel", "cell/kernel" + ENDING, None)


def test_a_saved_models_graph_has_shapes_and_types_but_no_keys() -> None:
    root = Object({"v": Variable("v", np.zeros((3, 16), "f8"))}, identifier="_tf_keras_layer", metadata="{}")
    graph = object_graph.of_saved_model(tf.saved_object_graph(root))
    variable = graph.nodes[1].variable
    assert variable is not None
    assert (variable.full_name, variable.key, variable.shape, variable.dtype) == ("v", None, (3, 16), "float64")
    assert (graph.nodes[0].identifier, graph.nodes[0].metadata) == ("_tf_keras_layer", "{}")


@pytest.mark.parametrize("shape", [integer(3, 1), tf.shape([-1, 4])], ids=["no rank", "an open dimension"])
def test_a_variable_of_a_saved_model_can_have_an_unknown_shape(shape: bytes) -> None:
    graph = object_graph.of_saved_model(counted(1, counted(7, integer(1, 1) + counted(2, shape) + counted(6, "v"))))
    variable = graph.nodes[0].variable
    assert variable is not None
    assert (variable.shape, variable.dtype) == (None, "float32")


def test_a_variable_of_a_saved_model_in_parts_is_merged() -> None:
    parts = counted(7, counted(2, tf.shape([3])) + counted(6, "v")) + counted(7, counted(2, tf.shape([4])))
    (node,) = object_graph.of_saved_model(counted(1, parts)).nodes
    assert node.variable is not None
    assert (node.variable.full_name, node.variable.shape) == ("v", (3, 4))


def test_a_users_object_in_parts_is_merged() -> None:
    parts = counted(4, counted(1, "_tf_keras_layer")) + counted(4, counted(3, "{}"))
    (node,) = object_graph.of_saved_model(counted(1, parts)).nodes
    assert (node.identifier, node.metadata) == ("_tf_keras_layer", "{}")


@pytest.mark.parametrize("other", [7, 8, 12])
def test_an_object_of_two_kinds_is_corrupt(other: int) -> None:
    with pytest.raises(CorruptModel, match="an object of the graph that is of two kinds"):
        object_graph.of_saved_model(counted(1, counted(4, counted(1, "a")) + counted(other, b"")))


@pytest.mark.parametrize("read", [object_graph.of_checkpoint, object_graph.of_saved_model])
def test_slots_are_distinguished_from_weights(read: object) -> None:
    kernel, slot = Variable("kernel", np.zeros(2, "f4")), Variable("kernel/m", np.zeros(2, "f4"))
    root = Object({"kernel": kernel, "optimizer": Object(slots=[(kernel, "m", slot)])})
    data = checkpoint_graph(root) if read is object_graph.of_checkpoint else tf.saved_object_graph(root)
    graph = read(data)  # type: ignore[operator]
    assert (graph.slots, [node.has_slots for node in graph.nodes]) == ({3}, [False, False, True, False])


def test_a_graph_without_objects_is_corrupt() -> None:
    with pytest.raises(CorruptModel, match="without objects"):
        object_graph.of_checkpoint(b"")


@pytest.mark.parametrize("number", [2, 2**63])
def test_an_edge_to_a_node_that_does_not_exist_is_corrupt(number: int) -> None:
    data = counted(1, counted(1, integer(1, number) + counted(2, "x"))) + counted(1, b"")
    with pytest.raises(CorruptModel, match="edges to nodes that do not exist"):
        object_graph.of_checkpoint(data)


def test_a_path_without_an_edge_leads_to_no_node() -> None:
    graph = object_graph.of_checkpoint(checkpoint_graph(Object({"a": Object({"b": Object()})})))
    assert (graph.walk_to([]), graph.walk_to(["a", "b"]), graph.walk_to(["b"]), graph.walk_to(["b", "a"])) == (
        0,
        2,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("model/layer-0/kernel" + ENDING, ["model", "layer-0", "kernel"]),
        ("a.Sb/c..d" + ENDING, ["a/b", "c.d"]),  # `/` is written `.S`, and `.` is written `..`
        ("a..S" + ENDING, ["a.S"]),
        ("kernel/.OPTIMIZER_SLOT/optimizer/m" + ENDING, None),
        ("kernel/.ATTRIBUTES/OBJECT_CONFIG_JSON", None),
        ("rnn/kernel", None),
    ],
)
def test_a_key_is_a_path(key: str, path: list[str] | None) -> None:
    assert path_of_key(key) == path


def test_a_graph_is_built_from_keys() -> None:
    graph = object_graph.of_keys(["a/x" + ENDING, "a/y" + ENDING, "b" + ENDING, "_CHECKPOINTABLE_OBJECT_GRAPH"])
    assert [node.children for node in graph.nodes] == [[("a", 1), ("b", 4)], [("x", 2), ("y", 3)], [], [], []]
    assert [node.variable and node.variable.key for node in graph.nodes] == [
        None, None, "a/x" + ENDING, "a/y" + ENDING, "b" + ENDING]  # fmt: skip


def test_a_key_of_very_many_steps_is_read_in_less_than_five_seconds() -> None:
    started = time.process_time()
    assert len(object_graph.of_keys(["a/" * 100_000 + "b" + ENDING]).nodes) == 100_002
    assert time.process_time() - started < 5


@pytest.mark.parametrize("number", [0, 127, 128, 20_000, 3_000_000])  # which takes 1, 1, 2, 3 and 4 bytes
@pytest.mark.parametrize("name", ["cell", "n" * 200, "ü"])
def test_an_edge_is_read_whatever_the_length_of_its_number_and_name(number: int, name: str) -> None:
    assert object_graph._decode_edge(integer(1, number) + counted(2, name)) == (name, number)


def test_an_edge_is_read_whatever_the_order_of_its_fields() -> None:
    assert object_graph._decode_edge(counted(2, "cell") + integer(1, 5)) == ("cell", 5)


def test_the_last_name_of_an_edge_with_two_names_counts() -> None:
    assert object_graph._decode_edge(integer(1, 5) + counted(2, "a") + counted(2, "b")) == ("b", 5)


def test_an_edge_without_a_number_leads_to_the_root() -> None:
    assert object_graph._decode_edge(counted(2, "root")) == ("root", 0)


@pytest.mark.parametrize("data", [b"\x08", b"\x08\xff", b"\x08\x05\x12", b"\x08\x05\x12\x09abc"])
def test_a_truncated_edge_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptModel, match="damaged protocol buffer"):
        object_graph._decode_edge(data)


@pytest.mark.parametrize("read", [object_graph.of_checkpoint, object_graph.of_saved_model])
def test_nodes_and_edges_are_limited(read: Any) -> None:
    star = counted(1, b"".join(counted(1, integer(1, number) + counted(2, "x")) for number in range(5)))
    leaves = counted(1, b"") * 5
    assert len(read(star + leaves, DEFAULTS._replace(nodes=6)).nodes) == 6
    with pytest.raises(RefusedModel, match="a message of more than 5 fields; --limit nodes=50 allows it"):
        read(star + leaves, DEFAULTS._replace(nodes=5))
    with pytest.raises(RefusedModel, match="an object graph of more than 9 edges; --limit nodes=90 allows it"):
        read(star * 2 + leaves, DEFAULTS._replace(nodes=9))
