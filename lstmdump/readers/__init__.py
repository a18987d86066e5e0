"""The door: a path's format chooses the reader, and only that reader is imported."""

from pathlib import Path

from lstmdump.errors import UnsupportedFormat
from lstmdump.formats import Format, detect
from lstmdump.model import Model

_UNREAD = {
    Format.KERAS_ZIP: "a .keras model (zip or directory)",
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
    if found is Format.SAVED_MODEL:
        from lstmdump.readers import saved_model

        return saved_model.read(path)
    if found is Format.CHECKPOINT:
        from lstmdump.readers import checkpoint

        return checkpoint.read(path)
    if found is Format.GRAPH:
        from lstmdump.readers import frozen_graph

        return frozen_graph.read(path)
    raise UnsupportedFormat(f"{_UNREAD[found]}; this version reads Keras HDF5 files (.h5, .hdf5) only")
