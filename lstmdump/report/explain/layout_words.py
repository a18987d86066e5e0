"""What `show --explain` says of each layout, in one place: mypy asks for the words of a new one.

The texts are filled in with the sizes of a layer, by `str.format`: `d` and `h`, the widths of input and output, `dh`,
their sum, `m`, the units, `columns`, four times as many, and `bias`, the shape of the bias.
"""

from __future__ import annotations

from typing import NamedTuple

from lstmdump.lstm.gate_layouts import LayoutForm


class LayoutWords(NamedTuple):
    """The sentences about a layout.

    Attributes:
        rows_question: What one asks about the rows of its arrays.
        rows: Why they have these rows.
        columns_question: What one asks about the columns.
        columns: Why they have these columns.
        bias: What is added to that in a layer with a bias.
        slices: What stands before the table of slices; `order` is the order of the gates.
        after_slices: What stands after it.
        activations: Which activations such a layer can have.
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
    "Keras 1 keeps a W, a U and a b for each of the four gates. W meets x and has a row for each of its numbers, {d}; "
    "U meets h and has {h}.",
    "Why {m} columns?",
    "One for each unit. Keras 2 lays the four gates side by side, and has {columns} columns.",
    "",
    "None: each gate has arrays of its own, called by its letter: {order}.",
    activations=_KERAS_ACTIVATIONS,
)

_TWO_KERNELS = LayoutWords(
    "Why two kernels, and why these rows?",
    "kernel meets x and has a row for each of its numbers, {d}; recurrent_kernel meets h and has {h}. Keras keeps them "
    "apart because each has an initializer and a regularizer of its own. TensorFlow 1 stacks them: {dh} rows.",
    "Why {columns} columns?",
    "Each of the four gates has {m}, one for each unit, and they lie side by side: one product serves them all.",
    " The bias has a number for each column: {bias}.",
    "The gates stand in the order {order}. As numpy cuts them:",
    activations=_KERAS_ACTIVATIONS,
)

_CUDNN = _TWO_KERNELS._replace(
    bias=" The bias has a number for each column twice over, one bias with x and one with h: {bias}.",
    after_slices="CuDNN's blocks are transposed: .T turns them, after .reshape where the shape was not transposed with "
    "the numbers. Its two biases are added up.",
    activations="CuDNN knows no others.",
)

_FUSED_KERNEL = _TWO_KERNELS._replace(
    rows_question="Why does the kernel have {dh} rows?",
    rows="x and h lie end to end, [x, h], and meet one kernel. Its first {d} rows are W, its last {h} are U.",
    activations="",
)


def words_of(form: LayoutForm) -> LayoutWords:
    """Return what is said of a form of layouts."""
    match form:
        case "gate arrays":
            return _GATE_ARRAYS
        case "two kernels":
            return _TWO_KERNELS
        case "cudnn":
            return _CUDNN
        case "fused kernel":
            return _FUSED_KERNEL
