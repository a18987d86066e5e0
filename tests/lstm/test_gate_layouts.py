from __future__ import annotations

import numpy as np
import pytest
from support import builders

from lstmdump.lstm.gate_layouts import CUDNN, TWO_KERNELS
from lstmdump.model.tensor import Tensor


def tensor(name: str, values: np.ndarray) -> Tensor:
    return Tensor(name, values.shape, str(values.dtype), lambda cuts: values[cuts])


@pytest.mark.parametrize(("place", "letter"), list(enumerate("ifco")))
def test_side_by_side_cuts_columns_in_the_order_i_f_c_o(place: int, letter: str) -> None:
    kernel, recurrent, bias = builders.numbers(3, 16), builders.numbers(4, 16), builders.numbers(16)
    gate = TWO_KERNELS.cut("l", tensor("k", kernel), tensor("u", recurrent), tensor("b", bias))[letter]
    columns = slice(4 * place, 4 * place + 4)
    assert gate.W.read().tolist() == kernel[:, columns].tolist()
    assert gate.U.read().tolist() == recurrent[:, columns].tolist()
    assert gate.b is not None
    assert gate.b.read().tolist() == bias[columns].tolist()


def test_gates_are_named_after_their_layer() -> None:
    gates = TWO_KERNELS.cut("bi/forward", tensor("k", np.zeros((3, 16))), tensor("u", np.zeros((4, 16))), None)
    assert (gates["f"].W.name, gates["c"].U.name) == ("bi/forward/W_f", "bi/forward/U_c")


def cudnn_from(gates: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What CuDNN stores for these gates: blocks (m, d) and (m, m) in memory, written under the LSTM's shapes."""
    kernel = np.concatenate([gates[f"W_{g}"].T.reshape(gates[f"W_{g}"].shape) for g in "ifco"], axis=1)
    recurrent = np.concatenate([gates[f"U_{g}"].T for g in "ifco"], axis=1)
    return kernel, recurrent


@pytest.mark.parametrize("letter", "ifco")
def test_cudnn_blocks_are_converted_to_those_of_an_lstm(letter: str) -> None:
    made = builders.gates(3, 4)
    kernel, recurrent = cudnn_from(made)
    gate = CUDNN.cut("l", tensor("k", kernel), tensor("u", recurrent), None)[letter]
    assert gate.W.read().tolist() == made[f"W_{letter}"].tolist()
    assert gate.U.read().tolist() == made[f"U_{letter}"].tolist()


@pytest.mark.parametrize(("inputs", "units"), [(3, 4), (4, 4), (7, 2), (1, 5)])
@pytest.mark.parametrize("array", ["W", "U"])
def test_some_rows_of_a_cudnn_block_are_those_of_the_whole(array: str, inputs: int, units: int) -> None:
    made = builders.gates(inputs, units)
    kernel, recurrent = cudnn_from(made)
    gate = getattr(CUDNN.cut("l", tensor("k", kernel), tensor("u", recurrent), None)["f"], array)
    rows = [gate.part(slice(row, row + 1)).read()[0].tolist() for row in range(gate.shape[0])]
    assert rows == made[f"{array}_f"].tolist()


def test_some_rows_of_a_cudnn_block_take_no_more_of_the_file_than_they_are_spread_over() -> None:
    asked = []

    def fetch(cuts: tuple[slice, ...]) -> np.ndarray:
        asked.append(tuple(cut.stop - cut.start for cut in cuts))
        return np.zeros(asked[-1])

    kernel = Tensor("k", (1000, 16), "float64", fetch)
    CUDNN.cut("l", kernel, tensor("u", np.zeros((4, 16))), None)["i"].W.part(slice(0, 8)).read()
    assert asked == [(2, 4)] * 4  # each of the 4 units has 8 numbers, which fill 2 rows of 4


@pytest.mark.parametrize(("place", "letter"), list(enumerate("ifco")))
def test_cudnn_adds_the_biases_of_input_and_state(place: int, letter: str) -> None:
    bias = builders.numbers(32)
    gate = CUDNN.cut("l", tensor("k", np.zeros((3, 16))), tensor("u", np.zeros((4, 16))), tensor("b", bias))[letter]
    assert gate.b is not None
    assert gate.b.read().tolist() == (bias[4 * place : 4 * place + 4] + bias[16 + 4 * place : 20 + 4 * place]).tolist()
