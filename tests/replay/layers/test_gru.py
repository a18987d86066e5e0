from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from support.layer_reading import KERAS_1, KERAS_2, KERAS_3, read_layer, run_layer

from lstmdump.errors import CannotReplay

W, U, B, D = (0.5, -1.0, 2.0), (0.25, 1.5, -0.75), (0.1, -0.2, 0.3), (-0.4, 0.6, 0.05)
"""The numbers of a GRU of one unit: of the update gate, of the reset gate, and of the candidate."""

GRU = {"units": 1, "activation": "tanh", "recurrent_activation": "sigmoid", "return_sequences": True}


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def compute(xs: list[float], d: tuple[float, ...] | None) -> list[float]:
    """Return the outputs, with the second bias `d` if the reset gate is applied after the product."""
    h, found = 0.0, []
    for x in xs:
        with_d = d or (0.0, 0.0, 0.0)
        z, r = (sigmoid(x * W[k] + B[k] + h * U[k] + with_d[k]) for k in (0, 1))
        of_state = r * (h * U[2] + with_d[2]) if d else (r * h) * U[2]
        h = z * h + (1 - z) * math.tanh(x * W[2] + B[2] + of_state)
        found.append(h)
    return found


XS = [0.5, -1.0, 2.0]
X = np.array(XS).reshape(1, 3, 1)


def outputs_of(
    config: dict[str, Any], arrays: dict[str, Any], release: Any = KERAS_3, kind: str = "GRU"
) -> list[float]:
    return run_layer(read_layer(kind, config, arrays, release), X).values.ravel().tolist()


def test_reset_after_the_product_with_two_biases() -> None:
    arrays = {"kernel": [W], "recurrent_kernel": [U], "bias": [B, D]}
    assert outputs_of({**GRU, "reset_after": True}, arrays) == pytest.approx(compute(XS, D))


def test_reset_before_the_product_with_one_bias() -> None:
    arrays = {"kernel": [W], "recurrent_kernel": [U], "bias": B}
    assert outputs_of({**GRU, "reset_after": False}, arrays, KERAS_2) == pytest.approx(compute(XS, None))


def test_the_reset_gate_is_before_the_product_in_a_file_that_does_not_state_it() -> None:
    arrays = {"kernel": [W], "recurrent_kernel": [U], "bias": B}
    assert outputs_of(GRU, arrays, KERAS_2) == pytest.approx(compute(XS, None))


OF_KERAS_1 = {"output_dim": 1, "activation": "tanh", "inner_activation": "sigmoid", "return_sequences": True}


def test_the_nine_arrays_of_keras_1_are_found_by_name() -> None:
    gates = {f"it_{kind}_{gate}": [values[k]] if kind == "b" else [[values[k]]]
             for k, gate in ((2, "h"), (1, "r"), (0, "z")) for kind, values in (("b", B), ("U", U), ("W", W))}  # fmt: skip
    assert outputs_of(OF_KERAS_1, gates, KERAS_1) == pytest.approx(compute(XS, None))


def test_the_three_arrays_of_keras_1_with_consume_less_gpu() -> None:
    arrays = {"it_W": [W], "it_U": [U], "it_b": B}
    assert outputs_of(OF_KERAS_1, arrays, KERAS_1) == pytest.approx(compute(XS, None))


def test_the_blocks_of_cudnn_are_transposed() -> None:
    """Two units on two inputs: block k of a kernel holds its transpose, row by row."""
    random = np.random.default_rng(1)
    kernel, recurrent = random.standard_normal((3, 2, 2)), random.standard_normal((3, 2, 2))
    bias = random.standard_normal(12)
    plain = {
        "kernel": np.concatenate(list(kernel), 1),
        "recurrent_kernel": np.concatenate(list(recurrent), 1),
        "bias": [bias[:6], bias[6:]],
    }
    stored = {
        "kernel": np.concatenate([block.T for block in kernel], 1),
        "recurrent_kernel": np.concatenate([block.T for block in recurrent], 1),
        "bias": bias,
    }
    x = random.standard_normal((2, 3, 2))
    of_gru = run_layer(read_layer("GRU", {**GRU, "units": 2, "reset_after": True}, plain), x).values
    of_cudnn = run_layer(read_layer("CuDNNGRU", {"units": 2, "return_sequences": True}, stored, KERAS_2), x).values
    np.testing.assert_allclose(of_cudnn, of_gru)


def test_the_bias_of_the_other_convention_is_refused() -> None:
    arrays = {"kernel": [W], "recurrent_kernel": [U], "bias": B}
    with pytest.raises(CannotReplay, match=r"^it: its bias is \(3,\), and not \(2, 3\)"):
        read_layer("GRU", {**GRU, "reset_after": True}, arrays)


@pytest.mark.parametrize("units", [None, 0, "1", True, 1.0])
def test_units_that_are_not_a_number_are_refused(units: object) -> None:
    with pytest.raises(CannotReplay, match=r"^it: its configuration does not state how many units it has"):
        read_layer("GRU", {**GRU, "units": units}, {"kernel": [W], "recurrent_kernel": [U], "bias": B})
