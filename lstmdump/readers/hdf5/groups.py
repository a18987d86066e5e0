"""What the readers of Keras's formats use of an HDF5 file, whoever reads it: groups, attributes and tensors.

A model file is untrusted. Keras writes hard links and data inside the file only, so soft and external links, external
storage and virtual datasets, all of which let a file read another one (CVE-2026-1669 in Keras), are refused before
anything is opened through them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.model.tensor import Tensor


class Group(ABC):
    """A group of an open file.

    Attributes:
        path: the path in the file; empty for the root.
        limits: how far the model is trusted.
    """

    path: str
    limits: Limits

    @abstractmethod
    def look_ahead(self) -> None:
        """Prepare to look up most of the links below this group."""

    @abstractmethod
    def group(self, path: str) -> Group | None:
        """Return the group at `path` below this one, or None if it does not exist."""

    @abstractmethod
    def tensor(self, path: str, *, opaque_is_bfloat16: bool) -> Tensor | None:
        """Return the dataset at `path` below this group, or None if it does not exist.

        HDF5 has no type for bfloat16. With `opaque_is_bfloat16`, opaque elements of two bytes are taken for it.
        """

    @property
    @abstractmethod
    def address(self) -> int:
        """The address in the file, which is unique; objects that were written earlier have lower addresses."""

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of the members of this group, in the order of the file (usually alphabetical)."""

    @abstractmethod
    def attribute(self, name: str) -> Any:
        """Return the attribute `name`: str for text, a list for an array, else a number; None if it is absent."""

    @abstractmethod
    def has_attribute(self, name: str) -> bool:
        """Return whether the attribute `name` exists, without reading the value, which may be long."""

    def text(self, name: str) -> str | None:
        """Return the attribute `name` if it is text, else None."""
        value = self.attribute(name)
        return value if isinstance(value, str) else None

    def strings(self, name: str) -> list[str] | None:
        """Return the list of names in the attribute `name`, or None if it is absent.

        Keras divides a list that is too long for one attribute into `name0`, `name1`, …; these are joined. For a layer
        without weights, every version of Keras stores an empty array of float64.

        Raises:
            CorruptModel: The attribute does not hold names.
        """
        whole = self.attribute(name)
        if whole is None:
            pieces: list[Any] = []
            length = 0
            while (piece := self.attribute(f"{name}{len(pieces)}")) is not None:
                pieces.append(piece)
                length += sum(map(len, map(str, piece))) if isinstance(piece, list) else 0
                if length > self.limits.json_size:
                    raise attribute_too_long(name, self.path, length)
            if not pieces:
                return None
            whole = [item for piece in pieces for item in (piece if isinstance(piece, list) else [piece])]
        if not isinstance(whole, list) or not all(isinstance(item, str) for item in whole):
            raise CorruptModel(f"the attribute {name} of {self.path or '/'} is not a list of names")
        return whole

    def _join(self, path: str) -> str:
        return f"{self.path}/{path}" if self.path else path


class HDF5File(Group):
    """The root group of an open HDF5 file."""

    @abstractmethod
    def check_declared_sizes(self) -> None:
        """Check the arrays looked up so far against the stored bytes.

        Raises:
            CorruptModel: Two arrays overlap.
            RefusedModel: The arrays of the model declare far more bytes in total than are stored.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the file."""


class AttributeTooLong(Exception):
    """An attribute exceeds the limit; `length` is its length in bytes."""

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length


def attribute_too_long(name: str, path: str, length: int) -> RefusedModel:
    """Return the error for an attribute `name` of up to `length` bytes of the object at `path`."""
    words = f"the attribute {name} of {path or '/'} has up to {length:,} bytes"
    return limit_exceeded("json_size", words, needed=length)


def too_many_links(limits: Limits) -> RefusedModel:
    """Return the error for a file with more links than `limits` allows."""
    return limit_exceeded("objects", f"HDF5 file with more than {limits.objects:,} links", needed=10 * limits.objects)


def declared_otherwise(path: str, declared: int, stored: int) -> CorruptModel:
    """Return the error for the array at `path`, which declares a number of bytes of which others are `stored`."""
    return CorruptModel(f"{path} declares {declared} bytes, but {stored} are stored")


def encode_path(path: str) -> bytes:
    """Return the bytes of `path` in the file."""
    return path.encode("utf-8", "surrogateescape")
