"""Keras's HDF5 files, `.h5` and `.hdf5`: whole models and weights alone, of Keras 0.x to 3 and tf.keras.

A whole model has the attribute `model_config` and its weights under `model_weights`; a file of weights alone has them
at its root. The attribute `layer_names` lists the layers, and `weight_names` of each layer its arrays, both relative to
their group. Walking the groups instead would find optimizer slots, and split the names of layers that contain slashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lstmdump.errors import CorruptModel, UnknownFormat
from lstmdump.model.location import Location
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import NO_ARRAYS, NO_CLASSES, Model, Weight, grow
from lstmdump.readers.detect import Format
from lstmdump.readers.hdf5.file import Group, HDF5File, open_hdf5
from lstmdump.readers.keras.architecture.beside import ArchitectureBeside, find_architecture
from lstmdump.readers.keras.architecture.config import ConfigLayer, parse_architecture
from lstmdump.readers.keras.architecture.match import Bucket
from lstmdump.readers.keras.architecture.names import split_weight_name
from lstmdump.readers.keras.architecture.placement import (
    Placement,
    collect_placed,
    describe_network_later,
    find_sources_later,
    place_layers,
)

_TOP_LEVEL = "top_level_model_weights"  # weights of the model itself, not in layer_names; written since TensorFlow 2.8
_NO_PARAMETERS = frozenset({"seed_generator_state", "rnn_state"})


class _FileContents:
    """The contents of a file: arrays by top-level layer, the architecture if stored, and the version of Keras.

    Attributes:
        major: the major version of Keras; files of weights alone state a version since 2.0.0.
    """

    def __init__(self, root: Group, architecture: ConfigLayer | None, version: str | None) -> None:
        self.root = root
        self.architecture = architecture
        self.version = version
        start = re.match(r"\d{1,9}", version or "")
        self.major = int(start[0]) if start else 1
        self.groups: dict[str, list[Bucket]] = {}

    def tensors(self) -> Iterator[Tensor]:
        """Yield all arrays of the layers, in the order of the file."""
        for buckets in self.groups.values():
            for bucket in buckets:
                yield from bucket.arrays.values()

    @property
    def numbers_directions(self) -> bool:
        """Whether `kernel_1` belongs to a backward layer (before 2.0.3); stacked cells were added in 2.0.9."""
        return re.match(r"2\.0\.[0-8](\D|$)", self.version or "") is not None

    @property
    def hides_frozen(self) -> bool:
        """Whether the architecture does not record that a whole model is frozen: Keras up to 2.3, not tf.keras."""
        return re.fullmatch(r"2\.[0-3](\.\d+)*", self.version or "") is not None


def read(location: Location) -> Model:
    """Return the model in the HDF5 file at `location`.

    Raises:
        UnknownFormat: The file is HDF5, but Keras did not write it.
        CorruptModel: The file is truncated, damaged or inconsistent.
        RefusedModel: The file refers to other files.
    """
    file = open_hdf5(location)
    try:
        model = _read(location, file)
        file.check_declared_sizes()
    except BaseException:
        file.close()
        raise
    return model


def _read(location: Location, file: HDF5File) -> Model:
    if _is_legacy(file):
        return _read_named(location, file)
    from lstmdump.readers.keras import h5_keras0
    from lstmdump.readers.keras.weights_h5 import reader as weights_h5
    from lstmdump.readers.keras.weights_h5.groups import is_weights_h5

    if h5_keras0.is_keras_0(file):
        weights, notes = h5_keras0.read_weights(file)
        root = grow(weights, {}, limits=file.limits)
        return Model(Format.HDF5.value, "keras 0.x", root, notes=(*notes, NO_CLASSES), release=file.close)
    return weights_h5.read(location, file) if is_weights_h5(file) else _read_named(location, file)


def _is_legacy(file: HDF5File) -> bool:
    """Return whether `file` has one of the attributes or groups of this layout."""
    marks = ("model_config", "layer_names", "layer_names0")
    return any(file.has_attribute(mark) for mark in marks) or file.group("model_weights") is not None


def _read_named(location: Location, file: HDF5File) -> Model:
    config = file.text("model_config")
    root = file.group("model_weights") if config is not None else file
    if root is None:
        raise CorruptModel("the file holds a model's configuration, but no group model_weights")
    names = root.strings("layer_names")
    if names is None and config is None and (inner := file.group("model_weights")) is not None:
        root, names = inner, inner.strings("layer_names")
    if names is None:
        raise _unknown_file(file, config)
    stored = _FileContents(root, None if config is None else parse_architecture(config, "model_config", file.limits),
                     file.text("keras_version") or root.text("keras_version"))  # fmt: skip
    root.look_ahead()
    opaque = config is None or '"bfloat16"' in config
    for name in names:
        stored.groups[name] = _group_arrays(stored, name, opaque_is_bfloat16=opaque)
    own = _TOP_LEVEL not in stored.groups and root.group(_TOP_LEVEL) is not None
    top = _group_arrays(stored, _TOP_LEVEL, opaque_is_bfloat16=opaque) if own else []
    notes = []
    if next(stored.tensors(), None) is None and not top:
        notes.append(NO_ARRAYS)
    elif config is None and (beside := find_architecture(location)) is not None:
        notes.extend(_use_architecture_beside(stored, beside))
    if stored.architecture is None:
        notes.append(NO_CLASSES)
        if any(tensor.dtype == "bfloat16" for tensor in stored.tensors()):
            notes.append("two-byte numbers of unknown type are read as bfloat16")
    places = _place(stored)
    weights = [Weight(found.path, leaf, tensor) for found in places.found for leaf, tensor in found.arrays.items()]
    weights.extend(Weight((_TOP_LEVEL,), f"{b.scope}/{leaf}", tensor) for b in top for leaf, tensor in b.arrays.items())
    parameters = (weight for weight in weights if weight.leaf not in _NO_PARAMETERS)
    root_layer = grow(parameters, places.kinds, places.settings, file.limits)
    producer = _find_producer(stored, file)
    return Model(
        Format.HDF5.value,
        producer,
        root_layer,
        notes=(*notes, *places.notes),
        countable=places.countable,
        release=file.close,
        sources=find_sources_later(stored.architecture, places.described, root_layer),
        network=describe_network_later(
            stored.architecture, collect_placed(places.found), root_layer, producer, file.limits
        ),
    )


def _place(stored: _FileContents) -> Placement:
    return place_layers(
        stored.groups,
        stored.architecture,
        numbers_directions=stored.numbers_directions,
        hides_frozen=stored.hides_frozen,
    )


def _use_architecture_beside(stored: _FileContents, beside: ArchitectureBeside) -> list[str]:
    """Use an architecture that is not in the file if it fits the arrays, and return the note on it."""
    names = {child.name for _, child in beside.layer.children}
    unknown = [name for name, buckets in stored.groups.items() if buckets and name not in names]
    if unknown and None not in names:  # a Sequential up to Keras 2.2.2 has no name
        return [beside.note_unused(f"it has no layer {unknown[0]}")]
    stored.architecture = beside.layer
    try:
        _place(stored)
    except CorruptModel as error:
        stored.architecture = None
        return [beside.note_unused(str(error))]
    return [beside.note]


def _unknown_file(file: HDF5File, config: str | None) -> Exception:
    if config is not None:
        return CorruptModel("the file holds a model's configuration, but no layer_names beside its weights")
    names = file.names()
    held = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return UnknownFormat(f"HDF5, but not a Keras model: it has no layer_names; it holds {held or 'nothing'}")


def _group_arrays(stored: _FileContents, layer: str, *, opaque_is_bfloat16: bool) -> list[Bucket]:
    """Group the arrays of the top-level layer `layer` by the layers within it.

    Cells that share a scope are numbered separately for each name of an array: a `bias` listed after `kernel_1` belongs
    to the second cell if the first has no bias. Keras 2 lists the arrays cell by cell, kernel first, so a kernel starts
    a cell, and the arrays that follow belong to it.
    """
    group = stored.root.group(layer)
    if group is None:
        raise CorruptModel(f"layer_names lists {layer}, but the file does not hold it: saving was not completed")
    buckets: dict[tuple[str, int], Bucket] = {}
    current: dict[str, Bucket] = {}
    for name in group.strings("weight_names") or []:
        tensor = group.tensor(name, opaque_is_bfloat16=opaque_is_bfloat16)
        if tensor is None:
            raise CorruptModel(f"{layer} lists an array {name}, but the file does not hold it")
        parsed = split_weight_name(name, stored.major)
        bucket = current.get(parsed.scope)
        if bucket is None or parsed.leaf == "kernel" or stored.major < 2:
            bucket = buckets.setdefault((parsed.scope, parsed.number), Bucket(layer, parsed.scope, parsed.number))
            current[parsed.scope] = bucket
        if parsed.leaf in bucket.arrays:
            raise CorruptModel(f"{layer} lists an array {name} twice: saving was not completed")
        bucket.arrays[parsed.leaf] = tensor
    place = {scope: index for index, scope in enumerate(current)}
    return sorted(buckets.values(), key=lambda bucket: (place[bucket.scope], bucket.number))


def _find_producer(stored: _FileContents, file: HDF5File) -> str:
    version = stored.version or "1.x"
    backend = file.text("backend") or stored.root.text("backend")
    if backend is None and stored.major < 2 and (first := next(stored.tensors(), None)) is not None:
        backend = "tensorflow" if first.name.endswith(":0") else "theano"  # Keras 1 had no other backend
    return f"keras {version}" + (f" ({backend})" if backend else "")
