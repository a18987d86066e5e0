"""Run cells of TensorFlow 1, built in all supported ways, and write them, in a separate process.

    write_tf1_cells.py OUT

Writes OUT/<case>/ (a checkpoint with its graph, a SavedModel or a frozen graph) and OUT/<case>.npz with `x`,
(batch, length, d), and for each cell in the order of the model `h0`, `h1`, … of every step and `c0`, `c1`, … of the last
unmasked one; `mask` where the sequences have different lengths.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_eager_execution()
BATCH, LENGTH, D, M, P = 2, 6, 3, 4, 2
LENGTHS = [LENGTH, 4]
Made = tuple[list[Any], list[Any]]
"""The h of every step and the last c, by cell."""

cells = tf.nn.rnn_cell
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": tf.nn.relu, "relu6": tf.nn.relu6, "elu": tf.nn.elu, "selu": tf.nn.selu, "softplus": tf.nn.softplus,
    "softsign": tf.nn.softsign, "sigmoid": tf.sigmoid, "linear": lambda z: z, "identity": tf.identity,
}  # fmt: skip
UNKNOWN: dict[str, Callable[[Any], Any]] = {
    "gelu": lambda z: z * (1 + tf.erf(z)) / 2, "swish": lambda z: z * tf.sigmoid(z), "sin": tf.sin, "leaky": tf.nn.leaky_relu,
    "twice": lambda z: 2 * tf.tanh(z), "noise": lambda z: tf.tanh(z + 1.0), "tanh-of-tanh": lambda z: tf.tanh(tf.tanh(z)),
    "crelu": lambda z: tf.maximum(z, 0.1 * z), "hard": lambda z: tf.clip_by_value(0.2 * z + 0.5, 0.0, 1.0),
    "clipped": lambda z: tf.clip_by_value(z, -1.0, 1.0), "one-sided": lambda z: tf.minimum(z, 1.0),
}  # fmt: skip


def lstm(**settings: Any) -> Any:
    return cells.LSTMCell(M, **settings)


def dynamic(x: Any, cell: Any, **options: Any) -> Made:
    h, state = tf.nn.dynamic_rnn(cell, x, dtype=x.dtype, **options)
    return [h], [state[0]]


def static(x: Any, cell: Any) -> Made:
    h, state = tf.nn.static_rnn(cell, tf.unstack(x, axis=1), dtype=x.dtype)
    return [tf.stack(h, axis=1)], [state[0]]


def trained(x: Any, cell: Any) -> Made:
    made = dynamic(x, cell)
    tf.train.AdamOptimizer().minimize(tf.reduce_sum(made[0][0]))
    return made


def bidirectional(x: Any, **options: Any) -> Made:
    (fw, bw), (last, first) = tf.nn.bidirectional_dynamic_rnn(lstm(), cells.LSTMCell(5), x, dtype=x.dtype, **options)
    return [fw, bw], [last[0], first[0]]


def bidirectional_list(x: Any, **options: Any) -> Made:
    steps = tf.unstack(x, axis=1)
    both, last, first = tf.nn.static_bidirectional_rnn(lstm(), cells.LSTMCell(5), steps, dtype=x.dtype, **options)
    h = tf.stack(both, axis=1)
    return [h[..., :M], h[..., M:]], [last[0], first[0]]


def stacked(x: Any, wrap: Callable[[Any], Any] = lambda cell: cell) -> Made:
    stack = [wrap(lstm(num_proj=D)), cells.LSTMCell(5)]
    h, states = tf.nn.dynamic_rnn(cells.MultiRNNCell(stack), x, dtype=x.dtype)
    return [h], [state[0] for state in states]


def block(x: Any, operation: Any = tf.raw_ops.BlockLSTM, **settings: Any) -> Made:
    with tf.variable_scope("lstm_fused_cell"):
        kernel, bias = tf.get_variable("kernel", (D + M, 4 * M)), tf.get_variable("bias", (4 * M,))
    none, state = tf.zeros(M), tf.zeros((BATCH, M))
    _, cs, _, _, _, _, h = operation(
        seq_len_max=tf.constant(LENGTH, tf.int64), x=tf.transpose(x, (1, 0, 2)), cs_prev=state, h_prev=state, w=kernel,
        wci=none, wcf=none, wco=none, b=bias, **settings,
    )  # fmt: skip
    return [tf.transpose(h, (1, 0, 2))], [cs[-1]]


class OwnCell(cells.RNNCell):
    """A cell as users write it: the order of its gates, how they are cut out of their sum, and what else it computes."""

    def __init__(self, order: str = "icfo", cut: str = "split", *, fused: bool = False, joined: bool = False,
                 peepholes: str = "", clip: float | None = None, activation: Any = tf.tanh, **other: Any) -> None:  # fmt: skip
        super().__init__()
        self.order, self.cut, self.fused, self.joined = order, cut, fused, joined
        self.peepholes, self.clip, self.activation, self.other = peepholes, clip, activation, other

    @property
    def state_size(self) -> Any:
        return 2 * M if self.other.get("side_by_side") else (M, M)

    @property
    def output_size(self) -> int:
        return M

    def total(self, x: Any, h: Any, columns: int, ending: str = "") -> Any:
        bias = tf.get_variable(f"b{ending}", (columns,))
        if self.fused:
            return tf.matmul(tf.concat([h, x], 1), tf.get_variable(f"w{ending}", (D + M, columns))) + bias
        kernel = tf.get_variable(f"w_xh{ending}", (D, columns))
        recurrent = tf.get_variable(f"w_hh{ending}", (h.shape[1], columns))
        if self.joined:
            return tf.matmul(tf.concat([x, h], 1), tf.concat([kernel, recurrent], 0)) + bias
        if self.cut == "terms":
            parts = [tf.split(tf.matmul(x, kernel), 4, 1), tf.split(tf.matmul(h, recurrent), 4, 1), tf.split(bias, 4)]
            return [tf.add_n([a, b]) + c if ending else a + b + c for a, b, c in zip(*parts, strict=True)]
        return tf.matmul(x, kernel) + tf.matmul(h, recurrent) + bias

    def cut_out(self, z: Any) -> list[Any]:
        if self.cut == "terms":
            return list(z)
        if self.cut == "slices":
            return [z[:, :M], z[:, M : 2 * M], z[:, 2 * M : 3 * M], z[:, 3 * M :]]
        if self.cut == "dots":
            return [z[..., k * M : (k + 1) * M] for k in range(4)]
        if self.cut == "slice":
            return [tf.slice(z, [0, k * M], [-1, M]) for k in range(4)]
        if self.cut == "uneven":
            return [z[:, :M], z[:, M : 2 * M], z[:, 2 * M : 3 * M], z[:, 2 * M : 3 * M]]
        return tf.split(z, [M] * 4 if self.cut == "sizes" else 4, 1)

    def call(self, x: Any, state: Any) -> Any:
        if self.other.get("side_by_side"):
            state = (state[:, :M], state[:, M:])
        h, c = state
        if self.cut == "gates":
            z = {gate: self.total(x, h, M, f"_{gate}") for gate in "ifco"}
        else:
            z = dict(zip(self.order, self.cut_out(self.total(x, h, 4 * M)), strict=True))
        look = {gate: tf.get_variable(f"look_{gate}", (M,)) for gate in self.peepholes}
        if self.other.get("full_peephole"):
            z["i"] += tf.matmul(c, tf.get_variable("look_all", (M, M)))
        for gate in set(look) & set("if"):
            z[gate] += c * look[gate]
        i, f = tf.sigmoid(z["i"]), tf.sigmoid(z["f"] + 1.0)
        f = 1.0 - i if self.other.get("coupled") else f
        new = f * (h if self.other.get("keeps_h") else c) + i * self.activation(z["c"])
        if self.other.get("normalized"):
            mean, variance = tf.nn.moments(new, [1], keep_dims=True)
            new = (new - mean) * tf.rsqrt(variance + 1e-3) * tf.get_variable("gamma", (M,))
        clipped = (
            new if self.clip is None else tf.clip_by_value(new, *self.other.get("bounds", (-self.clip, self.clip)))
        )
        o = tf.sigmoid(z["o"] + clipped * look["o"] if "o" in look else z["o"])
        h = o * self.other.get("of_state", self.activation)(clipped)
        passed = new if self.other.get("passes_unclipped") else clipped
        if self.other.get("projects"):
            h = tf.matmul(h, tf.get_variable("p", (M, M)))
        after = (h, passed)
        return h, tf.concat(after, 1) if self.other.get("side_by_side") else after


def own(x: Any, run: str = "dynamic", **options: Any) -> Made:
    """Run an own cell in a loop of TensorFlow's, in one of the user's own, or step by step."""
    if run == "static":
        h, (_, c) = tf.nn.static_rnn(OwnCell(**options), tf.unstack(x, axis=1), dtype=x.dtype)
        return [tf.stack(h, axis=1)], [c]
    if run == "dynamic":
        h, state = tf.nn.dynamic_rnn(OwnCell(**options), x, dtype=x.dtype)
        return [h], [state[:, M:] if options.get("side_by_side") else state[1]]
    with tf.variable_scope("own_cell"):
        cell, steps = OwnCell(**options), tf.transpose(x, (1, 0, 2))
        zero = tf.zeros((BATCH, M))
        if run == "scan":  # the state is a stack of both
            with tf.variable_scope("scan"):
                both = tf.scan(
                    lambda state, step: tf.stack(cell.call(step, tf.unstack(state))[1]), steps, tf.zeros((2, BATCH, M))
                )
            return [tf.transpose(both[:, 0], (1, 0, 2))], [both[-1, 1]]

        def step(turn: Any, h: Any, c: Any, written: Any) -> Any:
            _, (h, c) = cell.call(steps[turn], (h, c))
            return turn + 1, h, c, written.write(turn, h)

        made = tf.while_loop(lambda turn, *_: turn < LENGTH, step, (0, zero, zero, tf.TensorArray(x.dtype, LENGTH)))
    return [tf.transpose(made[3].stack(), (1, 0, 2))], [made[2]]


OWN: dict[str, dict[str, Any]] = {
    "own": {}, "own-joined": {"joined": True}, "own-fused": {"fused": True, "order": "ofci"},
    "own-static": {"run": "static", "order": "fico"}, "own-loop": {"run": "loop"}, "own-scan": {"run": "scan", "order": "coif"},
    "own-side-by-side": {"side_by_side": True}, "own-gates": {"cut": "gates"}, "own-terms": {"cut": "terms", "order": "oicf"},
    "own-slices": {"cut": "slices", "order": "fcoi"}, "own-dots": {"cut": "dots"}, "own-slice": {"cut": "slice", "order": "ifoc"},
    "own-sizes": {"cut": "sizes"}, "own-peepholes": {"peepholes": "ifo"}, "own-two-peepholes": {"peepholes": "if"},
    "own-gates-peepholes": {"cut": "gates", "peepholes": "ifo", "clip": 0.2}, "own-clip": {"clip": 0.3},
    "own-relu": {"activation": tf.nn.relu}, "own-softsign": {"activation": tf.nn.softsign, "run": "static"},
    **{f"own-everything-{run}": {"run": run, "cut": "slices", "order": "fcoi", "fused": True, "peepholes": "ifo", "clip": 0.3,
                                 "activation": tf.nn.elu} for run in ("dynamic", "static", "loop", "scan")},
    "unlike-two-activations": {"of_state": tf.nn.relu}, "unlike-bounds": {"clip": 0.3, "bounds": (-0.2, 0.3)},
    "not-coupled": {"coupled": True}, "not-full-peephole": {"full_peephole": True}, "not-normalized": {"normalized": True},
    "not-passing-the-clipped": {"clip": 0.3, "passes_unclipped": True}, "not-keeping-c": {"keeps_h": True},
    "not-projecting": {"projects": True}, "not-squashing": {"of_state": tf.identity}, "not-uneven": {"cut": "uneven"},
    "not-a-known-activation": {"activation": tf.nn.leaky_relu},
}  # fmt: skip


def cases() -> dict[str, Callable[[Any], Made]]:
    made: dict[str, Callable[[Any], Made]] = {
        **{name: lambda x, of=of: dynamic(x, lstm(activation=of)) for name, of in (ACTIVATIONS | UNKNOWN).items()},
        **{f"basic-{name}": lambda x, of=ACTIVATIONS[name]: dynamic(x, cells.BasicLSTMCell(M, activation=of))
           for name in ("relu", "softsign")},
        "cell-clip": lambda x: dynamic(x, lstm(cell_clip=0.3)),
        "cell-clip-linear": lambda x: dynamic(x, lstm(cell_clip=0.3, activation=lambda z: z)),
        "projection-clip": lambda x: dynamic(x, lstm(num_proj=P, proj_clip=0.2)),
        "everything": lambda x: dynamic(x, lstm(use_peepholes=True, cell_clip=0.4, num_proj=P, proj_clip=0.2,
                                                forget_bias=0.5, activation=tf.nn.softsign, name="mine")),
        "everything-static": lambda x: static(x, lstm(use_peepholes=True, cell_clip=0.4, num_proj=P, proj_clip=0.2)),
        "everything-trained": lambda x: trained(x, lstm(use_peepholes=True, cell_clip=0.4, num_proj=P, proj_clip=0.2)),
        "lengths": lambda x: dynamic(x, lstm(cell_clip=0.3, num_proj=P, proj_clip=0.2), sequence_length=LENGTHS),
        "bidirectional": bidirectional,
        "bidirectional-lengths": lambda x: bidirectional(x, sequence_length=LENGTHS),
        "bidirectional-list": bidirectional_list,
        "bidirectional-list-lengths": lambda x: bidirectional_list(x, sequence_length=LENGTHS),
        "stack": stacked,
        "stack-dropout": lambda x: stacked(x, lambda cell: cells.DropoutWrapper(cell, output_keep_prob=tf.placeholder_with_default(1.0, ()))),
        "stack-residual": lambda x: stacked(x, cells.ResidualWrapper),
        "block": block,
        "block-clip": lambda x: block(x, cell_clip=0.3),
        **{name: lambda x, how=how: own(x, **how) for name, how in OWN.items()},
        "block-2-clip": lambda x: block(x, tf.raw_ops.BlockLSTMV2, cell_clip=0.3),
    }  # fmt: skip
    return made


def save(session: Any, folder: Path, way: str, outputs: list[Any]) -> None:
    if way == "checkpoint":
        tf.train.Saver().save(session, str(folder / "model.ckpt"))
    elif way == "saved-model":
        builder = tf.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], strip_default_attrs=True)
        builder.save()
    else:
        graph = tf.graph_util.convert_variables_to_constants(
            session, session.graph_def, [output.op.name for output in outputs]
        )
        folder.mkdir()
        (folder / "frozen.pb").write_bytes(graph.SerializeToString())


def write(case: str, make: Callable[[Any], Made], way: str, out: Path) -> None:
    tf.reset_default_graph()
    random = np.random.default_rng(len(case))
    x = tf.placeholder(tf.float32, (BATCH, LENGTH, D), "x")
    hs, cs = make(x)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for variable in tf.trainable_variables():
            variable.load(random.standard_normal(variable.shape).astype("f4") / 2, session)
        values = random.standard_normal(x.shape).astype("f4")
        made_hs, made_cs = session.run((hs, cs), {x: values})
        save(session, out / case, way, [*hs, *cs])
    arrays = {f"h{k}": h for k, h in enumerate(made_hs)} | {f"c{k}": c for k, c in enumerate(made_cs)}
    if "lengths" in case:
        arrays["mask"] = np.arange(LENGTH) < np.array(LENGTHS)[:, None]
    np.savez(out / f"{case}.npz", x=values, **arrays)


for version in (1, 2):
    (tf.disable_control_flow_v2 if version == 1 else tf.enable_control_flow_v2)()
    for name, made in cases().items():
        for way in ("checkpoint", "saved-model", "frozen"):
            if way == "checkpoint" or name in ("everything", "bidirectional", "stack", "block"):
                write(f"{name}-{way}-{version}", made, way, Path(sys.argv[1]))
