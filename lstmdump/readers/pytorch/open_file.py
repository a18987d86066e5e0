"""The file of a model, open until the model is closed."""

from __future__ import annotations

import os
from typing import BinaryIO

from lstmdump.errors import CorruptModel, ModelClosed, UnreadableModel
from lstmdump.model.location import Location
from lstmdump.model.opening import require_unchanged


class OpenFile:
    """The file at `location`, open for reading.

    Attributes:
        name: Its name.
        size: Its size in bytes.

    Raises:
        UnreadableModel: It cannot be opened.
    """

    def __init__(self, location: Location) -> None:
        self.name = location.name
        self._is_closed = False
        try:
            self._file = location.open(buffered=False)
            self.size = self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise UnreadableModel(f"cannot be opened: {error.strerror or error}") from error

    def get(self, array: str) -> BinaryIO:
        """Return the file, to read `array`.

        Raises:
            ModelClosed: The model has been closed.
        """
        if self._is_closed:
            raise ModelClosed(f"{array} was requested after the model had been closed")
        return self._file

    def read(self, start: int, size: int) -> bytes:
        """Return the `size` bytes from `start` on.

        Raises:
            ChangedFile: Somebody has written the file meanwhile.
            CorruptModel: The file ends before.
            UnreadableModel: The system cannot read the file.
        """
        found = bytearray()
        try:
            self._file.seek(start)
            while len(found) < size and (piece := self._file.read(size - len(found))):
                found += piece
            require_unchanged(self._file)
        except OSError as error:
            raise UnreadableModel(f"cannot be read: {error.strerror or error}") from error
        if len(found) < size:
            raise CorruptModel(f"{self.name} is cut short: it ends before byte {start + size:,}")
        return bytes(found)

    def close(self) -> None:
        """Close the file."""
        self._is_closed = True
        self._file.close()
