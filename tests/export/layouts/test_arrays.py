"""The arrays of each layout: names, shapes and numbers, from the arrays of the gates."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support import builders

Run = Callable[..., Any]
D, M = 3, 4
GATES = builders.gates(D, M)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An LSTM `lstm` of 4 units on 3 inputs whose gates go through sigmoid, as Keras 3 stores it."""
    weights = [(f"lstm/{leaf}:0", values) for leaf, values in builders.fused(GATES).items()]
    config = builders.sequential(builders.lstm_config("lstm", M, activation="tanh", recurrent_activation="sigmoid"))
    return builders.write(tmp_path / "model.h5", {"lstm": weights}, config=config)


def export(run: Run, model: Path, layout: str, *options: object) -> dict[str, np.ndarray]:
    out = model.with_suffix(".npz")
    outcome = run("export", model, "--layout", layout, "-o", out, "-f", *options)
    assert outcome.status == 0, outcome.err
    with np.load(out) as arrays:
        return {name: arrays[name] for name in arrays.files if name != "__lstmdump__"}


def rows(array: str, order: str) -> np.ndarray:
    """Return the transposed gates below each other."""
    return np.concatenate([GATES[f"{array}_{gate}"].T for gate in order])


def bias(order: str) -> np.ndarray:
    return np.concatenate([GATES[f"b_{gate}"] for gate in order])


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_keras_has_the_gates_side_by_side(run: Run, model: Path) -> None:
    assert_same(export(run, model, "keras"), {f"lstm/{leaf}": values for leaf, values in builders.fused(GATES).items()})


def test_pytorch_has_the_transposed_gates_below_each_other(run: Run, model: Path) -> None:
    assert_same(
        export(run, model, "pytorch"),
        {
            "lstm.weight_ih_l0": rows("W", "ifco"),
            "lstm.weight_hh_l0": rows("U", "ifco"),
            "lstm.bias_ih_l0": bias("ifco"),
            "lstm.bias_hh_l0": np.zeros(4 * M),
        },
    )


def test_onnx_has_the_order_i_o_f_c_and_an_axis_of_directions(run: Run, model: Path) -> None:
    assert_same(
        export(run, model, "onnx"),
        {
            "lstm/W": rows("W", "iofc")[None],
            "lstm/R": rows("U", "iofc")[None],
            "lstm/B": np.concatenate([bias("iofc"), np.zeros(4 * M)])[None],
        },
    )


def test_openvino_has_the_order_f_i_c_o(run: Run, model: Path) -> None:
    assert_same(
        export(run, model, "openvino"),
        {"lstm/W": rows("W", "fico")[None], "lstm/R": rows("U", "fico")[None], "lstm/B": bias("fico")[None]},
    )


@pytest.mark.parametrize(("layout", "input_forget"), [("flax", "if"), ("flax-nnx", "if_")])
def test_flax_has_arrays_for_each_gate_and_calls_the_candidate_g(
    layout: str, input_forget: str, run: Run, model: Path
) -> None:
    expected = {}
    for gate, letter in {"i": "i", "f": "f", "c": "g", "o": "o"}.items():
        name = input_forget if gate == "f" else f"i{letter}"
        expected[f"lstm/{name}/kernel"] = GATES[f"W_{gate}"]
        expected[f"lstm/h{letter}/kernel"] = GATES[f"U_{gate}"]
        expected[f"lstm/h{letter}/bias"] = GATES[f"b_{gate}"]
    assert_same(export(run, model, layout), expected)


def test_a_second_bias_leaves_the_sign_of_zero(run: Run, model: Path) -> None:
    second = export(run, model, "pytorch")["lstm.bias_hh_l0"]
    assert np.signbit(np.float32(-0.0) + second).all()


@pytest.mark.parametrize(("options", "dtype"), [((), "<f4"), (("--dtype", "float16"), "<f2")])
def test_a_graph_has_float16_only_where_you_ask_for_it(
    options: tuple[str, ...], dtype: str, run: Run, root: Path, tmp_path: Path
) -> None:
    """ONNX Runtime would round x and h to it."""
    model, out = root / "tests" / "genuine" / "keras-3.15.1-full-pol_float16.h5", tmp_path / "out.onnx"
    assert run("export", model, "--layout", "onnx", "-o", out, *options).status == 0
    with h5py.File(model) as file:
        kernel = file["model_weights/lstm/sequential/lstm/lstm_cell/kernel"][()]
    i, f, c, o = np.split(kernel.T, 4)
    assert np.concatenate([i, o, f, c]).astype(dtype).tobytes() in out.read_bytes()


def test_a_graph_of_float64_is_refused(run: Run, model: Path, tmp_path: Path) -> None:
    outcome = run("export", model, "--layout", "onnx", "--dtype", "float64", "-o", tmp_path / "out.onnx")
    assert outcome.status == 2
    assert "does not compute an LSTM; --dtype float32 rounds them" in outcome.err


def test_both_halves_of_a_bidirectional_are_one_module_of_pytorch(run: Run, samples: Path, tmp_path: Path) -> None:
    out = tmp_path / "both.npz"
    assert run("export", samples / "keras-3.15-every-format" / "model.h5", "--layout", "pytorch", "-o", out).status == 0
    with np.load(out) as arrays:
        assert {name for name in arrays.files if name.startswith("both.")} == {
            f"both.{name}_l0{end}"
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            for end in ("", "_reverse")
        }


def test_both_halves_of_a_bidirectional_are_two_directions_of_onnx(run: Run, samples: Path, tmp_path: Path) -> None:
    out = tmp_path / "both.npz"
    assert run("export", samples / "keras-3.15-every-format" / "model.h5", "--layout", "onnx", "-o", out).status == 0
    with np.load(out) as arrays:
        assert arrays["both/W"].shape == (2, 4 * 4, 3)


def test_a_forget_bias_of_tensorflow_1_is_included(run: Run, samples: Path, tmp_path: Path) -> None:
    gates, keras = tmp_path / "gates.npz", tmp_path / "keras.npz"
    model = samples / "tf-1.12-basic-lstm-cell"
    assert run("export", model, "-o", gates).status == 0
    outcome = run("export", model, "--layout", "keras", "-o", keras)
    assert "the forget bias 1, which the cell adds at run time, is included in the bias" in outcome.err
    name = "rnn/basic_lstm_cell"
    with np.load(gates) as stored, np.load(keras) as arrays:
        np.testing.assert_array_equal(arrays[f"{name}/bias"][64:128], stored[f"{name}/b_f"] + np.float32(1))


def test_an_unknown_forget_bias_is_refused(run: Run, root: Path, tmp_path: Path) -> None:
    model = root / "tests" / "genuine" / "tf-1.8.0-py36-lstm_partitioned.ckpt"
    for file in model.parent.glob(f"{model.name}*"):
        if not file.name.endswith(".meta"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    outcome = run("export", tmp_path / model.name, "--layout", "pytorch", "-o", tmp_path / "out.npz")
    assert outcome.status == 2
    assert "does not hold its forget bias" in outcome.err


@pytest.mark.parametrize(
    ("layout", "settings", "words"),
    [
        ("pytorch", {"recurrent_activation": "hard_sigmoid"}, "its gates go through hard_sigmoid(0.2x+0.5)"),
        ("pytorch", {"activation": "relu"}, "its activation is relu"),
        ("openvino", {"recurrent_activation": "hard_sigmoid"}, "its gates go through hard_sigmoid(0.2x+0.5)"),
        ("rtneural", {"recurrent_activation": "hard_sigmoid"}, "which RTNeural does not compute"),
        ("lwtnn", {"activation": "relu"}, "which lwtnn does not compute"),
        ("onnx", {"activation": "gelu"}, "which ONNX does not compute"),
    ],
)
def test_what_the_target_cannot_compute_is_refused(
    layout: str, settings: dict[str, str], words: str, run: Run, tmp_path: Path
) -> None:
    given = {"activation": "tanh", "recurrent_activation": "sigmoid"} | settings
    config = builders.sequential(builders.lstm_config("lstm", M, **given))
    model = builders.write(tmp_path / "a.h5", {"lstm": builders.keras_2_weights("lstm", D, M)}, config=config)
    out = tmp_path / f"out{'.json' if layout in ('rtneural', 'lwtnn') else '.npz'}"
    outcome = run("export", model, "--layout", layout, "-o", out)
    assert (outcome.status, out.exists()) == (2, False)
    assert words in outcome.err
    assert "--force-layout writes its arrays all the same" in outcome.err


def test_force_layout_writes_it_with_a_warning(run: Run, tmp_path: Path, samples: Path) -> None:
    outcome = run("export", samples / "keras-2.2.0-weather.h5", "--layout", "pytorch", "--force-layout", "-o",
                  tmp_path / "out.npz")  # fmt: skip
    assert outcome.status == 0
    assert "h would be about 0.03 to 0.1 off" in outcome.err


def test_a_safetensors_file_is_read_again_as_the_same_layer(run: Run, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    assert run("export", model, "--layout", "pytorch", "-o", out).status == 0
    assert run("diff", model, out).status == 0


def test_a_safetensors_file_begins_with_its_header(run: Run, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    run("export", model, "--layout", "pytorch", "-o", out)
    data = out.read_bytes()
    length = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + length])
    start, stop = head["lstm.weight_hh_l0"]["data_offsets"]
    assert head["lstm.weight_hh_l0"]["shape"] == [4 * M, M]
    assert data[8 + length + start : 8 + length + stop] == rows("U", "ifco").astype("<f4").tobytes()
    assert head["__metadata__"]["format"] == "pt"


def test_rtneural_has_nested_lists(run: Run, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert run("export", model, "--layout", "rtneural", "-o", out).status == 0
    found = json.loads(out.read_text())
    assert found["in_shape"] == [None, None, D]
    (layer,) = found["layers"]
    assert (layer["type"], layer["shape"]) == ("lstm", [None, None, M])
    for stored, expected in zip(layer["weights"], builders.fused(GATES).values(), strict=True):
        np.testing.assert_array_equal(np.array(stored, "f4"), expected)


def test_lwtnn_has_transposed_flat_lists_for_each_gate(run: Run, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert run("export", model, "--layout", "lwtnn", "-o", out).status == 0
    (layer,) = json.loads(out.read_text())["layers"]
    assert (layer["activation"], layer["inner_activation"]) == ("tanh", "sigmoid")
    for gate in "ifco":
        part = layer["components"][gate]
        np.testing.assert_array_equal(np.array(part["weights"], "f4"), GATES[f"W_{gate}"].T.ravel())
        np.testing.assert_array_equal(np.array(part["U"], "f4"), GATES[f"U_{gate}"].T.ravel())
        np.testing.assert_array_equal(np.array(part["bias"], "f4"), GATES[f"b_{gate}"])


def test_layers_that_are_no_chain_are_refused_by_rtneural(run: Run, tmp_path: Path) -> None:
    layers = {name: builders.keras_2_weights(name, D, M) for name in ("one", "two")}
    plain = {"activation": "tanh", "recurrent_activation": "sigmoid"}
    config = builders.sequential(*(builders.lstm_config(name, M, **plain) for name in layers))
    model = builders.write(tmp_path / "a.h5", layers, config=config)
    outcome = run("export", model, "--layout", "rtneural", "-o", tmp_path / "out.json")
    assert (outcome.status, (tmp_path / "out.json").exists()) == (2, False)
    assert "two takes 3 numbers, and one before it gives 4" in outcome.err


def test_a_number_that_is_not_finite_is_refused_in_a_text(run: Run, tmp_path: Path) -> None:
    made = GATES | {"b_i": np.full(M, np.inf, "f4")}
    weights = [(f"lstm/{leaf}:0", values) for leaf, values in builders.fused(made).items()]
    config = builders.sequential(builders.lstm_config("lstm", M, activation="tanh", recurrent_activation="sigmoid"))
    model = builders.write(tmp_path / "a.h5", {"lstm": weights}, config=config)
    outcome = run("export", model, "--layout", "rtneural", "-o", tmp_path / "out.json")
    assert (outcome.status, (tmp_path / "out.json").exists()) == (2, False)
    assert "not finite" in outcome.err


def test_the_header_for_c_has_an_array_for_each_gate(run: Run, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h"
    assert run("export", model, "--layout", "c", "-o", out).status == 0
    text = out.read_text()
    for gate in "ifco":
        assert f"static const float lstm_W_{gate}[{D}][{M}] = " in text
        assert f"static const float lstm_U_{gate}[{M}][{M}] = " in text
        assert f"static const float lstm_b_{gate}[{M}] = " in text


def test_a_name_cannot_end_a_comment_in_c(run: Run, tmp_path: Path) -> None:
    name = "a*/ int x; /*"
    config = builders.sequential(builders.lstm_config(name, M))
    model = builders.write(tmp_path / "a.h5", {name: builders.keras_2_weights("lstm", D, M)}, config=config)
    out = tmp_path / "out.h"
    assert run("export", model, "--layout", "c", "-o", out).status == 0
    assert out.read_text().count("*/") == 2  # of the head, and of the layer


@pytest.mark.parametrize(
    ("layout", "out", "words"),
    [
        ("pytorch", "x.onnx", "give OUT.npz, OUT.safetensors or a directory"),
        ("rtneural", "x.npz", "give OUT.json or a directory"),
        ("gates", "x.safetensors", "give OUT.npz or a directory"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    layout: str, out: str, words: str, run: Run, model: Path, tmp_path: Path
) -> None:
    outcome = run("export", model, "--layout", layout, "-o", tmp_path / out)
    assert outcome.status == 2
    assert words in outcome.err


def test_without_an_output_the_file_is_beside_the_model(run: Run, model: Path) -> None:
    assert run("export", model, "--layout", "rtneural").status == 0
    assert model.with_suffix(".json").is_file()


def test_integers_that_stand_for_numbers_are_written_as_these(run: Run, tmp_path: Path) -> None:
    models = Path(__file__).parents[2] / "readers" / "tflite" / "models"
    copy = tmp_path / "model.tflite"
    copy.write_bytes((models / "loop-dynamic-range.tflite").read_bytes())
    found = export(run, copy, "pytorch")["wide.weight_ih_l0"]
    with np.load(models / "loop-dynamic-range.truth.npz") as truth:
        expected = np.concatenate([truth[f"wide/W_{letter}"].T for letter in "ifco"])
    assert (found.dtype, found.tobytes()) == (np.float32, expected.tobytes())
