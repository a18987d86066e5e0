"""What is to be said of the LSTMs of a model beside their shapes: quantization, shared arrays, what is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from lstmdump.model.sentences import grouped, listed, plural
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import LayerPath
from lstmdump.readers.tflite.cell import LiteCell
from lstmdump.readers.tflite.fused import COUPLED
from lstmdump.readers.tflite.names import NO_NAMES, find_path

_COUPLED = "has no input gate: i is 1 - f, so it is not an LSTM of four gates"
_NO_FORGET_GATE = ("the graph is a single step from c = 0, which leaves out the forget gate: f is the part that is "
                   "left, and whether a forget bias is added to it is not shown")  # fmt: skip
_PROJECTION_BIAS = "a bias is added to the projected output: projection_bias, which is not part of any gate"
_UNPROVEN = ("products are added and cut in four, as in an LSTM, but the operators do not show which part is which "
             "gate, so nothing is cut here: {}")  # fmt: skip
_NO_NUMBERS = "the file also reads variables that nothing in it assigns, and holds no numbers for them: {}"


def of(cells: Mapping[LayerPath, LiteCell], unproven: Collection[str], unassigned: Collection[str]) -> Iterator[str]:
    """Yield the notes on `cells`, on the sums `unproven` that may be of others, and on the variables `unassigned`."""
    by_layer = [("/".join(path), note) for path, cell in cells.items() for note in _of_cell(cell)]
    for note, names in grouped(by_layer).items():
        yield f"{listed(names)}: {note}"
    lstms = [cell for cell in cells.values() if cell.kind not in ("GRU", "SimpleRNN")]
    if any(find_path(cell.names, is_of_tensorflow_1="weights" in cell.arrays) is None for cell in lstms):
        yield NO_NAMES
    if unproven:
        yield _UNPROVEN.format(listed(list(unproven)))
    if unassigned:
        yield _NO_NUMBERS.format(listed(list(unassigned)))


def _of_cell(cell: LiteCell) -> Iterator[str]:
    if cell.kind == COUPLED:
        yield _COUPLED
    if cell.forget_bias is None:
        yield _NO_FORGET_GATE
    if "projection_bias" in cell.arrays:
        yield _PROJECTION_BIAS
    yield from _note_quantized(cell)
    yield from _note_shared(cell)


def _note_quantized(cell: LiteCell) -> Iterator[str]:
    """Yield a note on arrays that are integers: their types, and the largest step between two of their numbers."""
    quantized = [tensor for tensor in cell.arrays.values() if tensor.is_quantized]
    if not quantized:
        return
    steps = [step for tensor in quantized for step in (tensor.step,) if step is not None]
    types = " and ".join(sorted({tensor.dtype for tensor in quantized}))
    widths = f"{min(steps):.2g} to {max(steps):.2g}" if min(steps) < max(steps) else f"{min(steps):.2g}"
    yield f"{plural(len(set(quantized)), 'array')} in {types}, in steps (scales) of {widths}"


def _note_shared(cell: LiteCell) -> Iterator[str]:
    """Yield a note on arrays that are one array in the file, because their numbers are the same."""
    uses: dict[Tensor, int] = {}
    for tensor in cell.arrays.values():
        uses[tensor] = uses.get(tensor, 0) + 1
    for tensor, count in uses.items():
        if count > 1:
            yield f"{count} arrays are one in the file, {tensor.name}, counted once"
