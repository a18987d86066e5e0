"""Names of layers from what is left of the scopes of TensorFlow."""

from __future__ import annotations

import pytest

from lstmdump.readers.tflite import names

OF_KERAS_3 = "functional_1/bidi_1/forward_lstm_1/while/lstm_cell_1/MatMul"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("model/enc/while/lstm_cell/MatMul", ("enc",)),
        ("model/enc/lstm_cell/MatMul;model/enc/lstm_cell/BiasAdd", ("enc",)),
        ("model/lstm/Read_2/ReadVariableOp", ("lstm",)),
        ("StatefulPartitionedCall/model/deep/inner/while/MatMul", ("deep", "inner")),
        ("enc/while/lstm_cell/MatMul", ("enc",)),
        ("model/stack/while/one/MatMul", ("stack", "one")),
        ("model/stack/while/stacked_rnn_cells/one/MatMul", ("stack", "one")),
        ("model/stack/stacked_rnn_cells_1/one/split", ("stack", "one")),
        ("functional_1/stack_1/while/one_1/MatMul", ("stack", "one")),
        (OF_KERAS_3, ("bidi", "forward_lstm")),
        ("functional_1_1/deep_1/inner_1/while/lstm_cell_1/MatMul", ("deep", "inner")),
        ("sequential_1/enc_1/while/lstm_cell_1/Cast/ReadVariableOp", ("enc",)),
    ],
)
def test_a_layer_is_called_by_its_scopes_without_that_of_the_model(name: str, path: tuple[str, ...]) -> None:
    assert names.find_path([name]) == path


def test_a_number_that_keras_2_gave_is_kept() -> None:
    assert names.find_path(["model_1/lstm_1/while/lstm_cell_1/MatMul"]) == ("lstm_1",)


@pytest.mark.parametrize("name", ["", "arith.constant5", "while/MatMul", "tfl.pseudo_qconst", "a/b/c"])
def test_a_name_without_the_scope_of_a_layer_is_none(name: str) -> None:
    assert names.find_path([name]) is None


def test_the_first_name_with_a_scope_counts() -> None:
    assert names.find_path(["arith.constant", "model/one/while/split", "model/two/while/split"]) == ("one",)


@pytest.mark.parametrize("scope", ["basic_lstm_cell", "lstm_cell", "basic_lstm_cell_1"])
def test_a_cell_of_tensorflow_1_belongs_to_the_path(scope: str) -> None:
    assert names.find_path([f"rnn/{scope}/kernel/transpose"], is_of_tensorflow_1=True) == ("rnn", scope)


def test_the_class_of_a_cell_is_that_of_its_scope() -> None:
    assert names.class_in(("rnn", "basic_lstm_cell_2")) == "BasicLSTMCell"
    assert names.class_in(("enc",)) is None


def test_layers_without_names_are_numbered_by_kind() -> None:
    assert names.number(["lstm", "gru", "lstm"]) == [("lstm",), ("gru",), ("lstm_1",)]


def test_equal_paths_get_numbers() -> None:
    assert names.distinct([("a",), ("a",), ("a_1",), ("a",)]) == [("a",), ("a_1",), ("a_1_1",), ("a_2",)]
