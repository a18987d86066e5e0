"""Wrong object graphs in checkpoints and SavedModels, and damaged SavedModels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from hostile import good_keras, hdf5_lies, json_lies
from hostile.cases import Must, Scene
from hostile.good_keras import Sizes
from hostile.good_tensorflow import (
    CHECKPOINT,
    EXPORTED,
    SAVED_MODEL,
    objects,
)
from hostile.lie_lists import Lies, Write
from support import builders
from support import tensorflow_builders as tensorflow
from support.tensorflow_builders import Object, Variable, counted, integer, varint

LIES = Lies()


# --- objects


def _of_objects(called: str, must: Must, change: Callable[[Object, Sizes, Scene], object]) -> None:
    """Add a lie for a checkpoint and for a SavedModel."""

    def checkpoint(scene: Scene, size: Sizes) -> Path:
        root = objects(size)
        change(root, size, scene)
        return tensorflow.write_checkpoint(scene.directory / "model", root)

    def saved(scene: Scene, size: Sizes) -> Path:
        root = objects(size)
        change(root, size, scene)
        return tensorflow.write_saved_model(scene.directory / "model", root)

    LIES.add(CHECKPOINT, called, must, checkpoint)
    LIES.add(SAVED_MODEL, called, must, saved)


def _deep(root: Object, _: Sizes, scene: Scene) -> None:
    here = root
    for _ in range(scene.random.choice([90, 300, 3000])):
        here.children["layer"] = here = Object()
    here.children["kernel"] = Variable("deep/kernel", builders.numbers(2, 2))


def _wide(root: Object, _: Sizes, __: Scene) -> None:
    one = root.children["layer-0"]
    root.children |= {f"layer-{number}": one for number in range(2, 3000)}


def _many_ways(root: Object, _: Sizes, __: Scene) -> None:
    here = root
    for _ in range(40):  # two edges each: 2**40 paths to the end
        inner = Object()
        here.children |= {"one": inner, "other": inner}
        here = inner
    here.children["kernel"] = Variable("end/kernel", builders.numbers(2, 2))


def _looping(root: Object, _: Sizes, __: Scene) -> None:
    layer = root.children["layer-0"]
    assert isinstance(layer, Object)
    layer.children |= {"self": layer, "cells": root, "layer": root}
    root.children["model"] = root


def _strangely_named(root: Object, _: Sizes, scene: Scene) -> None:
    root.children[hdf5_lies.strange_name(scene)] = root.children.pop("layer-0")


def _strangely_called(root: Object, size: Sizes, scene: Scene) -> None:
    name = hdf5_lies.strange_name(scene)
    root.children["layer-0"] = tensorflow.layer(f"{name}/lstm_cell", *size)


def _slotted(root: Object, _: Sizes, __: Scene) -> None:
    layer = root.children["layer-0"]
    kernel = layer.children["cell"].children["kernel"]
    root.children["optimizer"] = Object(slots=[(kernel, "m", kernel)])


_of_objects("objects are nested without end", Must.EITHER, _deep)
_of_objects("one layer in thousands of places", Must.EITHER, _wide)
_of_objects("more paths than can be visited", Must.EITHER, _many_ways)
_of_objects("objects within themselves", Must.EITHER, _looping)
_of_objects("edge with a strange name", Must.EITHER, _strangely_named)
_of_objects("variable with a strange name", Must.EITHER, _strangely_called)
_of_objects("weights that are slots", Must.EITHER, _slotted)


def _of_graph_bytes(called: str, must: Must, data: Callable[[Scene], bytes]) -> None:
    """Add a lie in the bytes of an object graph."""

    def checkpoint(scene: Scene, size: Sizes) -> Path:
        root = objects(size)
        known = tensorflow.numbered(root)
        tensors: dict[str, Any] = {
            known[one][1] + tensorflow.ENDING: one.values for one in known if isinstance(one, Variable)
        }
        return tensorflow.write_bundle(
            scene.directory / "model", tensors | {"_CHECKPOINTABLE_OBJECT_GRAPH": data(scene)}
        )

    def saved(scene: Scene, size: Sizes) -> Path:
        path = SAVED_MODEL.write(scene.directory, size)
        (path / "saved_model.pb").write_bytes(tensorflow.saved_model(objects=data(scene)))
        return path

    LIES.add(CHECKPOINT, called, must, checkpoint)
    LIES.add(SAVED_MODEL, called, must, saved)


_of_graph_bytes("graph is empty", Must.REFUSED, lambda _: counted(2, b""))
_of_graph_bytes("graph is garbage", Must.EITHER, lambda scene: scene.random.randbytes(300))
_of_graph_bytes(
    "edges point outside the graph",
    Must.REFUSED,
    lambda scene: counted(1, counted(1, integer(1, scene.random.choice([1, 99, 1 << 31, 1 << 63])) + counted(2, "x"))),
)
_of_graph_bytes("a hundred thousand objects", Must.EITHER, lambda _: counted(1, b"") * 100_000)
_of_graph_bytes(
    "an object with edges without end",
    Must.EITHER,
    lambda _: counted(1, counted(1, integer(1, 0) + counted(2, "x")) * 50_000),
)


# --- SavedModels


def _of_saved_model(called: str, must: Must, data: Callable[[Random, bytes], bytes]) -> None:
    def write(scene: Scene, size: Sizes) -> Path:
        path = SAVED_MODEL.write(scene.directory, size)
        file = path / "saved_model.pb"
        file.write_bytes(data(scene.random, file.read_bytes()))
        return path

    LIES.add(SAVED_MODEL, called, must, write)


def _nested(random: Random, data: bytes) -> bytes:
    deep = b""
    for _ in range(random.choice([200, 5000])):
        deep = counted(random.choice([1, 2, 7]), deep)
    return data + counted(2, deep)


_of_saved_model("it is empty", Must.REFUSED, lambda _, __: b"")
_of_saved_model("it has no graph", Must.REFUSED, lambda _, __: integer(1, 1))
_of_saved_model("it is garbage", Must.REFUSED, lambda random, _: random.randbytes(500))
_of_saved_model("it is cut short", Must.REFUSED, lambda random, data: data[: random.randrange(1, len(data))])
_of_saved_model("it is nested without end", Must.EITHER, _nested)
_of_saved_model("a hundred thousand graphs", Must.EITHER, lambda _, data: data + counted(2, b"") * 100_000)
_of_saved_model(
    "a field longer than the file",
    Must.REFUSED,
    lambda random, data: data + b"\x12" + varint(random.choice([1, 1 << 31, 1 << 62])),
)
_of_saved_model("a number without end", Must.REFUSED, lambda _, data: data + b"\x08" + b"\xff" * 50)
_of_saved_model(
    "it is a group", Must.REFUSED, lambda random, data: data + bytes([random.choice([0x0B, 0x0C, 0x0E, 0x0F])])
)


def _with_metadata(change: json_lies.Change) -> Write:
    """Add a SavedModel with changed Keras metadata of the objects."""
    good = {"class_name": "LSTM", "name": "lstm_1", "config": {"name": "lstm_1", "units": 4}}

    def write(scene: Scene, size: Sizes) -> Path:
        path = SAVED_MODEL.write(scene.directory, size)
        metadata = integer(2, scene.random.choice([0, 1, 1, 1, 3, 99])) + counted(5, change(good, scene.random))
        (path / "keras_metadata.pb").write_bytes(counted(1, metadata))
        return path

    return write


for _called, _change in json_lies.lies().items():
    LIES.add(SAVED_MODEL, f"metadata is {_called}", Must.EITHER, _with_metadata(_change))


def _with_architecture(change: json_lies.Change) -> Write:
    """Add an exported model with a changed Keras configuration."""

    def write(scene: Scene, size: Sizes) -> Path:
        path = EXPORTED.write(scene.directory, size)
        (path / "assets" / "saved_model.json").write_bytes(change(good_keras.config(size), scene.random))
        return path

    return write


for _called, _change in json_lies.lies().items():
    LIES.add(EXPORTED, f"architecture is {_called}", Must.EITHER, _with_architecture(_change))
