"""Our one hand on h5py: attributes, links and lazy tensors of an HDF5 file, with h5py's exceptions stopped here.

A model file is untrusted. Keras writes hard links and data inside the file only, so soft and external links, external
storage and virtual datasets, all of which let a file read another one (CVE-2026-1669 in Keras), are refused before
anything is opened through them, and HDF5 filter plugins are not loaded.
"""

from __future__ import annotations

import os
from typing import Any, BinaryIO

os.environ["HDF5_PLUGIN_PRELOAD"] = "::"  # HDF5's own word for: load no plugin, whatever HDF5_PLUGIN_PATH says

import h5py
import numpy as np

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.locations import Location
from lstmdump.readers.hdf5_calls import FOREIGN_ERRORS, Call
from lstmdump.readers.hdf5_numbers import Data, Numbers
from lstmdump.tensor import Tensor


class Group:
    """A group of an open file. Paths are looked up one link at a time, so that none leaves the file."""

    def __init__(self, group: h5py.Group, path: str, data: Data) -> None:
        self._group = group
        self._data = data
        self.path = path

    def group(self, path: str) -> Group | None:
        """The group at PATH below this one, or None where there is none."""
        found = self._find(path)
        return Group(found, self._join(path), self._data) if isinstance(found, h5py.Group) else None

    def tensor(self, path: str, *, opaque_is_bfloat16: bool) -> Tensor | None:
        """The dataset at PATH below this group, or None where there is none.

        OPAQUE_IS_BFLOAT16: whether two bytes of no known type are a bfloat16, which HDF5 has no type for.
        """
        found = self._find(path)
        if not isinstance(found, h5py.Dataset):
            return None
        return _tensor(found, self._join(path), self._data, opaque_is_bfloat16)

    @property
    def address(self) -> int:
        """Where it stands in the file: no other has this number, and what was written first has the lowest."""
        with Call(f"looking up {self.path or '/'}"):
            return int(h5py.h5o.get_info(self._group.id).addr)

    def names(self) -> list[str]:
        """The names of all that lies in this group, in the file's order (alphabetical, as a rule)."""
        with Call(f"listing {self.path or '/'}"):
            return [_text(name) for name in self._group]

    def attribute(self, name: str) -> Any:
        """The attribute NAME: str for text, a list for an array, else a number; None where there is none."""
        with Call(f"reading the attribute {name} of {self.path or '/'}"):
            if name not in self._group.attrs:
                return None
            value = self._group.attrs[name]
            return [_text(item) for item in value.ravel()] if isinstance(value, np.ndarray) else _text(value)

    def has_attribute(self, name: str) -> bool:
        """Whether there is an attribute NAME; its value, which may be long, is not read."""
        with Call(f"looking for the attribute {name} of {self.path or '/'}"):
            return name in self._group.attrs

    def text(self, name: str) -> str | None:
        """The attribute NAME where it is text, else None."""
        value = self.attribute(name)
        return value if isinstance(value, str) else None

    def strings(self, name: str) -> list[str] | None:
        """The list of names in attribute NAME, joined from `NAME0`, `NAME1`, … where it was too long for one.

        A layer without weights has an empty array of float64 here, in every version of Keras.

        Raises:
            CorruptModel: the attribute holds no names.
        """
        whole = self.attribute(name)
        if whole is None:
            pieces: list[Any] = []
            while (piece := self.attribute(f"{name}{len(pieces)}")) is not None:
                pieces.append(piece)
            if not pieces:
                return None
            whole = [item for piece in pieces for item in (piece if isinstance(piece, list) else [piece])]
        if not isinstance(whole, list) or not all(isinstance(item, str) for item in whole):
            raise CorruptModel(f"the attribute {name} of {self.path or '/'} holds no list of names")
        return whole

    def _join(self, path: str) -> str:
        return f"{self.path}/{path}" if self.path else path

    def _find(self, path: str) -> object:
        here: object = self._group
        with Call(f"looking up {self._join(path)}"):
            for step in path.split("/"):
                if not step:
                    continue
                if not isinstance(here, h5py.Group):
                    return None
                key = step.encode("utf-8", "surrogateescape")
                link = here.get(key, getlink=True)
                if link is None:
                    return None
                if not isinstance(link, h5py.HardLink):
                    raise RefusedModel(f"{self._join(path)} is a link to another place or file; Keras writes none")
                here = here.get(key)
        return here


class HDF5File(Group):
    """An HDF5 file, open for reading.

    Raises:
        CorruptModel: libhdf5 cannot open it: cut short, or damaged.
    """

    def __init__(self, source: Location | BinaryIO) -> None:
        if isinstance(source, Location) and not source.is_here:
            source = source.open()
        try:
            with Call():
                self._file = h5py.File(source.path if isinstance(source, Location) else source, "r")
        except FOREIGN_ERRORS as error:
            words = " ".join(str(error).split())
            if "truncated file" in words:
                raise CorruptModel("HDF5, but cut short: the file ends before its data does; copy it anew") from error
            raise CorruptModel(f"HDF5, but it cannot be opened ({words})") from error
        super().__init__(self._file, "", Data(source, self._file))

    def close(self) -> None:
        """Let go of the file."""
        self._data.close()
        self._file.close()


def _tensor(dataset: h5py.Dataset, path: str, data: Data, opaque_is_bfloat16: bool) -> Tensor:
    with Call(f"reading the shape of {path}"):
        if dataset.is_virtual or dataset.external:
            raise RefusedModel(f"{path} keeps its numbers in another file; Keras writes no such dataset")
        shape = dataset.shape
        if shape is None:
            raise CorruptModel(f"{path} holds no array")
        stored = dataset.dtype
        bfloat16 = stored == np.dtype("V2") and (opaque_is_bfloat16 or _text(dataset.attrs.get("dtype")) == "bfloat16")
        size = dataset.id.get_storage_size()
        if dataset.chunks is None and size != stored.itemsize * dataset.size:
            raise CorruptModel(f"{path} declares {stored.itemsize * dataset.size} bytes, but {size} are stored")
    numbers = Numbers(dataset, path, data, is_bfloat16=bfloat16)
    dtype = "bfloat16" if bfloat16 else str(stored.newbyteorder("="))
    return Tensor(
        path, tuple(int(length) for length in shape), dtype, numbers.fetch, None if bfloat16 else numbers.rows
    )


def _text(value: Any) -> Any:
    """Text out of what h5py gives for it: bytes or str by h5py's version and by the attribute's type."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, str):
        return str(value)
    return value.item() if isinstance(value, np.generic) else value
