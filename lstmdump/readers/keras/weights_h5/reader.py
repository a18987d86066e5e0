"""Weights alone as Keras saves them since 2.12: `.weights.h5`, or `.weights.json` with several shards beside it.

The `weight_map` of `x.weights.json` (Keras 3.10 and later) states which shards `x_00000.weights.h5`, … hold the arrays
of a layer; they may be in several. Keras 3.10 omits a shard from the map if a layer continues in it, and cannot load
such a model itself; `total_size`, in bytes, shows that a shard is missing from the map.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from lstmdump.errors import CorruptModel, ModelPart, RefusedModel, UnreadableModel
from lstmdump.model.limits import Limits
from lstmdump.model.location import Location
from lstmdump.model.tree import FOUND_BY_SHAPE, NO_ARRAYS, NO_CLASSES, Model, Weight, grow
from lstmdump.readers import json_text
from lstmdump.readers.detect import Format, find_index_of_shards
from lstmdump.readers.file_names import is_plain_file_name
from lstmdump.readers.hdf5.file import HDF5File
from lstmdump.readers.keras.architecture.beside import find_architecture
from lstmdump.readers.keras.architecture.config import ConfigLayer
from lstmdump.readers.keras.architecture.placement import (
    PlacedLayer,
    collect_described,
    collect_placed,
    collect_settings,
    describe_network_later,
    find_sources_later,
)
from lstmdump.readers.keras.weights_h5.container import Container, DirectoryContainer
from lstmdump.readers.keras.weights_h5.groups import VariableGroup, read_groups, require_all_arrays
from lstmdump.readers.keras.weights_h5.walk import collect_kinds, place_groups

_SHARD = re.compile(r"(?P<model>.+)_\d{5}\.weights\.h5", re.DOTALL)
_NO_LAYERS = f"{FOUND_BY_SHAPE}the configuration lists no layers"
_NO_NAMES = "layers are named after the groups in the file, which does not store their names"
_OPAQUE = "two-byte numbers of unknown type are read as bfloat16"
_LONE_SHARD = "the file has the name of one shard of several: layers and arrays may be missing"


def read(location: Location, file: HDF5File) -> Model:
    """Return the model whose weights alone are in `file`, opened from `location`.

    Raises:
        ModelPart: The file is one shard of several, and the index that lists them is beside it.
    """
    notes = []
    if (part := _SHARD.fullmatch(location.name)) is not None:
        index = location.sibling(f"{part['model']}.weights.json")
        if index.is_file():
            raise ModelPart(f"one of several files with a model's weights; give {index.name}, which lists them")
        notes.append(_LONE_SHARD)
    own = file.group("vars")
    marked = own is not None and own.text("name") is not None  # since Keras 3.6; Keras 2 does not mark bfloat16 arrays
    root = read_groups([file], opaque_is_bfloat16=not marked)
    if not marked and any(tensor.dtype == "bfloat16" for stored in root.walk() for tensor in stored.arrays.values()):
        notes.append(_OPAQUE)
    producer = _guess_producer(root)
    architecture, about = _find_architecture_beside(location, root, producer)
    return assemble(
        root,
        architecture,
        format_word=Format.KERAS_WEIGHTS.value,
        producer=producer,
        limits=location.limits,
        release=file.close,
        notes=[*notes, *about],
    )


def _find_architecture_beside(
    location: Location, root: VariableGroup, producer: str
) -> tuple[ConfigLayer | None, list[str]]:
    """Return the architecture beside the file if it describes all layers below `root`, and the note on it."""
    beside = find_architecture(location)
    if beside is None:
        return None, []
    try:
        unknown = [place for place in _place(root, beside.layer, producer) if place.leaf is None]
    except CorruptModel as error:
        return None, [beside.note_unused(str(error))]
    if unknown:
        return None, [beside.note_unused(f"it has no layer {'/'.join(unknown[0].path)}")]
    return beside.layer, [beside.note]


def read_index(location: Location) -> Model:
    """Return the model whose weights are in the shards that the JSON file at `location`, or in it, lists.

    Raises:
        CorruptModel: The JSON lists no files, a missing file, or not all of them.
        RefusedModel: The JSON refers to another directory.
    """
    files = DirectoryContainer(location if location.is_dir() else location.parent)
    try:
        root = read_shards(files, _name_index(location))
        return assemble(
            root,
            None,
            format_word=Format.KERAS_WEIGHTS.value,
            producer=_guess_producer(root, spread=True),
            limits=location.limits,
            release=files.close,
        )
    except BaseException:
        files.close()
        raise


def assemble(
    root: VariableGroup,
    architecture: ConfigLayer | None,
    *,
    format_word: str,
    producer: str,
    limits: Limits,
    release: Callable[[], None],
    files: Container | None = None,
    notes: Iterable[str] = (),
) -> Model:
    """Return the model whose arrays are below `root`.

    Args:
        root: the groups of the file, with their arrays.
        architecture: the configuration, which names the layers; None if the file holds none.
        format_word: the word of the key `format` in the JSON output.
        producer: the program that wrote the file, with its version.
        limits: the limits of the model.
        release: closes the file.
        files: the container, which is verified before the first array is read, or after the last one.
        notes: notes on the model, which precede those on its names.

    Raises:
        CorruptModel: An array is missing, or the architecture and the arrays disagree.
    """
    require_all_arrays(root)
    places = _place(root, architecture, producer)
    weights = [
        Weight(place.path, leaf, tensor if files is None else tensor.guarded(files.verify, also_later=True))
        for place in places
        for leaf, tensor in place.arrays.items()
    ]
    all_notes = [*notes, *([] if weights else [NO_ARRAYS])]
    if architecture is None or not architecture.children:
        all_notes.append(NO_CLASSES if architecture is None else _NO_LAYERS)
        all_notes.extend([] if _has_names(root) else [_NO_NAMES])
    tree = grow(weights, collect_kinds(places), collect_settings(places), limits)
    sources = find_sources_later(architecture, collect_described(places), tree)
    network = describe_network_later(architecture, collect_placed(places), tree, producer, limits)
    return Model(format_word, producer, tree, notes=tuple(all_notes), release=release, sources=sources, network=network)


def _place(root: VariableGroup, architecture: ConfigLayer | None, producer: str) -> list[PlacedLayer]:
    is_keras_2 = re.match(r"keras 2\b", producer) is not None or "_layer_checkpoint_dependencies" in root.children
    return place_groups(root, architecture, is_keras_2=is_keras_2, has_names=_has_names(root))


def _has_names(root: VariableGroup) -> bool:
    return any(stored.name is not None for stored in root.walk())


def shard_name(index: str, number: int) -> str:
    """Return the name of the shard with that `number` beside `index`."""
    return f"{index.removesuffix('.json').replace('.weights', '')}_{number:05}.weights.h5"


def read_shards(files: Container, index: str) -> VariableGroup:
    """Read the groups of all shards that a JSON file lists.

    Args:
        files: the container of the shards and of the JSON file.
        index: the name of the JSON file.

    Raises:
        CorruptModel: The JSON lists no files, a missing file, or not all of them.
        RefusedModel: The JSON refers to another directory.
    """
    listed, size = _list_shards(files.text(index), index, files.limits)
    names = [_require_shard(name, files, index) for name in listed]
    opened = {name: files.hdf5(name) for name in names}
    tree = _read_opened(opened)
    if tree.size < size:
        opened |= {name: files.hdf5(name) for name in _find_numbered_shards(files, index) if name not in opened}
        tree = _read_opened(opened)
    if tree.size < size:
        raise CorruptModel(f"{index} states {size} bytes of arrays, but the files beside it hold {tree.size}")
    return tree


def _name_index(location: Location) -> str:
    """Return the name of the JSON file at `location`, or of the only one in this directory."""
    if not location.is_dir():
        return location.name
    found = find_index_of_shards(entry.name for entry, _ in location.entries())
    if found is None:
        raise UnreadableModel("the directory has changed: it no longer holds one .weights.json")
    return found


def _guess_producer(root: VariableGroup, *, spread: bool = False) -> str:
    """Return the producer as far as the layout shows it; the file does not state a version."""
    if spread:
        return "keras 3.10 or later"
    if any(stored.name is not None for stored in root.walk()):
        return "keras 3.6 or later"
    if "_layer_checkpoint_dependencies" in root.children:
        return "keras 2.12 to 2.14"
    return "keras 2.12 or later"


def _read_opened(opened: Mapping[str, HDF5File]) -> VariableGroup:
    return read_groups([opened[name] for name in sorted(opened)], opaque_is_bfloat16=False)


def _list_shards(text: bytes, index: str, limits: Limits) -> tuple[list[object], float]:
    """Return the names of the files, each once, and the bytes of all arrays, or 0 if the JSON does not state them."""
    value: Any = json_text.parse(text, index, limits)
    try:
        entries = [[entry] if isinstance(entry, str) else entry for entry in value["weight_map"].values()]
        size = value.get("metadata", {}).get("total_size", 0)
        names = list(dict.fromkeys(name for entry in entries for name in entry))
    except (KeyError, TypeError, AttributeError) as error:
        raise CorruptModel(f"{index} does not list the files that hold the weights") from error
    return names, size if isinstance(size, (int, float)) else 0


def _require_shard(name: object, files: Container, index: str) -> str:
    if not isinstance(name, str) or not is_plain_file_name(name):
        raise RefusedModel(f"{index} refers to {name!r}, which is not a file beside it; it was not opened")
    if not files.has(name):
        raise CorruptModel(f"{index} lists {name}, which is missing")
    return name


def _find_numbered_shards(files: Container, index: str) -> Iterator[str]:
    """Yield the names of the shards beside `index`, by their numbers."""
    number = 0
    while files.has(name := shard_name(index, number)):
        yield name
        number += 1
