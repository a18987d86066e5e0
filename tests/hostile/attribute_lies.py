"""Wrong attributes in the HDF5 files of Keras: lists of names, names of layers, versions, counts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from hostile import good_keras, hdf5_lies
from hostile.cases import Case, Lie, Must, Scene, words
from hostile.good_keras import LAYOUTS, NAME, Layout

_LEGACY = ("keras 1", "keras 2", "keras 3")
_NUMBERED = ("weights", "keras zip", "keras directory", "shards")
_KERAS_0 = ("keras 0",)
_TOP = {**dict.fromkeys(_LEGACY, "model_weights"), **dict.fromkeys(_NUMBERED, "layers"), "keras 0": "/"}

Spoil = Callable[[h5py.Group, h5py.Group, Scene], object]
"""A function of the group of all layers, the group of the LSTM, and the scene."""


class _Known(NamedTuple):
    layouts: Sequence[str]
    must: Must
    may_differ: bool
    spoil: Spoil


_LIES: list[_Known] = []


def _attribute(layouts: Sequence[str], must: Must, *, may_differ: bool = False) -> Callable[[Spoil], Spoil]:
    def remember(spoil: Spoil) -> Spoil:
        _LIES.append(_Known(layouts, must, may_differ, spoil))
        return spoil

    return remember


def lies() -> Iterator[Lie]:
    """Return all lies about attributes."""
    for layout in LAYOUTS:
        for known in _LIES:
            if layout.name in known.layouts:
                yield Lie(layout.name, words(known.spoil), _maker(layout, known))


def _maker(layout: Layout, known: _Known) -> Callable[[Scene], Case]:
    def make(scene: Scene) -> Case:
        def spoil(path: Path) -> None:
            with h5py.File(path, "r+") as file:
                top = file[_TOP[layout.name]]
                known.spoil(top, top[layout.layer], scene)

        size = good_keras.sizes(scene.random)
        path = good_keras.make(layout, scene.directory, size, spoil)
        gates = good_keras.gates(size, layout.layer)
        return Case(layout.name, words(known.spoil), known.must, path, gates, known.may_differ)

    return make


# --- lists of names


def _rename(top: h5py.Group, layer: h5py.Group, name: str) -> None:
    """Rename the layer to `name` in the list of layers, the arrays and the architecture."""
    arrays = [text.decode().replace(NAME, name) for text in layer.attrs["weight_names"]]
    values = [layer[text.decode()][()] for text in layer.attrs["weight_names"]]
    del top[NAME]
    group = top.require_group(name)
    for array, value in zip(arrays, values, strict=True):
        group[array] = value
    group.attrs.create("weight_names", arrays, dtype=h5py.string_dtype())
    names = [text.decode().replace(NAME, name) for text in top.attrs["layer_names"]]
    top.attrs.create("layer_names", names, dtype=h5py.string_dtype())
    text = top.file.attrs["model_config"].replace(f'"{NAME}"', json.dumps(name))
    top.file.attrs["model_config"] = text


@_attribute(_LEGACY, Must.EITHER)
def _layer_has_a_strange_name(top: h5py.Group, layer: h5py.Group, scene: Scene) -> None:
    _rename(top, layer, hdf5_lies.strange_name(scene))


@_attribute(_LEGACY, Must.EITHER)
def _layer_is_named_like_a_path(top: h5py.Group, layer: h5py.Group, scene: Scene) -> None:
    away = os.path.relpath(scene.secrets, scene.directory)
    _rename(
        top, layer, scene.random.choice(["a/b", "../../escaped", f"{away}/secret", "/etc/passwd", "a//b", "./a", "/"])
    )


@_attribute(_LEGACY, Must.EITHER)
def _names_of_another_type(top: h5py.Group, layer: h5py.Group, scene: Scene) -> None:
    value = scene.random.choice([7, 1.5, "text", np.zeros(3), np.zeros((2, 2), "S3"), h5py.Empty("f4"),
                                 np.array([b""]), np.array([True]), b"\xff\xfe"])  # fmt: skip
    scene.random.choice([top, layer]).attrs[scene.random.choice(["layer_names", "weight_names"])] = value


@_attribute(_LEGACY, Must.EITHER)
def _names_are_listed_twice(top: h5py.Group, layer: h5py.Group, scene: Scene) -> None:
    group, key = scene.random.choice([(top, "layer_names"), (layer, "weight_names")])
    group.attrs[key] = np.concatenate([group.attrs[key]] * 2)


@_attribute(_LEGACY, Must.EITHER)
def _names_of_missing_layers(top: h5py.Group, layer: h5py.Group, scene: Scene) -> None:
    group, key = scene.random.choice([(top, "layer_names"), (layer, "weight_names")])
    others = [b"no\x1bthing", b"../x", b"a/b/c", b"\xff\xfe", b"/" * 300, b"y" * 3000]
    group.attrs[key] = np.array([*group.attrs[key], scene.random.choice(others)])


@_attribute(_LEGACY, Must.EITHER)
def _names_in_another_order(_: h5py.Group, layer: h5py.Group, scene: Scene) -> None:
    names = list(layer.attrs["weight_names"])
    scene.random.shuffle(names)
    layer.attrs["weight_names"] = np.array(names)


@_attribute(_LEGACY, Must.EITHER, may_differ=True)
def _arrays_have_each_others_names(_: h5py.Group, layer: h5py.Group, scene: Scene) -> None:
    one, other = scene.random.sample([text.decode() for text in layer.attrs["weight_names"]], 2)
    layer.move(one, "meanwhile")
    layer.move(other, one)
    layer.move("meanwhile", other)


@_attribute(_LEGACY, Must.EITHER)
def _layer_is_listed_by_the_path_of_another(top: h5py.Group, _: h5py.Group, scene: Scene) -> None:
    way = scene.random.choice([f"{NAME}/../dense_1", f"./{NAME}", f"{NAME}/{NAME}", f"/{NAME}", f"{NAME}/", ".", ".."])
    top.attrs["layer_names"] = np.array([*top.attrs["layer_names"], way.encode()])


@_attribute(_LEGACY, Must.EITHER)
def _names_in_pieces_that_overlap(_: h5py.Group, layer: h5py.Group, scene: Scene) -> None:
    names = layer.attrs["weight_names"]
    if scene.random.random() < 0.5:
        del layer.attrs["weight_names"]
    layer.attrs["weight_names0"] = names
    layer.attrs["weight_names1"] = names[:1]


@_attribute(_LEGACY, Must.EITHER)
def _thousands_of_pieces_of_names(top: h5py.Group, _: h5py.Group, __: Scene) -> None:
    del top.attrs["layer_names"]
    for number in range(1500):
        top.attrs[f"layer_names{number}"] = np.array([b"dense_1"])


@_attribute(_LEGACY, Must.EITHER)
def _version_is_strange(top: h5py.Group, _: h5py.Group, scene: Scene) -> None:
    values = ["\x1b[31m9", "", "x" * 50_000, "9" * 5000, "-1", "1", "3.x", "[bold]2", 7, np.zeros(3), h5py.Empty("f4")]
    for group in (top, top.file):
        group.attrs[scene.random.choice(["keras_version", "backend"])] = scene.random.choice(values)


# --- names of layers


def _set_name(layer: h5py.Group, name: object) -> None:
    layer.require_group("vars").attrs["name"] = name


@_attribute(_NUMBERED, Must.EITHER)
def _layer_states_a_strange_name(_: h5py.Group, layer: h5py.Group, scene: Scene) -> None:
    _set_name(layer, hdf5_lies.strange_name(scene))


@_attribute(_NUMBERED, Must.EITHER)
def _layer_states_a_path(_: h5py.Group, layer: h5py.Group, scene: Scene) -> None:
    away = os.path.relpath(scene.secrets, scene.directory)
    _set_name(
        layer, scene.random.choice(["a/b", "../../escaped", f"{away}/secret", "/etc/passwd", "a//b", "/", ".", ""])
    )


@_attribute(_NUMBERED, Must.EITHER)
def _layer_states_an_invalid_name(_: h5py.Group, layer: h5py.Group, scene: Scene) -> None:
    _set_name(
        layer,
        scene.random.choice(
            [7, np.zeros(3), h5py.Empty("f4"), np.array([b"a", b"b"]), b"\xff\xfe", np.array(b"\xff" * 9)]
        ),
    )


@_attribute(_NUMBERED, Must.EITHER)
def _two_layers_state_one_name(top: h5py.Group, layer: h5py.Group, scene: Scene) -> None:
    top.copy(layer, "lstm_2")
    _set_name(layer, "x/y")
    if scene.random.random() < 0.5:
        _set_name(top["lstm_2"], "x/y")
        return
    top.move("lstm_2", "x/y")
    _set_name(top["x"], "x")
    _set_name(top["x/y"], "y")


@_attribute(_NUMBERED, Must.EITHER)
def _two_groups_have_one_path(top: h5py.Group, layer: h5py.Group, _: Scene) -> None:
    top.copy(layer, f"{NAME}\\again")
    layer.copy(layer["cell"], "again")


# --- counts


@_attribute(_KERAS_0, Must.EITHER)
def _counts_are_wrong(top: h5py.Group, layer: h5py.Group, scene: Scene) -> None:
    odd = [0, -1, 1, 3, 13, 10**5, 2**31, 2**63 - 1, 1.5, float("nan"), "7", "x" * 50_000, np.zeros(2, "i8"), h5py.Empty("i4"),
           np.bool_(True), b"\xff\x1b"]  # fmt: skip
    scene.random.choice([top, layer]).attrs[scene.random.choice(["nb_layers", "nb_params"])] = scene.random.choice(odd)
