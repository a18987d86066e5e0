"""Readers of model files: the content decides the format, and only the reader of that format is imported.

Each family of formats is a package: `hdf5` and on top of it `keras`, and `tensorflow`. The formats are in the table
`FORMATS` of `detect`.
"""

import importlib

from lstmdump.errors import RefusedModel
from lstmdump.model.location import Location
from lstmdump.model.tree import Model
from lstmdump.readers.detect import Format, detect


def read(location: Location, detected: Format | None = None) -> Model:
    """Open the model at `location`: names, shapes and dtypes are known, no numbers are read yet.

    Args:
        location: where the model is.
        detected: its format, where that is known already.

    Raises:
        UnreadableModel: what lies there is no model, or a damaged one; the message says which.
    """
    try:
        module, _, function = (detected or detect(location)).facts.reader.partition(":")
        model: Model = getattr(importlib.import_module(module), function)(location)
    except RecursionError as error:
        raise RefusedModel("what it nests is deeper than can be followed, whatever the limits allow") from error
    return model
