"""Wrong configurations of Keras models, and missing, linked and damaged files."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hostile import good_keras, json_lies
from hostile.cases import Case, Lie, Must, Scene
from hostile.good_keras import LAYOUTS, NAME, Layout, Sizes
from support import builders

_BY_NAME = {layout.name: layout for layout in LAYOUTS}
_WEIGHTS = "model.weights.h5"


def lies() -> Iterator[Lie]:
    """Return all lies about Keras models."""
    yield from _of_architectures()
    yield from _of_directories()
    yield from _of_shards()


# --- architectures


def _of_architectures() -> Iterator[Lie]:
    for name in ("keras 2", "keras zip", "keras directory"):
        for kind, change in json_lies.lies().items():
            yield Lie(name, f"architecture is {kind}", _with_architecture(_BY_NAME[name], kind, change))
    for file in ("metadata.json", "model.weights.json"):
        for kind, change in json_lies.lies().items():
            yield Lie("keras zip", f"{file.removesuffix('.json')} is {kind}", _with_json(file, kind, change))


def _with_architecture(layout: Layout, kind: str, change: json_lies.Change) -> Callable[[Scene], Case]:
    def make(scene: Scene) -> Case:
        size = good_keras.sizes(scene.random)
        text = change(good_keras.config(size), scene.random)
        case_of = f"architecture is {kind}"
        if layout.name == "keras 2":
            path = good_keras.make(layout, scene.directory, size, lambda file: _put_config(file, text))
        else:
            path = good_keras.make(layout, scene.directory, size)
            _put_member(path, "config.json", text)
        return Case(layout.name, case_of, Must.EITHER, path, good_keras.gates(size))

    return make


def _put_config(path: Path, text: bytes) -> None:
    with h5py.File(path, "r+", libver="latest" if len(text) > 60_000 else None) as file:
        del file.attrs["model_config"]
        file.attrs["model_config"] = (
            h5py.Empty("S1") if not text else np.array(text, f"S{len(text)}") if b"\0" in text else text
        )


def _put_member(path: Path, name: str, content: bytes) -> None:
    if path.is_dir():
        (path / name).write_bytes(content)
        return
    with zipfile.ZipFile(path) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    builders.zipped(
        path, members | {name: content}, zipfile.ZIP_DEFLATED if len(content) > 1 << 20 else zipfile.ZIP_STORED
    )


def _with_json(file: str, kind: str, change: json_lies.Change) -> Callable[[Scene], Case]:
    def make(scene: Scene) -> Case:
        size = good_keras.sizes(scene.random)
        members = good_keras.members(size)
        if file == "metadata.json":
            good: Any = {"keras_version": "3.9.0", "date_saved": "2025-01-01@00:00:00"}
        else:
            members["model_00000.weights.h5"] = members.pop(_WEIGHTS)
            good = {
                "metadata": {"total_size": 0},
                "weight_map": {f"/layers/{NAME}/cell/vars": "model_00000.weights.h5"},
            }
        path = builders.zipped(scene.directory / "model.keras", members | {file: change(good, scene.random)})
        return Case("keras zip", f"{file.removesuffix('.json')} is {kind}", Must.EITHER, path, good_keras.gates(size))

    return make


# --- directories


def _of_directories() -> Iterator[Lie]:
    for name in ("config.json", "metadata.json", _WEIGHTS):
        yield Lie("keras directory", f"{name} is a link to a secret file", _with_link(name))
    yield Lie("keras directory", "weights are a pipe", _with_pipe)
    yield Lie("keras directory", "weights are a directory", _with_directory)
    yield Lie("keras directory", "weights are a link to themselves", _with_loop)


def _directory(scene: Scene) -> tuple[Path, Sizes]:
    size = good_keras.sizes(scene.random)
    return good_keras.make(_BY_NAME["keras directory"], scene.directory, size), size


def _with_link(name: str) -> Callable[[Scene], Case]:
    def make(scene: Scene) -> Case:
        path, size = _directory(scene)
        secret = "secret.weights.h5" if name == _WEIGHTS else "secret.json"
        (path / name).unlink()
        (path / name).symlink_to(
            scene.random.choice([scene.secrets, Path(os.path.relpath(scene.secrets, path))]) / secret
        )
        return Case("keras directory", f"{name} is a link to a secret file", Must.REFUSED, path, good_keras.gates(size))

    return make


def _with_pipe(scene: Scene) -> Case:
    path, size = _directory(scene)
    (path / _WEIGHTS).unlink()
    os.mkfifo(path / _WEIGHTS)
    return Case("keras directory", "weights are a pipe", Must.REFUSED, path, good_keras.gates(size))


def _with_directory(scene: Scene) -> Case:
    path, size = _directory(scene)
    (path / _WEIGHTS).unlink()
    (path / _WEIGHTS).mkdir()
    return Case("keras directory", "weights are a directory", Must.REFUSED, path, good_keras.gates(size))


def _with_loop(scene: Scene) -> Case:
    path, size = _directory(scene)
    (path / _WEIGHTS).unlink()
    (path / _WEIGHTS).symlink_to(_WEIGHTS)
    return Case("keras directory", "weights are a link to themselves", Must.REFUSED, path, good_keras.gates(size))


# --- shards


def _of_shards() -> Iterator[Lie]:
    for kind, (must, entries) in _INDEXES.items():
        yield Lie("shards", kind, _with_index(kind, must, entries))
    for kind, change in json_lies.lies().items():
        yield Lie("shards", f"index is {kind}", _with_index_of_json(kind, change))
    yield Lie("shards", "a shard is a link to a secret file", _with_linked_shard)


Entries = Callable[[Scene], Any]


def _leading_to(*names: str) -> Entries:
    def entries(scene: Scene) -> dict[str, Any]:
        away = os.path.relpath(scene.secrets, scene.directory)
        name = scene.random.choice(names).format(secrets=scene.secrets, away=away)
        return {"/": [], f"/layers/{NAME}/cell/vars": ["model_00000.weights.h5", name]}

    return entries


_INDEXES: dict[str, tuple[Must, Entries]] = {
    "a shard is outside the directory": (Must.REFUSED, _leading_to("{secrets}/secret.weights.h5", "{away}/secret.weights.h5",
                                                     "x/../{away}/secret.weights.h5", "./model_00000.weights.h5")),
    "a shard has a strange name": (Must.REFUSED, _leading_to("..", ".", "", "a\x1b[2J.h5", "con\0", "a\\..\\b", "C:x", "/", "\u202e")),
    "a shard is the index": (Must.REFUSED, _leading_to("model.weights.json")),
    "a shard is missing": (Must.REFUSED, _leading_to("model_00007.weights.h5")),
    "shards are numbers": (Must.REFUSED, lambda _: {f"/layers/{NAME}/cell/vars": [1, None, {}]}),
    "thousands of shards": (Must.REFUSED, lambda _: {str(k): [f"model_{k:05}.weights.h5"] for k in range(20_000)}),
    "no shards": (Must.EITHER, lambda _: {}),
}  # fmt: skip


def _with_index(kind: str, must: Must, entries: Entries) -> Callable[[Scene], Case]:
    def make(scene: Scene) -> Case:
        size = good_keras.sizes(scene.random)
        path = good_keras.make(_BY_NAME["shards"], scene.directory, size)
        good_keras.write_index(path, {"/layers": [], **entries(scene)})
        return Case("shards", kind, must, path, good_keras.gates(size))

    return make


def _with_index_of_json(kind: str, change: json_lies.Change) -> Callable[[Scene], Case]:
    def make(scene: Scene) -> Case:
        size = good_keras.sizes(scene.random)
        path = good_keras.make(_BY_NAME["shards"], scene.directory, size)
        path.write_bytes(change(json.loads(path.read_bytes()), scene.random))
        return Case("shards", f"index is {kind}", Must.EITHER, path, good_keras.gates(size))

    return make


def _with_linked_shard(scene: Scene) -> Case:
    size = good_keras.sizes(scene.random)
    path = good_keras.make(_BY_NAME["shards"], scene.directory, size)
    shard = scene.directory / "model_00000.weights.h5"
    shard.unlink()
    shard.symlink_to(scene.secrets / "secret.weights.h5")
    return Case("shards", "a shard is a link to a secret file", Must.REFUSED, path, good_keras.gates(size))
