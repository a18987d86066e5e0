"""The order of errors: that the numbers cannot be read at all comes before what an option or another input mends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lstmdump.errors import BadInput, CannotReplay, NoForgetBias
from lstmdump.lstm import LSTM

_FIRST = slice(0, 1)


@contextmanager
def unreadable_first(lstms: Sequence[LSTM]) -> Iterator[None]:
    """If the block fails for a reason that the user can mend, try to read a number of each array of `lstms` first.

    Raises:
        UnreadableModel: An array cannot be read, so that no option helps.
    """
    try:
        yield
    except (BadInput, CannotReplay, NoForgetBias):
        for lstm in lstms:
            for weight in lstm.weights:
                weight.tensor.part(*(_FIRST for _ in weight.tensor.shape)).read()
        raise
