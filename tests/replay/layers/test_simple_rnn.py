from __future__ import annotations

import math

import numpy as np
import pytest
from support.layer_reading import KERAS_1, read_layer, run_layer

from lstmdump.replay.layers.recurrent import base as recurrent

X = np.array([0.5, -1.0, 2.0]).reshape(1, 3, 1)


def test_each_step_takes_the_output_of_the_step_before() -> None:
    arrays = {"kernel": [[2.0]], "recurrent_kernel": [[-0.5]], "bias": [0.25]}
    layer = read_layer("SimpleRNN", {"units": 1, "activation": "tanh", "return_sequences": True}, arrays)
    first = math.tanh(0.5 * 2 + 0.25)
    second = math.tanh(-1.0 * 2 + 0.25 + first * -0.5)
    third = math.tanh(2.0 * 2 + 0.25 + second * -0.5)
    assert run_layer(layer, X).values.ravel().tolist() == pytest.approx([first, second, third])


def test_the_arrays_of_keras_1() -> None:
    arrays = {"it_W": [[2.0]], "it_U": [[-0.5]], "it_b": [0.25]}
    layer = read_layer("SimpleRNN", {"output_dim": 1, "activation": "linear"}, arrays, KERAS_1)
    assert run_layer(layer, X[:, :2]).values.ravel().tolist() == [-1.0 * 2 + 0.25 + (0.5 * 2 + 0.25) * -0.5]


def test_without_a_bias() -> None:
    arrays = {"kernel": [[2.0]], "recurrent_kernel": [[-0.5]]}
    layer = read_layer("SimpleRNN", {"units": 1, "activation": "linear", "use_bias": False}, arrays)
    assert run_layer(layer, X[:, :1]).values.ravel().tolist() == [1.0]


def test_large_batches_and_long_sequences_are_run_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = {"kernel": [[2.0]], "recurrent_kernel": [[-0.5]], "bias": [0.25]}
    layer = read_layer("SimpleRNN", {"units": 1, "return_sequences": True}, arrays)
    x = np.random.default_rng(0).standard_normal((5, 7, 1))
    whole = run_layer(layer, x, masks={0: x[..., 0] > -1}).values
    monkeypatch.setattr(recurrent, "_SEQUENCES", 2)
    monkeypatch.setattr(recurrent, "_BYTES", 100)
    np.testing.assert_array_equal(run_layer(layer, x, masks={0: x[..., 0] > -1}).values, whole)
