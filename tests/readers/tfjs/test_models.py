"""Models of TensorFlow.js, compared with the arrays of the live layers and with outputs recorded in TensorFlow.js.

The models in `models/` were written by TensorFlow.js 4.22 and its converter 4.22. Beside each, `*.truth.npz` holds the
gates, of quantized models as TensorFlow.js restores them, and `*.io.npz` an input and what was computed from it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstmdump
from lstmdump.errors import ModelClosed
from lstmdump.report import record
from lstmdump.report.facts import describe

Run = Callable[..., Any]
MODELS = Path(__file__).parent / "models"
NAMES = {
    "bi": ["bidi/forward_lstm", "bidi/backward_lstm"],
    "nested": ["encoder/deep"],
    "timedist": ["td/inner"],
    "converted-bi-float16": ["bidi/forward_lstm", "bidi/backward_lstm"],
    "converted-seq-f32": ["lstm"],
    "converted-stacked-uint8": ["first", "second"],
    "graph-plain-f32": ["enc"],
    "graph-hard-sigmoid": ["lstm/while/body/_7/sequential/lstm/while/lstm_cell"],
    "graph-hard-sigmoid-keras3": ["lstm_1/while/body/_7/sequential_1/lstm_1/while/lstm_cell_1"],
    "graph-unrolled": ["lstm/lstm_cell"],
    "graph-unrolled-backwards": ["lstm/lstm_cell"],
    "graph-unrolled-square": ["lstm/lstm_cell"],
    "graph-masked-keras3": ["lstm_1/lstm_cell_1"],
}


def record_of(name: str) -> dict[str, Any]:
    with lstmdump.open(MODELS / name) as model:
        return record.of(describe(model))


def test_every_model_has_its_names() -> None:
    assert {path.name for path in MODELS.iterdir() if path.is_dir()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_layers_have_the_names_that_the_user_gave(name: str) -> None:
    assert [layer["name"] for layer in record_of(name)["layers"]] == NAMES[name]


@pytest.mark.parametrize("name", NAMES)
def test_gates_are_those_of_the_live_layers(name: str) -> None:
    with np.load(MODELS / f"{name}.truth.npz") as truth, lstmdump.open(MODELS / name / "model.json") as model:
        read = {tensor.name: tensor.read() for lstm in model.lstms for tensor in lstm.arrays()}
        assert {key: array.tobytes() for key, array in read.items()} == {
            key: truth[key].astype("f4").tobytes() for key in truth.files
        }


@pytest.mark.parametrize(
    ("name", "layer", "key"),
    [
        ("bi", "head/y", "y0"),
        ("nested", "head/y", "y0"),
        ("timedist", "td/y", "y0"),
        ("converted-bi-float16", "dense/y", "y_tfjs0"),
        ("converted-seq-f32", "out/y", "y_tfjs0"),
        ("converted-stacked-uint8", "head/y", "y_tfjs0"),
        ("graph-plain-f32", "enc/h", "y_keras0"),
        ("graph-hard-sigmoid", "lstm/while/body/_7/sequential/lstm/while/lstm_cell/h", "y_keras0"),
        (
            "graph-hard-sigmoid-keras3",
            "lstm_1/while/body/_7/sequential_1/lstm_1/while/lstm_cell_1/h",
            "y_keras0",
        ),
        ("graph-unrolled", "lstm/lstm_cell/h", "y_keras0"),
        ("graph-unrolled-backwards", "lstm/lstm_cell/h", "y_keras0"),
    ],
)
def test_outputs_are_those_that_were_recorded(name: str, layer: str, key: str, run: Run, tmp_path: Path) -> None:
    with np.load(MODELS / f"{name}.io.npz") as recorded:
        np.save(tmp_path / "x.npy", recorded["x"])
        out = tmp_path / "states.npz"
        assert run("trace", MODELS / name, "-i", tmp_path / "x.npy", "-o", out).status == 0
        with np.load(out) as states:
            np.testing.assert_allclose(states[layer], recorded[key], rtol=0, atol=1e-6)


def test_the_producer_is_the_release_of_tensorflow_js() -> None:
    assert record_of("nested")["producer"] == "tensorflow.js 4.22.0"


def test_a_converted_model_names_the_keras_that_saved_it() -> None:
    assert record_of("converted-seq-f32")["producer"] == "keras 2.21.0 (tensorflow)"


def test_a_graph_names_the_tensorflow_that_wrote_it() -> None:
    assert record_of("graph-plain-f32")["producer"] == "tensorflow 2.21.0"


def test_the_total_counts_other_layers_too() -> None:
    # an LSTM of 6 units on 4 inputs, and a dense layer of 2
    lstm = 4 * ((4 + 6) * 6 + 6)
    assert record_of("nested")["parameters"] == {"lstm": lstm, "total": lstm + 6 * 2 + 2}


def test_the_hard_sigmoid_of_tensorflow_js_is_that_of_keras_2() -> None:
    assert record_of("nested")["layers"][0]["recurrent_activation"] == "hard_sigmoid(0.2x+0.5)"


def test_the_gates_of_a_graph_follow_from_its_equations() -> None:
    layer = record_of("graph-plain-f32")["layers"][0]
    assert (layer["gate_order"], layer["activation"], layer["recurrent_activation"]) == ("ifco", "tanh", "sigmoid")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("graph-hard-sigmoid", "hard_sigmoid(0.2x+0.5)"),
        ("graph-hard-sigmoid-keras3", "hard_sigmoid(x/6+0.5)"),
    ],
)
def test_the_hard_sigmoid_of_a_graph_follows_from_its_equations(name: str, word: str) -> None:
    assert record_of(name)["layers"][0]["recurrent_activation"] == word


@pytest.mark.parametrize("name", ["graph-unrolled", "graph-unrolled-backwards"])
def test_the_arrays_of_an_unrolled_graph_count_once(name: str) -> None:
    # an LSTM of 3 units on 2 inputs, whose 3 arrays the file holds for each of 3 steps, but for U in the first
    stated = record_of(name)
    assert stated["parameters"] == {"lstm": 4 * ((2 + 3) * 3 + 3), "total": 4 * ((2 + 3) * 3 + 3)}
    assert [note.partition(",")[0] for note in stated["notes"]] == ["5 arrays stored again for other steps of a cell"]


@pytest.mark.parametrize(("name", "goes_backwards"), [("graph-unrolled", None), ("graph-unrolled-backwards", True)])
def test_the_direction_of_an_unrolled_graph_follows_from_its_steps(name: str, goes_backwards: bool | None) -> None:
    assert record_of(name)["layers"][0]["go_backwards"] is goes_backwards


def test_an_unrolled_cell_of_as_many_inputs_as_units_is_found_by_its_steps() -> None:
    # 3 units on 3 inputs, without a bias: which of two kernels takes h shows from one step to the next only
    assert record_of("graph-unrolled-square")["parameters"] == {"lstm": 4 * 3 * (3 + 3), "total": 72 + 3 * 2 + 2}


def test_a_masked_cell_that_keras_3_runs_before_its_loop_counts_once() -> None:
    assert record_of("graph-masked-keras3")["parameters"]["total"] == 4 * ((5 + 6) * 6 + 6)


def test_an_unrolled_graph_of_zeros_counts_once(tmp_path: Path) -> None:
    copied = Path(shutil.copytree(MODELS / "graph-unrolled", tmp_path / "model"))
    shard = copied / "group1-shard1of1.bin"
    shard.write_bytes(bytes(len(shard.read_bytes())))
    assert record_of(str(copied))["parameters"]["total"] == 4 * ((2 + 3) * 3 + 3)


def test_the_last_output_of_a_masked_cell_is_the_one_recorded(run: Run, tmp_path: Path) -> None:
    with np.load(MODELS / "graph-masked-keras3.io.npz") as recorded:
        np.save(tmp_path / "x.npy", recorded["x"])
        out = tmp_path / "states.npz"
        assert run("trace", MODELS / "graph-masked-keras3", "-i", tmp_path / "x.npy", "-o", out).status == 0
        with np.load(out) as states:
            np.testing.assert_allclose(states["lstm_1/lstm_cell_1/h"][:, -1], recorded["y_keras0"], rtol=0, atol=1e-6)


def test_a_quantized_model_has_a_note_on_its_steps() -> None:
    notes = record_of("converted-stacked-uint8")["notes"]
    assert [note.partition(":")[0] for note in notes] == [
        "8 arrays stored as uint8, in steps of at most 0.0088 (first/lstm_cell/bias)"
    ]


def test_a_quantized_constant_that_no_layer_has_is_not_in_the_note(tmp_path: Path) -> None:
    copied = Path(shutil.copytree(MODELS / "graph-plain-f32", tmp_path / "model"))
    shard = copied / "group1-shard1of1.bin"
    shard.write_bytes(shard.read_bytes() + bytes(6))
    stated = json.loads((copied / "model.json").read_text("utf-8"))
    zeros = {"name": "zeros", "shape": [1, 6], "dtype": "float32"}
    stated["weightsManifest"][0]["weights"].append(
        zeros | {"quantization": {"dtype": "uint8", "original_dtype": "float32", "min": 0, "scale": 1}}
    )
    (copied / "model.json").write_text(json.dumps(stated), "utf-8")
    with lstmdump.open(copied) as model:
        assert model.model.notes == ()


def test_an_array_is_not_read_after_the_model_is_closed() -> None:
    with lstmdump.open(MODELS / "nested") as model:
        tensor = model.lstms[0].gates["i"].W
    with pytest.raises(ModelClosed, match="deep/kernel was requested after the model had been closed"):
        tensor.read()
