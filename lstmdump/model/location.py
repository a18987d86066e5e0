"""Locations of model files, on this machine or at a URL. All reading of models goes through this class.

`pathlib` is not used because it takes 3 to 4 ms to import, a fifth of the time to show a checkpoint.
"""

from __future__ import annotations

import io
import os
from itertools import islice
from typing import BinaryIO, cast

from lstmdump.errors import RefusedModel
from lstmdump.model import budget
from lstmdump.model.limits import DEFAULTS, Limits, limit_exceeded
from lstmdump.model.opening import Stamp, WatchedFile, changed, find_place, require_same

_CACHED = ("models--", "datasets--", "spaces--")  # prefixes of repositories in the cache of the Hugging Face Hub


def list_stores(directory: str) -> list[str]:
    """Return the directories outside of a model's `directory` into which links may lead.

    The cache of the Hugging Face Hub stores the files of `models--*/snapshots/*` in `models--*/blobs`.
    """
    before, _, _ = os.path.join(directory, "").rpartition(f"{os.sep}snapshots{os.sep}")
    return [os.path.join(before, "blobs", "")] if os.path.basename(before).startswith(_CACHED) else []


def stays_below(path: str, directory: str) -> bool:
    """Return whether `path`, with all links followed, is below `directory`, or in the store of a Hub that it is in."""
    return os.path.realpath(path).startswith(_list_below(directory))


def _list_below(directory: str) -> tuple[str, ...]:
    """Return how paths without links begin that are below `directory`, or in the store of a Hub that it is in."""
    root = os.path.realpath(directory)
    return os.path.join(root, ""), *list_stores(root)


def leads_out(path: str, directory: str) -> bool:
    """Return whether `path`, which is in `directory`, is a link that leads out of it."""
    return os.path.islink(path) and not stays_below(path, directory)


class Location:
    """A file or directory on this machine, which need not exist.

    A file in a model's directory is not opened if links lead out of that directory: otherwise an archive of models
    could cause the user's own files to be read. Methods that access the file system raise `OSError`, or `ValueError`
    for an invalid path.

    Args:
        path: The path of the file or directory.
        root: The directory of the model that contains it; empty for a path that the user named.
        limits: The limits for what is read here, and from locations derived from this one.
        opened: The files of the model that have been opened, each with its stamp then.
        below: The directory whose search has found `path`, which links must not lead out of; empty where none has.

    Attributes:
        path: The path as given, or derived from the one given.
        limits: The limits.
    """

    __slots__ = ("_below", "_opened", "_root", "limits", "path")

    is_here = True
    """Whether it is on this machine, so that libraries can open it by its path."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        root: str = "",
        limits: Limits = DEFAULTS,
        opened: dict[str, Stamp] | None = None,
        below: str = "",
    ) -> None:
        self.path = os.fspath(path)
        self._root = root
        self.limits = limits
        self._opened = {} if opened is None else opened
        self._below = below

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"

    @property
    def name(self) -> str:
        """The last part of the path."""
        return os.path.basename(self.path)

    @property
    def parent(self) -> Location:
        """The directory that contains this file."""
        return Location(os.path.dirname(self.path) or os.curdir, self._root, self.limits, self._opened)

    def child(self, name: str) -> Location:
        """Return the location of `name` in this directory."""
        return Location(os.path.join(self.path, name), self._root or self.path, self.limits, self._opened)

    def sibling(self, name: str) -> Location:
        """Return the location of `name` in the directory of this file."""
        directory = os.path.dirname(self.path)
        return Location(os.path.join(directory, name), self._root or directory or os.curdir, self.limits, self._opened)

    def exists(self) -> bool:
        """Return whether a file or directory exists here and is accessible."""
        return os.path.exists(self.path)

    def is_file(self) -> bool:
        """Return whether this is a file or a link to one."""
        return os.path.isfile(self.path)

    def is_dir(self) -> bool:
        """Return whether this is a directory or a link to one."""
        return os.path.isdir(self.path)

    def size(self) -> int | None:
        """Return the size of this file in bytes, or None if it is not known before the file is read."""
        return os.stat(self.path).st_size

    def entries(self) -> list[tuple[Location, bool]]:
        """Return the entries of this directory by name, each with whether it is a directory and not a link to one.

        Raises:
            RefusedModel: It has more than `limits` allow.
        """
        with os.scandir(self.path) as found:
            first = list(islice(found, self.limits.objects + 1))
            require_short_listing(len(first), self.limits)
            listed = sorted((entry.name, entry) for entry in first if entry.is_file() or entry.is_dir())
        return [(Location(entry.path, limits=self.limits), entry.is_dir(follow_symlinks=False)) for _, entry in listed]

    def open(self, *, buffered: bool = True) -> BinaryIO:
        """Open this file for reading at any position; callers that read large pieces need no buffer.

        Raises:
            ChangedFile: It has been written since it was opened before.
            OSError: It cannot be opened, or is not a regular file.
            RefusedModel: Links lead out of the model's directory.
        """
        path, follow = self._find_target()
        file = WatchedFile(path, follow=follow)
        try:
            self._require_known(file)
        except BaseException:
            file.close()
            raise
        return cast("BinaryIO", io.BufferedReader(file) if buffered else file)

    def require_unchanged(self) -> None:
        """Check that nobody has written a file of the model since it was opened.

        Raises:
            ChangedFile: Somebody has.
        """
        for path, stamp in self._opened.items():
            require_same(path, stamp)

    def _find_target(self) -> tuple[str, bool]:
        """Return the path to open, and whether it may be a link: if the user named it, and nobody else.

        Raises:
            RefusedModel: Links lead out of the model's directory.
        """
        root = self._root or self._below
        if not root:
            return self.path, True
        if not self._has_links(root):
            return self.path, False
        if not stays_below(self.path, root):
            raise self._leads_out()
        return os.path.realpath(self.path), False

    def _require_known(self, file: WatchedFile) -> None:
        """Check that an open file is the one that was opened here before, if any, and that no link has led to it.

        Raises:
            ChangedFile: It has been written since it was opened before.
            RefusedModel: A link has been put on the way since the path was looked at.
        """
        if self._opened.setdefault(file.path, file.stamp) != file.stamp:
            raise changed(self.name)
        if root := self._root or self._below:
            place = find_place(file)
            if place is not None and not place.startswith(_list_below(root)):
                raise self._leads_out()

    def _leads_out(self) -> RefusedModel:
        words = f"{self.name} is reached through a link that leads out of "
        if self._root:
            return RefusedModel(words + "the model's directory; replace the link by a copy of its target")
        return RefusedModel(f"{words}{self._below}; name it to read it")

    def _has_links(self, directory: str) -> bool:
        path, start = self.path, os.path.join(directory, "")
        root = start if path.startswith(start) else ""
        while len(path) > len(root):
            if os.path.islink(path):
                return True
            path = os.path.dirname(path)
        return False

    def read(self) -> bytes:
        """Return the contents of this file."""
        with self.open() as file:
            data = file.read()
        budget.allow(len(data))
        return data


def require_short_listing(count: int, limits: Limits) -> None:
    """Check that a directory does not have more entries than `limits` allow.

    Raises:
        RefusedModel: It has more.
    """
    if count > limits.objects:
        words = f"a directory of more than {limits.objects:,} files and directories"
        raise limit_exceeded("objects", words, needed=10 * limits.objects)
