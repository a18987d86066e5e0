"""Attributes of HDF5 objects, as what they mean in Python: text, lists and numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

_READ = (h5py.h5t.TypeStringID, h5py.h5t.TypeIntegerID, h5py.h5t.TypeFloatID, h5py.h5t.TypeEnumID)


class TooLong(Exception):
    """An attribute is longer than it may be; LENGTH says how many bytes it has."""

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length


def read(
    holder: h5py.h5g.GroupID | h5py.h5d.DatasetID, name: bytes, most: int, texts: Callable[[bytes, int], int]
) -> Any:
    """The attribute NAME of HOLDER: str for text, a list for an array, else a number; None where there is none.

    What h5py raises is left as it is. TEXTS says how many bytes HDF5 reads for so many texts of variable length in the
    attribute of that name.

    Raises:
        TooLong: it has more than MOST bytes; it is not read.
    """
    if not h5py.h5a.exists(holder, name):
        return None
    attribute = h5py.h5a.open(holder, name)
    stored, extent = attribute.get_type(), attribute.get_space()
    if not isinstance(stored, _READ):
        raise TypeError("it is neither text nor numbers")
    count = extent.get_select_npoints()
    varies = isinstance(stored, h5py.h5t.TypeStringID) and stored.is_variable_str()
    length = max(count * stored.get_size(), texts(name, count) if varies else 0)
    if length > most:
        raise TooLong(length)
    value = _plain_text(attribute, stored, extent)
    if value is None:
        value = h5py.AttributeManager(_object(holder))[name]
    return [text(item) for item in value.ravel().tolist()] if isinstance(value, np.ndarray) else text(value)


def _plain_text(attribute: h5py.h5a.AttrID, stored: h5py.h5t.TypeID, extent: h5py.h5s.SpaceID) -> Any:
    """The text in an ATTRIBUTE, in bytes; None where it is no text, or text that h5py has to convert.

    Names of arrays and layers are in this form. h5py takes 43 µs to read them through its own objects, and 18 µs so.
    """
    if not isinstance(stored, h5py.h5t.TypeStringID) or extent.get_simple_extent_type() == h5py.h5s.NULL:
        return None
    if stored.is_variable_str():
        values, memory = np.zeros(extent.get_simple_extent_dims(), stored.dtype), None
    elif stored.get_strpad() == h5py.h5t.STR_NULLPAD:
        values, memory = np.zeros(extent.get_simple_extent_dims(), f"S{stored.get_size()}"), stored
    else:
        return None
    attribute.read(values, memory)
    return values if values.ndim else values[()]


def _object(holder: h5py.h5g.GroupID | h5py.h5d.DatasetID) -> h5py.HLObject:
    return h5py.Dataset(holder) if isinstance(holder, h5py.h5d.DatasetID) else h5py.Group(holder)


def text(value: Any) -> Any:
    """Text out of what h5py gives for it: bytes or str by h5py's version and by the attribute's type."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, str):
        return str(value)
    return value.item() if isinstance(value, np.generic) else value
