"""Which block of which stored array is which gate, told as numpy would: what `layouts` cuts, for people."""

from __future__ import annotations

import enum
from typing import NamedTuple

from lstmdump.lstm.cell import LSTM
from lstmdump.lstm.roles import Role
from lstmdump.model.tensor import Place, Tensor


class Layout(enum.Enum):
    """The forms in which gates are stored."""

    GATE_ARRAYS = "a W, U and b for each gate"
    TWO_KERNELS = "one kernel for x, one for h"
    ONE_KERNEL = "one kernel over x and h"
    CUDNN = "two kernels whose blocks are transposed, and two biases"


class Block(NamedTuple):
    """A block of a stored array, and what makes a gate's array out of it.

    Attributes:
        array: the name of the stored array in its layer.
        extents: the stored array's shape.
        spans: in each dimension, the block's first index and the one after its last.
        turned: what is done with the block, in numpy's words: nothing, or `.T`, or `.reshape(64, 12).T`.
    """

    array: str
    extents: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    turned: str = ""

    def __str__(self) -> str:
        whole = tuple((0, extent) for extent in self.extents)
        if self.spans == whole:
            return f"{self.array}{self.turned}"
        rows = [_short(extent, span) for extent, span in zip(self.extents[:-1], self.spans, strict=False)]
        first, last = self.spans[-1]
        return f"{self.array}[{', '.join([*rows, f'{first}:{last}'])}]{self.turned}"


class GateBlocks(NamedTuple):
    """Where one gate's arrays are stored. Blocks that are several are added up."""

    W: tuple[Block, ...]
    U: tuple[Block, ...]
    b: tuple[Block, ...] = ()
    V: tuple[Block, ...] = ()


def layout(lstm: LSTM) -> Layout:
    """The form in which the gates of LSTM are stored."""
    roles = {weight.role for weight in lstm.weights}
    if Role.GATE_KERNEL in roles:
        return Layout.GATE_ARRAYS
    if Role.FUSED_KERNEL in roles:
        return Layout.ONE_KERNEL
    return Layout.CUDNN if Role.DOUBLED_BIAS in roles else Layout.TWO_KERNELS


def blocks(lstm: LSTM, letter: str) -> GateBlocks:
    """The blocks of the stored arrays that gate LETTER of LSTM is made of. Reads nothing."""
    if layout(lstm) is Layout.CUDNN:
        return _cudnn(lstm, letter)
    return GateBlocks(*(_stored(lstm, tensor) for tensor in lstm.gates[letter]))


def _stored(lstm: LSTM, tensor: Tensor | None) -> tuple[Block, ...]:
    """The block that TENSOR is cut out of."""
    if tensor is None:
        return ()
    place = tensor.place or Place(tensor, tuple((0, extent) for extent in tensor.shape))
    name = next(weight.name for weight in lstm.weights if weight.tensor is place.whole)
    return (Block(name, place.whole.shape, place.spans),)


def _cudnn(lstm: LSTM, letter: str) -> GateBlocks:
    """As `layouts.cudnn` turns the blocks, and adds the two biases."""
    d, m = lstm.input_dim, lstm.units
    first = lstm.gate_order.index(letter) * m
    columns, second = (first, first + m), (first + 4 * m, first + 5 * m)
    return GateBlocks(
        (Block("kernel", (d, 4 * m), ((0, d), columns), f".reshape({m}, {d}).T"),),
        (Block("recurrent_kernel", (m, 4 * m), ((0, m), columns), ".T"),),
        tuple(Block("bias", (8 * m,), (span,)) for span in (columns, second)) if lstm.use_bias else (),
    )


def _short(extent: int, span: tuple[int, int]) -> str:
    """SPAN of a dimension of that EXTENT, without the bounds that go without saying."""
    first, last = span
    return f"{first or ''}:{'' if last == extent else last}"
