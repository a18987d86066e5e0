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
    """Open the model at `location`; names, shapes and dtypes are read, but no numbers.

    Args:
        location: the location of the model.
        detected: the format, if it was detected already.

    Raises:
        UnreadableModel: The file is not a model, or is damaged; the message states which.
    """
    try:
        module, _, function = (detected or detect(location)).facts.reader.partition(":")
        model: Model = getattr(importlib.import_module(module), function)(location)
    except RecursionError as error:
        raise RefusedModel("it is nested more deeply than can be read, whatever the limits allow") from error
    return model
