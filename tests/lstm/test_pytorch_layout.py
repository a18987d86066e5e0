"""The layout of PyTorch: shapes with their reasons, counts of two biases, rows of the gates."""

from __future__ import annotations

import numpy as np
import pytest
from support import builders
from support.pytorch_builders import lstm

from lstmdump.errors import NotAnLSTM
from lstmdump.lstm import LSTM
from lstmdump.lstm.find import find_lstms, read_lstm
from lstmdump.lstm.slices import stored_blocks
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Layer, Model

Arrays = dict[str, np.ndarray]


def layer(arrays: Arrays, kind: str | None = None) -> Layer:
    made = Layer(("l0",), kind)
    made.weights.update(
        {name: Tensor(name, array.shape, array.dtype.name, array.__getitem__) for name, array in arrays.items()}
    )
    return made


def read(arrays: Arrays) -> LSTM:
    return read_lstm(layer(arrays), frameworks=["PyTorch"])


def projected() -> Arrays:
    shapes = {
        "weight_ih_l0": (24, 3),
        "weight_hh_l0": (24, 2),
        "bias_ih_l0": (24,),
        "bias_hh_l0": (24,),
        "weight_hr_l0": (2, 6),
    }
    return {name: builders.numbers(*shape) for name, shape in shapes.items()}


def test_each_shape_has_its_reason() -> None:
    found = read(projected())
    assert [weight.role.formula(found.sizes) for weight in found.weights] == ["4·6×3", "4·6×2", "4·6", "4·6", "2×6"]


def test_both_biases_are_counted() -> None:
    found = read(lstm())
    assert (found.parameters, found.parameters_formula) == (4 * (3 * 4 + 4 * 4 + 2 * 4), "4·((3+4)·4 + 2·4)")


def test_a_projection_is_counted() -> None:
    found = read(projected())
    assert found.parameters_formula == "4·((3+2)·6 + 2·6) + 6·2"
    assert found.parameters == 4 * ((3 + 2) * 6 + 2 * 6) + 6 * 2


def test_a_layer_without_biases_has_none() -> None:
    arrays = {name: array for name, array in lstm().items() if "bias" not in name}
    found = read(arrays)
    assert (found.use_bias, found.gates["i"].b, found.parameters_formula) == (False, None, "4·(3+4)·4")


def test_gates_are_rows() -> None:
    found = read(lstm())
    assert (found.gate_order, found.gate_columns) == ("ifco", None)
    assert found.gate_rows == {"i": (0, 4), "f": (4, 8), "c": (8, 12), "o": (12, 16)}


def test_the_sum_of_both_biases_is_the_bias() -> None:
    arrays = lstm()
    arrays["bias_hh_l0"] = builders.numbers(16, seed=5)
    bias = read(arrays).gates["c"].b
    assert bias is not None
    np.testing.assert_array_equal(bias.read(), arrays["bias_ih_l0"][8:12] + arrays["bias_hh_l0"][8:12])


def test_the_projection_is_transposed() -> None:
    arrays = projected()
    projection = read(arrays).projection_kernel
    assert projection is not None
    np.testing.assert_array_equal(projection.read(), arrays["weight_hr_l0"].T)
    np.testing.assert_array_equal(projection.part(slice(1, 3)).read(), arrays["weight_hr_l0"].T[1:3])


def test_slices_are_written_as_numpy_takes_them() -> None:
    blocks = stored_blocks(read(lstm()), "f")
    assert [str(block) for array in "WUb" for block in blocks[array]] == [
        "weight_ih[4:8].T", "weight_hh[4:8].T", "bias_ih[4:8]", "bias_hh[4:8]",
    ]  # fmt: skip


def test_a_layer_is_called_by_what_its_arrays_are() -> None:
    assert (read(lstm()).kind, read(lstm(number="")).kind) == ("LSTM", "LSTMCell")


def test_a_gru_of_a_multiple_of_four_rows_is_not_an_lstm() -> None:
    arrays = {"weight_ih_l0": builders.numbers(12, 3), "weight_hh_l0": builders.numbers(12, 4)}  # 3 gates of 4 units
    with pytest.raises(NotAnLSTM, match=r"weight_hh is \(12, 4\), but an LSTM of 3 units on 3 inputs has \(12, 3\)"):
        read(arrays)


def test_one_bias_of_two_is_not_an_lstm() -> None:
    arrays = lstm()
    del arrays["bias_hh_l0"]
    with pytest.raises(NotAnLSTM, match="has bias_ih, but not the other of the two biases"):
        read(arrays)


def test_rows_of_five_gates_are_not_an_lstm() -> None:
    with pytest.raises(NotAnLSTM, match="weight_ih has 15 rows, which are not those of four gates"):
        read({"weight_ih_l0": builders.numbers(15, 3), "weight_hh_l0": builders.numbers(15, 3)})


def test_an_array_of_another_name_is_noted() -> None:
    found = read({**lstm(), "weight_ch_l0": builders.numbers(4)})
    assert found.notes == ("also holds weight_ch_l0, which an LSTM does not have; the class may compute more",)


@pytest.mark.parametrize(("format_word", "count"), [("pytorch", 0), ("safetensors", 0), ("keras-h5", 1)])
def test_names_of_keras_mean_nothing_in_pytorch(format_word: str, count: int) -> None:
    root = Layer(())
    root.children["l0"] = layer(builders.fused(builders.gates(3, 4)))
    assert len(find_lstms(Model(format_word, "", root))) == count


def test_names_of_pytorch_mean_nothing_in_keras() -> None:
    root = Layer(())
    root.children["l0"] = layer(lstm())
    assert find_lstms(Model("keras-h5", "", root)) == ()
