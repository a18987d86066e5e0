from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from support import tensorflow_builders as tf
from support.tensorflow_builders import Object, Variable, layer, write_checkpoint

import lstmdump
from lstmdump.errors import RefusedModel
from lstmdump.readers.tensorflow.objects import graph as object_graph
from lstmdump.readers.tensorflow.objects import weights as objects_weights
from lstmdump.readers.tensorflow.objects.graph import ObjectGraph, ObjectNode


def found(root: Object) -> list[tuple[str, list[str]]]:
    graph = object_graph.of_saved_model(tf.saved_object_graph(root))
    return [("/".join(edge for edge, _ in one.way), list(one.variables)) for one in objects_weights.find_holders(graph)]


def variable(name: str, *shape: int, dtype: str = "f4") -> Variable:
    return Variable(name, np.zeros(shape, dtype))


THREE = ["kernel", "recurrent_kernel", "bias"]


def test_layers_are_sorted_by_number_not_by_the_order_of_edges() -> None:
    root = Object({f"layer-{k}": layer(f"l{k}") for k in (10, 9, 2)})
    assert found(root) == [("layer-2/cell", THREE), ("layer-9/cell", THREE), ("layer-10/cell", THREE)]


def test_a_layer_with_two_paths_is_counted_once() -> None:
    shared = layer("shared")
    assert found(Object({"a": shared, "b": Object({"again": shared})})) == [("a/cell", THREE)]


def test_objects_that_refer_to_each_other_are_visited_once() -> None:
    inner = Object({"v": variable("v", 2)})
    root = Object({"inner": inner})
    inner.children["outer"] = root
    assert found(root) == [("inner", ["v"])]


@pytest.mark.parametrize(
    "beside", ["variables", "trainable_variables", "_all_variables", "keras_api", "signatures", "states"]
)
def test_additional_lists_of_variables_are_not_layers(beside: str) -> None:
    one = layer("lstm")
    again = Object({str(k): v for k, v in enumerate(one.children["cell"].children.values())})  # type: ignore[union-attr]
    assert found(Object({beside: again, "layer-0": one})) == [("layer-0/cell", THREE)]


def test_an_optimizer_is_not_a_layer() -> None:
    one = layer("lstm")
    kernel = one.children["cell"].children["kernel"]  # type: ignore[union-attr]
    slot = variable("Adam/kernel/m", 3, 16)
    by_slots = Object({"beta": variable("beta")}, slots=[(kernel, "m", slot)])  # type: ignore[list-item]
    by_name = Object({"m": variable("adam/m", 3)}, identifier="optimizer")
    by_edges = Object(
        {"_iterations": variable("iterations"), "_learning_rate": variable("rate"), "_m": variable("m", 3)}
    )
    root = Object({"first": by_slots, "second": by_name, "third": by_edges, "layer-0": one})
    assert found(root) == [("layer-0/cell", THREE)]


@pytest.mark.parametrize("edge", ["optimizer", "adam"])
def test_weights_that_only_an_optimizer_lists_are_read(edge: str) -> None:
    weights = tf.lstm("sequential/rnn/lstm_cell")
    optimizer = Object({"_iterations": variable("iteration", dtype="i8"), "_learning_rate": variable("rate"),
                        "_trainable_variables": Object({str(k): v for k, v in enumerate(weights.values())})})  # fmt: skip
    assert found(Object({edge: optimizer})) == [("", THREE)]


def test_a_metric_is_not_a_layer() -> None:
    metric = Object({"total": variable("total"), "count": variable("count")})
    marked = Object({"mean": variable("mean", 3)}, identifier="_tf_keras_metric")
    assert found(Object({"a": metric, "b": marked, "layer-0": layer("lstm")})) == [("layer-0/cell", THREE)]


def test_counters_and_seeds_are_not_weights() -> None:
    root = Object({"save_counter": variable("save_counter", dtype="i8"), "n": variable("n", dtype="i4"),
                   "dropout": Object({"seed": variable("d/seed_generator_state", 2, dtype="i8")}),
                   "lstm": Object({"h": variable("lstm/rnn_state", 2, 4)}), "free": variable("free", 2)})  # fmt: skip
    assert found(root) == [("", ["free"])]


def test_variables_of_an_exported_model_are_grouped_by_their_names() -> None:
    weights = [*tf.lstm("sequential/lstm/lstm_cell").values(), *tf.lstm("sequential/lstm_1/lstm_cell").values()]
    listed = Object({str(k): one for k, one in enumerate(weights)})
    assert found(Object({"variables": listed, "_all_variables": listed})) == [("", THREE), ("", THREE)]


@pytest.mark.parametrize("edge", ["trainable_variables", "non_trainable_variables"])
def test_variables_that_only_a_list_of_the_root_holds_are_weights(edge: str) -> None:
    listed = Object({"0": variable("dense/kernel", 4, 2)})
    assert found(Object({edge: listed, "layer-0": layer("lstm")})) == [("layer-0/cell", THREE), ("", ["kernel"])]


def test_variables_without_names_in_a_list_of_the_root_are_all_counted(tmp_path: Path) -> None:
    # as tf.train.list_variables shows them: 3·16 + 4·16 + 16, and 4·2 of another layer
    listed = Object({str(k): variable("", *shape) for k, shape in enumerate([(3, 16), (4, 16), (16,)])})
    root = Object({"trainable_variables": listed, "dense": Object({"kernel": variable("k", 4, 2)})})
    with lstmdump.open(write_checkpoint(tmp_path / "x", root)) as model:
        assert model.model.parameters == 136
        assert sorted(tensor.shape for tensor in model.model.tensors()) == [(3, 16), (4, 2), (4, 16), (16,)]


def test_two_exported_layers_of_one_name_are_two() -> None:
    weights = [*tf.lstm("rnn", seed=1).values(), *tf.lstm("rnn", seed=2).values()]
    assert found(Object({"variables": Object({str(k): one for k, one in enumerate(weights)})})) == [
        ("", THREE),
        ("", THREE),
    ]


def test_deeply_nested_objects_are_refused() -> None:
    nodes = [ObjectNode([("x", number + 1)]) for number in range(100_000)] + [ObjectNode([])]
    started = time.process_time()
    with pytest.raises(RefusedModel, match="nested more than 100 deep"):
        objects_weights.find_holders(ObjectGraph(nodes))
    assert time.process_time() - started < 5


def test_very_many_layers_are_read_in_less_than_five_seconds() -> None:
    count = 50_000
    edges = [(f"layer-{k}", k + 1) for k in range(count)] + [(f"other{k}", k + 1) for k in range(count)]
    started = time.process_time()
    assert objects_weights.find_holders(ObjectGraph([ObjectNode(edges), *(ObjectNode([]) for _ in range(count))])) == []
    assert time.process_time() - started < 5


# --- cells that Keras omitted


def notes(root: Object, tmp_path: Path) -> str:
    with lstmdump.open(write_checkpoint(tmp_path / "x", root)) as model:
        return "\n".join(model.model.notes)


def test_cells_that_keras_omitted_are_reported(tmp_path: Path) -> None:
    stack = Object({"_operations": Object({"1": layer("lstm"), "2": Object({"cell": Object()})})})
    assert "a layer has a cell without weights" in notes(stack, tmp_path)


def test_the_layer_passed_to_a_bidirectional_is_not_reported_as_missing(tmp_path: Path) -> None:
    halves = {"forward_layer": layer("b/f"), "backward_layer": layer("b/b"), "layer": Object({"cell": Object()})}
    assert "without weights" not in notes(Object({"_operations": Object({"1": Object(dict(halves))})}), tmp_path)
