from __future__ import annotations

import json
import math

from lstmdump.replay.verify import LayerVerdict, ModelVerdict
from lstmdump.report.render import verify as render_verify

GOOD = LayerVerdict("lstm_1", "LSTM", "tf_keras.layers.LSTM", "float64", 2.2e-16, True)
BAD = LayerVerdict("lstm_2", "LSTM", "tf_keras.layers.LSTM", "float64", 0.31, False)
NOTED = LayerVerdict("a", "LSTMCell", "tf.raw_ops.BlockLSTM", "float32", 1e-7, True, ("one", "two"))
LEFT = LayerVerdict("b", "LayerNormBasicLSTMCell", notes=("not verified: its gates are normalized",))


def model(*layers: LayerVerdict) -> ModelVerdict:
    return ModelVerdict("m.h5", layers, 1e-5, 7)


def test_each_layer_has_a_line() -> None:
    assert list(render_verify.text_lines(model(GOOD, BAD, NOTED, LEFT))) == [
        "m.h5: lstm_1: agrees with tf_keras.layers.LSTM, largest difference 2.2e-16",
        "m.h5: lstm_2: differs from tf_keras.layers.LSTM, largest difference 0.31, tolerance 1e-05",
        "m.h5: a: agrees with tf.raw_ops.BlockLSTM, largest difference 1e-07 (one; two)",
        "m.h5: b: not verified: its gates are normalized",
    ]


def test_control_characters_in_names_are_escaped() -> None:
    (line,) = render_verify.text_lines(model(LayerVerdict("a\x1bb", "LSTM", "x", "float64", 0.0, True)))
    assert "\x1b" not in line


def test_json_has_layers_and_notes_with_the_layer() -> None:
    assert json.loads(render_verify.json_line(model(BAD, LEFT))) == {
        "model": "m.h5", "ok": False, "tolerance": 1e-5, "seed": 7,
        "layers": [
            {"name": "lstm_2", "class": "LSTM", "cell": "tf_keras.layers.LSTM", "computed_in": "float64",
             "difference": 0.31, "agrees": False},
            {"name": "b", "class": "LayerNormBasicLSTMCell", "cell": None, "computed_in": None, "difference": None,
             "agrees": None},
        ],
        "notes": ["b: not verified: its gates are normalized"],
    }  # fmt: skip


def test_a_difference_of_nan_is_null() -> None:
    line = render_verify.json_line(model(LayerVerdict("a", "LSTM", "x", "float64", math.nan, False)))
    assert json.loads(line)["layers"][0]["difference"] is None
