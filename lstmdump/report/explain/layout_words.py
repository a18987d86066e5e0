"""The texts of `show --explain` on each layout; mypy reports a new layout that has none.

`str.format` fills in the sizes of a layer: `d` and `h`, the widths of input and output, and their sum `dh`; `m`, the
number of units; `columns`, four times `m`; and `bias`, the shape of the bias.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from lstmdump.lstm.gate_layouts import LayoutForm


class LayoutWords(NamedTuple):
    """The texts on a layout.

    Attributes:
        rows_question: The title of the section on the rows of the arrays.
        rows: The reason for the number of rows.
        columns_question: The title of the section on the columns.
        columns: The reason for the number of columns.
        bias: An addition to `columns` for a layer with a bias.
        slices: The line before the table of slices; `order` is the order of the gates.
        after_slices: The line after the table.
        activations: The activations that a layer with this layout can have.
    """

    rows_question: str
    rows: str
    columns_question: str
    columns: str
    bias: str
    slices: str
    after_slices: str = ""
    activations: str = ""


_KERAS_ACTIVATIONS = ("Keras's defaults: tanh, and for the gates hard_sigmoid up to 2.2 (and in TensorFlow 1), sigmoid "
                      "since 2.3.")  # fmt: skip

_GATE_ARRAYS = LayoutWords(
    "Why twelve arrays?",
    'Keras 1 stores a W ("wx"), a U ("ux") and a b for each of the four gates. W is multiplied by x and has a row for '
    "each of its numbers, {d}; U is multiplied by h and has {h}.",
    "Why {m} columns?",
    "One for each unit. Keras 2 stores the four gates side by side, in {columns} columns.",
    "",
    "None: each gate has its own arrays, named by its letter: {order}.",
    activations=_KERAS_ACTIVATIONS,
)

_TWO_KERNELS = LayoutWords(
    "Why two kernels, and why these rows?",
    'kernel (W, "wx") is multiplied by x and has a row for each of its numbers, {d}; recurrent_kernel (U, "ux") is '
    "multiplied by h and has {h}. Keras separates them because each has its own initializer and regularizer. "
    "TensorFlow 1 stacks them: {dh} rows.",
    "Why {columns} columns?",
    "Each of the four gates has {m}, one for each unit. They are side by side, so one product computes all of them.",
    " The bias has a number for each column: {bias}.",
    "The gates are in the order {order}. In numpy:",
    activations=_KERAS_ACTIVATIONS,
)

_CUDNN = _TWO_KERNELS._replace(
    bias=" The bias has two numbers for each column, one for x and one for h: {bias}.",
    after_slices="CuDNN stores each block transposed: .T undoes that, after .reshape where the shape was not "
    "transposed with the numbers. The two biases are added.",
    activations="CuDNN supports no others.",
)

_FUSED_KERNEL = _TWO_KERNELS._replace(
    rows_question="Why does the kernel have {dh} rows?",
    rows="x and h are concatenated, [x, h], and multiplied by one kernel. The first {d} rows are W ("
    '"wx"), the last {h} are U ("ux").',
    activations="",
)

_OWN_GATE_ARRAYS = _GATE_ARRAYS._replace(
    rows_question="Why an array for each gate?",
    rows="The cell has a W, a U and, with biases, a b for each of the four gates. W is multiplied by x and has a row "
    "for each of its numbers, {d}; U is multiplied by h and has {h}.",
    columns="One for each unit. TensorFlow's own cells store the four gates side by side, in {columns} columns.",
    activations="",
)

_OWN_TWO_KERNELS = _TWO_KERNELS._replace(
    rows="kernel is multiplied by x and has a row for each of its numbers, {d}; recurrent_kernel is multiplied by h "
    "and has {h}. TensorFlow's own cells stack them: {dh} rows.",
    activations="",
)

_ONNX_NODE = LayoutWords(
    "Why two kernels, and why these columns?",
    'W ("wx") is multiplied by x and has a column for each of its numbers, {d}; R, the U of the equations, is '
    "multiplied by h and has {h}. Both are stored transposed, and a node with two directions has one of each for both.",
    "Why {columns} rows?",
    "Each of the four gates has {m}, one for each unit. They are below each other, so one product computes all of "
    "them.",
    " B has two numbers for each row, one for x and one for h: {bias}.",
    "The gates are in the order {order}. In numpy:",
    after_slices=".T undoes the transposition. The two biases are added.",
    activations="ONNX names them for each node; without names they are tanh and sigmoid.",
)

_ONNX_CELL = _ONNX_NODE._replace(
    rows='weight_ih ("wx") is multiplied by x and has a column for each of its numbers, {d}; weight_hh, the U of the '
    "equations, is multiplied by h and has {h}. Both are stored transposed.",
    bias=" Each bias has a number for each row, {bias}; they are added up.",
    activations="",
)


_PYTORCH = LayoutWords(
    "Why {columns} rows?",
    "Each of the four gates has {m}, one for each unit. They are one below the other, so one product computes all of "
    "them. Keras stores the transposes, with the gates side by side.",
    "Why two kernels, and why these columns?",
    'weight_ih (W, "wx") is multiplied by x and has a column for each of its numbers, {d}; weight_hh (U, "ux") is '
    "multiplied by h and has {h}.",
    " Each of the two biases, bias_ih and bias_hh, has a number for each row, {bias}; only their sum counts.",
    "The gates are in the order {order}. PyTorch calls the candidate g. In numpy:",
    after_slices="A unit is a row here, and a column in W and U: .T transposes. The two biases are added, in float32 "
    "at least.",
    activations="nn.LSTM and nn.LSTMCell have no others.",
)
_TFLITE_GATE_ARRAYS = _GATE_ARRAYS._replace(
    rows_question="Why an array for each gate?",
    rows="TensorFlow Lite gives its operator a W and a U for each of the four gates, and mostly a b: inputs of their "
    "own, whose names tell the gates. An array of W has {m} rows, one for each unit, and a column for each of the "
    "numbers of x, {d}; one of U has {h} columns.",
    columns_question="Why {m} rows?",
    columns="One for each unit. Keras stores the transposes, with the four gates side by side in {columns} columns.",
    after_slices="A unit is a row here, and a column in W and U: .T transposes.",
    activations="",
)

_TFLITE_TWO_KERNELS = LayoutWords(
    "Why {columns} rows?",
    "Each of the four gates has {m}, one for each unit. They are one below the other, so one product computes all of "
    "them. Keras stores the transposes, with the gates side by side.",
    "Why two kernels, and why these columns?",
    'input_weights (W, "wx") is multiplied by x and has a column for each of its numbers, {d}; recurrent_weights (U, '
    '"ux") is multiplied by h and has {h}. TensorFlow Lite has no names for them: which is which, and which row is of '
    "which gate, is what the operators do with the results.",
    " The bias has a number for each row: {bias}.",
    "The gates are in the order {order}. In numpy:",
    after_slices="A unit is a row here, and a column in W and U: .T transposes.",
)

_TFLITE_FUSED_KERNEL = _TFLITE_TWO_KERNELS._replace(
    columns_question="Why {dh} columns?",
    columns="x and h are concatenated, [x, h], and multiplied by one kernel. The first {d} columns are W, the last {h} "
    "are U.",
)


def words_of(form: LayoutForm) -> LayoutWords:
    """Return the texts on a form of layout."""
    match form:
        case "gate arrays":
            return _GATE_ARRAYS
        case "two kernels":
            return _TWO_KERNELS
        case "cudnn":
            return _CUDNN
        case "fused kernel":
            return _FUSED_KERNEL
        case "own gate arrays":
            return _OWN_GATE_ARRAYS
        case "own two kernels":
            return _OWN_TWO_KERNELS
        case "pytorch":
            return _PYTORCH
        case "onnx node" | "onnx cell" | "tflite gate arrays" | "tflite two kernels" | "tflite fused kernel":
            return _words_of_graph(form)


def _words_of_graph(
    form: Literal["onnx node", "onnx cell", "tflite gate arrays", "tflite two kernels", "tflite fused kernel"],
) -> LayoutWords:
    match form:
        case "onnx node":
            return _ONNX_NODE
        case "onnx cell":
            return _ONNX_CELL
        case "tflite gate arrays":
            return _TFLITE_GATE_ARRAYS
        case "tflite two kernels":
            return _TFLITE_TWO_KERNELS
        case "tflite fused kernel":
            return _TFLITE_FUSED_KERNEL
