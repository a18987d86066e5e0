"""Weights alone as Keras saves them since 2.12: `.weights.h5`, or `.weights.json` with several such files beside it."""

from __future__ import annotations

import re

from lstmdump.errors import UnknownFormat
from lstmdump.model.limits import Limits
from lstmdump.model.location import Location
from lstmdump.model.tree import NO_CLASSES, Model, Weight, grow
from lstmdump.readers.detect import Format
from lstmdump.readers.hdf5.file import HDF5File
from lstmdump.readers.keras.architecture import placement
from lstmdump.readers.keras.architecture.config import ConfigLayer
from lstmdump.readers.keras.weights_h5 import groups as weight_groups
from lstmdump.readers.keras.weights_h5 import shards
from lstmdump.readers.keras.weights_h5 import walk as weights_walk
from lstmdump.readers.keras.weights_h5.container import Directory, Files
from lstmdump.readers.keras.weights_h5.groups import Stored

_SHARD = re.compile(r"(?P<model>.+)_\d{5}\.weights\.h5", re.DOTALL)
_NO_LAYERS = "found by shape: the configuration lists no layers"
_NO_NAMES = "named after the groups in the file, which keeps no names of layers"
_OPAQUE = "numbers of two bytes and of no known type are taken for bfloat16"
_LONE_SHARD = "the file is called like one of several that hold a model's weights: layers and arrays may be missing"


def read(location: Location, file: HDF5File) -> Model:
    """The model whose weights, and nothing else, are in FILE, which is open at LOCATION.

    Raises:
        UnknownFormat: it is one of several files, and the one that lists them lies beside it.
    """
    notes = []
    if (part := _SHARD.fullmatch(location.name)) is not None:
        index = location.sibling(f"{part['model']}.weights.json")
        if index.is_file():
            raise UnknownFormat(
                f"one of several files that hold a model's weights; name {index.name}, which lists them"
            )
        notes.append(_LONE_SHARD)
    own = file.group("vars")
    marked = own is not None and own.text("name") is not None  # since Keras 3.6; Keras 2 marks no bfloat16, either
    root = weight_groups.read([file], opaque_is_bfloat16=not marked)
    if not marked and any(tensor.dtype == "bfloat16" for stored in root.walk() for tensor in stored.arrays.values()):
        notes.append(_OPAQUE)
    model = assemble(
        root, None, format_word=Format.KERAS_WEIGHTS.value, producer=_producer(root), limits=location.limits
    )
    model.notes, model.release = (*notes, *model.notes), file.close
    return model


def read_index(location: Location) -> Model:
    """The model whose weights are spread over the files that the JSON file at LOCATION lists.

    Raises:
        CorruptModel: the JSON lists no files, or one that is not there, or not all.
        RefusedModel: it leads out of its directory.
    """
    files = Directory(location.parent)
    try:
        root = shards.read(files, location.name)
        producer = _producer(root, spread=True)
        model = assemble(root, None, format_word=Format.KERAS_WEIGHTS.value, producer=producer, limits=location.limits)
    except BaseException:
        files.close()
        raise
    model.release = files.close
    return model


def assemble(
    root: Stored,
    architecture: ConfigLayer | None,
    *,
    format_word: str,
    producer: str,
    limits: Limits,
    files: Files | None = None,
) -> Model:
    """The model whose arrays are below ROOT, its layers called as in ARCHITECTURE if it has one.

    FILES are verified before the first numbers are read.

    Raises:
        CorruptModel: an array is missing, or the architecture and the arrays disagree.
    """
    weight_groups.insist_on_all(root)
    has_names = any(stored.name is not None for stored in root.walk())
    is_keras_2 = re.match(r"keras 2\b", producer) is not None or "_layer_checkpoint_dependencies" in root.children
    places = weights_walk.places(root, architecture, is_keras_2=is_keras_2, has_names=has_names)
    weights = [
        Weight(place.path, leaf, tensor if files is None else tensor.guarded(files.verify))
        for place in places
        for leaf, tensor in place.arrays.items()
    ]
    notes = []
    if architecture is None or not architecture.children:
        notes.append(NO_CLASSES if architecture is None else _NO_LAYERS)
        notes.extend([] if has_names else [_NO_NAMES])
    tree = grow(weights, weights_walk.kinds(places), placement.settings(places), limits)
    sources = placement.sources(architecture, placement.described(places), tree)
    return Model(format_word, producer, tree, notes=tuple(notes), sources=sources)


def _producer(root: Stored, *, spread: bool = False) -> str:
    """Who wrote the file, as far as its layout says; it holds no version."""
    if spread:
        return "keras 3.10 or later"
    if any(stored.name is not None for stored in root.walk()):
        return "keras 3.6 or later"
    if "_layer_checkpoint_dependencies" in root.children:
        return "keras 2.12 to 2.14"
    return "keras 2.12 or later"
