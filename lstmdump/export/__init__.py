"""Write the gates of LSTM layers, states and pictures to files that are complete or absent."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lstmdump.export.gates import Exported, Job, Settings, export, plan

__all__ = ["Exported", "Job", "Settings", "export", "plan"]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: the modules of this package need none of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module("lstmdump.export.gates"), name)
    globals()[name] = value
    return value
