"""Models of ONNX with damaged messages, and with damaged files of external data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
from hostile.fuzz.models import examine, written
from hostile.fuzz.target import BYTES, MESSAGE, Parts, Target
from support import large_onnx_graphs as large
from support import onnx_builders as onnx

from lstmdump.model.location import Location
from lstmdump.readers.onnx import reader

_MOST_READ = 6  # arrays
_DATA = "weights.bin"
_LARGEST_SEED = 24_000  # bytes


def _read(parts: Parts) -> None:
    message, data = parts
    with written({"model.onnx": message, _DATA: data}) as directory:
        examine(reader.read(Location(directory / "model.onnx")), most=_MOST_READ)


def _seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    models = Path(__file__).parents[2] / "readers" / "onnx" / "files"
    for path in sorted(file for root in (*roots, models) for file in root.rglob("*.onnx")):
        if path.stat().st_size < _LARGEST_SEED:
            yield [path.read_bytes(), b""]
    made = onnx.arrays(2, 2, 2)
    for options in (
        {"letters": "WRBP", "direction": "bidirectional", "clip": 1.5, "lengths": [2, 1]},
        {"letters": "WR", "direction": "bidirectional", "activations": ["HardSigmoid", "Affine", "Tanh"] * 2,
         "activation_alpha": [0.3, 0.5, 0.2, 0.1], "activation_beta": [0.5, 0.1, 0.5, 0.2]},
    ):  # fmt: skip
        yield [onnx.model(onnx.lstm(made, **options)), b""]
    yield [
        onnx.model(onnx.lstm(made, direction="bidirectional", states=(np.zeros((2, 1, 2)), np.ones((2, 1, 2))))),
        b"",
    ]
    yield from _seeds_of_storage()


def _seeds_of_storage() -> Iterator[Parts]:
    """Yield models whose numbers are in the fields of their types, in another file, or computed."""
    made = onnx.arrays(2, 2)
    for dtype in ("float32", "float16", "float64"):
        stored = [onnx.tensor(letter, made[letter].astype(dtype), listed=True) for letter in "WRB"]
        yield [onnx.model(onnx.Graph([onnx.node("LSTM", ["X", *"WRB"], ["Y"], "rnn")], stored)), b""]
    data = b"".join(made[letter].tobytes() for letter in "WR")
    size = made["W"].nbytes
    beside = [onnx.external("W", made["W"].shape, location=_DATA, offset=0, length=size),
              onnx.external("R", made["R"].shape, location=_DATA, offset=size)]  # fmt: skip
    yield [onnx.model(onnx.Graph([onnx.node("LSTM", ["X", "W", "R"], ["Y"])], beside)), data]


def _read_searched(parts: Parts) -> None:
    """Read a model as large ones are read, by a search for the nodes that matter."""
    with mock.patch.object(reader, "_FEW", 0):
        _read(parts)


def _seeds_of_search(roots: Sequence[Path]) -> Iterator[Parts]:
    yield from _seeds(roots)
    for nodes, shapes in ((large.lstm(), large.LSTM_SHAPES), (large.cell(2), large.CELL_SHAPES)):
        yield [onnx.model(large.graph(4, nodes, shapes, gate="Sigmoid")), b""]
    yield [onnx.model(large.graph(0, large.cell(9), large.CELL_SHAPES)), b""]


TARGETS = (
    Target("onnx", (MESSAGE, BYTES), _read, _seeds),
    Target("onnx-index", (MESSAGE, BYTES), _read_searched, _seeds_of_search),
)
