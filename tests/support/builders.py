"""Builders of tiny model files, written with h5py as the releases of Keras do. Sizes: d inputs, m units."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Arrays = dict[str, np.ndarray]
Numbered = list[np.ndarray] | dict[Any, np.ndarray]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Return random float32 values, which differ for different seeds or shapes."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def gates(d: int, m: int, seed: int = 0) -> Arrays:
    """Return the twelve arrays of an LSTM by gate: W_i (d, m), U_i (m, m), b_i (m,), and likewise for f, c, o."""
    made = {}
    for k, gate in enumerate("ifco"):
        made[f"W_{gate}"] = numbers(d, m, seed=seed * 100 + k)
        made[f"U_{gate}"] = numbers(m, m, seed=seed * 100 + 10 + k)
        made[f"b_{gate}"] = numbers(m, seed=seed * 100 + 20 + k)
    return made


def fused(made: Arrays, order: str = "ifco") -> Arrays:
    """Return the arrays of `gates` fused as Keras 2 and 3 store them."""
    return {
        "kernel": np.concatenate([made[f"W_{gate}"] for gate in order], axis=1),
        "recurrent_kernel": np.concatenate([made[f"U_{gate}"] for gate in order], axis=1),
        "bias": np.concatenate([made[f"b_{gate}"] for gate in order]),
    }


def keras_2_weights(
    scope: str, d: int = 3, m: int = 4, seed: int = 0, suffix: str = ":0"
) -> list[tuple[str, np.ndarray]]:
    """Return the weights of an LSTM as Keras 2 names them below `scope`."""
    return [(f"{scope}/{leaf}{suffix}", values) for leaf, values in fused(gates(d, m, seed)).items()]


def keras_1_weights(
    layer: str, d: int = 3, m: int = 4, seed: int = 0, suffix: str = ":0"
) -> list[tuple[str, np.ndarray]]:
    """Return the weights of an LSTM as Keras 1 names them: twelve arrays in the order i, c, f, o."""
    made = gates(d, m, seed)
    return [(f"{layer}_{a}_{g}{suffix}", made[f"{a}_{g}"]) for g in "icfo" for a in "WUb"]


def write(
    path: Path,
    layers: dict[str, list[tuple[str, np.ndarray]]],
    *,
    version: str | None = "2.2.4",
    backend: str | None = "tensorflow",
    config: Any = None,
    **dataset_options: Any,
) -> Path:
    """Write a Keras file of `layers`, each with its weights in order; with `config`, a whole model."""
    with h5py.File(path, "w") as file:
        root = file if config is None else file.create_group("model_weights")
        if config is not None:
            file.attrs["model_config"] = config if isinstance(config, str) else json.dumps(config)
        for holder in {file, root}:
            if version is not None:
                holder.attrs["keras_version"] = version
            if backend is not None:
                holder.attrs["backend"] = backend
        root.attrs["layer_names"] = np.array([name.encode() for name in layers])
        for name, weights in layers.items():
            group = root.create_group(name)
            names = [weight.encode() for weight, _ in weights]
            group.attrs["weight_names"] = np.array(names) if names else np.zeros(0)
            for weight, values in weights:
                group.create_dataset(weight, data=values, **dataset_options)
    return path


def write_keras_0(path: Path, groups: list[list[np.ndarray]], *, graph: bool = False) -> Path:
    """Write a Keras 0.x file: `layer_k/param_n`, or with `graph` one list of arrays, as for Graph models."""
    with h5py.File(path, "w") as file:
        if not graph:
            file.attrs["nb_layers"] = len(groups)
        for k, arrays in enumerate(groups):
            group = file.create_group("graph" if graph else f"layer_{k}")
            group.attrs["nb_params"] = len(arrays)
            for n, values in enumerate(arrays):
                group.create_dataset(f"param_{n}", data=values)
    return path


def keras_0_lstm(d: int = 3, m: int = 4, seed: int = 0) -> list[np.ndarray]:
    """Return the arrays of an LSTM in the order in which Keras 0.x stores them."""
    made = gates(d, m, seed)
    return [made[f"{a}_{g}"] for g in "icfo" for a in "WUb"]


def lstm_config(name: str, units: int = 4, kind: str = "LSTM", **settings: Any) -> dict[str, Any]:
    """Return the configuration of an LSTM layer as Keras 2 writes it."""
    return {
        "class_name": kind,
        "config": {"name": name, "units": units, "use_bias": True, "recurrent_activation": "sigmoid", **settings},
    }


def sequential(*layers: dict[str, Any], name: str = "sequential") -> dict[str, Any]:
    """Return the configuration of a Sequential model as Keras writes it since 2.2.3."""
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers)}}


def dense(name: str, rows: int = 4, columns: int = 1) -> list[tuple[str, np.ndarray]]:
    """Return the weights of a Dense layer as Keras 2 names them."""
    return [(f"{name}/kernel:0", numbers(rows, columns)), (f"{name}/bias:0", numbers(columns))]


def one_lstm(path: Path, **options: Any) -> Path:
    """Write a Keras 2 model with an LSTM, `lstm_1`, of 4 units on 3 inputs, and a Dense layer: 128 + 5 parameters."""
    config = sequential(lstm_config("lstm_1"), {"class_name": "Dense", "config": {"name": "dense_1", "units": 1}})
    return write(path, {"lstm_1": keras_2_weights("lstm_1"), "dense_1": dense("dense_1")}, config=config, **options)


def change(path: Path, how: Any) -> Path:
    """Call `how` on the open file at `path`, and return `path`."""
    with h5py.File(path, "r+") as file:
        how(file)
    return path


def cell(d: int = 3, m: int = 4, seed: int = 0) -> list[np.ndarray]:
    """Return the arrays of an LSTM cell in the order in which Keras 2.12 and later number them."""
    return list(fused(gates(d, m, seed)).values())


def saved(path: Path | io.BytesIO, groups: dict[str, Numbered], names: dict[str, str] | None = None) -> Any:
    """Write a `.weights.h5` with the arrays of `groups` under `vars`; `names` go into attributes, as since Keras 3.6."""
    with h5py.File(path, "w") as file:
        for group, arrays in groups.items():
            holder = file.create_group(f"{group}/vars" if group else "vars")
            for number, values in arrays.items() if isinstance(arrays, dict) else enumerate(arrays):
                holder[str(number)] = values
        for group, name in (names or {}).items():
            file.require_group(f"{group}/vars" if group else "vars").attrs["name"] = name
    return path


def saved_bytes(groups: dict[str, Numbered], names: dict[str, str] | None = None) -> bytes:
    """Return a `.weights.h5` as bytes."""
    return bytes(saved(io.BytesIO(), groups, names).getvalue())


def members(config: Any, weights: bytes, version: str | None = "3.9.0") -> dict[str, bytes]:
    """Return the files that make up a `.keras` model."""
    made = {
        "config.json": config if isinstance(config, bytes) else json.dumps(config).encode(),
        "model.weights.h5": weights,
    }
    return made if version is None else {"metadata.json": json.dumps({"keras_version": version}).encode()} | made


def zipped(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """Write a zip archive of `files`."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def keras_zip(
    path: Path,
    config: Any,
    groups: dict[str, Numbered],
    names: dict[str, str] | None = None,
    version: str | None = "3.9.0",
) -> Path:
    """Write a `.keras` model with the arrays of `groups`."""
    return zipped(path, members(config, saved_bytes(groups, names), version))
