"""Layers models of TensorFlow.js, which are Keras models: the architecture in `modelTopology` names classes and layers.

TensorFlow.js itself calls an array after its layer alone, `enc/kernel`, without the models around it and without the
layer in a wrapper; its converter keeps the names that Keras 2 gives, `enc/lstm_cell/kernel`. Measured on files of
TensorFlow.js 4.22 and of its converter 4.22.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import Limits
from lstmdump.model.sentences import plural
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import NO_ARRAYS, NO_CLASSES, Model, Weight, grow
from lstmdump.readers.detect import Format
from lstmdump.readers.keras.architecture.config import ConfigLayer, describe_architecture
from lstmdump.readers.keras.architecture.match import Bucket
from lstmdump.readers.keras.architecture.names import split_weight_name
from lstmdump.readers.keras.architecture.placement import (
    collect_placed,
    describe_network_later,
    find_sources_later,
    place_layers,
)
from lstmdump.readers.tfjs.weights import StoredWeights

_OF_TFJS = r"tfjs-layers (\S+)"
_KERAS = 2  # the generation whose configurations and names TensorFlow.js follows
_OPTIMIZER = "optimizer"


def read_layers(topology: object, stored: StoredWeights, called: str, limits: Limits) -> Model:
    """Return the model of the layers in `topology`, whose arrays are `stored`.

    Args:
        topology: the value of the key `modelTopology`; None for a manifest without one.
        stored: the arrays.
        called: the name of the JSON file in error messages.
        limits: the limits of the model.

    Raises:
        CorruptModel: The architecture and the arrays disagree.
    """
    stated = topology if isinstance(topology, dict) else {}
    architecture = _describe(stated, called, limits)
    producer = _find_producer(stated)
    names = [] if architecture is None else [layer.name for layer in architecture.walk() if layer.name]
    groups = _group_arrays(stored, names)
    places = place_layers(groups, architecture, numbers_directions=False, hides_frozen=False)
    weights = [Weight(found.path, leaf, tensor) for found in places.found for leaf, tensor in found.arrays.items()]
    root = grow(weights, places.kinds, places.settings, limits)
    beside = tuple(stored.tensors[name] for name in stored.tensors if _is_beside(name, stored))
    notes = [*([] if weights else [NO_ARRAYS]), *([NO_CLASSES] if architecture is None else []),
             *stored.note_quantized(stored.entries), *_note_beside(beside)]  # fmt: skip
    return Model(
        Format.TFJS.value,
        producer,
        root,
        notes=(*notes, *places.notes),
        countable=places.countable,
        release=stored.close,
        sources=find_sources_later(architecture, places.described, root),
        network=describe_network_later(architecture, collect_placed(places.found), root, producer, limits),
        beside=beside,
    )


def _describe(topology: Mapping[str, Any], called: str, limits: Limits) -> ConfigLayer | None:
    """Return the architecture; the converter puts it under a key of its own."""
    if not topology:
        return None
    architecture = describe_architecture(topology.get("model_config", topology), limits)
    if architecture is None:
        raise CorruptModel(f"{called} holds a topology that is not a Keras configuration")
    return architecture


def _find_producer(topology: Mapping[str, Any]) -> str:
    version, backend = topology.get("keras_version"), topology.get("backend")
    if not isinstance(version, str):
        return "tensorflow.js"
    if own := re.match(_OF_TFJS, version):
        return f"tensorflow.js {own[1]}"
    return f"keras {version}" + (f" ({backend})" if isinstance(backend, str) else "")


def _is_beside(name: str, stored: StoredWeights) -> bool:
    return stored.entries[name].group == _OPTIMIZER


def _note_beside(beside: Collection[Tensor]) -> list[str]:
    return [f"beside the weights: {plural(len(beside), 'array')} of the optimizer"] if beside else []


def _group_arrays(stored: StoredWeights, names: Collection[str]) -> dict[str, list[Bucket]]:
    """Return the arrays by layer, for each of the outermost layers that their names name.

    The name of a layer may contain slashes: of the layers of the architecture with which the name of an array begins,
    the longest counts.
    """
    layers = frozenset(names)
    buckets: dict[tuple[str, str, int], Bucket] = {}
    for name, tensor in stored.tensors.items():
        if _is_beside(name, stored):
            continue
        parsed = split_weight_name(name, _KERAS)
        starts = list(_list_starts(parsed.scope))
        group = next((start for start in reversed(starts) if start in layers), starts[0])
        bucket = buckets.setdefault((group, parsed.scope, parsed.number), Bucket(group, parsed.scope, parsed.number))
        bucket.arrays[parsed.leaf] = tensor
    groups: dict[str, list[Bucket]] = {}
    for bucket in buckets.values():
        groups.setdefault(bucket.group, []).append(bucket)
    return groups


def _list_starts(scope: str) -> Iterator[str]:
    """Yield the names with which `scope` may begin, the shortest first."""
    place = scope.find("/")
    while place >= 0:
        yield scope[:place]
        place = scope.find("/", place + 1)
    yield scope
