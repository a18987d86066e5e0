"""Run in a process of its own: TensorFlow's LSTM cells on arrays as files store them.

The only module that imports TensorFlow, which takes seconds to load and can abort or hang the process it is in.
It reads requests from stdin and answers each on stdout, until stdin ends; see `lstmdump.sandbox.tensorflow_messages`.

A request has the fields `cell`, one of CELLS, `units`, `forget_bias` and `dtype`, and the arrays `x`, (batch, length,
d), and the stored ones under the names that the cell's class gives them. Its answer has the field `cell`, what was
run by TensorFlow's name for it, and the arrays `h`, (batch, length, h), all outputs, and `c`, (batch, m), the last cell
state; or the field `error`. The first message is an answer to none: it has the field `version`, `missing` or `error`.

Which slice is which gate is left to TensorFlow all the way: no array is cut here.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from lstmdump.model.tensor import Array
from lstmdump.sandbox.tensorflow_messages import Message, receive, send

Outputs = tuple[str, Any, Any]
"""What was run, h and c."""


@dataclass(frozen=True)
class Work:
    """A request: what to run on what."""

    units: int
    forget_bias: float
    dtype: str
    x: Array
    arrays: Mapping[str, Array]


def _keras(work: Work) -> Outputs:
    return _run_keras(
        work, [work.arrays[leaf] for leaf in ("kernel", "recurrent_kernel", "bias") if leaf in work.arrays]
    )


def _keras_1(work: Work) -> Outputs:
    """Twelve arrays in the order in which Keras 1 stores them; Keras 2 makes three of them."""
    return _run_converted(work, [work.arrays[f"{array}_{gate}"] for gate in "icfo" for array in "WUb"])


def _cudnn(work: Work) -> Outputs:
    """Keras 2 knows a CuDNNLSTM by its doubled bias, and turns its blocks."""
    bias = work.arrays.get("bias", np.zeros(8 * work.units, work.dtype))
    return _run_converted(work, [work.arrays["kernel"], work.arrays["recurrent_kernel"], bias])


def _run_converted(work: Work, weights: list[Array]) -> Outputs:
    from tf_keras.src.saving.legacy.hdf5_format import preprocess_weights_for_loading

    layer = _keras_layer(work, use_bias=True)
    return _run_keras(work, preprocess_weights_for_loading(layer, weights, original_keras_version="1"))


def _run_keras(work: Work, weights: list[Array]) -> Outputs:
    layer = _keras_layer(work, use_bias=len(weights) == 3)
    layer.set_weights(weights)
    h, _, c = layer(work.x)
    return "tf_keras.layers.LSTM", h, c


def _keras_layer(work: Work, *, use_bias: bool) -> Any:
    import tf_keras

    layer = tf_keras.layers.LSTM(work.units, activation="tanh", recurrent_activation="sigmoid", use_bias=use_bias,
                                 return_sequences=True, return_state=True, dtype=work.dtype)  # fmt: skip
    layer.build(work.x.shape)
    return layer


def _keras_peephole(work: Work) -> Outputs:
    """The cell with peepholes of tf.keras, which Keras 2 and 3 have dropped, and TensorFlow still holds."""
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


def _tensorflow_1(work: Work) -> Outputs:
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


def _set_by_name(cell: Any, arrays: Mapping[str, Array]) -> None:
    """Give CELL its numbers; what is not among ARRAYS, a bias, stays zero."""
    for variable in cell.weights:
        fitting = [leaf for leaf in arrays if f"/{variable.name}".endswith(f"/{leaf}:0")]
        leaf = max(fitting, key=len, default=None)  # `projection/kernel` is no `kernel`
        if leaf is None and "bias" not in variable.name:
            raise KeyError(f"{variable.name} is not stored")
        variable.assign(np.zeros(variable.shape) if leaf is None else arrays[leaf])


def _block(work: Work) -> Outputs:
    from tensorflow import raw_ops

    return _run_block(work, raw_ops.BlockLSTM, "tf.raw_ops.BlockLSTM", forget_bias=work.forget_bias)


def _block_2(work: Work) -> Outputs:
    from tensorflow import raw_ops

    return _run_block(work, raw_ops.BlockLSTMV2, "tf.raw_ops.BlockLSTMV2")


def _run_block(work: Work, operation: Callable[..., Any], name: str, **attributes: float) -> Outputs:
    """Run a whole cell that is one operation, over x with its steps first, and without clipping."""
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
    "keras": _keras,
    "keras-1": _keras_1,
    "cudnn": _cudnn,
    "keras-peephole": _keras_peephole,
    "tf1": _tensorflow_1,
    "block": _block,
    "block-v2": _block_2,
}


def _answer(stream: IO[bytes], request: Message) -> None:
    try:
        arrays = {name: values for name, values in request.arrays.items() if name != "x"}
        fields = request.fields
        work = Work(fields["units"], fields["forget_bias"], fields["dtype"], request.arrays["x"], arrays)
        name, h, c = CELLS[fields["cell"]](work)
        outputs = {"h": np.asarray(h), "c": np.asarray(c)}
    except Exception as error:  # noqa: BLE001 - whatever TensorFlow has against a layer is told, and the next may work
        send(stream, {"error": _told(error)})
    else:
        send(stream, {"cell": name}, outputs)


def _told(error: Exception) -> str:
    """ERROR in one line; all of it goes to stderr."""
    traceback.print_exception(error)
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


def _greeting() -> dict[str, str]:
    """Load TensorFlow and say how that went."""
    try:
        import tensorflow
        import tf_keras  # noqa: F401 - whether it is there
    except ModuleNotFoundError as error:
        return {"missing": str(error)}
    except Exception as error:  # noqa: BLE001 - an installation can be broken in any way
        return {"error": _told(error)}
    return {"version": str(tensorflow.__version__)}


def main() -> None:
    """Answer requests until there are no more. What TensorFlow prints goes to stderr, so that stdout is ours alone."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    greeting = _greeting()
    send(answers, greeting)
    while "version" in greeting and (request := receive(sys.stdin.buffer)) is not None:
        _answer(answers, request)
