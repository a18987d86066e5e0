"""The door: a path's format chooses the reader, and only that reader is imported."""

from pathlib import Path

from lstmdump.errors import UnsupportedFormat
from lstmdump.formats import Format, detect
from lstmdump.model import Model

_UNREAD = {
    Format.KERAS_ZIP: "a .keras model (zip or directory)",
    Format.SAVED_MODEL: "a TensorFlow SavedModel",
    Format.CHECKPOINT: "a TensorFlow checkpoint",
    Format.GRAPH: "a TensorFlow graph",
}


def read(path: Path) -> Model:
    """The model at PATH, open: names, shapes and dtypes are known, no numbers are read yet.

    Raises:
        UnreadableModel: what lies there is no model, or a damaged one; the message says which.
    """
    found = detect(path)
    if found is Format.HDF5:
        from lstmdump.readers import keras_h5

        return keras_h5.read(path)
    raise UnsupportedFormat(f"{_UNREAD[found]}; this version reads Keras HDF5 files (.h5, .hdf5) only")
