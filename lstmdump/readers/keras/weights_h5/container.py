"""The files of a Keras model, in a directory; `zip_container` has those in a zip archive.

Names are untrusted, so only plain file names are opened in a directory.
"""

from __future__ import annotations

from typing import Protocol

from lstmdump.errors import UnreadableModel
from lstmdump.model.limits import Limits
from lstmdump.model.location import Location
from lstmdump.readers import json_text
from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.file_names import is_plain_file_name
from lstmdump.readers.hdf5.choice import MOST_TEXT, require_usual
from lstmdump.readers.hdf5.file import HDF5File, open_hdf5


class Container(Protocol):
    """The files of one model, with the limits on reading them."""

    limits: Limits

    def has(self, name: str) -> bool:
        """Return whether the file `name` exists."""

    def text(self, name: str) -> bytes:
        """Return the content of the file `name`, if it does not exceed the limit on JSON texts."""

    def hdf5(self, name: str) -> HDF5File:
        """Open the HDF5 file `name`, which stays open until the container is closed."""

    def verify(self) -> None:
        """Compare all open files with their checksums, if there are any."""

    def close(self) -> None:
        """Close all files."""


class DirectoryContainer:
    """The files of a model in a directory."""

    def __init__(self, location: Location) -> None:
        self._directory = location
        self.limits = location.limits
        self._declared = Declared(location.limits)
        self._open: list[HDF5File] = []

    def has(self, name: str) -> bool:
        """Return whether the file `name` exists."""
        return is_plain_file_name(name) and self._directory.child(name).is_file()

    def text(self, name: str) -> bytes:
        """Return the content of the file `name`.

        Raises:
            RefusedModel: The file exceeds the limit on JSON texts.
        """
        try:
            content = json_text.content(self._directory.child(name))
        except OSError as error:
            raise UnreadableModel(f"{name} cannot be read: {error.strerror or error}") from error
        require_usual(len(content), MOST_TEXT)
        return content

    def hdf5(self, name: str) -> HDF5File:
        """Open the HDF5 file `name`.

        Raises:
            CorruptModel: The file is not HDF5 or is damaged.
        """
        self._open.append(open_hdf5(self._directory.child(name), declared=self._declared))
        return self._open[-1]

    def verify(self) -> None:
        """Do nothing: files in a directory have no checksums."""

    def close(self) -> None:
        """Close all files."""
        for file in self._open:
            file.close()
