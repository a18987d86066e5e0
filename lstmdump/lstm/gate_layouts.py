"""Which slice is which gate: one function per layout, from stored arrays to lazy gates.

Orders and layouts by source (each measured against the framework's own output):

====================  ==============================================================  =====
Keras 1, 0.x          twelve arrays, a W, U and b per gate                            icfo
Keras 1, `gpu`        W (d, 4m), U (m, 4m), b (4m,), though the twelve are icfo       ifco
Keras 2, 3            kernel (d, 4m), recurrent_kernel (m, 4m), bias (4m,)            ifco
CuDNNLSTM             the same shapes, each gate's block transposed; bias (8m,)       ifco
TensorFlow 1 cells    one kernel (d+h, 4m), the input's rows first; bias (4m,)        icfo
BlockLSTMV2           the same                                                        ifco
====================  ==============================================================  =====
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from lstmdump.lstm.cell import Gate, Gates
from lstmdump.model.kinds import KERAS_ORDER
from lstmdump.model.tensor import Array, Tensor, derived

KERAS_1_ORDER = "icfo"


def twelve_arrays(name: str, arrays: Mapping[str, Tensor]) -> Mapping[str, Gate]:
    """Gates out of arrays called `W_i`, `U_i`, `b_i`, and so for f, c and o."""

    def one(letter: str) -> Gate:
        bias = arrays.get(f"b_{letter}")
        return Gate(
            arrays[f"W_{letter}"].renamed(f"{name}/W_{letter}"),
            arrays[f"U_{letter}"].renamed(f"{name}/U_{letter}"),
            None if bias is None else bias.renamed(f"{name}/b_{letter}"),
        )

    return Gates(one)


def side_by_side(name: str, kernel: Tensor, recurrent: Tensor, bias: Tensor | None) -> Mapping[str, Gate]:
    """Gates out of a kernel (d, 4m), a recurrent kernel (m, 4m) and a bias (4m,), columns in Keras's order."""
    units = recurrent.shape[0]

    def one(letter: str) -> Gate:
        columns = _block(KERAS_ORDER, letter, units)
        return Gate(
            kernel.part(slice(None), columns, name=f"{name}/W_{letter}"),
            recurrent.part(slice(None), columns, name=f"{name}/U_{letter}"),
            None if bias is None else bias.part(columns, name=f"{name}/b_{letter}"),
        )

    return Gates(one)


def cudnn(name: str, kernel: Tensor, recurrent: Tensor, bias: Tensor | None) -> Mapping[str, Gate]:
    """Gates out of a CuDNNLSTM, in the form of an LSTM.

    CuDNN keeps each gate's block as (m, d) in memory, which Keras stores under the shape (d, m); its recurrent blocks
    are transposed; and it adds two biases, those of the input (the first 4m) and of the state.
    Source: `_convert_rnn_weights` in Keras 2.2.4, `engine/saving.py`, reproduced bit for bit.
    """
    units = recurrent.shape[0]

    def one(letter: str) -> Gate:
        columns = _block(KERAS_ORDER, letter, units)
        w, u = kernel.part(slice(None), columns), recurrent.part(slice(None), columns)

        def recurrent_rows(first: int, last: int) -> Array:
            rows: Array = u.part(slice(None), slice(first, last)).read().T
            return rows

        return Gate(
            derived(f"{name}/W_{letter}", w.shape, w.dtype, partial(_kernel_rows, w)),
            derived(f"{name}/U_{letter}", u.shape, u.dtype, recurrent_rows),
            None if bias is None else _bias_sum(f"{name}/b_{letter}", bias, columns, units),
        )

    return Gates(one)


def fused(name: str, kernel: Tensor, bias: Tensor | None, input_dim: int, order: str) -> Mapping[str, Gate]:
    """Gates out of a kernel (d+h, 4m) over input and state, and a bias (4m,), columns in that ORDER."""
    units = kernel.shape[1] // 4

    def one(letter: str) -> Gate:
        columns = _block(order, letter, units)
        return Gate(
            kernel.part(slice(0, input_dim), columns, name=f"{name}/W_{letter}"),
            kernel.part(slice(input_dim, None), columns, name=f"{name}/U_{letter}"),
            None if bias is None else bias.part(columns, name=f"{name}/b_{letter}"),
        )

    return Gates(one)


def with_peepholes(name: str, gates: Mapping[str, Gate], peepholes: Mapping[str, Tensor]) -> Mapping[str, Gate]:
    """GATES with the PEEPHOLES, (m,) each, by the letter of the gate that they belong to."""

    def one(letter: str) -> Gate:
        peephole = peepholes.get(letter)
        return gates[letter]._replace(V=None if peephole is None else peephole.renamed(f"{name}/V_{letter}"))

    return Gates(one) if peepholes else gates


def _kernel_rows(block: Tensor, first: int, last: int) -> Array:
    """Rows of the kernel (d, m) whose BLOCK is its transpose (m, d) in memory, stored under the shape (d, m).

    Only the columns FIRST to LAST of that transpose are read, each as the rows of BLOCK that it is spread over.
    """
    width, units = block.shape
    if first == 0 and last == width:
        whole: Array = block.read().reshape(-1).reshape(block.shape, order="F")
        return whole
    import numpy as np

    rows = np.empty((last - first, units), "float32" if block.dtype == "bfloat16" else block.dtype)
    for unit in range(units):
        start, stop = unit * width + first, unit * width + last
        row = start // units
        around = block.part(slice(row, -(-stop // units))).read().reshape(-1)
        rows[:, unit] = around[start - row * units : stop - row * units]
    return rows


def _bias_sum(name: str, bias: Tensor, columns: slice, units: int) -> Tensor:
    of_input = bias.part(columns)
    of_state = bias.part(slice(columns.start + 4 * units, columns.stop + 4 * units))

    def rows(first: int, last: int) -> Array:
        one, other = (half.part(slice(first, last)).read() for half in (of_input, of_state))
        return one + other

    return derived(name, of_input.shape, bias.dtype, rows)


def _block(order: str, letter: str, units: int) -> slice:
    start = order.index(letter) * units
    return slice(start, start + units)
