"""Compute the Jacobians of the last outputs of LSTMs by their inputs in TensorFlow, in a separate process.

    write_gradients.py OUT < CASES

`CASES` is a JSON object: by name, `library` ("keras", "tf_keras" or "tf1"), `options` of the layer or cell, and optionally
`dtype`, `mask` (rows of 0 and 1) and `bidirectional`. Writes OUT/<name>, the model as its library saves it, with x.npy,
mask.npy, and jacobian.npy, (batch, outputs, length, d); the outputs of a Bidirectional are those of both directions.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
import keras
import numpy as np
import tensorflow as tf
import tf_keras

D, M, BATCH, LENGTH = 3, 4, 4, 7
KERAS = {"keras": (keras, "model.keras"), "tf_keras": (tf_keras, "model.h5")}
Case = dict[str, Any]


def numbers(random: Any, shape: Any, dtype: str) -> np.ndarray:
    return (random.standard_normal(tuple(shape)) * 0.7).astype(dtype)


def of_keras(case: Case, x: np.ndarray, random: Any, out: Path) -> np.ndarray:
    (library, file), dtype = KERAS[case["library"]], str(x.dtype)
    layer = library.layers.LSTM(M, dtype=dtype, **case["options"])
    if case.get("bidirectional"):
        layer = library.layers.Bidirectional(layer, dtype=dtype)
    model = library.Sequential([library.Input((LENGTH, D), dtype=dtype), layer])
    layer.set_weights([numbers(random, weight.shape, dtype) for weight in layer.get_weights()])
    model.save(out / file)
    given = tf.constant(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(given)
        outputs = layer(given, mask=np.array(case["mask"], bool) if "mask" in case else None)
    return tape.batch_jacobian(outputs, given, experimental_use_pfor=False).numpy()


def of_tf1(case: Case, x: np.ndarray, random: Any, out: Path) -> np.ndarray:
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        given = v1.placeholder(x.dtype, x.shape)
        h, _ = v1.nn.dynamic_rnn(v1.nn.rnn_cell.LSTMCell(M, dtype=x.dtype, **case["options"]), given, dtype=x.dtype)
        rows = [v1.gradients(h[:, -1, row], given)[0] for row in range(h.shape[-1])]
        for variable in v1.global_variables():
            variable.load(numbers(random, variable.shape, str(x.dtype)), session)
        v1.train.Saver().save(session, str(out / "model.ckpt"))
        return np.stack(session.run(rows, {given: x}), axis=1)


def write(name: str, case: Case, out: Path) -> None:
    random = np.random.default_rng(len(name))
    out.mkdir()
    x = numbers(random, (BATCH, LENGTH, D), case.get("dtype", "float64")) * 2
    np.save(out / "x.npy", x)
    np.save(out / "mask.npy", case.get("mask", np.ones((BATCH, LENGTH), int)))
    np.save(out / "jacobian.npy", (of_tf1 if case["library"] == "tf1" else of_keras)(case, x, random, out))


tf.compat.v1.disable_control_flow_v2()
for each_name, each_case in json.load(sys.stdin).items():
    write(each_name, each_case, Path(sys.argv[1]) / each_name)
