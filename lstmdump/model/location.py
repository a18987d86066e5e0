"""Where the files of a model lie: on this machine, or at a URL. What is read of a model is read through here.

`pathlib` could name files, too, but takes 3 to 4 ms to import, a fifth of what showing a checkpoint takes.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from lstmdump.errors import RefusedModel
from lstmdump.model import budget
from lstmdump.model.limits import DEFAULTS, Limits

_CACHED = ("models--", "datasets--", "spaces--")  # how the names of repositories begin in the cache of the Hub


def _stores(directory: str) -> list[str]:
    """Where links may lead from DIRECTORY, a model's, though it is outside.

    The cache of the Hugging Face Hub keeps the files of `models--NAME/snapshots/REVISION` in `models--NAME/blobs`.
    """
    before, _, _ = os.path.join(directory, "").rpartition(f"{os.sep}snapshots{os.sep}")
    return [os.path.join(before, "blobs", "")] if os.path.basename(before).startswith(_CACHED) else []


class Location:
    """A file or a directory on this machine, which may not be there, by its PATH.

    ROOT is the directory of the model that it is found in; empty for what the user named. What lies in a model's
    directory is not opened where links lead out of it: an archive of models could have the user's own files read.

    Attributes:
        path: as it was given, or made of that.
        limits: how far what lies here is trusted, and what is reached from here.

    What looks there raises an OSError, or a ValueError where no file can have this path.
    """

    __slots__ = ("_root", "limits", "path")

    is_here = True
    """Whether it is on this machine, so that others can open it by its path."""

    def __init__(self, path: str | os.PathLike[str], root: str = "", limits: Limits = DEFAULTS) -> None:
        self.path = os.fspath(path)
        self._root = root
        self.limits = limits

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"

    @property
    def name(self) -> str:
        """The last part of the path."""
        return os.path.basename(self.path)

    @property
    def parent(self) -> Location:
        """The directory that this file lies in."""
        return Location(os.path.dirname(self.path) or os.curdir, self._root, self.limits)

    def child(self, name: str) -> Location:
        """What is called NAME in this directory."""
        return Location(os.path.join(self.path, name), self._root or self.path, self.limits)

    def sibling(self, name: str) -> Location:
        """What is called NAME beside this file."""
        directory = os.path.dirname(self.path)
        return Location(os.path.join(directory, name), self._root or directory or os.curdir, self.limits)

    def exists(self) -> bool:
        """Whether anything that can be looked at is here."""
        return os.path.exists(self.path)

    def is_file(self) -> bool:
        """Whether a file is here, or a link to one."""
        return os.path.isfile(self.path)

    def is_dir(self) -> bool:
        """Whether a directory is here, or a link to one."""
        return os.path.isdir(self.path)

    def size(self) -> int | None:
        """The bytes of this file; None where that is not known before it is read."""
        return os.stat(self.path).st_size

    def entries(self) -> list[tuple[Location, bool]]:
        """The files and directories in this directory, by name, and whether each is a directory, and no link to one."""
        with os.scandir(self.path) as found:
            listed = sorted((entry.name, entry) for entry in found if entry.is_file() or entry.is_dir())
        return [(Location(entry.path, limits=self.limits), entry.is_dir(follow_symlinks=False)) for _, entry in listed]

    def open(self, *, buffered: bool = True) -> BinaryIO:
        """This file, open for reading at any position; who reads large pieces needs no buffer in between."""
        return open(self.inside(), "rb", buffering=-1 if buffered else 0)

    def inside(self) -> str:
        """The path, for who opens it by other means.

        Raises:
            RefusedModel: links lead from it out of the model's directory.
        """
        if self._root and self._has_links():
            root, target = os.path.realpath(self._root), os.path.realpath(self.path)
            if not target.startswith((os.path.join(root, ""), *_stores(root))):
                raise RefusedModel(f"{self.name} is, or lies behind, a link that leads out of the model's directory; "
                                   "copy in its place what it leads to")  # fmt: skip
        return self.path

    def _has_links(self) -> bool:
        path, start = self.path, os.path.join(self._root, "")
        root = start if path.startswith(start) else ""
        while len(path) > len(root):
            if os.path.islink(path):
                return True
            path = os.path.dirname(path)
        return False

    def read(self) -> bytes:
        """All that is in this file."""
        with self.open() as file:
            data = file.read()
        budget.allow(len(data))
        return data
