"""The layouts of TensorFlow Lite: shapes with their reasons, counts, rows of the gates, integers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from support import builders
from support.tflite_builders import lstm_arrays

from lstmdump.errors import NotAnLSTM
from lstmdump.lstm import LSTM
from lstmdump.lstm.find import read_lstm
from lstmdump.lstm.slices import stored_blocks
from lstmdump.model.settings import DeferredSettings, LayerSettings
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Layer

D, M, P = 3, 4, 2
Arrays = Mapping[str, np.ndarray]


def read(arrays: Arrays, order: str = "", kind: str = "LSTM") -> LSTM:
    layer = Layer(("lstm",), kind, stated=DeferredSettings(LayerSettings, 0.0, order, shows_equations=True))
    layer.weights.update(
        {name: Tensor(name, array.shape, array.dtype.name, array.__getitem__) for name, array in arrays.items()}
    )
    return read_lstm(layer, "", ("TensorFlow Lite",))


def two_kernels() -> dict[str, np.ndarray]:
    shapes = {"input_weights": (4 * M, D), "recurrent_weights": (4 * M, M), "bias": (4 * M,)}
    return {name: builders.numbers(*shape) for name, shape in shapes.items()}


def one_kernel() -> dict[str, np.ndarray]:
    return {"weights": builders.numbers(4 * M, D + M), "bias": builders.numbers(4 * M)}


def test_each_shape_of_an_operator_has_its_reason() -> None:
    found = read(lstm_arrays(D, M, peepholes=True, projection=P) | {"projection_bias": np.ones(P, "f4")})
    reasons = {weight.name: weight.role.formula(found.sizes) for weight in found.weights}
    assert (reasons["input_to_cell"], reasons["recurrent_to_cell"], reasons["cell_to_output"]) == ("4×3", "4×2", "4")
    assert (reasons["projection"], reasons["projection_bias"], reasons["output_gate_bias"]) == ("2×4", "2", "4")


def test_each_shape_of_shared_arrays_has_its_reason() -> None:
    for arrays, reasons in ((two_kernels(), ["4·4×3", "4·4×4", "4·4"]), (one_kernel(), ["4·4×(3+4)", "4·4"])):
        found = read(arrays, "ifco")
        assert [weight.role.formula(found.sizes) for weight in found.weights] == reasons


def test_the_count_is_that_of_an_lstm() -> None:
    for arrays in (lstm_arrays(D, M), two_kernels(), one_kernel()):
        found = read(arrays, "" if len(arrays) > 3 else "ifco")
        assert (found.parameters, found.parameters_formula) == (4 * ((D + M) * M + M), "4·((3+4)·4 + 4)")


def test_a_layer_without_biases_has_none() -> None:
    found = read(lstm_arrays(D, M, bias=False))
    assert (found.use_bias, found.gates["f"].b) == (False, None)


@pytest.mark.parametrize("lost", ["input_to_input", "recurrent_to_cell", "forget_gate_bias"])
def test_an_array_that_is_missing_is_named(lost: str) -> None:
    arrays = {name: array for name, array in lstm_arrays(D, M).items() if name != lost}
    with pytest.raises(NotAnLSTM, match=f"lstm has no {lost}, which an LSTM of TensorFlow Lite has"):
        read(arrays)


def test_an_array_of_another_shape_is_not_that_of_an_lstm() -> None:
    with pytest.raises(NotAnLSTM, match=r"recurrent_to_cell is \(4, 3\), but an LSTM .* has \(4, 4\) = 4×4"):
        read(lstm_arrays(D, M) | {"recurrent_to_cell": np.ones((M, D), "f4")})


@pytest.mark.parametrize("shape", [(4 * M + 1, D + M), (4 * M, M), (4 * M,), (0, 0)])
def test_a_kernel_that_is_not_of_four_gates_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(NotAnLSTM):
        read({"weights": np.ones(shape, "f4")}, "icfo")


@pytest.mark.parametrize("order", ["ifco", "icfo", "ofci"])
def test_the_rows_of_a_gate_follow_the_order(order: str) -> None:
    found = read(two_kernels(), order)
    assert found.gate_rows == {letter: (M * place, M * place + M) for place, letter in enumerate(order)}
    assert found.gate_columns is None


def test_an_operator_has_no_rows_to_share() -> None:
    assert read(lstm_arrays(D, M)).gate_rows is None


def test_the_slices_of_a_gate_in_words() -> None:
    words = {array: list(map(str, blocks)) for array, blocks in stored_blocks(read(two_kernels(), "icfo"), "f").items()}
    assert words == {"W": ["input_weights[8:12].T"], "U": ["recurrent_weights[8:12].T"], "b": ["bias[8:12]"], "V": []}


def test_the_slices_of_one_kernel_in_words() -> None:
    words = {array: list(map(str, blocks)) for array, blocks in stored_blocks(read(one_kernel(), "icfo"), "c").items()}
    assert words == {"W": ["weights[4:8, 0:3].T"], "U": ["weights[4:8, 3:7].T"], "b": ["bias[4:8]"], "V": []}


def test_the_arrays_of_a_gate_in_words() -> None:
    words = {
        array: list(map(str, blocks))
        for array, blocks in stored_blocks(read(lstm_arrays(D, M, peepholes=True)), "o").items()
    }
    assert words == {
        "W": ["input_to_output.T"],
        "U": ["recurrent_to_output.T"],
        "b": ["output_gate_bias"],
        "V": ["cell_to_output"],
    }


def test_integers_that_stand_for_numbers_are_an_lstm_and_others_are_not() -> None:
    arrays = lstm_arrays(D, M)
    kernel = arrays.pop("input_to_input")
    layer = Layer(("lstm",), "LSTM", stated=DeferredSettings(LayerSettings, 0.0, ""))
    layer.weights.update({name: Tensor(name, one.shape, "float32", one.__getitem__) for name, one in arrays.items()})
    layer.weights["input_to_input"] = Tensor("q", kernel.shape, "int8", kernel.__getitem__, step=0.5)
    assert read_lstm(layer, "", ("TensorFlow Lite",)).gates["i"].W.dtype == "float32"
    layer.weights["input_to_input"] = Tensor("q", kernel.shape, "int8", kernel.__getitem__)
    with pytest.raises(NotAnLSTM, match="input_to_input holds int8, not floating-point numbers"):
        read_lstm(layer, "", ("TensorFlow Lite",))
