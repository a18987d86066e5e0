"""The layouts of ONNX: shapes with their reasons, counts of two biases, rows of the gates."""

from __future__ import annotations

import numpy as np
import pytest
from support import builders
from support import onnx_builders as onnx

from lstmdump.errors import NotAnLSTM
from lstmdump.lstm import LSTM
from lstmdump.lstm.find import read_lstm
from lstmdump.lstm.slices import stored_blocks
from lstmdump.model.settings import DeferredSettings, LayerSettings
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Layer

Arrays = dict[str, np.ndarray]
NODE: Arrays = {letter: values[0] for letter, values in onnx.arrays(3, 4).items()}


def read(arrays: Arrays, order: str | None = None, forget_bias: float = 0.0) -> LSTM:
    stated = DeferredSettings(LayerSettings, forget_bias, order)
    layer = Layer(("rnn",), stated=stated)
    layer.weights.update(
        {name: Tensor(name, array.shape, array.dtype.name, array.__getitem__) for name, array in arrays.items()}
    )
    return read_lstm(layer, frameworks=["ONNX"])


def cell(order: str, biases: int = 2) -> tuple[Arrays, Arrays]:
    """Return the arrays of a cell in rows, in this order, and those of its gates."""
    made = builders.gates(3, 4)
    fused = builders.fused(made, order)
    arrays = {"weight_ih": fused["kernel"].T, "weight_hh": fused["recurrent_kernel"].T}
    return arrays | dict.fromkeys(("bias_ih", "bias_hh")[:biases], fused["bias"] / 2), made


def test_each_shape_of_a_node_has_its_reason() -> None:
    found = read(NODE)
    assert [weight.role.formula(found.sizes) for weight in found.weights] == ["4·4×3", "4·4×4", "2·4·4", "3·4"]


def test_the_rows_of_a_node_are_in_the_order_i_o_f_c() -> None:
    assert read(NODE).gate_rows == {"i": (0, 4), "o": (4, 8), "f": (8, 12), "c": (12, 16)}


@pytest.mark.parametrize(
    ("letter", "array", "told"),
    [("f", "W", ["W[8:12].T"]), ("c", "U", ["R[12:16].T"]), ("o", "b", ["B[4:8]", "B[20:24]"]),
     ("f", "V", ["P[8:12]"]), ("c", "V", [])],
)  # fmt: skip
def test_the_slices_of_a_node_are_written_as_in_numpy(letter: str, array: str, told: list[str]) -> None:
    assert [str(block) for block in stored_blocks(read(NODE), letter)[array]] == told


@pytest.mark.parametrize("order", ["ifco", "oifc"])
def test_a_cell_has_the_stated_order_of_gates(order: str) -> None:
    arrays, made = cell(order)
    found = read(arrays, order)
    assert found.gate_order == order
    for letter in "ifco":
        gate = found.gates[letter]
        assert gate.b is not None
        np.testing.assert_array_equal(gate.W.read(), made[f"W_{letter}"])
        np.testing.assert_array_equal(gate.U.read(), made[f"U_{letter}"])
        np.testing.assert_array_equal(gate.b.read(), made[f"b_{letter}"])


def test_a_cell_has_the_stated_forget_bias() -> None:
    assert read(cell("ifco")[0], "ifco", 1.0).forget_bias == 1.0


def test_float16_biases_are_added_in_float32() -> None:
    arrays = {**NODE, "B": np.full(32, 2048.0, np.float16)}
    arrays["B"][16:] = 1.0  # 2049 is not a float16
    bias = read(arrays).gates["i"].b
    assert bias is not None
    assert bias.read().tolist() == [2049.0] * 4


@pytest.mark.parametrize("changed", [{"B": np.zeros(16, np.float32)}, {"R": np.zeros((16, 5), np.float32)},
                                     {"W": np.zeros(16, np.float32)}, {"P": np.zeros(4, np.float32)}])  # fmt: skip
def test_other_shapes_are_not_those_of_an_lstm(changed: Arrays) -> None:
    with pytest.raises(NotAnLSTM):
        read({**NODE, **changed})
