"""Keras models of any size, written with h5py. Sizes: d inputs, m units."""

from __future__ import annotations

import math
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from benchmarks.sparse import SparseFile
from support import builders

LAYER = "lstm_1"
_BLOCK = 1 << 22
Shapes = Mapping[str, tuple[int, ...]]


def units(size: int) -> int:
    """Return m such that the float32 arrays of an LSTM of m units on m inputs take about `size` bytes: 4·(2m)·m·4."""
    return round(math.sqrt(size / 32))


def shapes(d: int, m: int) -> Shapes:
    """Return the shapes of an LSTM's arrays, as Keras 2 and later store them."""
    return {"kernel": (d, 4 * m), "recurrent_kernel": (m, 4 * m), "bias": (4 * m,)}


def many_numbers(shape: tuple[int, ...]) -> np.ndarray:
    """Return random numbers that repeat after 16 MiB, so that they are made quickly."""
    return np.resize(builders.numbers(min(_BLOCK, int(np.prod(shape)))), shape)


def weights(d: int, m: int, bias: int = 4) -> dict[str, np.ndarray]:
    """Return the arrays of an LSTM, or with a `bias` of 8 those of a CuDNNLSTM."""
    made = {leaf: many_numbers(shape) for leaf, shape in shapes(d, m).items()}
    return made | {"bias": many_numbers((bias * m,))}


def config(d: int, m: int, layers: int = 1, kind: str = "LSTM") -> dict[str, Any]:
    """Return a configuration of LSTM layers that Keras 3 can make a model from."""
    first = {"class_name": "InputLayer", "config": {"batch_shape": [None, None, d], "name": "input"}}
    made = [builders.lstm_config(f"lstm_{k}", m, kind, return_sequences=k < layers) for k in range(1, layers + 1)]
    stack = [{"module": "keras.layers", **layer} for layer in (first, *made)]
    return {"module": "keras", **builders.sequential(*stack), "build_config": {"input_shape": [None, None, d]}}


def write_h5(path: Path, d: int, m: int, kind: str = "LSTM", **dataset_options: Any) -> Path:
    """Write a model file of one layer."""
    arrays = weights(d, m, 8 if kind == "CuDNNLSTM" else 4)
    named = [(f"{LAYER}/{leaf}:0", values) for leaf, values in arrays.items()]
    return builders.write(path, {LAYER: named}, config=config(d, m, kind=kind), **dataset_options)


def write_sparse_h5(path: Path, d: int, m: int, layers: int = 1) -> Path:
    """Write the same as a sparse file of zeros, with several layers."""
    layer_names = [f"lstm_{k}" for k in range(1, layers + 1)]
    builders.write(path, {layer: [] for layer in layer_names}, config=config(d, m, layers))
    with h5py.File(path, "r+") as file:
        for layer in layer_names:
            names = [f"{layer}/{leaf}:0" for leaf in shapes(d, m)]
            group = file[f"model_weights/{layer}"]
            group.attrs["weight_names"] = np.array([name.encode() for name in names])
            for name, shape in zip(names, shapes(d, m).values(), strict=True):
                _allocate(group, name, shape)
    return path


def _allocate(group: h5py.Group, name: str, shape: tuple[int, ...]) -> None:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    group.create_dataset(name, shape, "<f4", dcpl=plan)


def write_layers_h5(path: Path, layers: int) -> Path:
    """Write a model file of many small layers."""
    named = {f"lstm_{k}": builders.keras_2_weights(f"lstm_{k}") for k in range(1, layers + 1)}
    return builders.write(path, named, config=config(3, 4, layers))


def write_weights(path: Path, layers: int) -> Path:
    """Write a `.weights.h5` of many small layers."""
    builders.saved(path, _groups(layers), {group: f"lstm_{k + 1}" for k, group in enumerate(_groups(layers))})
    return path


def write_layers_keras(path: Path, layers: int) -> Path:
    """Write a `.keras` archive of many small layers."""
    return builders.keras_zip(path, config(3, 4, layers), _groups(layers))


def _groups(layers: int) -> dict[str, Any]:
    return {_group(k): builders.cell() for k in range(layers)}


def _group(number: int) -> str:
    return f"layers/lstm_{number}/cell" if number else "layers/lstm/cell"


def write_keras(path: Path, d: int, m: int, compression: int = zipfile.ZIP_STORED) -> Path:
    """Write a `.keras` archive of one layer."""
    inner = path.with_suffix(".inner")
    builders.saved(inner, {"layers/lstm/cell": list(weights(d, m).values())})
    return _archive(path, inner, config(d, m), compression)


def write_fading_keras(path: Path, d: int, m: int) -> Path:
    """Write a `.keras` archive of one layer that forgets its input, as trained ones do, and neither at once nor never."""
    draw = np.random.default_rng(m)
    kernel = draw.standard_normal((d, 4 * m)) / math.sqrt(d)
    recurrent = 0.8 * draw.standard_normal((m, 4 * m)) / math.sqrt(m)
    bias = np.repeat([0, 1, 0, 0], m)  # that of the forget gate, as in Keras
    inner = path.with_suffix(".inner")
    builders.saved(inner, {"layers/lstm/cell": [values.astype(np.float32) for values in (kernel, recurrent, bias)]})
    return _archive(path, inner, config(d, m), zipfile.ZIP_STORED)


def write_sparse_keras(path: Path, d: int, m: int, layers: int = 1) -> Path:
    """Write the same as a sparse file of zeros, with several layers."""
    inner = path.with_suffix(".inner")
    with h5py.File(inner, "w") as file:
        for k in range(layers):
            group = file.create_group(f"{_group(k)}/vars")
            for number, shape in enumerate(shapes(d, m).values()):
                _allocate(group, str(number), shape)
    return _archive(path, inner, config(d, m, layers), zipfile.ZIP_STORED)


def _archive(path: Path, inner: Path, made: dict[str, Any], compression: int) -> Path:
    with SparseFile(path) as file, zipfile.ZipFile(file, "w", compression, compresslevel=1) as archive:
        for name, content in builders.members(made, b"").items():
            if content:
                archive.writestr(name, content)
        with inner.open("rb") as source, archive.open("model.weights.h5", "w", force_zip64=True) as member:
            shutil.copyfileobj(source, member, 1 << 20)
    inner.unlink()
    return path
