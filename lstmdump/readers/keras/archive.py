"""`.keras`, the format of whole models since Keras 2.11: a zip archive, or since 3.4 a directory, of three files.

`config.json` is the architecture, `metadata.json` states the version, and `model.weights.h5` holds the arrays, which
Keras 2.11 called `variables.h5`; since Keras 3.10 they may be split into shards that `model.weights.json` lists.
"""

from __future__ import annotations

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.location import Location
from lstmdump.model.tree import Model
from lstmdump.readers import json_text
from lstmdump.readers.detect import Format
from lstmdump.readers.keras.architecture.config import parse_architecture
from lstmdump.readers.keras.weights_h5 import reader as weights_h5
from lstmdump.readers.keras.weights_h5.container import Container, DirectoryContainer
from lstmdump.readers.keras.weights_h5.groups import VariableGroup, read_groups

_CONFIG = "config.json"
_METADATA = "metadata.json"
_WEIGHTS = "model.weights.h5"
_WEIGHTS_2_11 = "variables.h5"
_INDEX = "model.weights.json"
_PICKLED = "model.weights.npz"


def read(location: Location) -> Model:
    """Return the model in the zip archive or directory at `location`.

    Raises:
        CorruptModel: The model is truncated, damaged or inconsistent.
        RefusedModel: The model refers to other files, exceeds a limit, or holds pickled arrays.
    """
    files = _open(location)
    try:
        config = _read_text(files, _CONFIG)
        architecture = parse_architecture(config, _CONFIG, location.limits)
        root = _read_weights(files, opaque_is_bfloat16='"bfloat16"' in config)
        return weights_h5.assemble(
            root,
            architecture,
            format_word=Format.KERAS_ZIP.value,
            producer=_read_producer(files),
            limits=location.limits,
            release=files.close,
            files=files,
        )
    except BaseException:
        files.close()
        raise


def _open(location: Location) -> Container:
    if location.is_dir():
        return DirectoryContainer(location)
    from lstmdump.readers.keras.weights_h5.zip_container import ZipContainer

    return ZipContainer(location)


def _read_weights(files: Container, *, opaque_is_bfloat16: bool) -> VariableGroup:
    if files.has(_WEIGHTS):
        return read_groups([files.hdf5(_WEIGHTS)], opaque_is_bfloat16=opaque_is_bfloat16)
    if files.has(_WEIGHTS_2_11):
        return read_groups([files.hdf5(_WEIGHTS_2_11)], opaque_is_bfloat16=opaque_is_bfloat16)
    if files.has(_INDEX):
        return weights_h5.read_shards(files, _INDEX)
    if files.has(_PICKLED):
        raise RefusedModel(f"{_PICKLED} holds pickled arrays, which are never unpickled; save the model again, "
                           "with its weights as HDF5")  # fmt: skip
    raise CorruptModel(f"a .keras model without its weights: {_WEIGHTS} is missing")


def _read_text(files: Container, name: str) -> str:
    try:
        return files.text(name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorruptModel(f"{name} is not valid UTF-8") from error


def _read_producer(files: Container) -> str:
    if not files.has(_METADATA):
        return "keras of an unknown version"
    try:
        version = json_text.parse(_read_text(files, _METADATA), _METADATA, files.limits)["keras_version"]
    except (KeyError, TypeError) as error:
        raise CorruptModel(f"{_METADATA} does not state the version of Keras") from error
    return f"keras {version}"
