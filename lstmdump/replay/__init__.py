"""Run LSTM layers in numpy: states, gates, gradients and statistics."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lstmdump.replay.cell import CellNumbers, read
    from lstmdump.replay.equations import State, States, replay, run

__all__ = ["CellNumbers", "State", "States", "read", "replay", "run"]

_HOMES = {
    "CellNumbers": "lstmdump.replay.cell",
    "State": "lstmdump.replay.equations",
    "States": "lstmdump.replay.equations",
    "read": "lstmdump.replay.cell",
    "replay": "lstmdump.replay.equations",
    "run": "lstmdump.replay.equations",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: the modules of this package need none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
