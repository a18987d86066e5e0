"""The files that hold the numbers of a model: the model itself, and files beside it.

Source: `docs/ExternalData.md`. The names of the others come from the model, so only files in its directory are opened.
"""

from __future__ import annotations

from typing import BinaryIO

from lstmdump.errors import ModelClosed, UnreadableModel
from lstmdump.model.location import Location


class DataFiles:
    """The files of the model at a location, each opened when it is needed.

    Args:
        location: The location of the model.
    """

    def __init__(self, location: Location) -> None:
        self._location = location
        self._files: dict[str, BinaryIO] = {}
        self._sizes: dict[str, int | None] = {}
        self._closed = False

    def open(self, name: str = "") -> BinaryIO:
        """Return the open file `name` beside the model, or the model itself if no name is given.

        Raises:
            ModelClosed: The model has been closed.
            RefusedModel: A link leads out of the model's directory.
            UnreadableModel: The file does not exist, or cannot be opened.
        """
        if self._closed:
            raise ModelClosed("numbers were requested after the model had been closed")
        if name not in self._files:
            try:
                self._files[name] = self._locate(name).open(buffered=False)
            except FileNotFoundError as error:
                raise UnreadableModel(f"{name} is missing, so its numbers cannot be read") from error
            except (OSError, ValueError) as error:
                words = error.strerror if isinstance(error, OSError) and error.strerror else error
                raise UnreadableModel(f"{name or 'it'} cannot be read: {words}") from error
        return self._files[name]

    def size(self, name: str) -> int | None:
        """Return the size in bytes of the file `name` beside the model; None if there is no such file."""
        if name not in self._sizes:
            location = self._locate(name)
            try:
                self._sizes[name] = self.open(name).seek(0, 2) if location.is_file() else None
            except (OSError, ValueError) as error:
                raise UnreadableModel(f"{name} cannot be read: {error}") from error
        return self._sizes[name]

    @property
    def missing(self) -> list[str]:
        """The files beside the model that it refers to, but that do not exist."""
        return [name for name, size in self._sizes.items() if size is None]

    @property
    def stored(self) -> int:
        """The size in bytes of the files beside the model."""
        return sum(size or 0 for size in self._sizes.values())

    def close(self) -> None:
        """Close all files."""
        self._closed = True
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _locate(self, name: str) -> Location:
        return self._location.sibling(name) if name else self._location
