"""Attributes of HDF5 objects as Python values: text, lists and numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

from lstmdump.readers.hdf5.groups import AttributeTooLong

_READABLE = (h5py.h5t.TypeStringID, h5py.h5t.TypeIntegerID, h5py.h5t.TypeFloatID, h5py.h5t.TypeEnumID)


def read_attribute(
    holder: h5py.h5g.GroupID | h5py.h5d.DatasetID, name: bytes, most: int, texts: Callable[[bytes, int], int]
) -> Any:
    """Return the value of an attribute: str for text, a list for an array, else a number; None if it is absent.

    Args:
        holder: the object that has the attribute.
        name: the name of the attribute.
        most: the largest number of bytes to read.
        texts: returns the bytes that HDF5 reads for a number of variable-length texts in the attribute of a name.

    Raises:
        AttributeTooLong: The attribute has more than `most` bytes; it was not read.
        Exception: h5py's exceptions are not converted.
    """
    if not h5py.h5a.exists(holder, name):
        return None
    attribute = h5py.h5a.open(holder, name)
    stored, extent = attribute.get_type(), attribute.get_space()
    if not isinstance(stored, _READABLE):
        raise TypeError("it is neither text nor numbers")
    count = extent.get_select_npoints()
    varies = isinstance(stored, h5py.h5t.TypeStringID) and stored.is_variable_str()
    length = max(count * stored.get_size(), texts(name, count) if varies else 0)
    if length > most:
        raise AttributeTooLong(length)
    value = _read_plain_text(attribute, stored, extent)
    if value is None:
        value = h5py.AttributeManager(_open_object(holder))[name]
    return (
        [decode_text(item) for item in value.ravel().tolist()] if isinstance(value, np.ndarray) else decode_text(value)
    )


def _read_plain_text(attribute: h5py.h5a.AttrID, stored: h5py.h5t.TypeID, extent: h5py.h5s.SpaceID) -> Any:
    """Return the text in `attribute` as bytes, or None if it is not text or h5py has to convert it.

    Names of arrays and layers have this form. Reading them takes 18 µs, and 43 µs through h5py's own objects.
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


def _open_object(holder: h5py.h5g.GroupID | h5py.h5d.DatasetID) -> h5py.HLObject:
    return h5py.Dataset(holder) if isinstance(holder, h5py.h5d.DatasetID) else h5py.Group(holder)


def decode_text(value: Any) -> Any:
    """Return text that h5py returned as str, and numbers as Python's; h5py's version decides between bytes and str."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, str):
        return str(value)
    return value.item() if isinstance(value, np.generic) else value
