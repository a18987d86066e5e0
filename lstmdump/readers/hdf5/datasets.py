"""Datasets as tensors, and the attributes of what is in an HDF5 file, each looked at before it is read."""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import Any

import h5py
import numpy as np

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import limit_exceeded
from lstmdump.model.tensor import Tensor
from lstmdump.readers.hdf5 import attributes as hdf5_attributes
from lstmdump.readers.hdf5.calls import Call
from lstmdump.readers.hdf5.data import Data, Numbers, layout_inside

_OPAQUE, _FLOAT32 = np.dtype("V2"), np.dtype("<f4")


def tensor(dataset: h5py.h5d.DatasetID, path: str, data: Data, *, opaque_is_bfloat16: bool) -> Tensor:
    """The DATASET at PATH, not yet read.

    OPAQUE_IS_BFLOAT16: whether two bytes of no known type are a bfloat16, which HDF5 has no type for.

    Raises:
        CorruptModel: it is no array, or not all of it is in the file.
        RefusedModel: its numbers are in another file.
    """
    with Call(f"reading the shape of {path}"):
        layout = layout_inside(dataset, path)
        extent = dataset.get_space()
        if extent.get_simple_extent_type() == h5py.h5s.NULL:
            raise CorruptModel(f"{path} holds no array")
        shape = extent.get_simple_extent_dims()
        stored = _FLOAT32 if dataset.get_type().equal(h5py.h5t.IEEE_F32LE) else dataset.dtype
        bfloat16 = stored == _OPAQUE and (opaque_is_bfloat16 or attribute(dataset, "dtype", path, data) == "bfloat16")
        declared, size = stored.itemsize * math.prod(shape), dataset.get_storage_size()
        if size != declared and (layout != h5py.h5d.CHUNKED or not size):
            raise CorruptModel(f"{path} declares {declared} bytes, but {size} are stored")
        start = dataset.get_offset() if layout == h5py.h5d.CONTIGUOUS else None
    data.take(path, declared, start)
    numbers = Numbers(path, data, is_bfloat16=bfloat16)
    dtype = "bfloat16" if bfloat16 else _dtype_name(stored)
    return Tensor(path, shape, dtype, numbers.fetch, None if bfloat16 else numbers.rows)


def attribute(holder: h5py.h5g.GroupID | h5py.h5d.DatasetID, name: str, path: str, data: Data) -> Any:
    """The attribute NAME of the object HOLDER at PATH, str for text, a list for an array, else a number; or None.

    Raises:
        CorruptModel: it cannot be read.
        RefusedModel: it is longer than a text may be.
    """
    with Call(f"reading the attribute {name} of {path or '/'}"):
        try:
            return hdf5_attributes.read(holder, name.encode(), data.most_text, partial(data.text_length, holder))
        except hdf5_attributes.TooLong as error:
            raise too_long(name, path, error.length) from error


def too_long(name: str, path: str, length: int) -> RefusedModel:
    """That the attribute NAME of the object at PATH has up to LENGTH bytes."""
    words = f"the attribute {name} of {path or '/'} comes to up to {length:,} bytes"
    return limit_exceeded("json_size", words, needed=length)


@lru_cache(maxsize=64)
def _dtype_name(stored: np.dtype[Any]) -> str:
    return str(stored.newbyteorder("="))
