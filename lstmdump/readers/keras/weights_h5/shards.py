"""Weights spread over several files (Keras 3.10 and later), which a JSON file beside them lists.

The `weight_map` of `x.weights.json` says in which of `x_00000.weights.h5` and so on the arrays of a layer are; those of
one layer may lie in several. Keras 3.10 leaves files out of the map where a layer runs over the end of one, and cannot
load them itself; `total_size`, in bytes, shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import Limits
from lstmdump.readers import json_text
from lstmdump.readers.hdf5.file import HDF5File
from lstmdump.readers.keras.weights_h5 import groups as weight_groups
from lstmdump.readers.keras.weights_h5.container import Files, is_plain
from lstmdump.readers.keras.weights_h5.groups import Stored


def shard_name(index: str, number: int) -> str:
    """What Keras calls the file of that NUMBER beside INDEX."""
    return f"{index.removesuffix('.json').replace('.weights', '')}_{number:05}.weights.h5"


def read(files: Files, index: str) -> Stored:
    """The groups of all the files that the JSON file INDEX lists, all of them among FILES.

    Raises:
        CorruptModel: the JSON lists no files, or one that is not there, or not all.
        RefusedModel: it leads out of its directory.
    """
    listed, size = _listed(files.text(index), index, files.limits)
    names = [_insist_on_file(name, files, index) for name in listed]
    opened = {name: files.hdf5(name) for name in names}
    tree = _read_all(opened)
    if tree.size < size:
        opened |= {name: files.hdf5(name) for name in _numbered(files, index) if name not in opened}
        tree = _read_all(opened)
    if tree.size < size:
        raise CorruptModel(f"{index} speaks of {size} bytes of arrays, but the files beside it hold {tree.size}")
    return tree


def _read_all(opened: Mapping[str, HDF5File]) -> Stored:
    return weight_groups.read([opened[name] for name in sorted(opened)], opaque_is_bfloat16=False)


def _listed(text: bytes, index: str, limits: Limits) -> tuple[list[object], float]:
    """The names of the files, each once, and the bytes that all arrays come to, 0 where the JSON does not say."""
    value: Any = json_text.parse(text, index, limits)
    try:
        entries = [[entry] if isinstance(entry, str) else entry for entry in value["weight_map"].values()]
        size = value.get("metadata", {}).get("total_size", 0)
        names = list(dict.fromkeys(name for entry in entries for name in entry))
    except (KeyError, TypeError, AttributeError) as error:
        raise CorruptModel(f"{index} does not list the files that hold the weights") from error
    return names, size if isinstance(size, (int, float)) else 0


def _insist_on_file(name: object, files: Files, index: str) -> str:
    if not isinstance(name, str) or not is_plain(name):
        raise RefusedModel(f"{index} leads to {name!r}, which is no file beside it; nothing was opened there")
    if not files.has(name):
        raise CorruptModel(f"{index} lists {name}, which is not there")
    return name


def _numbered(files: Files, index: str) -> Iterator[str]:
    """The files beside INDEX that Keras's own numbering leads to."""
    number = 0
    while files.has(name := shard_name(index, number)):
        yield name
        number += 1
