"""Orbax checkpoints, as `keras.callbacks.OrbaxCheckpoint` of Keras 3 writes them: names and shapes, but no numbers.

A directory holds a directory for each saved step: `3/pytree/` with the variables, and `3/model_config/_strings.json`
with the architecture. `pytree/_METADATA` lists the names, and `array_metadatas/process_0` the shapes, as JSON. The
numbers are in a key-value store of TensorStore, `OCDBT`, that holds chunks of zarr arrays, which is not read here. The
shapes are those that one process wrote: `_sharding` states whether these are whole arrays.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator, Mapping
from typing import Any

from lstmdump.errors import CorruptModel, UnreadableModel, UnsupportedFormat
from lstmdump.model.limits import Limits
from lstmdump.model.location import Location
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.sentences import count, plural
from lstmdump.model.tensor import UNKNOWN_DTYPE, Array, Cuts, Tensor
from lstmdump.model.tree import NO_CLASSES, Model, Weight, grow, note_states
from lstmdump.readers import json_text
from lstmdump.readers.detect import ORBAX_TREE_MARKS, Format, orbax_steps
from lstmdump.readers.keras.architecture.config import ConfigLayer, parse_architecture
from lstmdump.readers.keras.architecture.match import Bucket
from lstmdump.readers.keras.architecture.placement import (
    collect_placed,
    describe_network_later,
    find_sources_later,
    place_layers,
)

_METADATA = "_METADATA"
_SHAPES = "array_metadatas"
_FIRST_PROCESS = "process_0"
_SHARDING = "_sharding"
_CONFIG, _STRINGS = "model_config", "_strings.json"
_TREE = "pytree"
_VARIABLES = ("trainable_variables", "non_trainable_variables")
_OPTIMIZER = "optimizer_variables"
_STATE = "rnn_state"
_NO_PARAMETERS = frozenset({"seed_generator_state", _STATE})
_MOST_DIMENSIONS = 32
_MOST_NUMBERS = 2**63
_POLICIES = {"mixed_float16": "float32", "mixed_bfloat16": "float32"}  # the types of variables, not of computation
_REFUSAL = (
    "the numbers are in an OCDBT store of zarr3 arrays, which is not read; load the checkpoint with Keras, "
    "and save the model as .keras"
)
_NOT_OF_KERAS = "not saved by Keras: arrays are named after their paths, and the file does not state which are weights"
_NO_TYPES = "the types of the numbers are not stated outside of the store with the numbers"
_NO_SHARDING = "the file does not state how arrays were spread over devices: shapes are those that one process wrote"

Keys = tuple[str, ...]


class _Checkpoint(NamedTuple):
    """The directories of a checkpoint.

    Attributes:
        tree: the directory with the variables.
        config: the file with the architecture, which need not exist.
        notes: what was chosen among several steps.
    """

    tree: Location
    config: Location
    notes: tuple[str, ...] = ()


def read(location: Location) -> Model:
    """Return the model in the Orbax checkpoint at `location`: its directory, that of a step, or that of its variables.

    Raises:
        CorruptModel: The JSON is damaged or inconsistent.
        UnsupportedFormat: The shapes are not in the JSON, or arrays are spread over several devices.
    """
    found = _locate(location)
    tensors, notes = _read_tensors(found.tree)
    architecture = _read_architecture(found.config)
    if not any(keys[0] in _VARIABLES for keys in tensors):
        return _describe_tree(tensors, (*found.notes, *notes, _NOT_OF_KERAS, _NO_TYPES, NO_CLASSES), location.limits)
    return _describe_model(tensors, architecture, (*found.notes, *notes), location.limits)


def _locate(location: Location) -> _Checkpoint:
    """Return the directories of the checkpoint; of several steps, those of the last."""
    names = [entry.name for entry, _ in location.entries()]
    if _is_tree(names):
        return _Checkpoint(location, location.parent.child(_CONFIG).child(_STRINGS))
    notes: tuple[str, ...] = ()
    step = location
    if steps := orbax_steps(names):
        step = location.child(steps[-1])
        if len(steps) > 1:
            notes = (f"step {steps[-1]}, the last of {len(steps):,}: {steps[0]} to {steps[-1]}",)
    for item in (_TREE, *(entry.name for entry, is_directory in step.entries() if is_directory)):
        tree = step.child(item)
        if tree.is_dir() and _is_tree([entry.name for entry, _ in tree.entries()]):
            return _Checkpoint(tree, step.child(_CONFIG).child(_STRINGS), notes)
    raise CorruptModel(f"an Orbax checkpoint without its variables: {_TREE}/{_METADATA} is missing")


def _is_tree(names: list[str]) -> bool:
    return _METADATA in names and any(mark in names for mark in ORBAX_TREE_MARKS)


def _read_json(file: Location) -> Any:
    try:
        return json_text.parse(json_text.content(file), file.name, file.limits)
    except OSError as error:
        raise UnreadableModel(f"{file.name} cannot be read: {error.strerror or error}") from error


def _read_tensors(tree: Location) -> tuple[dict[Keys, Tensor], list[str]]:
    """Return the arrays that the JSON in the directory `tree` describes, by their keys, and notes on them."""
    value = _read_json(tree.child(_METADATA))
    try:
        entries = [
            (tuple(str(key["key"]) for key in entry["key_metadata"]), entry["value_metadata"])
            for entry in value["tree_metadata"].values()
        ]
        arrays = {keys: entry for keys, entry in entries if keys and entry.get("value_type") not in ("None", "string")}
    except (KeyError, TypeError, AttributeError) as error:
        raise CorruptModel(f"{_METADATA} does not list the variables") from error
    if len(dict(entries)) < len(entries):
        raise CorruptModel(f"{_METADATA} lists a variable twice")
    shapes = _read_shapes(tree)
    whole = _find_whole_arrays(tree)
    tensors = {}
    for keys, entry in arrays.items():
        name = ".".join(keys)
        stated = [] if entry.get("value_type") == "scalar" else entry.get("write_shape", shapes.get(name))
        if stated is None:
            raise UnsupportedFormat(f"the shape of {name} is not stated outside of its numbers; {_REFUSAL}")
        if shapes.get(name, stated) != stated:
            raise CorruptModel(f"{name} has shape {stated} in {_METADATA}, but {shapes[name]} in {_SHAPES}")
        if whole is not None and not whole.get(name, True):
            raise UnsupportedFormat(
                f"{name} is spread over several devices, so that its shape is not stated outside of its numbers; "
                f"{_REFUSAL}"
            )
        tensors[keys] = _make_tensor("/".join(keys), _check_shape(stated, name))
    return tensors, [] if whole is not None else [_NO_SHARDING]


def _read_shapes(tree: Location) -> dict[str, object]:
    """Return the shapes that the first process wrote, by the names of the arrays."""
    file = tree.child(_SHAPES).child(_FIRST_PROCESS)
    if not file.is_file():
        return {}
    try:
        entries = [entry["array_metadata"] for entry in _read_json(file)["array_metadatas"]]
        return {str(entry["param_name"]): entry["write_shape"] for entry in entries}
    except (KeyError, TypeError) as error:
        raise CorruptModel(f"{_SHAPES}/{_FIRST_PROCESS} does not list the shapes") from error


def _find_whole_arrays(tree: Location) -> dict[str, bool] | None:
    """Return for each array that was on a device whether one process wrote it as a whole; None if nothing states it."""
    file = tree.child(_SHARDING)
    if not file.is_file():
        return None
    stated = _read_json(file)
    try:
        return {
            base64.b64decode(name, validate=True).decode(): _is_whole(
                json_text.parse(text, _SHARDING, tree.limits) if isinstance(text, str) else text
            )
            for name, text in stated.items()
        }
    except (AttributeError, TypeError, binascii.Error, ValueError) as error:
        raise CorruptModel(f"{_SHARDING} does not state how arrays are spread over devices") from error


def _is_whole(sharding: Mapping[str, Any]) -> bool:
    """Return whether each device holds the whole array."""
    if sharding.get("sharding_type") == "SingleDeviceSharding":
        return True
    spec = sharding.get("partition_spec")
    return isinstance(spec, list) and not any(spec)


def _check_shape(stated: object, name: str) -> tuple[int, ...]:
    if not isinstance(stated, list) or not all(type(length) is int and length >= 0 for length in stated):
        raise CorruptModel(f"the shape of {name} is not a list of lengths")
    if len(stated) > _MOST_DIMENSIONS or any(length >= _MOST_NUMBERS for length in stated):
        raise CorruptModel(f"the shape of {name} is not that of an array")
    if math.prod(stated) >= _MOST_NUMBERS:
        raise CorruptModel(f"{name} has more elements than an array can have")
    return tuple(stated)


def _make_tensor(name: str, shape: tuple[int, ...], dtype: str = UNKNOWN_DTYPE) -> Tensor:
    def fetch(_: Cuts) -> Array:
        raise UnsupportedFormat(_REFUSAL)

    return Tensor(name, shape, dtype, fetch)


def _read_architecture(file: Location) -> ConfigLayer | None:
    """Return the architecture that Keras stores as a text within JSON, or None if there is none."""
    if not file.is_file():
        return None
    value = _read_json(file)
    text = value.get("config") if isinstance(value, dict) else None
    return parse_architecture(text, f"{_CONFIG}/{_STRINGS}", file.limits) if isinstance(text, str) else None


def _describe_tree(tensors: Mapping[Keys, Tensor], notes: tuple[str, ...], limits: Limits) -> Model:
    """Return the model of a checkpoint that Keras did not write."""
    weights = (Weight(keys[:-1] or ("tree",), keys[-1], tensor) for keys, tensor in tensors.items())
    return Model(Format.ORBAX.value, "orbax", grow(weights, {}, limits=limits), notes=notes, countable=False)


def _describe_model(
    tensors: Mapping[Keys, Tensor], architecture: ConfigLayer | None, notes: tuple[str, ...], limits: Limits
) -> Model:
    """Return the model of a checkpoint that Keras wrote, with the layers of its architecture if it states one."""
    stored = {keys[1:]: tensor for keys, tensor in tensors.items() if keys[0] in _VARIABLES and len(keys) > 1}
    places = place_layers(
        _group_arrays(
            {keys: tensor for keys, tensor in stored.items() if keys[-1] not in _NO_PARAMETERS}, architecture
        ),
        architecture,
        numbers_directions=False,
        hides_frozen=False,
    )
    weights = [
        Weight(place.path, leaf, tensor if place.leaf is None else _with_dtype(tensor, place.leaf.layer.settings))
        for place in places.found
        for leaf, tensor in place.arrays.items()
    ]
    root = grow(weights, places.kinds, places.settings, limits)
    states = [("/".join(keys[:-1]), tensor) for keys, tensor in stored.items() if keys[-1] == _STATE]
    slots = [tensor for keys, tensor in tensors.items() if keys[0] == _OPTIMIZER]
    producer = "keras 3 (orbax)"
    return Model(
        Format.ORBAX.value,
        producer,
        root,
        notes=(
            *notes,
            *([] if architecture is not None else [NO_CLASSES]),
            *([_NO_TYPES] if any(weight.tensor.dtype == UNKNOWN_DTYPE for weight in weights) else []),
            *places.notes,
            *note_states(states),
            *_note_slots(tensors, len(weights)),
        ),
        countable=places.countable,
        sources=find_sources_later(architecture, places.described, root),
        network=describe_network_later(architecture, collect_placed(places.found), root, producer, limits),
        beside=(*(tensor for _, tensor in states), *slots),
    )


def _with_dtype(tensor: Tensor, settings: Mapping[str, Any]) -> Tensor:
    """Return `tensor` with the type of variables that the configuration of its layer states."""
    policy = settings.get("dtype")
    if isinstance(policy, dict) and isinstance(policy.get("config"), dict):
        policy = policy["config"].get("name")
    dtype = _POLICIES.get(policy, policy) if isinstance(policy, str) else UNKNOWN_DTYPE
    return _make_tensor(tensor.name, tensor.shape, dtype)


def _note_slots(tensors: Mapping[Keys, Tensor], weights: int) -> Iterator[str]:
    """Yield the note on what optimizers have stored: `beside 5 weights: adam (374)`."""
    sizes: dict[str, int] = {}
    for keys, tensor in tensors.items():
        if keys[0] == _OPTIMIZER and len(keys) > 1:
            sizes[keys[1]] = sizes.get(keys[1], 0) + tensor.size
    if sizes:
        listed = ", ".join(f"{name} ({count(size)})" for name, size in sizes.items())
        yield f"beside {plural(weights, 'weight')}: {listed}"


def _group_arrays(stored: Mapping[Keys, Tensor], architecture: ConfigLayer | None) -> dict[str, list[Bucket]]:
    """Group the arrays by the top-level layers that they belong to, in the order of the model.

    The first step of a name is that of the model, of a top-level layer, or of a layer within another model.
    """
    tops: dict[str, str] = {}
    for _, child in () if architecture is None else architecture.children:
        for layer in child.walk():
            if child.name is not None and layer.name is not None:
                tops.setdefault(layer.name, child.name)
    groups: dict[str, list[Bucket]] = {top: [] for top in dict.fromkeys(tops.values())}
    buckets: dict[Keys, Bucket] = {}
    for keys, tensor in stored.items():
        if keys[:-1] not in buckets:
            scope = "/".join(keys[:-1])
            group = next((tops[key] for key in keys[:-1] if key in tops), keys[0])
            buckets[keys[:-1]] = Bucket(group, scope, 0)
            groups.setdefault(group, []).append(buckets[keys[:-1]])
        buckets[keys[:-1]].arrays[keys[-1]] = tensor
    return {group: found for group, found in groups.items() if found}
