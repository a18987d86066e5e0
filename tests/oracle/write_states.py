"""Run the LSTMs of Keras 2 and 3 and of TensorFlow 1, in a separate process.

    write_states.py OUT < CASES

`CASES` is a JSON object: by name, `library` ("keras", "tf_keras", "tf1" or "block"), `options` of the layer or cell, and
optionally `dtype`, `mask` (rows of 0 and 1), `initial` (true for first states that are not zero), `lengths` (of the
sequences, in TensorFlow 1) and `bidirectional` (true, or the options of the backward layer). Writes OUT/<name>.npz with
`x`, (batch, length, d), and `mask`, and for each direction `<n>/` the weights by their leaf names, `first_h` and
`first_c`, and of its outputs `h`, (batch, length, ·), and what else is known.
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
KERAS = {"keras": keras, "tf_keras": tf_keras}
Arrays = dict[str, Any]


def numbers(random: Any, shape: Any, dtype: str) -> np.ndarray:
    return (random.standard_normal(tuple(shape)) * 0.7).astype(dtype)


def of_keras(case: Arrays, x: np.ndarray, random: Any) -> Arrays:
    layers, dtype = KERAS[case["library"]].layers, str(x.dtype)
    options = {"return_sequences": True, "return_state": True, "dtype": dtype}
    both = case.get("bidirectional")
    layer = layers.LSTM(M, **options, **case["options"])
    if both:
        backward = layers.LSTM(M, **options, go_backwards=True, **both) if isinstance(both, dict) else None
        layer = layers.Bidirectional(layer, merge_mode=None, backward_layer=backward, dtype=dtype)
    layer.build(x.shape)
    layer.set_weights([numbers(random, weight.shape, dtype) for weight in layer.get_weights()])
    count = 2 if both else 1
    first = [numbers(random, (len(x), M), dtype) * bool(case.get("initial")) for _ in range(2 * count)]
    mask = np.array(case["mask"], bool) if "mask" in case else None
    made = [np.asarray(values) for values in layer(x, initial_state=[tf.constant(one) for one in first], mask=mask)]
    arrays = layer.get_weights()
    each = len(arrays) // count
    found: Arrays = {}
    for n in range(count):
        weights = dict(zip(("kernel", "recurrent_kernel", "bias"), arrays[n * each : (n + 1) * each], strict=False))
        states = dict(zip(("last_h", "last_c"), made[count + 2 * n :], strict=False))
        results = {"h": made[n], "first_h": first[2 * n], "first_c": first[2 * n + 1], **states, **weights}
        found |= {f"{n}/{key}": values for key, values in results.items()}
    return found


def of_tf1(case: Arrays, x: np.ndarray, random: Any) -> Arrays:
    """Run the loops of TensorFlow 1, in a separate graph."""
    v1 = tf.compat.v1
    options = dict(case["options"])
    options |= {"activation": getattr(tf.nn, options["activation"])} if "activation" in options else {}
    count = 2 if case.get("bidirectional") else 1
    with tf.Graph().as_default(), v1.Session() as session:
        cells = [v1.nn.rnn_cell.LSTMCell(M, dtype=x.dtype, **options) for _ in range(count)]
        settings = {"sequence_length": case.get("lengths"), "dtype": x.dtype}
        if count == 2:
            h, states = v1.nn.bidirectional_dynamic_rnn(*cells, x, **settings)
        else:
            h, states = ([made] for made in v1.nn.dynamic_rnn(cells[0], x, **settings))
        for variable in v1.global_variables():
            variable.load(numbers(random, variable.shape, str(x.dtype)), session)
        found: Arrays = {}
        for n, cell in enumerate(cells):
            results = {
                "h": h[n],
                "last_c": states[n][0],
                **{_leaf(variable.name): variable for variable in cell.weights},
            }
            found |= {f"{n}/{key}": session.run(values) for key, values in results.items()}
    return found


def _leaf(name: str) -> str:
    leaf = name.removesuffix(":0").rpartition("lstm_cell/")[2]
    return leaf.replace("/", "_")


def of_block(case: Arrays, x: np.ndarray, random: Any) -> Arrays:
    """Run one operation, which returns every gate."""
    shapes = {"kernel": (D + M, 4 * M), "bias": (4 * M,), "w_i_diag": (M,), "w_f_diag": (M,), "w_o_diag": (M,)}
    weights = {key: numbers(random, shape, "float32") for key, shape in shapes.items()}
    peepholes = case["options"].get("use_peephole", False)
    first = [numbers(random, (BATCH, M), "float32") for _ in range(2)]
    i, c, f, o, candidate, _, h = tf.raw_ops.BlockLSTM(
        seq_len_max=LENGTH, x=x.swapaxes(0, 1), h_prev=first[0], cs_prev=first[1], w=weights["kernel"],
        wci=weights["w_i_diag"], wcf=weights["w_f_diag"], wco=weights["w_o_diag"], b=weights["bias"],
        **{"cell_clip": -1.0, "use_peephole": False, "forget_bias": 0.0, **case["options"]},
    )  # fmt: skip
    made = {"h": h, "c": c, "i": i, "f": f, "o": o, "candidate": candidate}
    results = {key: np.asarray(values).swapaxes(0, 1) for key, values in made.items()}
    results |= {"first_h": first[0], "first_c": first[1]}
    known = {key: values for key, values in weights.items() if peepholes or "diag" not in key}
    return {f"0/{key}": values for key, values in (results | known).items()}


RUN = {"keras": of_keras, "tf_keras": of_keras, "tf1": of_tf1, "block": of_block}


def write(name: str, case: Arrays, out: Path) -> None:
    random = np.random.default_rng(len(name))
    x = numbers(random, (BATCH, LENGTH, D), case.get("dtype", "float32")) * 2
    np.savez(out / f"{name}.npz", x=x, **RUN[case["library"]](case, x, random))


for each_name, each_case in json.load(sys.stdin).items():
    write(each_name, each_case, Path(sys.argv[1]))
