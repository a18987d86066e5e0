"""Attributes of HDF5 groups, as what they mean in Python: text, lists and numbers."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

_MOST = 64 * 2**20  # bytes; the configuration of a model of 700 layers has 1/4 MiB


class TooLong(Exception):
    """An attribute is longer than any model's."""


def read(holder: h5py.h5g.GroupID, name: bytes) -> Any:
    """The attribute NAME of HOLDER: str for text, a list for an array, else a number; None where there is none.

    What h5py raises is left as it is.

    Raises:
        TooLong: it has more than 64 MiB.
    """
    if not h5py.h5a.exists(holder, name):
        return None
    value = _plain_text(h5py.h5a.open(holder, name))
    if value is None:
        value = h5py.AttributeManager(h5py.Group(holder))[name]
    if isinstance(value, (bytes, str)) and len(value) > _MOST:  # kept elsewhere, its length unknown until it is read
        raise TooLong
    return [text(item) for item in value.ravel().tolist()] if isinstance(value, np.ndarray) else text(value)


def _plain_text(attribute: h5py.h5a.AttrID) -> Any:
    """The text in an ATTRIBUTE, in bytes; None where it is no text, or text that h5py has to convert.

    Names of arrays and layers are in this form. h5py takes 43 µs to read them through its own objects, and 18 µs so.

    Raises:
        TooLong: it declares more than 64 MiB, of text or of anything else.
    """
    stored, extent = attribute.get_type(), attribute.get_space()
    if extent.get_select_npoints() * stored.get_size() > _MOST:
        raise TooLong
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


def text(value: Any) -> Any:
    """Text out of what h5py gives for it: bytes or str by h5py's version and by the attribute's type."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, str):
        return str(value)
    return value.item() if isinstance(value, np.generic) else value
