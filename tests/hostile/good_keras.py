"""Good Keras models of one LSTM and a Dense layer, in every layout of HDF5, for hostile files to be made of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from hostile.cases import Gates
from support import builders

NAME = "lstm_1"
_LEAVES = ("kernel", "recurrent_kernel", "bias")


class Sizes(NamedTuple):
    """The sizes of an LSTM, `d` inputs and `m` units, and the `seed` of the numbers."""

    d: int
    m: int
    seed: int


class Layout(NamedTuple):
    """The layout in which a release of Keras stores a model.

    Attributes:
        write: Writes the HDF5 file.
        arrays: The paths of the LSTM's arrays in the HDF5 file.
        package: Makes the model from the HDF5 file, in a directory; usually the model is the file itself.
        layer: The name of the LSTM layer.
        states_classes: Whether the model states the layer classes, so that an LSTM without its arrays is an error.
    """

    name: str
    write: Callable[[Path, Sizes], Path]
    arrays: Sequence[str]
    package: Callable[[Path, Path, Sizes], Path]
    layer: str = NAME
    states_classes: bool = True


def sizes(random: Random) -> Sizes:
    """Draw sizes."""
    return Sizes(random.randint(2, 5), random.randint(2, 5), random.randint(1, 10_000))


def gates(size: Sizes, layer: str = NAME) -> Gates:
    """Return the arrays that `export` must write for an LSTM of this `size`."""
    return {f"{layer}/{key}": values for key, values in builders.gates(*size).items()}


def config(size: Sizes, layer: str = NAME) -> dict[str, Any]:
    """Return the configuration of the model."""
    dense = {"class_name": "Dense", "config": {"name": "dense_1", "units": 1, "use_bias": True}}
    return builders.sequential(builders.lstm_config(layer, size.m), dense)


def _keras_1(path: Path, size: Sizes) -> Path:
    weights = {NAME: builders.keras_1_weights(NAME, *size), "dense_1": _dense(size, ("_W:0", "_b:0"))}
    return builders.write(path, weights, version="1.2.2", config=config(size))


def _keras_2(path: Path, size: Sizes) -> Path:
    weights = {NAME: builders.keras_2_weights(NAME, *size), "dense_1": _dense(size, ("/kernel:0", "/bias:0"))}
    return builders.write(path, weights, config=config(size))


def _keras_3(path: Path, size: Sizes) -> Path:
    weights = {NAME: builders.keras_2_weights(f"{NAME}/lstm_cell", *size, suffix=""),
               "dense_1": _dense(size, ("/kernel", "/bias"))}  # fmt: skip
    return builders.write(path, weights, version="3.9.0", config=config(size))


def _dense(size: Sizes, endings: tuple[str, str]) -> list[tuple[str, Any]]:
    kernel, bias = endings
    return [(f"dense_1{kernel}", builders.numbers(size.m, 1)), (f"dense_1{bias}", builders.numbers(1))]


def _keras_0(path: Path, size: Sizes) -> Path:
    return builders.write_keras_0(
        path, [builders.keras_0_lstm(*size), [builders.numbers(size.m, 1), builders.numbers(1)]]
    )


def _numbered(path: Path, size: Sizes) -> Path:
    groups = {"": [], f"layers/{NAME}/cell": builders.cell(*size), f"layers/{NAME}": [],
              "layers/dense_1": [builders.numbers(size.m, 1), builders.numbers(1)]}  # fmt: skip
    names = {"": "sequential", f"layers/{NAME}": NAME, f"layers/{NAME}/cell": "lstm_cell", "layers/dense_1": "dense_1"}
    path.unlink(missing_ok=True)
    builders.saved(path, groups, names)
    return path


def _as_it_is(file: Path, directory: Path, _: Sizes) -> Path:
    return file.rename(directory / "model.h5")


def _zipped(file: Path, directory: Path, size: Sizes) -> Path:
    return builders.zipped(directory / "model.keras", builders.members(config(size), file.read_bytes()))


def _unzipped(file: Path, directory: Path, size: Sizes) -> Path:
    model = directory / "model"
    model.mkdir()
    for name, content in builders.members(config(size), b"").items():
        (model / name).write_bytes(content)
    shutil.move(file, model / "model.weights.h5")
    return model


def _in_shards(file: Path, directory: Path, _: Sizes) -> Path:
    shutil.move(file, directory / "model_00000.weights.h5")
    entries = {"/": [], f"/layers/{NAME}/cell/vars": ["model_00000.weights.h5"]}
    return write_index(directory / "model.weights.json", entries)


def write_index(path: Path, entries: Any) -> Path:
    """Write the index of the shards."""
    path.write_text(json.dumps({"metadata": {"total_size": 0}, "weight_map": entries}), "utf-8")
    return path


_BY_GATE = [f"_{a}_{g}:0" for g in "icfo" for a in "WUb"]
_CELL = [f"layers/{NAME}/cell/vars/{k}" for k in range(3)]

LAYOUTS: Sequence[Layout] = (
    Layout("keras 0", _keras_0, [f"layer_0/param_{k}" for k in range(12)], _as_it_is, layer="layer_0", states_classes=False),
    Layout("keras 1", _keras_1, [f"model_weights/{NAME}/{NAME}{end}" for end in _BY_GATE], _as_it_is),
    Layout("keras 2", _keras_2, [f"model_weights/{NAME}/{NAME}/{leaf}:0" for leaf in _LEAVES], _as_it_is),
    Layout("keras 3", _keras_3, [f"model_weights/{NAME}/{NAME}/lstm_cell/{leaf}" for leaf in _LEAVES], _as_it_is),
    Layout("weights", _numbered, _CELL, _as_it_is, states_classes=False),
    Layout("keras zip", _numbered, _CELL, _zipped),
    Layout("keras directory", _numbered, _CELL, _unzipped),
    Layout("shards", _numbered, _CELL, _in_shards, states_classes=False),
)  # fmt: skip


def make(layout: Layout, directory: Path, size: Sizes, spoil: Callable[[Path], object] = lambda _: None) -> Path:
    """Make a model in `layout` below `directory`, and call `spoil` on the HDF5 file before it is packed."""
    file = layout.write(directory / "being-made.h5", size)
    spoil(file)
    return layout.package(file, directory, size)


def members(size: Sizes) -> dict[str, bytes]:
    """Return the files that make up a `.keras` model."""
    groups = {f"layers/{NAME}/cell": builders.cell(*size),
              "layers/dense_1": [builders.numbers(size.m, 1), builders.numbers(1)]}  # fmt: skip
    return builders.members(
        config(size), builders.saved_bytes(groups, {f"layers/{NAME}": NAME, "layers/dense_1": "dense_1"})
    )
