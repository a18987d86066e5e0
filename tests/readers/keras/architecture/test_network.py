"""Tests of the networks that architectures describe, written as the releases of Keras write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.builders import dense, keras_1_weights, keras_2_weights, lstm_config, numbers, saved, sequential, write

import lstmdump
from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import DEFAULTS
from lstmdump.model.network import NetworkCall, NetworkDescription, NetworkLayer, NetworkTensor
from lstmdump.model.tree import Layer
from lstmdump.readers.keras.architecture.config import describe_architecture, plain_lists
from lstmdump.readers.keras.architecture.network import describe_network

Config = dict[str, Any]
GENUINE = Path(__file__).parents[3] / "genuine"


def describe(config: Config, producer: str = "keras 2.2.4 (tensorflow)") -> NetworkDescription | None:
    """Return the network of the architecture `config`, without arrays."""
    architecture = describe_architecture(config)
    assert architecture is not None
    return describe_network(architecture, [], Layer(()), producer, DEFAULTS)


def network(config: Config, producer: str = "keras 2.2.4 (tensorflow)") -> NetworkDescription:
    described = describe(config, producer)
    assert described is not None
    return described


def label(described: NetworkDescription, tensor: NetworkTensor) -> str:
    """Return `lstm#1.2` for the third output of the second call of `lstm`."""
    call = described.calls[tensor.call]
    number = f"#{call.number}" if call.number else ""
    return described.layers[call.layer].name + number + (f".{tensor.output}" if tensor.output else "")


def taken(described: NetworkDescription) -> dict[str, list[str]]:
    """Return the inputs of each call that has some."""
    return {
        label(described, NetworkTensor(index)): [label(described, tensor) for tensor in call.inputs]
        for index, call in enumerate(described.calls)
        if call.inputs
    }


def call_of(described: NetworkDescription, name: str, number: int = 0) -> NetworkCall:
    return next(call for call in described.calls if described.layers[call.layer].name == name and call.number == number)


def layer_of(described: NetworkDescription, name: str) -> NetworkLayer:
    return next(layer for layer in described.layers if layer.name == name)


def outputs(described: NetworkDescription) -> list[tuple[str, str]]:
    return [(one.name, label(described, one.tensor)) for one in described.outputs]


def operation(kind: str, name: str, nodes: Any = None, **settings: Any) -> Config:
    """Return an operation in a functional model, with its calls, as a `.h5` file of Keras 3 states it."""
    return {"class_name": kind, "name": name, "config": {"name": name, **settings}, "inbound_nodes": nodes or []}


def layer(kind: str, name: str, nodes: Any = None, **settings: Any) -> Config:
    """Return a layer of a functional model, with its calls."""
    return operation(kind, name, nodes, trainable=True, **settings)


def placeholder(name: str, *shape: int | None, **settings: Any) -> Config:
    return operation("InputLayer", name, batch_input_shape=[None, *shape], **settings)


def functional(layers: list[Config], inputs: Any, given: Any, name: str = "model") -> Config:
    """Return a functional model; `inputs` and `given`, its outputs, are names of layers, or what a file holds."""
    return {
        "class_name": "Functional",
        "config": {
            "name": name,
            "layers": layers,
            "input_layers": [[one, 0, 0] for one in inputs] if isinstance(inputs, list) else inputs,
            "output_layers": [one if isinstance(one, list) else [one, 0, 0] for one in given]
            if isinstance(given, list) else given,
        },
    }  # fmt: skip


def nested(model: Config, nodes: Any) -> Config:
    return {**model, "name": model["config"]["name"], "inbound_nodes": nodes}


def tensor(name: str, call: int = 0, output: int = 0) -> Config:
    """Return a tensor as Keras 3 writes it."""
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 3], "dtype": "float32", "keras_history": [name, call, output]},
    }


def node(*arguments: Any, **keywords: Any) -> Config:
    """Return a call as Keras 3 writes it."""
    return {"args": list(arguments), "kwargs": keywords}


def one_call(called: Config, *names: str) -> NetworkDescription:
    """Return the network of a model of Keras 3 with inputs of those names that ends in the layer `called`."""
    inputs = [placeholder(name, 5, 3) for name in names]
    return network(functional([*inputs, called], list(names), [called["name"]]))


class TestSequential:
    """A chain of layers."""

    def test_each_layer_takes_the_output_of_the_one_before(self) -> None:
        model = sequential(lstm_config("lstm_1"), layer("Dense", "dense_1"), layer("Dense", "dense_2"))
        assert taken(network(model)) == {"lstm_1": ["lstm_1_input"], "dense_1": ["lstm_1"], "dense_2": ["dense_1"]}

    def test_the_output_has_the_name_of_the_last_layer(self) -> None:
        assert outputs(network(sequential(lstm_config("lstm_1"), layer("Dense", "y")))) == [("y", "y")]

    def test_an_input_layer_is_the_input(self) -> None:
        model = sequential(placeholder("words", 7, dtype="int32"), lstm_config("lstm"))
        (found,) = network(model).inputs
        assert (found.name, found.shape, found.is_integer, found.batch) == ("words", (7,), True, None)

    def test_a_first_layer_states_the_shape_and_the_batch(self) -> None:
        (found,) = network(sequential(lstm_config("lstm_1", batch_input_shape=[32, None, 3]))).inputs
        assert (found.shape, found.batch) == ((None, 3), 32)

    def test_keras_1_names_an_input_after_the_class(self) -> None:
        model = {"class_name": "Sequential", "config": [lstm_config("any", input_dim=3, input_length=7)]}
        (found,) = network(model, "keras 1.2.2 (theano)").inputs
        assert (found.name, found.shape) == ("lstm_input_1", (7, 3))

    def test_the_input_of_an_embedding_is_not_as_wide_as_its_vocabulary(self) -> None:
        model = sequential(layer("Embedding", "e", input_dim=1000, output_dim=8, input_length=7))
        assert network(model).inputs[0].shape == (7,)

    def test_a_built_model_states_the_shape(self) -> None:
        model = sequential(lstm_config("lstm"))
        model["config"]["build_input_shape"] = [None, 6, 3]
        assert network(model).inputs[0].shape == (6, 3)

    def test_shapes_in_saved_models_are_tuples(self) -> None:
        shape = {"class_name": "__tuple__", "items": [None, 7, 3]}
        model = plain_lists(sequential(lstm_config("lstm", batch_input_shape=shape)))
        assert network(model).inputs[0].shape == (7, 3)

    def test_branches_of_a_merge_of_keras_1_have_their_own_inputs(self) -> None:
        branches = [
            {"class_name": "Sequential", "config": [layer("Embedding", f"e_{k}", input_length=4)]} for k in (1, 2)
        ]
        merge = {"class_name": "Merge", "config": {"name": "merge_1", "mode": "concat", "layers": branches}}
        described = network(
            {"class_name": "Sequential", "config": [merge, layer("Dense", "d")]}, "keras 1.2.2 (theano)"
        )
        assert [one.name for one in described.inputs] == ["embedding_input_1", "embedding_input_2"]
        assert taken(described)["merge_1"] == ["merge_1/e_1", "merge_1/e_2"]


CALLS = {
    "keras 1.2.2": ([[["a", 0, 0]]], [[["x", 0, 0], ["lstm", 0, 0]]]),
    "keras 2.2.4": ([[["a", 0, 0, {}]]], [[["x", 0, 0, {}], ["lstm", 0, 0, {}]]]),
    "keras 3.0.5": ([node(tensor("a"), training=False, mask=None)], [node([tensor("x"), tensor("lstm")])]),
}


class TestFunctional:
    """Layers that refer to the outputs of others."""

    @pytest.mark.parametrize("producer", CALLS)
    def test_calls_are_read_as_each_release_stores_them(self, producer: str) -> None:
        one, two = CALLS[producer]
        layers = [
            placeholder("a", 5, 3),
            placeholder("x", 4),
            layer("LSTM", "lstm", one),
            layer("Concatenate", "y", two),
        ]
        described = network(functional(layers, ["a", "x"], ["y"]), producer)
        assert taken(described) == {"lstm": ["a"], "y": ["x", "lstm"]}

    def test_calls_are_sorted_by_their_dependence(self) -> None:
        layers = [layer("Dense", "c", [[["b", 0, 0]]]), layer("Dense", "b", [[["a", 0, 0]]]), placeholder("a", 3)]
        assert list(taken(network(functional(layers, ["a"], ["c"])))) == ["b", "c"]

    def test_a_layer_that_is_called_twice_is_listed_once(self) -> None:
        shared = layer("LSTM", "lstm", [[["a", 0, 0]], [["b", 0, 0]]])
        add = layer("Add", "add", [[["lstm", 0, 0], ["lstm", 1, 0]]])
        described = network(functional([placeholder("a", 3), placeholder("b", 3), shared, add], ["a", "b"], ["add"]))
        assert taken(described) == {"lstm": ["a"], "lstm#1": ["b"], "add": ["lstm", "lstm#1"]}
        assert [one.name for one in described.layers].count("lstm") == 1

    def test_calls_that_the_model_does_not_list_are_not_counted(self) -> None:
        """Keras 1 counts the call of a nested model on its own inputs, so that the first of the outer model is 1."""
        inner = nested(functional([placeholder("i", 3), layer("Dense", "d", [[["i", 0, 0]]])], ["i"], ["d"], "inner"),
                       [[["a", 0, 0]], [["b", 0, 0]]])  # fmt: skip
        add = layer("Merge", "m", [[["inner", 1, 0], ["inner", 2, 0]]])
        described = network(functional([placeholder("a", 3), placeholder("b", 3), inner, add], ["a", "b"], ["m"]))
        assert taken(described) == {"inner/d": ["a"], "inner/d#1": ["b"], "m": ["inner/d", "inner/d#1"]}

    def test_an_output_of_a_layer_is_found_by_its_index(self) -> None:
        layers = [placeholder("a", 3), layer("LSTM", "l", [[["a", 0, 0]]]), layer("Dense", "d", [[["l", 0, 2]]])]
        assert taken(network(functional(layers, ["a"], ["d"])))["d"] == ["l.2"]

    def test_the_second_output_of_a_layer_has_a_number_in_its_name(self) -> None:
        layers = [placeholder("a", 3), layer("LSTM", "l", [[["a", 0, 0]]])]
        described = network(functional(layers, ["a"], ["l", ["l", 0, 1]]))
        assert outputs(described) == [("l", "l"), ("l#1", "l.1")]

    def test_outputs_of_one_layer_are_all_numbered_in_keras_3(self) -> None:
        layers = [placeholder("a", 3), layer("LSTM", "l", [node(tensor("a"))])]
        described = network(functional(layers, ["a"], ["l", ["l", 0, 1]]))
        assert outputs(described) == [("output_0", "l"), ("output_1", "l.1")]

    def test_an_output_of_a_nested_model_has_the_name_of_the_model(self) -> None:
        inner = nested(sequential(lstm_config("lstm"), name="inner"), [node(tensor("a"))])
        assert outputs(network(functional([placeholder("a", 3), inner], ["a"], ["inner"]))) == [("inner", "inner/lstm")]

    def test_inputs_in_a_dict_are_in_the_order_of_their_keys_and_outputs_in_that_of_the_file(self) -> None:
        layers = [placeholder("b", 3), placeholder("a", 3), layer("Dense", "z", [node(tensor("a"))]),
                  layer("Dense", "w", [node(tensor("b"))])]  # fmt: skip
        model = functional(layers, {"b": ["b", 0, 0], "a": ["a", 0, 0]}, {"z": ["z", 0, 0], "w": ["w", 0, 0]})
        assert [one.name for one in network(model).inputs] == ["a", "b"]
        assert [one.name for one in network(model).outputs] == ["z", "w"]

    def test_a_nested_model_takes_a_dict_by_the_names_of_its_inputs(self) -> None:
        layers = [placeholder("p", 3), placeholder("q", 3), layer("Subtract", "s", [node([tensor("p"), tensor("q")])])]
        inner = nested(functional(layers, ["q", "p"], ["s"], "inner"), [node({"p": tensor("a"), "q": tensor("b")})])
        described = network(functional([placeholder("a", 3), placeholder("b", 3), inner], ["a", "b"], ["inner"]))
        assert taken(described) == {"inner/s": ["a", "b"]}

    def test_the_outputs_of_a_nested_model_are_numbered_in_the_order_of_their_keys(self) -> None:
        layers = [placeholder("i", 3), *(layer("Dense", name, [node(tensor("i"))]) for name in ("one", "two"))]
        outputs_by_key = {"s": ["one", 0, 0], "r": ["two", 0, 0]}
        inner = nested(functional(layers, ["i"], outputs_by_key, "inner"), [node(tensor("a"))])
        last = layer("Dense", "last", [node(tensor("inner", 0, 1))])
        described = network(functional([placeholder("a", 3), inner, last], ["a"], ["last"]))
        assert taken(described)["last"] == ["inner/one"]

    def test_a_single_input_and_output_may_be_without_a_list(self) -> None:
        layers = [placeholder("a", 3), layer("Dense", "d", [node(tensor("a"))])]
        model = functional(layers, [], [])
        model["config"] |= {"input_layers": ["a", 0, 0], "output_layers": ["d", 0, 0]}
        assert outputs(network(model)) == [("d", "d")]


class TestArguments:
    """What calls are made with besides their inputs."""

    @pytest.mark.parametrize(
        "nodes",
        [
            [[["x", 0, 0, {}], ["h", 0, 0, {}], ["c", 0, 0, {}]]],
            [[["x", 0, 0, {"initial_state": [["h", 0, 0], ["c", 0, 0]]}]]],
            [node(tensor("x"), initial_state=[tensor("h"), tensor("c")])],
            [node(tensor("x"), [tensor("h"), tensor("c")])],
        ],
    )
    def test_first_states_follow_the_input(self, nodes: Any) -> None:
        assert taken(one_call(layer("LSTM", "lstm", nodes), "x", "h", "c")) == {"lstm": ["x", "h", "c"]}

    @pytest.mark.parametrize(
        "nodes",
        [
            [node(tensor("x"), mask=tensor("m"))],
            [node(tensor("x"), None, tensor("m"))],
            [[["x", 0, 0, {"mask": ["m", 0, 0]}]]],
        ],
    )
    def test_a_mask_is_not_an_input(self, nodes: Any) -> None:
        described = one_call(layer("LSTM", "lstm", nodes), "x", "m")
        call = call_of(described, "lstm")
        assert call.mask is not None
        assert (len(call.inputs), label(described, call.mask)) == (1, "m")

    def test_a_call_without_a_mask_leaves_it_to_the_input(self) -> None:
        assert call_of(one_call(layer("LSTM", "lstm", [node(tensor("x"), mask=None)]), "x"), "lstm").mask is None

    def test_a_mask_of_a_later_input_is_given_to_that_input(self) -> None:
        add = layer("Add", "add", [node([tensor("x"), tensor("y")], mask=[None, tensor("m")])])
        described = one_call(add, "x", "y", "m")
        assert taken(described) == {"add/mask_1": ["y"], "add": ["x", "add/mask_1"]}
        mask = call_of(described, "add/mask_1").mask
        assert layer_of(described, "add/mask_1").kind == "Identity"
        assert mask is not None
        assert label(described, mask) == "m"

    def test_a_mask_of_a_nested_model_is_given_to_its_input(self) -> None:
        inner = nested(sequential(placeholder("i", 3), lstm_config("l"), name="inner"),
                       [node(tensor("x"), mask=tensor("m"))])  # fmt: skip
        described = one_call(inner, "x", "m")
        assert taken(described) == {"inner/mask_0": ["x"], "inner/l": ["inner/mask_0"]}

    def test_the_values_of_an_attention_layer_follow_the_query(self) -> None:
        heads = layer("MultiHeadAttention", "h", [[["x", 0, 0, {"value": ["y", 0, 0]}]]])
        assert taken(one_call(heads, "x", "y")) == {"h": ["x", "y"]}

    @pytest.mark.parametrize(
        ("kind", "settings"),
        [("Dropout", {"rate": 0.5}), ("SpatialDropout1D", {"rate": 0.1}), ("BatchNormalization", {}),
         ("LSTM", {"dropout": 0.2})],
    )  # fmt: skip
    def test_a_call_in_training_is_refused(self, kind: str, settings: Config) -> None:
        described = one_call(layer(kind, "d", [[["x", 0, 0, {"training": True}]]], **settings), "x")
        assert "training=True" in str(call_of(described, "d").cannot_replay)

    @pytest.mark.parametrize(
        ("kind", "settings"), [("Dropout", {"rate": 0}), ("LSTM", {"dropout": 0.0}), ("Dense", {})]
    )
    def test_training_does_not_matter_to_layers_that_do_the_same(self, kind: str, settings: Config) -> None:
        described = one_call(layer(kind, "d", [node(tensor("x"), training=True)], **settings), "x")
        assert call_of(described, "d").cannot_replay is None

    def test_training_of_a_nested_model_is_that_of_its_layers(self) -> None:
        inner = nested(sequential(placeholder("i", 3), layer("Dropout", "d", rate=0.5), layer("Dense", "y"), name="inner"),
                       [node(tensor("x"), training=False), node(tensor("x"), training=True)])  # fmt: skip
        described = network(functional([placeholder("x", 3), inner], ["x"], [["inner", 0, 0], ["inner", 1, 0]]))
        assert call_of(described, "inner/d", 0).cannot_replay is None
        assert "training=True" in str(call_of(described, "inner/d", 1).cannot_replay)

    @pytest.mark.parametrize(
        ("nodes", "settings"),
        [
            ([[["x", 0, 0, {}], ["m", 0, 0, {}]]], {"num_constants": 1}),
            ([node(tensor("x"), constants=[tensor("m")])], {}),
        ],
    )
    def test_constants_are_refused(self, nodes: Any, settings: Config) -> None:
        described = one_call(layer("RNN", "rnn", nodes, **settings), "x", "m")
        assert "constants" in str(call_of(described, "rnn").cannot_replay)

    def test_an_argument_that_changes_what_a_layer_does_is_refused(self) -> None:
        attention = layer("Attention", "a", [node([tensor("x"), tensor("x")], use_causal_mask=True)])
        assert "use_causal_mask=True" in str(call_of(one_call(attention, "x"), "a").cannot_replay)

    def test_an_argument_of_a_layer_of_the_user_is_an_input(self) -> None:
        mine = layer("MyLayer", "mine", [node(tensor("x"), beside=tensor("y"))])
        assert taken(one_call({**mine, "module": "mine"}, "x", "y")) == {"mine": ["x", "y"]}


class TestOperations:
    """Operations on tensors, which are no layers."""

    def test_the_arguments_of_an_operation_have_the_numbers_of_its_inputs(self) -> None:
        stated = operation("Subtract", "s", [node(2.0, tensor("x"))])
        described = one_call({**stated, "module": "keras.src.ops.numpy"}, "x")
        assert taken(described) == {"s": ["x"]}
        assert layer_of(described, "s").config == {
            "name": "s", "arguments": [2.0, {"tensor": 0}], "keywords": {}, "is_operation": True,
        }  # fmt: skip

    def test_tensors_in_lists_and_keywords_are_counted(self) -> None:
        call = node([tensor("x"), tensor("y")], where=tensor("x"), axis=-1)
        stated = operation("Concatenate", "c", [call], axis=-1)
        described = one_call({**stated, "module": "keras.src.ops.numpy"}, "x", "y")
        assert taken(described) == {"c": ["x", "y", "x"]}
        assert layer_of(described, "c").config["arguments"] == [[{"tensor": 0}, {"tensor": 1}]]
        assert layer_of(described, "c").config["keywords"] == {"where": {"tensor": 2}, "axis": -1}

    def test_an_h5_file_shows_an_operation_by_its_bare_settings(self) -> None:
        described = one_call(operation("Multiply", "m", [node(tensor("x"), 2.0)]), "x")
        assert layer_of(described, "m").config["arguments"] == [{"tensor": 0}, 2.0]

    def test_an_operation_may_have_a_dtype_as_layers_have(self) -> None:
        described = one_call(operation("ZerosLike", "z", [node(tensor("x"))], dtype="bool"), "x")
        assert layer_of(described, "z").config["is_operation"] is True

    def test_a_layer_of_the_same_class_is_not_an_operation(self) -> None:
        described = one_call(layer("Multiply", "m", [node([tensor("x"), tensor("y")])]), "x", "y")
        assert "is_operation" not in layer_of(described, "m").config

    def test_an_operation_of_tf_keras_has_its_constants(self) -> None:
        stated = ["_CONSTANT_VALUE", -1, 2.0, {"y": ["x", 0, 0], "name": None}]
        described = one_call(operation("TFOpLambda", "s", [stated], function="math.subtract"), "x")
        config = layer_of(described, "s").config
        assert (config["arguments"], config["keywords"]) == ([2.0], {"y": {"tensor": 0}, "name": None})

    def test_an_operation_of_tf_keras_on_a_list_takes_a_list(self) -> None:
        stated = [["x", 0, 0, {"axis": -1}], ["y", 0, 0, {"axis": -1}]]
        config = layer_of(one_call(operation("TFOpLambda", "c", [stated], function="concat"), "x", "y"), "c").config
        assert (config["arguments"], config["keywords"]) == ([[{"tensor": 0}, {"tensor": 1}]], {"axis": -1})

    def test_calls_of_one_operation_have_their_own_arguments(self) -> None:
        multiply = operation("TFOpLambda", "m", [["x", 0, 0, {"y": 2.0}], ["x", 0, 0, {"y": 3.0}]])
        described = network(functional([placeholder("x", 3), multiply], ["x"], [["m", 0, 0], ["m", 1, 0]]))
        assert [one.config["keywords"]["y"] for one in described.layers if one.kind == "TFOpLambda"] == [2.0, 3.0]


class TestWrappers:
    """Layers that hold layers."""

    def test_the_backward_half_is_turned_if_the_file_states_one_layer(self) -> None:
        model = sequential(layer("Bidirectional", "b", layer=lstm_config("l", go_backwards=False, dropout=0.1)))
        halves = network(model).layers[-1].inner
        assert {key: half.config["go_backwards"] for key, half in halves.items()} == {
            "forward": False,
            "backward": True,
        }
        assert halves["backward"].config["dropout"] == 0.1

    def test_a_backward_half_that_the_file_states_is_as_stated(self) -> None:
        halves = {"layer": lstm_config("f"), "backward_layer": lstm_config("b", units=7, go_backwards=True)}
        inner = network(sequential(layer("Bidirectional", "bi", **halves))).layers[-1].inner
        assert (inner["backward"].config["units"], inner["backward"].config["go_backwards"]) == (7, True)

    def test_stacks_of_cells_are_flat(self) -> None:
        def stack(name: str, *cells: Config) -> Config:
            return {"class_name": "StackedRNNCells", "config": {"name": name, "cells": list(cells)}}

        one, two, three = (lstm_config(name, kind="LSTMCell") for name in "abc")
        inner = network(sequential(layer("RNN", "rnn", cell=stack("s", one, stack("t", two, three))))).layers[-1].inner
        assert {key: cell.path[-1] for key, cell in inner.items()} == {"cell_0": "a", "cell_1": "b", "cell_2": "c"}

    def test_a_cell_by_itself(self) -> None:
        inner = network(sequential(layer("RNN", "rnn", cell=lstm_config("a", kind="LSTMCell")))).layers[-1].inner
        assert {key: cell.kind for key, cell in inner.items()} == {"cell": "LSTMCell"}

    def test_a_model_within_a_wrapper_is_a_network_of_its_own(self) -> None:
        model = sequential(placeholder("i", 3), lstm_config("l"), name="inner")
        wrapper = network(sequential(layer("TimeDistributed", "td", layer=model))).layers[-1]
        assert wrapper.network is not None
        assert taken(wrapper.network) == {"td/l": ["i"]}

    def test_a_wrapper_of_the_user_is_one_layer(self) -> None:
        mine = {**layer("Bidirectional", "mine", layer=lstm_config("l")), "module": "mine"}
        found = network(sequential(mine)).layers[-1]
        assert (found.kind, found.is_of_keras, found.inner) == ("Bidirectional", False, {})

    @pytest.mark.parametrize(
        ("stated", "is_of_keras"),
        [({"class_name": "mine>Dense"}, False), ({"module": "mine.layers"}, False), ({"module": "keras.layers"}, True),
         ({"module": "tf_keras.layers"}, True), ({}, True)],
    )  # fmt: skip
    def test_classes_of_the_user_are_marked(self, stated: Config, is_of_keras: bool) -> None:
        found = network(sequential({**layer("Dense", "d"), **stated})).layers[-1]
        assert (found.kind, found.is_of_keras) == ("Dense", is_of_keras)


class TestRefusals:
    """Architectures without a network, and those that contradict themselves."""

    @pytest.mark.parametrize(
        "model",
        [
            {"class_name": "MyModel", "config": {"name": "my_model"}},
            {"module": "mine", **functional([placeholder("a", 3)], ["a"], ["a"])},
            {"class_name": "Sequential", "config": {"name": "empty", "layers": []}},
        ],
    )
    def test_a_model_that_lists_no_layers_of_its_own_has_none(self, model: Config) -> None:
        assert describe(model) is None

    @pytest.mark.parametrize(
        ("layers", "words"),
        [
            ([layer("Dense", "y", [[["missing", 0, 0]]])], "call 0 of missing"),
            ([layer("Dense", "y", [[["z", 0, 0]]]), layer("Dense", "z")], "call 0 of z"),
            ([layer("Dense", "y", [[["z", 0, 0]]]), layer("Dense", "z", [[["y", 0, 0]]])], "y with itself"),
            ([layer("Dense", "y", [[["a", 0, 0]]]), layer("Dense", "y", [[["a", 0, 0]]])], "two layers called y"),
            ([layer("Dense", "y", [[["a", 0, -1]]])], "output -1 of a"),
            ([layer("Dense", "y", [7])], "unknown form"),
            ([layer("Dense", "z", [[["a", 0, 0]]])], "call 0 of y"),
            (["no layer", layer("Dense", "y", [[["a", 0, 0]]])], "not a layer"),
            ([nested(sequential(lstm_config("l"), name="y"), [[["a", 0, 0], ["a", 0, 0]]])], "y with 2 tensors"),
        ],
    )
    def test_a_contradiction_is_reported(self, layers: list[Any], words: str) -> None:
        with pytest.raises(CorruptModel, match=words):
            describe(functional([placeholder("a", 3), *layers], ["a"], ["y"]))

    def test_models_that_call_each_other_twice_are_refused(self) -> None:
        model = functional([placeholder("x", 3), layer("Dense", "d", [[["x", 0, 0]]])], ["x"], ["d"], "m0")
        for level in range(1, 24):
            inner = nested(model, [[["x", 0, 0]], [[f"m{level - 1}", 0, 0]]])
            model = functional([placeholder("x", 3), inner], ["x"], [[f"m{level - 1}", 1, 0]], f"m{level}")
        with pytest.raises(RefusedModel, match="100,000 calls"):
            describe(model)


class TestArrays:
    """The arrays of layers, in whole files."""

    def test_arrays_have_their_names_in_the_order_of_the_file(self, tmp_path: Path) -> None:
        normalization = [(f"n/{name}:0", numbers(4)) for name in ("gamma", "beta", "moving_mean", "moving_variance")]
        config = sequential(lstm_config("lstm"), layer("BatchNormalization", "n"), layer("Dense", "d"))
        path = write(
            tmp_path / "a.h5", {"lstm": keras_2_weights("lstm"), "n": normalization, "d": dense("d")}, config=config
        )
        with lstmdump.open(path) as opened:
            described = opened.model.network()
            assert described is not None
            assert list(layer_of(described, "n").weights) == ["gamma", "beta", "moving_mean", "moving_variance"]
            np.testing.assert_array_equal(layer_of(described, "d").weights["kernel"].read(), dense("d")[0][1])

    def test_the_layers_of_a_nested_model_of_keras_1_have_the_arrays_that_begin_with_their_names(
        self, tmp_path: Path
    ) -> None:
        weights = [
            *keras_1_weights("lstm_1"),
            *((f"bn_{k}_{name}:0", numbers(4, seed=k)) for k in (1, 11) for name in ("gamma", "beta")),
        ]
        inner = {"class_name": "Sequential", "config": [layer("LSTM", "lstm_1", output_dim=4, inner_activation="sigmoid"),
                 layer("BatchNormalization", "bn_1"), layer("BatchNormalization", "bn_11")]}  # fmt: skip
        model = functional([placeholder("a", 5, 3), nested({**inner, "config": {"name": "inner", "layers": inner["config"]}},
                            [[["a", 0, 0]]])], ["a"], ["inner"])  # fmt: skip
        path = write(tmp_path / "a.h5", {"inner": weights}, version=None, backend=None, config=model)
        with lstmdump.open(path) as opened:
            described = opened.model.network()
            assert described is not None
            found = layer_of(described, "inner/bn_11").weights
            assert list(found) == ["gamma", "beta"]
            np.testing.assert_array_equal(found["beta"].read(), numbers(4, seed=11))

    def test_the_halves_of_a_bidirectional_have_their_own_arrays(self, tmp_path: Path) -> None:
        weights = [*keras_2_weights("b/forward_l", seed=1), *keras_2_weights("b/backward_l", seed=2)]
        path = write(
            tmp_path / "a.h5", {"b": weights}, config=sequential(layer("Bidirectional", "b", layer=lstm_config("l")))
        )
        with lstmdump.open(path) as opened:
            described = opened.model.network()
            assert described is not None
            inner = described.layers[-1].inner
            assert [inner[key].name for key in ("forward", "backward")] == [one.name for one in opened.lstms]
            np.testing.assert_array_equal(inner["backward"].weights["bias"].read(), weights[-1][1])

    def test_the_arrays_of_layers_within_a_layer_are_named_after_both(self, tmp_path: Path) -> None:
        weights = [(f"h/{inner}/kernel:0", numbers(4, 2)) for inner in ("query", "key")]
        config = sequential(lstm_config("lstm"), layer("MultiHeadAttention", "h"))
        path = write(tmp_path / "a.h5", {"lstm": keras_2_weights("lstm"), "h": weights}, config=config)
        with lstmdump.open(path) as opened:
            described = opened.model.network()
            assert described is not None
            assert list(layer_of(described, "h").weights) == ["query/kernel", "key/kernel"]

    def test_an_architecture_beside_weights_describes_the_network(self, tmp_path: Path) -> None:
        write(tmp_path / "a.h5", {"lstm": keras_2_weights("lstm"), "d": dense("d")})
        (tmp_path / "a.json").write_text(json.dumps(sequential(lstm_config("lstm"), layer("Dense", "d"))))
        with lstmdump.open(tmp_path / "a.h5") as opened:
            described = opened.model.network()
            assert described is not None
            assert list(layer_of(described, "d").weights) == ["kernel", "bias"]

    def test_weights_alone_have_no_network(self, tmp_path: Path) -> None:
        saved(tmp_path / "a.weights.h5", {"layers/lstm/cell": [numbers(3, 16), numbers(4, 16), numbers(16)]})
        with lstmdump.open(tmp_path / "a.weights.h5") as opened:
            assert opened.model.network() is None

    def test_a_layer_in_two_models_is_one_layer(self) -> None:
        with lstmdump.open(GENUINE / "keras-3.15.1-full-shared_in_two_submodels.h5") as opened:
            described = opened.model.network()
            assert described is not None
            (name,) = [lstm.name for lstm in opened.lstms]
            assert [call.number for call in described.calls if described.layers[call.layer].name == name] == [0, 1]

    @pytest.mark.parametrize(
        ("name", "shape", "last"),
        [
            ("tf.keras-2.9.3-savedmodel-rnn_stackedcells", (5, 3), (4, 1)),
            ("tf.keras-2.0.4-export_saved_model-seq64", (820, 12), (64, 2)),
            ("../cases/orbax-keras3.15-jax", (6, 3), (5, 1)),
        ],
        ids=["saved-model", "export", "orbax"],
    )
    def test_checkpoints_with_an_architecture_describe_the_network(
        self, name: str, shape: tuple[int, ...], last: tuple[int, ...]
    ) -> None:
        with lstmdump.open(GENUINE / name) as opened:
            described = opened.model.network()
        assert described is not None
        assert described.inputs[0].shape == shape
        assert described.layers[-1].weights["kernel"].shape == last

    def test_the_cells_of_a_saved_model_have_their_own_arrays(self) -> None:
        with lstmdump.open(GENUINE / "tf.keras-2.9.3-savedmodel-rnn_stackedcells") as opened:
            described = opened.model.network()
            assert described is not None
            cells = layer_of(described, "rnn").inner
            assert [cell.name for cell in cells.values()] == [lstm.name for lstm in opened.lstms]
