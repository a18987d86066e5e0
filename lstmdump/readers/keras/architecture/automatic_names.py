"""The names that Keras gives to cells and stacks of cells by itself, which no user chose."""

from __future__ import annotations

import re

_CELL = re.compile(r"(peephole_)?lstm_cell(_\d+)?")
_STACK = re.compile(r"stacked_rnn_cells(_\d+)?")


def is_cell(name: str) -> bool:
    """Whether NAME is the one that Keras gives to the cell of an LSTM layer, which no user chose."""
    return _CELL.fullmatch(name) is not None


def is_stack(name: str) -> bool:
    """Whether NAME is the one that Keras gives to the cells of `RNN([cell, cell])`."""
    return _STACK.fullmatch(name) is not None


def without_stack(path: tuple[str, ...]) -> tuple[str, ...]:
    """PATH without the name that Keras gives to the cells of `RNN([cell, cell])`, unless it stands for itself."""
    return (*[name for name in path[:-1] if not is_stack(name)], *path[-1:])
