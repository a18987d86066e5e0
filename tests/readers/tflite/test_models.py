"""Models of TensorFlow Lite, compared with the arrays of the live layers and with outputs of its interpreter.

The models in `models/` were written by the converters of TensorFlow 1.15 and 2.21, from tf_keras 2.21 and Keras 3.15.
Beside each, `*.truth.npz` holds the gates, of quantized models the numbers that its integers stand for, and `*.io.npz`
an input and what the interpreter of TensorFlow Lite 2.21 computed from it; for `loop-flex`, what Keras computed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstmdump
from lstmdump.errors import ModelClosed, UnreadableModel
from lstmdump.model.tensor import Array
from lstmdump.replay import equations
from lstmdump.report import record
from lstmdump.report.facts import describe

Run = Callable[..., Any]
MODELS = Path(__file__).parent / "models"
NAMES = {
    "fused": ["lstm"],
    "fused-backwards": ["lstm"],
    "fused-behind-gru": ["lstm"],
    "fused-behind-gru-and-dense": ["lstm"],
    "fused-behind-gru-reset-before": ["lstm"],
    "fused-bidirectional": ["lstm", "lstm_1"],
    "fused-float16": ["lstm"],
    "fused-int8": ["lstm"],
    "fused-one-bias": ["lstm"],
    "fused-stacked": ["lstm", "lstm_1"],
    "loop-behind-gru-keras3": ["lstm"],
    "loop-bidirectional": ["bidi/backward_lstm", "bidi/forward_lstm"],
    "loop-dynamic-range": ["wide"],
    "loop-flex": ["enc"],
    "loop-hard-sigmoid": ["enc"],
    "loop-hard-sigmoid-keras3": ["enc"],
    "loop-masked": ["enc"],
    "loop-relu": ["enc"],
    "loop-state": ["enc"],
    "toco-one-step": ["rnn/basic_lstm_cell"],
    "toco-static3": ["rnn/basic_lstm_cell"],
    "unrolled": ["enc"],
}
REFUSED = "variables-only"
SINGLE = ["fused", "fused-backwards", "fused-one-bias", "loop-flex", "loop-hard-sigmoid", "loop-hard-sigmoid-keras3",
          "loop-relu", "loop-state", "unrolled"]  # fmt: skip
ROUNDING = 1e-6


def record_of(name: str) -> dict[str, Any]:
    with lstmdump.open(MODELS / f"{name}.tflite") as model:
        return record.of(describe(model), with_others=True)


def layer_of(name: str) -> dict[str, Any]:
    layer: dict[str, Any] = record_of(name)["layers"][0]
    return layer


def io_of(name: str) -> tuple[Array, Array]:
    with np.load(MODELS / f"{name}.io.npz") as recorded:
        return recorded["x"], recorded["y0"]


def outputs_of(name: str, x: Array) -> list[Array]:
    """Return h of every step of each layer, which takes `x`."""
    with lstmdump.open(MODELS / f"{name}.tflite") as model:
        return [equations.run(lstm, x, forget_bias=0.0).h for lstm in model.lstms]


def test_every_model_has_its_names() -> None:
    assert {path.stem for path in MODELS.glob("*.tflite")} == {*NAMES, REFUSED}


@pytest.mark.parametrize("name", NAMES)
def test_layers_have_the_names_that_are_left(name: str) -> None:
    assert [layer["name"] for layer in record_of(name)["layers"]] == NAMES[name]


@pytest.mark.parametrize("name", NAMES)
def test_gates_are_those_of_the_live_layers(name: str) -> None:
    with np.load(MODELS / f"{name}.truth.npz") as truth, lstmdump.open(MODELS / f"{name}.tflite") as model:
        read = {
            (array.name.rpartition("/")[2], array.read().astype("f4").tobytes())
            for lstm in model.lstms
            for array in lstm.arrays()
        }
        assert read == {(key.rpartition("/")[2], truth[key].tobytes()) for key in truth.files}


@pytest.mark.parametrize("name", SINGLE)
def test_the_outputs_are_those_of_the_interpreter(name: str) -> None:
    x, y = io_of(name)
    np.testing.assert_allclose(outputs_of(name, x)[0], y, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("name", ["toco-static3", "toco-one-step"])
def test_the_last_outputs_of_a_cell_of_tensorflow_1_are_those_of_the_interpreter(name: str) -> None:
    x, y = io_of(name)
    np.testing.assert_allclose(outputs_of(name, x)[0][:, -1], y, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("name", ["fused-bidirectional", "loop-bidirectional"])
def test_the_outputs_of_both_halves_are_in_the_order_of_the_input(name: str) -> None:
    x, y = io_of(name)
    backward, forward = outputs_of(name, x)
    np.testing.assert_allclose(np.concatenate([forward, backward], axis=2), y, rtol=0, atol=ROUNDING)


def test_a_second_layer_takes_the_outputs_of_the_first() -> None:
    x, y = io_of("fused-stacked")
    with lstmdump.open(MODELS / "fused-stacked.tflite") as model:
        assert {path: source.names for path, source in model.model.sources().items()} == {("lstm_1",): ("lstm",)}
        h = x
        for lstm in model.lstms:
            h = equations.run(lstm, h).h
        dense = next(layer for layer in model.model.root.walk() if layer.name == "FULLY_CONNECTED 1")
        kernel, bias = (dense.weights[place].read() for place in ("1", "2"))
    np.testing.assert_allclose(h @ kernel.T + bias, y, rtol=0, atol=ROUNDING)


def test_a_layer_behind_a_gru_takes_its_outputs() -> None:
    x, y = io_of("fused-behind-gru")
    with lstmdump.open(MODELS / "fused-behind-gru.tflite") as model:
        gru = next(layer for layer in model.model.root.walk() if layer.kind == "GRU")
        of_h, bias_of_h, of_x, bias_of_x = (array.read() for array in gru.weights.values())
        h, outputs = np.zeros((1, 4), "f4"), []
        for step in x.swapaxes(0, 1):
            z, r, candidate = np.split(step @ of_x.T + bias_of_x, 3, axis=1)
            z_of_h, r_of_h, candidate_of_h = np.split(h @ of_h.T + bias_of_h, 3, axis=1)
            update, reset = (1 / (1 + np.exp(-total)) for total in (z + z_of_h, r + r_of_h))
            h = update * h + (1 - update) * np.tanh(candidate + reset * candidate_of_h)
            outputs.append(h)
        states = equations.run(model.lstms[0], np.stack(outputs, axis=1))
    np.testing.assert_allclose(states.h, y, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("name", ["fused-behind-gru", "fused-behind-gru-reset-before", "loop-behind-gru-keras3"])
def test_the_gru_in_front_of_a_layer_is_run(run: Run, tmp_path: Path, name: str) -> None:
    x, y = io_of(name)
    np.save(tmp_path / "x.npy", x)
    found = run("trace", MODELS / f"{name}.tflite", "-i", tmp_path / "x.npy", "-o", tmp_path / "states.npz")
    assert "other operators compute it" not in found.err
    with np.load(tmp_path / "states.npz") as states:
        np.testing.assert_allclose(states["lstm/h"], y, rtol=0, atol=ROUNDING)
        outputs = [states[key] for key in states.files if key.endswith("/y")]
    assert len(outputs) == 1
    np.testing.assert_allclose(outputs[0], y, rtol=0, atol=ROUNDING)


def test_the_influence_of_a_step_is_that_of_both_layers(run: Run, tmp_path: Path) -> None:
    x, y = io_of("fused-behind-gru")
    np.save(tmp_path / "x.npy", x)
    found = run("lags", MODELS / "fused-behind-gru.tflite", "-i", tmp_path / "x.npy", "--json")
    norms = [lag["norm"] for lag in json.loads(found.out)["layers"][0]["lags"]]
    with lstmdump.open(MODELS / "fused-behind-gru.tflite") as model:
        assert len(norms) == x.shape[1]
        for lag, norm in enumerate(norms):
            of_step = np.zeros((y.shape[2], x.shape[2]))
            for feature in range(x.shape[2]):
                moved = [x.astype("f8"), x.astype("f8")]
                for sign, one in zip((1, -1), moved, strict=True):
                    one[0, -1 - lag, feature] += sign * 1e-4
                ends = [model.trace(one, dtype="float64").layers["lstm"].h[0, -1] for one in moved]
                of_step[:, feature] = (ends[0] - ends[1]) / 2e-4
            np.testing.assert_allclose(norm, np.linalg.norm(of_step), rtol=1e-5)


def test_other_operators_in_front_of_a_layer_are_named(run: Run, tmp_path: Path) -> None:
    name = "fused-behind-gru-and-dense"
    np.save(tmp_path / "x.npy", io_of(name)[0])
    found = run("trace", MODELS / f"{name}.tflite", "-i", tmp_path / "x.npy", "-o", tmp_path / "states.npz")
    assert "takes the input given, although in the model other operators compute it" in found.err


def test_steps_that_a_mask_skips_are_named(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", io_of("loop-masked")[0])
    found = run("trace", MODELS / "loop-masked.tflite", "-i", tmp_path / "x.npy", "-o", tmp_path / "states.npz")
    assert "in the model, a mask skips steps; here all count, unless --mask skips some" in found.err


def test_a_mask_skips_the_steps_that_the_model_skips() -> None:
    x, y = io_of("loop-masked")
    with lstmdump.open(MODELS / "loop-masked.tflite") as model:
        states = equations.run(model.lstms[0], x, mask=(x != 0).any(axis=2))
    np.testing.assert_allclose(states.h, y, rtol=0, atol=ROUNDING)


def test_integers_are_computed_with_as_they_are_and_a_note_says_so(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", io_of("fused-int8")[0])
    found = run("trace", MODELS / "fused-int8.tflite", "-i", tmp_path / "x.npy", "-o", tmp_path / "states.npz")
    assert "TensorFlow Lite also rounds what it multiplies with the arrays to integers" in found.err


def test_float16_is_computed_with_as_float32() -> None:
    x, y = io_of("fused-float16")
    np.testing.assert_allclose(outputs_of("fused-float16", x)[0], y, rtol=0, atol=ROUNDING)


def test_the_outputs_of_integers_differ_by_their_rounding() -> None:
    # int8 outputs have a step of 0.0047; inputs of 0.022, times weights of at most 0.93, in each of 8 steps
    x, y = io_of("fused-int8")
    np.testing.assert_allclose(outputs_of("fused-int8", x)[0], y, rtol=0, atol=0.1)


def test_dynamic_range_differs_by_the_rounding_of_what_is_multiplied() -> None:
    # each input of at most 3.5 is rounded to 255 levels, 0.014: half of that times 28 weights of at most 1.5, spread
    x, y = io_of("loop-dynamic-range")
    np.testing.assert_allclose(outputs_of("loop-dynamic-range", x)[0], y, rtol=0, atol=0.05)


def test_the_bounds_of_an_operator_are_in_the_record() -> None:
    layer = layer_of("fused")
    assert (layer["cell_clip"], layer["activation"], layer["recurrent_activation"]) == (10.0, "tanh", "sigmoid")


def test_an_operator_keeps_its_states_until_it_is_reset() -> None:
    assert layer_of("fused")["stateful"] is True


def test_a_loop_begins_with_zero_states() -> None:
    assert layer_of("loop-state")["stateful"] is None


def test_an_operator_behind_reverse_v2_goes_backwards() -> None:
    assert layer_of("fused-backwards")["go_backwards"] is True


def test_the_halves_of_a_bidirectional_are_known_without_names() -> None:
    with lstmdump.open(MODELS / "fused-bidirectional.tflite") as model:
        assert [lstm.settings.direction for lstm in model.lstms] == ["backward", "forward"]


def test_the_hard_sigmoid_of_keras_2_has_its_slope() -> None:
    assert layer_of("loop-hard-sigmoid")["recurrent_activation"] == "hard_sigmoid(0.2x+0.5)"


def test_the_hard_sigmoid_of_keras_3_has_its_slope() -> None:
    assert layer_of("loop-hard-sigmoid-keras3")["recurrent_activation"] == "hard_sigmoid(x/6+0.5)"


def test_the_activation_of_a_loop_is_the_one_of_its_operators() -> None:
    assert layer_of("loop-relu")["activation"] == "relu"


def test_the_gates_of_tensorflow_1_are_in_its_order() -> None:
    assert layer_of("toco-static3")["gate_order"] == "icfo"


def test_the_forget_bias_is_what_an_operator_adds() -> None:
    assert layer_of("toco-static3")["forget_bias"] == 1.0


def test_the_forget_bias_of_a_single_step_from_zero_is_unknown() -> None:
    assert layer_of("toco-one-step")["forget_bias"] is None


def test_the_class_of_a_cell_of_tensorflow_1_is_that_of_its_scope() -> None:
    assert layer_of("toco-static3")["class"] == "BasicLSTMCell"


@pytest.mark.parametrize(("name", "origin"), [("fused", "file"), ("loop-state", "shapes")])
def test_only_an_operator_states_the_class(name: str, origin: str) -> None:
    assert (layer_of(name)["class"], layer_of(name)["class_from"]) == ("LSTM", origin)


def test_arrays_have_the_type_that_is_stored() -> None:
    types = {weight["name"]: weight["dtype"] for weight in layer_of("fused-int8")["weights"]}
    assert (types["input_to_input"], types["input_gate_bias"]) == ("int8", "int32")


def test_integers_have_a_note_on_their_steps() -> None:
    # the smallest scale is that of a bias, the largest that of a kernel, by the schema's own reader
    assert (
        record_of("fused-int8")["notes"][0]
        == "lstm: 12 arrays in int32 and int8, in steps (scales) of 9.8e-05 to 0.0073"
    )


def test_biases_that_are_one_array_are_counted_once() -> None:
    # kernels of 4·2 and 4·4 for each of four gates, and one bias of 4
    assert record_of("fused-one-bias")["parameters"]["total"] == 4 * (4 * 2 + 4 * 4) + 4


def test_the_total_counts_the_weights_of_all_operators() -> None:
    # an LSTM of 5 units on 4 inputs behind a GRU of 4 units on 4 inputs with two biases
    assert record_of("fused-behind-gru")["parameters"] == {
        "lstm": 4 * ((4 + 5) * 5 + 5),
        "total": 4 * ((4 + 5) * 5 + 5) + 3 * ((4 + 4) * 4 + 2 * 4),
    }


def test_states_and_shapes_are_not_among_the_other_arrays() -> None:
    others = {other["tensor"]: other["shape"] for other in record_of("fused-stacked")["others"]}
    assert sorted(others.values()) == [(2,), (2, 5)]


@pytest.mark.parametrize(
    ("name", "producer"),
    [
        ("fused", "tensorflow lite (MLIR, runtime 1.13.1+)"),
        ("toco-static3", "tensorflow lite (TOCO, runtime 1.5.0+)"),
    ],
)
def test_the_producer_is_the_converter(name: str, producer: str) -> None:
    assert record_of(name)["producer"] == producer


def test_a_model_of_variables_without_values_holds_no_numbers() -> None:
    with pytest.raises(UnreadableModel, match="it holds no numbers: it reads variables that nothing in the file"):
        lstmdump.open(MODELS / f"{REFUSED}.tflite")


def test_an_array_is_not_read_after_the_model_is_closed() -> None:
    with lstmdump.open(MODELS / "fused.tflite") as model:
        tensor = model.lstms[0].gates["i"].W
    with pytest.raises(ModelClosed):
        tensor.read()
