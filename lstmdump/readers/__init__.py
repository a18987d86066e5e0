"""Readers of model files: the content decides the format, and only the reader of that format is imported.

Each family of formats is a package: `hdf5` and on top of it `keras`, and `tensorflow`. The formats are in the table
`FORMATS` of `detect`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstmdump.errors import CorruptModel, RefusedModel

if TYPE_CHECKING:  # `lstmdump --help` needs the table of the formats only
    from typing import Literal, NoReturn

    from lstmdump.model.location import Location
    from lstmdump.model.tree import Model
    from lstmdump.readers.detect import Format


def read(location: Location, detected: Format | None = None) -> Model:
    """Open the model at `location`; names, shapes and dtypes are read, but no numbers.

    Args:
        location: the location of the model.
        detected: the format, if it was detected already.

    Raises:
        UnreadableModel: The file is not a model, or is damaged; the message states which.
    """
    from lstmdump.readers.detect import detect, find_lfs_pointer

    kind = detected or detect(location)
    try:
        return _read_plain_first(location, kind)
    except CorruptModel as error:
        if (name := find_lfs_pointer(location)) is not None:
            raise CorruptModel(
                f"{name} is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"
            ) from error
        raise
    except RecursionError as error:
        raise RefusedModel("it is nested more deeply than can be read, whatever the limits allow") from error


def _read_plain_first(location: Location, detected: Format) -> Model:
    """Read a model with the HDF5 library only if it is in HDF5 files that are not plain.

    Raises:
        NotPlain: It is, and this process may not call the library.
    """
    from lstmdump.readers.hdf5 import choice

    try:
        return _read(location, detected)
    except choice.NotPlain:
        if not choice.library_is_allowed():
            raise
    with choice.with_library():
        return _read(location, detected)


def _read(location: Location, detected: Format) -> Model:
    """Import the reader of a format and call it; mypy reports a format that has no case in one of the families."""
    from lstmdump.readers.detect import Format

    match detected:
        case Format.HDF5 | Format.KERAS_ZIP | Format.KERAS_WEIGHTS | Format.ORBAX:
            return _read_keras(location, detected)
        case Format.SAVED_MODEL | Format.CHECKPOINT | Format.GRAPH:
            return _read_tensorflow(location, detected)
        case _:
            return _read_other_runtime(location, detected)


def _read_keras(
    location: Location, detected: Literal[Format.HDF5, Format.KERAS_ZIP, Format.KERAS_WEIGHTS, Format.ORBAX]
) -> Model:
    from lstmdump.readers.detect import Format

    match detected:
        case Format.HDF5:
            from lstmdump.readers.keras import h5

            return h5.read(location)
        case Format.KERAS_ZIP:
            from lstmdump.readers.keras import archive

            return archive.read(location)
        case Format.KERAS_WEIGHTS:
            from lstmdump.readers.keras.weights_h5 import reader

            return reader.read_index(location)
        case Format.ORBAX:
            from lstmdump.readers.keras import orbax

            return orbax.read(location)
        case _:
            return assert_never(detected)


def _read_tensorflow(
    location: Location, detected: Literal[Format.SAVED_MODEL, Format.CHECKPOINT, Format.GRAPH]
) -> Model:
    from lstmdump.readers.detect import Format

    match detected:
        case Format.SAVED_MODEL:
            from lstmdump.readers.tensorflow import saved_model

            return saved_model.read(location)
        case Format.CHECKPOINT:
            from lstmdump.readers.tensorflow import checkpoint

            return checkpoint.read(location)
        case Format.GRAPH:
            from lstmdump.readers.tensorflow import frozen_graph

            return frozen_graph.read(location)
        case _:
            return assert_never(detected)


def _read_other_runtime(
    location: Location,
    detected: Literal[Format.TFJS, Format.PYTORCH, Format.SAFETENSORS, Format.ONNX, Format.TFLITE],
) -> Model:
    from lstmdump.readers.detect import Format

    match detected:
        case Format.TFJS:
            from lstmdump.readers.tfjs import model_json

            return model_json.read(location)
        case Format.PYTORCH:
            from lstmdump.readers.pytorch import saved

            return saved.read(location)
        case Format.SAFETENSORS:
            from lstmdump.readers.pytorch import safetensors

            return safetensors.read(location)
        case Format.ONNX:
            from lstmdump.readers.onnx import reader as onnx_reader

            return onnx_reader.read(location)
        case Format.TFLITE:
            from lstmdump.readers.tflite import model_file

            return model_file.read(location)
        case _:
            return assert_never(detected)


def assert_never(value: NoReturn) -> NoReturn:
    """Let mypy check that no case is forgotten, as `typing.assert_never` does from Python 3.11 on."""
    raise AssertionError(f"no case for {value!r}")
