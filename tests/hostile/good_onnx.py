"""A good ONNX model of one LSTM and another array, for hostile files to be made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hostile.good_keras import Sizes
from hostile.good_tensorflow import Kind
from support import builders
from support import onnx_builders as onnx

NODE = "rnn"


def arrays(size: Sizes) -> dict[str, np.ndarray]:
    """Return W, R and B of an LSTM, whose second bias is 0."""
    made = builders.gates(*size)
    join = {letter: np.concatenate([made[f"{letter}_{gate}"].T for gate in "iofc"]) for letter in "WUb"}
    return {"W": join["W"][None], "R": join["U"][None], "B": np.concatenate([join["b"], 0 * join["b"]])[None]}


def graph(size: Sizes, **instead: bytes) -> onnx.Graph:
    """Return the graph, with other tensors `instead` of those of the same names."""
    stored = {name: onnx.tensor(name, values) for name, values in arrays(size).items()}
    stored |= {"dense": onnx.tensor("dense", builders.numbers(size.m, 2)), **instead}
    node = onnx.node("LSTM", ["X", "W", "R", "B"], ["Y"], NODE, hidden_size=size.m)
    return onnx.Graph([node], list(stored.values()), [onnx.value("X", ["steps", "batch", size.d])], [onnx.value("Y")])


def _write(directory: Path, size: Sizes, **options: Any) -> Path:
    return onnx.write(directory / "model.onnx", graph(size), **options)


ONNX = Kind("onnx", _write, NODE, ["model.onnx"])
