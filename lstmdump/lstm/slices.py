"""Which block of which stored array is which gate, in numpy's words: what the layouts cut, for people."""

from __future__ import annotations

from typing import NamedTuple

from lstmdump.lstm.cell import LSTM
from lstmdump.model.tensor import Place, Tensor


class StoredBlock(NamedTuple):
    """A block of a stored array, and what makes a gate's array out of it.

    Attributes:
        array: The name of the stored array in its layer.
        extents: The shape of the stored array.
        spans: In each dimension, the first index of the block and the one after its last.
        turned: What is done with the block, in numpy's words: nothing, or `.T`, or `.reshape(64, 12).T`.
    """

    array: str
    extents: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    turned: str = ""

    def __str__(self) -> str:
        whole = tuple((0, extent) for extent in self.extents)
        if self.spans == whole:
            return f"{self.array}{self.turned}"
        shown = max(axis + 1 for axis, span in enumerate(self.spans) if span != whole[axis])
        rows = [_shorten(extent, span) for extent, span in zip(self.extents[: shown - 1], self.spans, strict=False)]
        first, last = self.spans[shown - 1]
        return f"{self.array}[{', '.join([*rows, f'{first}:{last}'])}]{self.turned}"


def stored_blocks(lstm: LSTM, letter: str) -> dict[str, list[StoredBlock]]:
    """Return the blocks that W, U, b and V of a gate are made of; of several the sum. Reads nothing."""
    return {array: [_find_block(lstm, *part) for part in parts]
            for array, parts in lstm.layout.parts(lstm, letter).items()}  # fmt: skip


def _find_block(lstm: LSTM, part: Tensor, turned: str) -> StoredBlock:
    """Return the block of a stored array that `part` is cut out of."""
    place = part.place or Place(part, tuple((0, extent) for extent in part.shape))
    name = next(weight.name for weight in lstm.weights if weight.tensor is place.whole)
    return StoredBlock(name, place.whole.shape, place.spans, turned)


def _shorten(extent: int, span: tuple[int, int]) -> str:
    """Return the slice `span` of a dimension, without the bounds that go without saying."""
    first, last = span
    return f"{first or ''}:{'' if last == extent else last}"
