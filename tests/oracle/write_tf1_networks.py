"""Run networks of TensorFlow 1 whose cells are given more than x, and write them, in a separate process.

    write_tf1_networks.py OUT

Writes OUT/<case>-<version>/ (a checkpoint with its graph) and OUT/<case>-<version>.npz with `x<k>`, the input of the
cell k in the order of the model, and `h<k>`, its output at every step; `first<k>/h` and `first<k>/c`, its states before
the first step, if they are not 0; and `mask` if the sequences have different lengths.
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
BATCH, LENGTH, D, M = 2, 6, 3, 4
LENGTHS = [LENGTH, 4]
RANDOM = np.random.default_rng(5)

Arrays = dict[str, Any]
"""The tensors to be written, by their names in the file."""

cells = tf.nn.rnn_cell
Tuple = cells.LSTMStateTuple
dynamic_rnn, static_rnn = tf.nn.dynamic_rnn, tf.nn.static_rnn


def lstm(units: int = M, **settings: Any) -> Any:
    return cells.LSTMCell(units, **settings)


def fed(shape: tuple[int, ...], name: str, dtype: Any = tf.float32) -> Any:
    return tf.placeholder(dtype, shape, name)


def unstacked(x: Any) -> list[Any]:
    return tf.unstack(x, axis=1)


def first(state: Any, number: int = 0) -> Arrays:
    return {f"first{number}/h": state[1], f"first{number}/c": state[0]}


# --- states before the first step


def of_zeros(x: Any) -> Arrays:
    h, _ = dynamic_rnn(cell := lstm(), x, initial_state=cell.zero_state(tf.shape(x)[0], tf.float32))
    return {"h0": h}


def of_tiled_zeros(x: Any) -> Arrays:
    zeros = tf.tile(tf.expand_dims(tf.zeros(M), 0), [tf.shape(x)[0], 1])
    h, _ = dynamic_rnn(lstm(), x, initial_state=Tuple(zeros, tf.zeros_like(zeros)))
    return {"h0": h}


def fed_states(x: Any) -> Arrays:
    state = Tuple(fed((BATCH, M), "c_in"), fed((BATCH, M), "h_in"))
    return {"h0": dynamic_rnn(lstm(), x, initial_state=state)[0], **first(state)}


def fed_by_default(x: Any) -> Arrays:
    state = Tuple(*(tf.placeholder_with_default(tf.ones((BATCH, M)), (BATCH, M), name) for name in ("c_in", "h_in")))
    return {"h0": dynamic_rnn(lstm(), x, initial_state=state)[0], **first(state)}


def fed_at_once(x: Any) -> Arrays:
    both = fed((2, 2, BATCH, M), "state_in")
    states = [Tuple(layer[0], layer[1]) for layer in tf.unstack(both, axis=0)]
    h, _ = dynamic_rnn(cells.MultiRNNCell([lstm(), lstm()]), x, initial_state=tuple(states))
    return {"h1": h, **first(states[0]), **first(states[1], 1)}


def learned(x: Any) -> Arrays:
    state = Tuple(*(tf.tile(tf.get_variable(name, (1, M)), [tf.shape(x)[0], 1]) for name in ("c_first", "h_first")))
    return {"h0": dynamic_rnn(lstm(), x, initial_state=state)[0], **first(state)}


def computed(x: Any) -> Arrays:
    state = [tf.layers.dense(fed((BATCH, 5), "image"), M, name=name) for name in ("to_c", "to_h")]
    return {"h0": dynamic_rnn(lstm(), x, initial_state=Tuple(*state))[0], **first(state)}


def of_encoder(x: Any, run: Callable[..., Any] = dynamic_rnn, **options: Any) -> Arrays:
    y = fed((BATCH, LENGTH, 2), "y")
    split = unstacked if run is static_rnn else lambda z: z
    with tf.variable_scope("encoder"):
        e, state = run(lstm(), split(x), dtype=tf.float32, **options)
    with tf.variable_scope("decoder"):
        d, _ = run(lstm(), split(y), initial_state=state)
    if run is static_rnn:
        e, d = tf.stack(e, axis=1), tf.stack(d, axis=1)
    return {"x0": x, "h0": e, "x1": y, "h1": d, **first(state, 1)}


def of_both_halves(x: Any) -> Arrays:
    y = fed((BATCH, LENGTH, 2), "y")
    with tf.variable_scope("encoder"):
        (fw, bw), states = tf.nn.bidirectional_dynamic_rnn(lstm(), lstm(3), x, dtype=tf.float32)
    state = Tuple(*(tf.concat([one[part] for one in states], 1) for part in (0, 1)))
    with tf.variable_scope("decoder"):
        d, _ = dynamic_rnn(lstm(7), y, initial_state=state)
    return {"x0": x, "h0": fw, "x1": x, "h1": bw, "x2": y, "h2": d, **first(state, 2)}


def of_stack(x: Any) -> Arrays:
    y = fed((BATCH, LENGTH, 2), "y")
    with tf.variable_scope("encoder"):
        _, states = dynamic_rnn(cells.MultiRNNCell([lstm(5), lstm()]), x, dtype=tf.float32)
    with tf.variable_scope("decoder"):
        d, _ = dynamic_rnn(lstm(), y, initial_state=states[-1])
    return {"x2": y, "h2": d, **first(states[-1], 2)}


def of_projected(x: Any) -> Arrays:
    y = fed((BATCH, LENGTH, 2), "y")
    with tf.variable_scope("encoder"):
        _, state = dynamic_rnn(lstm(num_proj=3, cell_clip=0.2, use_peepholes=True), x, dtype=tf.float32)
    with tf.variable_scope("decoder"):
        d, _ = dynamic_rnn(lstm(num_proj=3), y, initial_state=state)
    return {"x1": y, "h1": d, **first(state, 1)}


def block_states(x: Any, operation: Any = tf.raw_ops.BlockLSTM) -> Arrays:
    with tf.variable_scope("lstm_fused_cell"):
        kernel, bias = tf.get_variable("kernel", (D + M, 4 * M)), tf.get_variable("bias", (4 * M,))
    none, state = tf.zeros(M), (fed((BATCH, M), "c_in"), fed((BATCH, M), "h_in"))
    made = operation(
        seq_len_max=tf.constant(LENGTH, tf.int64), x=tf.transpose(x, (1, 0, 2)), cs_prev=state[0], h_prev=state[1],
        w=kernel, wci=none, wcf=none, wco=none, b=bias,
    )  # fmt: skip
    return {"h0": tf.transpose(made[6], (1, 0, 2)), **first(state)}


def own_step(step: Any, h: Any, c: Any) -> tuple[Any, Any]:
    with tf.variable_scope("mine", reuse=tf.AUTO_REUSE):
        kernel, bias = tf.get_variable("weights", (D + M, 4 * M)), tf.get_variable("offsets", (4 * M,))
    i, f, g, o = tf.split(tf.matmul(tf.concat([step, h], 1), kernel) + bias, 4, 1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def own_loop(x: Any) -> Arrays:
    state = [fed((BATCH, M), "c_in"), fed((BATCH, M), "h_in")]
    steps = tf.transpose(x, (1, 0, 2))
    array = tf.TensorArray(tf.float32, LENGTH)

    def body(at: Any, array: Any, c: Any, h: Any) -> tuple[Any, ...]:
        h, c = own_step(steps[at], h, c)
        return at + 1, array.write(at, h), c, h

    _, array, _, _ = tf.while_loop(lambda at, *_: at < LENGTH, body, (0, array, *state))
    return {"h0": tf.transpose(array.stack(), (1, 0, 2)), **first(state)}


def own_list(x: Any) -> Arrays:
    state = [fed((BATCH, M), "c_in"), fed((BATCH, M), "h_in")]
    c, h = state
    hs = []
    for step in unstacked(x):
        h, c = own_step(step, h, c)
        hs.append(h)
    return {"h0": tf.stack(hs, axis=1), **first(state)}


def own_encoder(x: Any) -> Arrays:
    y = fed((BATCH, LENGTH, 2), "y")
    zeros = tf.zeros((BATCH, M))
    steps = tf.transpose(x, (1, 0, 2))

    def body(at: Any, c: Any, h: Any) -> tuple[Any, ...]:
        h, c = own_step(steps[at], h, c)
        return at + 1, c, h

    _, c, h = tf.while_loop(lambda at, *_: at < LENGTH, body, (0, zeros, zeros))
    with tf.variable_scope("decoder"):
        d, _ = dynamic_rnn(lstm(), y, initial_state=Tuple(c, h))
    return {"x1": y, "h1": d, **first((c, h), 1)}


# --- lengths of sequences


def masked(made: Arrays) -> Arrays:
    return made | {"mask": tf.constant(np.arange(LENGTH) < np.array(LENGTHS)[:, None])}


def constant_lengths(x: Any) -> Arrays:
    return masked({"h0": dynamic_rnn(lstm(), x, sequence_length=LENGTHS, dtype=tf.float32)[0]})


def fed_lengths(x: Any) -> Arrays:
    return masked(
        {"h0": dynamic_rnn(lstm(), x, sequence_length=fed((BATCH,), "lengths", tf.int32), dtype=tf.float32)[0]}
    )


def computed_lengths(x: Any) -> Arrays:
    steps = fed((BATCH, LENGTH), "steps", tf.int32)
    lengths = tf.reduce_sum(tf.sign(steps), 1, name="count")
    return masked({"h0": dynamic_rnn(lstm(), x, sequence_length=tf.cast(lengths, tf.int64), dtype=tf.float32)[0]})


def lengths_of_list(x: Any) -> Arrays:
    lengths = fed((BATCH,), "lengths", tf.int32)
    h, _ = static_rnn(lstm(), unstacked(x), sequence_length=lengths, dtype=tf.float32)
    return masked({"h0": tf.stack(h, axis=1)})


def lengths_of_halves(x: Any) -> Arrays:
    lengths = fed((BATCH,), "lengths", tf.int32)
    (fw, bw), _ = tf.nn.bidirectional_dynamic_rnn(lstm(), lstm(5), x, sequence_length=lengths, dtype=tf.float32)
    return masked({"h0": fw, "h1": bw})


def lengths_of_encoder(x: Any) -> Arrays:
    lengths = fed((BATCH,), "lengths", tf.int32)
    return masked(of_encoder(x, sequence_length=lengths))


def raw(x: Any) -> Arrays:
    lengths, cell = fed((BATCH,), "lengths", tf.int32), lstm()
    steps = tf.TensorArray(tf.float32, LENGTH).unstack(tf.transpose(x, (1, 0, 2)))

    def loop(time: Any, output: Any, state: Any, _: Any) -> tuple[Any, ...]:
        over = time >= lengths
        taken = tf.cond(tf.reduce_all(over), lambda: tf.zeros((BATCH, D)), lambda: steps.read(time))
        return over, taken, cell.zero_state(BATCH, tf.float32) if output is None else state, output, None

    made, _, _ = tf.nn.raw_rnn(cell, loop)
    return masked({"h0": tf.transpose(made.stack(), (1, 0, 2))})


def block_lengths(x: Any) -> Arrays:
    lengths = fed((BATCH,), "lengths", tf.int32)
    with tf.variable_scope("lstm_fused_cell"):
        kernel, bias = tf.get_variable("kernel", (D + M, 4 * M)), tf.get_variable("bias", (4 * M,))
    none, state = tf.zeros(M), tf.zeros((BATCH, M))
    made = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.cast(tf.reduce_max(lengths), tf.int64), x=tf.transpose(x, (1, 0, 2)), cs_prev=state,
        h_prev=state, w=kernel, wci=none, wcf=none, wco=none, b=bias,
    )  # fmt: skip
    mask = tf.transpose(tf.sequence_mask(lengths, LENGTH, tf.float32))
    return masked({"h0": tf.transpose(made[6] * mask[..., None], (1, 0, 2))})


# --- loops behind loops


def behind(x: Any, between: Callable[[Any], Any] = lambda h: h, **options: Any) -> Arrays:
    with tf.variable_scope("a"):
        one, _ = dynamic_rnn(lstm(5), x, dtype=tf.float32, **options)
    with tf.variable_scope("b"):
        taken = between(one)
        two, _ = dynamic_rnn(lstm(), taken, dtype=tf.float32, **options)
    return {"x0": x, "h0": one, "x1": taken, "h1": two}


def behind_reversed(x: Any) -> Arrays:
    made = behind(x, lambda h: tf.reverse(h, [1]))
    return made | {"x1": made["h0"]}


def behind_by_steps(x: Any) -> Arrays:
    made = behind(tf.transpose(x, (1, 0, 2)), time_major=True)
    return {name: tf.transpose(values, (1, 0, 2)) for name, values in made.items()}


def behind_halves(x: Any, **options: Any) -> Arrays:
    with tf.variable_scope("a"):
        one, _ = tf.nn.bidirectional_dynamic_rnn(lstm(5), lstm(2), x, dtype=tf.float32, **options)
    with tf.variable_scope("b"):
        two, _ = tf.nn.bidirectional_dynamic_rnn(lstm(), lstm(3), tf.concat(one, 2), dtype=tf.float32, **options)
    return {"x0": x, "h0": one[0], "h1": one[1], "h2": two[0], "h3": two[1]}


def one_behind_halves(x: Any) -> Arrays:
    with tf.variable_scope("a"):
        one, _ = tf.nn.bidirectional_dynamic_rnn(lstm(5), lstm(2), x, dtype=tf.float32)
    with tf.variable_scope("b"):
        two, _ = dynamic_rnn(lstm(), tf.concat(one, -1), dtype=tf.float32)
    return {"x0": x, "h0": one[0], "h1": one[1], "h2": two}


def behind_list(x: Any) -> Arrays:
    with tf.variable_scope("a"):
        one, _ = static_rnn(lstm(5), unstacked(x), dtype=tf.float32)
    with tf.variable_scope("b"):
        two, _ = dynamic_rnn(lstm(), tf.stack(one, axis=1), dtype=tf.float32)
    return {"x0": x, "h0": tf.stack(one, axis=1), "h1": two}


def behind_turned_list(x: Any) -> Arrays:
    with tf.variable_scope("a"):
        one, _ = static_rnn(lstm(5), unstacked(x), dtype=tf.float32)
    with tf.variable_scope("b"):
        two, _ = dynamic_rnn(lstm(), tf.stack(one[::-1], axis=1), dtype=tf.float32)
    return {"x0": x, "h0": tf.stack(one, axis=1), "x1": tf.stack(one[::-1], axis=1), "h1": two}


def list_behind(x: Any) -> Arrays:
    with tf.variable_scope("a"):
        one, _ = dynamic_rnn(lstm(5), x, dtype=tf.float32)
    with tf.variable_scope("b"):
        two, _ = static_rnn(lstm(), unstacked(one), dtype=tf.float32)
    return {"x0": x, "h0": one, "h1": tf.stack(two, axis=1)}


def lists(x: Any) -> Arrays:
    with tf.variable_scope("a"):
        one, _ = static_rnn(lstm(5), unstacked(x), dtype=tf.float32)
    with tf.variable_scope("b"):
        two, _ = static_rnn(lstm(), one, dtype=tf.float32)
    return {"x0": x, "h0": tf.stack(one, axis=1), "h1": tf.stack(two, axis=1)}


def behind_stack(x: Any) -> Arrays:
    with tf.variable_scope("a"):
        one, _ = dynamic_rnn(cells.MultiRNNCell([lstm(5), lstm(2)]), x, dtype=tf.float32)
    with tf.variable_scope("b"):
        two, _ = dynamic_rnn(lstm(), one, dtype=tf.float32)
    return {"x0": x, "h1": one, "h2": two}


def behind_block(x: Any) -> Arrays:
    one = block_states(x)
    with tf.variable_scope("b"):
        two, _ = dynamic_rnn(lstm(), one["h0"], dtype=tf.float32)
    return {"x0": x, **one, "h1": two}


def dropout(h: Any) -> Any:
    return tf.nn.dropout(h, rate=1 - tf.placeholder_with_default(1.0, (), "keep"))


def backwards(x: Any) -> Arrays:
    h, _ = dynamic_rnn(lstm(), tf.reverse(x, [1]), dtype=tf.float32)
    return {"h0": h}


CASES: dict[str, Callable[[Any], Arrays]] = {
    "zeros": of_zeros, "tiled-zeros": of_tiled_zeros, "fed": fed_states, "fed-by-default": fed_by_default,
    "fed-at-once": fed_at_once, "learned": learned, "computed": computed, "encoder": of_encoder,
    "list-encoder": lambda x: of_encoder(x, static_rnn), "halves-encoder": of_both_halves, "stack-encoder": of_stack,
    "projected-encoder": of_projected, "block-fed": block_states, "own-fed": own_loop, "own-list-fed": own_list,
    "own-encoder": own_encoder,
    "block-2-fed": lambda x: block_states(x, tf.raw_ops.BlockLSTMV2),
    "lengths": constant_lengths, "fed-lengths": fed_lengths, "computed-lengths": computed_lengths,
    "list-lengths": lengths_of_list, "halves-lengths": lengths_of_halves, "encoder-lengths": lengths_of_encoder,
    "list-encoder-lengths": lambda x: masked(
        of_encoder(x, static_rnn, sequence_length=fed((BATCH,), "lengths", tf.int32))
    ),
    "raw": raw, "block-lengths": block_lengths,
    "behind": behind, "behind-dropout": lambda x: behind(x, dropout), "behind-identity": lambda x: behind(x, tf.identity),
    "behind-by-steps": behind_by_steps, "behind-dense": lambda x: behind(x, lambda h: tf.layers.dense(h, 3)),
    "behind-relu": lambda x: behind(x, tf.nn.relu), "behind-reversed": behind_reversed,
    "behind-twice-reversed": lambda x: behind(x, lambda h: tf.reverse(tf.reverse(h, [1]), [1])),
    "behind-shifted": lambda x: behind(x, lambda h: tf.pad(h[:, :-1], [[0, 0], [1, 0], [0, 0]])),
    "behind-mirrored": lambda x: behind(x, lambda h: tf.reverse(h, [2])),
    "behind-with-x": lambda x: behind(x, lambda h: tf.concat([h, x], 2)),
    "behind-lengths": lambda x: masked(behind(x, sequence_length=LENGTHS)),
    "behind-halves": behind_halves, "behind-halves-lengths": lambda x: masked(
        behind_halves(x, sequence_length=fed((BATCH,), "lengths", tf.int32))
    ),
    "one-behind-halves": one_behind_halves, "behind-list": behind_list, "behind-turned-list": behind_turned_list, "list-behind": list_behind, "lists": lists,
    "behind-stack": behind_stack, "behind-block": behind_block, "backwards": backwards,
}  # fmt: skip


def value_of(placeholder: Any) -> np.ndarray:
    """Return a value for `placeholder`: lengths, steps that are not padding, or random numbers."""
    if placeholder.op.type == "PlaceholderWithDefault":
        return RANDOM.standard_normal(placeholder.shape).astype("f4") if placeholder.shape.rank else np.float32(1)
    if placeholder.dtype == tf.int32:
        mask = np.arange(LENGTH) < np.array(LENGTHS)[:, None]
        return np.array(LENGTHS) if placeholder.shape.rank == 1 else mask * 7
    return RANDOM.standard_normal(placeholder.shape).astype("f4")


def write(case: str, make: Callable[[Any], Arrays], out: Path) -> None:
    tf.reset_default_graph()
    x = fed((BATCH, LENGTH, D), "x")
    made = {"x0": x, **make(x)}
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for variable in tf.trainable_variables():
            variable.load(RANDOM.standard_normal(variable.shape).astype("f4") / 2, session)
        holes = [node.outputs[0] for node in session.graph.get_operations() if node.type.startswith("Placeholder")]
        np.savez(out / f"{case}.npz", **session.run(made, {hole: value_of(hole) for hole in holes}))
        tf.train.Saver().save(session, str(out / case / "model.ckpt"))


if __name__ == "__main__":
    for version in (1, 2):
        (tf.disable_control_flow_v2 if version == 1 else tf.enable_control_flow_v2)()
        for name, function in CASES.items():
            write(f"{name}-{version}", function, Path(sys.argv[1]))
