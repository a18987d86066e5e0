"""Good PyTorch models of one LSTM and a Linear, in every container, for hostile files to be made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hostile.good_keras import Sizes
from hostile.good_tensorflow import Kind
from support import builders
from support.pytorch_builders import Name, New, lstm, state_dict, write_archive, write_legacy, write_safetensors

LAYER = "encoder/l0"
Change = Callable[[dict[str, Any]], Any]
"""Makes the value to be saved of a state dict."""


def arrays(size: Sizes) -> dict[str, np.ndarray]:
    """Return the arrays of the model by their names in PyTorch."""
    return {
        **lstm(*size, prefix="encoder."),
        "head.weight": builders.numbers(2, size.m),
        "head.bias": builders.numbers(2),
    }


def _unchanged(made: dict[str, Any]) -> Any:
    return made


def archive(
    directory: Path,
    size: Sizes,
    *,
    change: Change = _unchanged,
    stored: Mapping[str, bytes] | None = None,
    **options: Any,
) -> Path:
    """Write the zip archive of `torch.save`, with the storages `stored` in place of those of the same names."""
    made, storages = state_dict(arrays(size))
    return write_archive(directory / "model.pt", change(dict(made)), {**storages, **(stored or {})}, **options)


def legacy(directory: Path, size: Sizes, *, change: Change = _unchanged, added: int = 0) -> Path:
    """Write the five pickles of old releases; each storage says that it has `added` more elements."""
    made, storages = state_dict(arrays(size))
    counted = {key: (len(data) // 4 + added, data) for key, data in storages.items()}
    return write_legacy(directory / "model.pth", change(dict(made)), counted)


def module(directory: Path, size: Sizes) -> Path:
    """Write a whole module."""
    made, storages = state_dict(arrays(size))
    parts = {
        part: {name.partition(".")[2]: one for name, one in made.items() if name.startswith(part)}
        for part in ("encoder", "head")
    }
    kinds = {"encoder": Name("torch.nn.modules.rnn", "LSTM"), "head": Name("torch.nn.modules.linear", "Linear")}
    modules = {
        part: New(kinds[part], {"_parameters": held, "_buffers": {}, "_modules": {}}) for part, held in parts.items()
    }
    net = New(Name("__main__", "Net"), {"_parameters": {}, "_buffers": {}, "_modules": modules})
    return write_archive(directory / "module.pt", net, storages)


def safetensors(directory: Path, size: Sizes) -> Path:
    """Write a safetensors file."""
    return write_safetensors(directory / "model.safetensors", arrays(size), metadata={"format": "pt"})


ARCHIVE = Kind("pytorch zip", archive, LAYER, ("model.pt",))
LEGACY = Kind("pytorch pickles", legacy, LAYER, ("model.pth",))
MODULE = Kind("pytorch module", module, LAYER, ("module.pt",))
SAFETENSORS = Kind("safetensors", safetensors, LAYER, ("model.safetensors",))
KINDS = (ARCHIVE, LEGACY, MODULE, SAFETENSORS)
