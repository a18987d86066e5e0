"""Server process that runs TensorFlow's LSTM cells on arrays as files store them.

This is the only module that imports TensorFlow, which takes seconds to load and can abort or hang its process. It reads
requests from stdin and answers each on stdout until stdin ends; see `lstmdump.sandbox.tensorflow_messages`.

A request has the fields `cell` (a key of `CELLS`), `units`, `forget_bias` and `dtype`, the array `x` of shape (batch,
length, d), and the stored arrays under the names that the cell's class gives them, or for the cell `gates` the arrays
of each gate under the names that `export` gives them. An answer has the field `cell`, TensorFlow's name of what was
run, and the arrays `h`, the outputs of all steps (batch, length, h), and `c`, the last cell state (batch, m); or only
the field `error`. The first message answers no request: its field is `version`, `missing` or `error`.

TensorFlow alone decides which slice is which gate: no array is cut here. Gates from files of other frameworks are put
together in the form of Keras or TensorFlow 1.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np

from lstmdump.model.tensor import Array
from lstmdump.sandbox.tensorflow_messages import ArrayMessage, receive, send

Outputs = tuple[str, Any, Any]
"""TensorFlow's name of what was run, h, and c."""


@dataclass(frozen=True)
class Work:
    """The sizes, input and arrays of a request."""

    units: int
    forget_bias: float
    dtype: str
    x: Array
    arrays: Mapping[str, Array]


def _run_keras_2(work: Work) -> Outputs:
    return _run_keras_layer(
        work, [work.arrays[leaf] for leaf in ("kernel", "recurrent_kernel", "bias") if leaf in work.arrays]
    )


def _run_keras_1(work: Work) -> Outputs:
    """Run twelve arrays in the order in which Keras 1 stores them; Keras 2 converts them to three."""
    return _run_converted(work, [work.arrays[f"{array}_{gate}"] for gate in "icfo" for array in "WUb"])


def _run_cudnn(work: Work) -> Outputs:
    """Run a CuDNNLSTM; Keras 2 recognizes it by the doubled bias and transposes its blocks."""
    bias = work.arrays.get("bias", np.zeros(8 * work.units, work.dtype))
    return _run_converted(work, [work.arrays["kernel"], work.arrays["recurrent_kernel"], bias])


def _run_converted(work: Work, weights: list[Array]) -> Outputs:
    from tf_keras.src.saving.legacy.hdf5_format import preprocess_weights_for_loading

    layer = _build_keras_layer(work, use_bias=True)
    return _run_keras_layer(work, preprocess_weights_for_loading(layer, weights, original_keras_version="1"))


def _run_keras_layer(work: Work, weights: list[Array]) -> Outputs:
    layer = _build_keras_layer(work, use_bias=len(weights) == 3)
    layer.set_weights(weights)
    h, _, c = layer(work.x)
    return "tf_keras.layers.LSTM", h, c


def _build_keras_layer(work: Work, *, use_bias: bool) -> Any:
    import tf_keras

    layer = tf_keras.layers.LSTM(work.units, activation="tanh", recurrent_activation="sigmoid", use_bias=use_bias,
                                 return_sequences=True, return_state=True, dtype=work.dtype)  # fmt: skip
    layer.build(work.x.shape)
    return layer


def _run_keras_peephole(work: Work) -> Outputs:
    """Run the cell with peepholes of tf.keras, which Keras 2 and 3 have dropped and TensorFlow still contains."""
    import tensorflow
    from tensorflow.python.keras.layers.recurrent import PeepholeLSTMCell

    cell = PeepholeLSTMCell(work.units, activation="tanh", recurrent_activation="sigmoid",
                            use_bias="bias" in work.arrays, dtype=work.dtype)  # fmt: skip
    cell.build(tensorflow.TensorShape(work.x[:, 0].shape))
    _set_by_name(cell, work.arrays)
    x = tensorflow.constant(work.x)
    h = c = tensorflow.zeros((len(work.x), work.units), work.dtype)
    outputs = []
    for step in range(work.x.shape[1]):
        h, (_, c) = cell(x[:, step], [h, c])
        outputs.append(h)
    return "tf.keras.experimental.PeepholeLSTMCell", np.stack(outputs, axis=1), c


def _run_tensorflow_1(work: Work) -> Outputs:
    import tensorflow

    projection = work.arrays.get("projection/kernel")
    cell = tensorflow.compat.v1.nn.rnn_cell.LSTMCell(
        work.units, use_peepholes="w_i_diag" in work.arrays, forget_bias=work.forget_bias,
        num_proj=None if projection is None else projection.shape[1], dtype=work.dtype,
    )  # fmt: skip
    cell.build(work.x[:, 0].shape)
    _set_by_name(cell, work.arrays)
    state = cell.zero_state(len(work.x), work.dtype)
    outputs = []
    for step in range(work.x.shape[1]):
        h, state = cell(work.x[:, step], state)
        outputs.append(h)
    return "tf.compat.v1.nn.rnn_cell.LSTMCell", np.stack(outputs, axis=1), state[0]


def _run_gates(work: Work) -> Outputs:
    """Run the arrays of each gate, in Keras's LSTM, or in the cell of TensorFlow 1 with peepholes or a projection."""
    arrays = work.arrays
    peepholes = {f"w_{gate}_diag": arrays[f"V_{gate}"] for gate in "ifo" if f"V_{gate}" in arrays}
    if not peepholes and "P" not in arrays:
        bias = {"bias": _join_biases(work, "ifco")} if "b_i" in arrays or work.forget_bias else {}
        kernels = {"kernel": _join_gates(work, "W", "ifco"), "recurrent_kernel": _join_gates(work, "U", "ifco")}
        return _run_keras_2(replace(work, arrays={**kernels, **bias}))
    kernel = np.concatenate([_join_gates(work, "W", "icfo"), _join_gates(work, "U", "icfo")])
    projection = {"projection/kernel": arrays["P"]} if "P" in arrays else {}
    whole = {"kernel": kernel, "bias": _join_biases(work, "icfo"), **projection, **peepholes}
    return _run_tensorflow_1(replace(work, forget_bias=0.0, arrays=whole))


def _join_gates(work: Work, array: str, order: str) -> Array:
    """Return the columns of W or U of all gates side by side."""
    return np.concatenate([work.arrays[f"{array}_{gate}"] for gate in order], axis=1)


def _join_biases(work: Work, order: str) -> Array:
    """Return the biases of all gates one after the other, with the forget bias in that of f; 0 if there are none."""
    none = np.zeros(work.units, work.dtype)
    biases = [work.arrays.get(f"b_{gate}", none) + (work.forget_bias if gate == "f" else 0) for gate in order]
    return np.concatenate(biases).astype(work.dtype)


def _set_by_name(cell: Any, arrays: Mapping[str, Array]) -> None:
    """Assign `arrays` to the variables of `cell`; a bias that is not stored becomes zero."""
    for variable in cell.weights:
        fitting = [leaf for leaf in arrays if f"/{variable.name}".endswith(f"/{leaf}:0")]
        leaf = max(fitting, key=len, default=None)  # `projection/kernel` ends like `kernel`, too
        if leaf is None and "bias" not in variable.name:
            raise KeyError(f"{variable.name} is not stored")
        variable.assign(np.zeros(variable.shape) if leaf is None else arrays[leaf])


def _run_block_lstm(work: Work) -> Outputs:
    from tensorflow import raw_ops

    return _run_block(work, raw_ops.BlockLSTM, "tf.raw_ops.BlockLSTM", forget_bias=work.forget_bias)


def _run_block_lstm_v2(work: Work) -> Outputs:
    from tensorflow import raw_ops

    return _run_block(work, raw_ops.BlockLSTMV2, "tf.raw_ops.BlockLSTMV2")


def _run_block(work: Work, operation: Callable[..., Any], name: str, **attributes: float) -> Outputs:
    """Run an operation that computes the whole cell, on x with the steps as its first axis, without clipping."""
    none, state = np.zeros(work.units, work.dtype), np.zeros((len(work.x), work.units), work.dtype)
    arrays = work.arrays
    _, cs, _, _, _, _, h = operation(
        seq_len_max=np.int64(work.x.shape[1]), x=np.swapaxes(work.x, 0, 1), cs_prev=state, h_prev=state,
        w=arrays["kernel"], b=arrays.get("bias", np.zeros(4 * work.units, work.dtype)), cell_clip=-1.0,
        wci=arrays.get("w_i_diag", none), wcf=arrays.get("w_f_diag", none), wco=arrays.get("w_o_diag", none),
        use_peephole="w_i_diag" in arrays, **attributes,
    )  # fmt: skip
    return name, np.swapaxes(h, 0, 1), cs[-1]


CELLS: Mapping[str, Callable[[Work], Outputs]] = {
    "keras": _run_keras_2,
    "keras-1": _run_keras_1,
    "cudnn": _run_cudnn,
    "keras-peephole": _run_keras_peephole,
    "tf1": _run_tensorflow_1,
    "block": _run_block_lstm,
    "block-v2": _run_block_lstm_v2,
    "gates": _run_gates,
}


def _answer_request(stream: IO[bytes], request: ArrayMessage) -> None:
    try:
        arrays = {name: values for name, values in request.arrays.items() if name != "x"}
        fields = request.fields
        work = Work(fields["units"], fields["forget_bias"], fields["dtype"], request.arrays["x"], arrays)
        name, h, c = CELLS[fields["cell"]](work)
        outputs = {"h": np.asarray(h), "c": np.asarray(c)}
    except Exception as error:  # noqa: BLE001 - every error is reported, and the next request may work
        send(stream, {"error": _describe_error(error)})
    else:
        send(stream, {"cell": name}, outputs)


def _describe_error(error: Exception) -> str:
    """Return `error` in one line; print its traceback to stderr."""
    traceback.print_exception(error)
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


def _import_tensorflow() -> dict[str, str]:
    """Import TensorFlow and return the first message: its version, or why it cannot be imported."""
    try:
        import tensorflow
        import tf_keras  # noqa: F401 - checks that it is installed
    except ModuleNotFoundError as error:
        return {"missing": "" if error.name in (None, "tensorflow") else str(error)}
    except Exception as error:  # noqa: BLE001 - an installation can be broken in any way
        return {"error": _describe_error(error)}
    return {"version": str(tensorflow.__version__)}


def main() -> None:
    """Answer requests until stdin ends. Output of TensorFlow goes to stderr, so that stdout holds only answers."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    greeting = _import_tensorflow()
    send(answers, greeting)
    while "version" in greeting and (request := receive(sys.stdin.buffer)) is not None:
        _answer_request(answers, request)
