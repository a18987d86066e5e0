"""Where the files of a model lie. What is read of a model is read through here.

`pathlib` could name files, too, but takes 3 to 4 ms to import, a fifth of what showing a checkpoint takes.
"""

from __future__ import annotations

import os
from typing import BinaryIO


class Location:
    """A file or a directory on this machine, which may not be there, by its PATH.

    What looks there raises an OSError, or a ValueError where no file can have this path.
    """

    __slots__ = ("path",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"

    @property
    def name(self) -> str:
        """The last part of the path."""
        return os.path.basename(self.path)

    @property
    def parent(self) -> Location:
        """The directory that this file lies in."""
        return Location(os.path.dirname(self.path) or os.curdir)

    def child(self, name: str) -> Location:
        """What is called NAME in this directory."""
        return Location(os.path.join(self.path, name))

    def sibling(self, name: str) -> Location:
        """What is called NAME beside this file."""
        return Location(os.path.join(os.path.dirname(self.path), name))

    def exists(self) -> bool:
        """Whether anything that can be looked at is here."""
        return os.path.exists(self.path)

    def is_file(self) -> bool:
        """Whether a file is here, or a link to one."""
        return os.path.isfile(self.path)

    def is_dir(self) -> bool:
        """Whether a directory is here, or a link to one."""
        return os.path.isdir(self.path)

    def names(self) -> list[str]:
        """The names of all that lies in this directory, in order."""
        return sorted(os.listdir(self.path))

    def open(self, *, buffered: bool = True) -> BinaryIO:
        """This file, open for reading at any position; who reads large pieces needs no buffer in between."""
        return open(self.path, "rb", buffering=-1 if buffered else 0)

    def read(self) -> bytes:
        """All that is in this file."""
        with self.open() as file:
            return file.read()
