"""Run the cells of TensorFlow 1, and write them as checkpoints with their graphs, in a separate process.

    write_cells.py OUT

Writes OUT/<case>/model.ckpt.* and OUT/<case>/io.npz with `x`, (batch, length, d), `h` of every step and the last `c`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_eager_execution()
tf.disable_control_flow_v2()
D, M, P, LENGTH = 3, 4, 2, 6


def variables(peepholes: bool) -> list[Any]:
    shapes = {"kernel": (D + M, 4 * M), "bias": (4 * M,), **{f"w_{g}_diag": (M,) for g in ("ifo" if peepholes else "")}}
    with tf.variable_scope("lstm_fused_cell"):
        return [tf.get_variable(name, shape) for name, shape in shapes.items()]


def block(x: Any, *, peepholes: bool = False) -> tuple[Any, Any]:
    kernel, bias, *diagonals = variables(peepholes)
    none, state = tf.zeros(M), tf.zeros((2, M))
    wci, wcf, wco = diagonals or (none, none, none)
    _, cs, _, _, _, _, h = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.constant(LENGTH, tf.int64), x=tf.transpose(x, (1, 0, 2)), cs_prev=state, h_prev=state, w=kernel,
        wci=wci, wcf=wcf, wco=wco, b=bias, forget_bias=0.5, cell_clip=0, use_peephole=peepholes,
    )  # fmt: skip
    return tf.transpose(h, (1, 0, 2)), cs[-1]


def block_2(x: Any) -> tuple[Any, Any]:
    kernel, bias = variables(peepholes=False)
    none, state = tf.zeros(M), tf.zeros((2, M))
    _, cs, _, _, _, _, h = tf.raw_ops.BlockLSTMV2(
        seq_len_max=tf.constant(LENGTH, tf.int64), x=tf.transpose(x, (1, 0, 2)), cs_prev=state, h_prev=state, w=kernel,
        wci=none, wcf=none, wco=none, b=bias, cell_clip=0,
    )  # fmt: skip
    return tf.transpose(h, (1, 0, 2)), cs[-1]


def cell(x: Any, **settings: Any) -> tuple[Any, Any]:
    h, (c, _) = tf.nn.dynamic_rnn(tf.nn.rnn_cell.LSTMCell(M, **settings), x, dtype=x.dtype)
    return h, c


CASES = {
    "plain": (cell, {}),
    "forget-bias": (cell, {"forget_bias": 2.5}),
    "peepholes-and-projection": (cell, {"use_peepholes": True, "num_proj": P}),
    "float64": (cell, {}),
    "block": (block, {}),
    "block-peepholes": (block, {"peepholes": True}),
    "block-v2": (block_2, {}),
}


def write(case: str, out: Path) -> None:
    make, settings = CASES[case]
    tf.reset_default_graph()
    dtype = np.dtype("float64" if case == "float64" else "float32")
    random = np.random.default_rng(len(case))
    x = tf.placeholder(dtype, (2, LENGTH, D), "x")
    h, c = make(x, **settings)
    with tf.Session() as session:
        for variable in tf.global_variables():
            variable.load(random.standard_normal(variable.shape).astype(dtype), session)
        values = random.standard_normal(x.shape).astype(dtype)
        made_h, made_c = session.run((h, c), {x: values})
        tf.train.Saver().save(session, str(out / "model.ckpt"))
    np.savez(out / "io.npz", x=values, h=made_h, c=made_c)


for name in CASES:
    folder = Path(sys.argv[1]) / name
    folder.mkdir()
    write(name, folder)
