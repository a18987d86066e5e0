"""HDF5 datasets as tensors, and attributes, each checked before it is read."""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import Any

import h5py
import numpy as np

from lstmdump.errors import CorruptModel
from lstmdump.model.tensor import Tensor
from lstmdump.readers.hdf5.groups import AttributeTooLong, attribute_too_long, declared_otherwise
from lstmdump.readers.hdf5.library.attributes import read_attribute
from lstmdump.readers.hdf5.library.calls import H5pyCall
from lstmdump.readers.hdf5.library.data import DatasetNumbers, HDF5Data, require_internal_layout

_OPAQUE, _FLOAT32 = np.dtype("V2"), np.dtype("<f4")


def describe_dataset(dataset: h5py.h5d.DatasetID, path: str, data: HDF5Data, *, opaque_is_bfloat16: bool) -> Tensor:
    """Return a dataset as a tensor that is not yet read.

    Args:
        dataset: the dataset.
        path: the path of the dataset in the file.
        data: the file.
        opaque_is_bfloat16: whether opaque elements of two bytes are bfloat16, for which HDF5 has no type.

    Raises:
        CorruptModel: The dataset is not an array, or part of it is missing from the file.
        RefusedModel: The numbers are in another file.
    """
    with H5pyCall(f"reading the shape of {path}"):
        layout = require_internal_layout(dataset, path)
        extent = dataset.get_space()
        if extent.get_simple_extent_type() == h5py.h5s.NULL:
            raise CorruptModel(f"{path} does not hold an array")
        shape = extent.get_simple_extent_dims()
        stored = _FLOAT32 if dataset.get_type().equal(h5py.h5t.IEEE_F32LE) else dataset.dtype
        bfloat16 = stored == _OPAQUE and (
            opaque_is_bfloat16 or read_checked_attribute(dataset, "dtype", path, data) == "bfloat16"
        )
        declared, size = stored.itemsize * math.prod(shape), dataset.get_storage_size()
        if size != declared and (layout != h5py.h5d.CHUNKED or not size):
            raise declared_otherwise(path, declared, size)
        start = dataset.get_offset() if layout == h5py.h5d.CONTIGUOUS else None
    data.storage.take(path, declared, start)
    numbers = DatasetNumbers(path, data, is_bfloat16=bfloat16)
    dtype = "bfloat16" if bfloat16 else _dtype_name(stored)
    return Tensor(path, shape, dtype, numbers.fetch, None if bfloat16 else numbers.rows)


def read_checked_attribute(holder: h5py.h5g.GroupID | h5py.h5d.DatasetID, name: str, path: str, data: HDF5Data) -> Any:
    """Return an attribute: str for text, a list for an array, else a number; None if it is absent.

    Args:
        holder: the object that has the attribute.
        name: the name of the attribute.
        path: the path of the object in the file.
        data: the file.

    Raises:
        CorruptModel: The attribute cannot be read.
        RefusedModel: The attribute is longer than the limit for a text.
    """
    with H5pyCall(f"reading the attribute {name} of {path or '/'}"):
        try:
            return read_attribute(holder, name.encode(), data.most_text, partial(data.text_length, holder))
        except AttributeTooLong as error:
            raise attribute_too_long(name, path, error.length) from error


@lru_cache(maxsize=64)
def _dtype_name(stored: np.dtype[Any]) -> str:
    return str(stored.newbyteorder("="))
