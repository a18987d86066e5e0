"""Temporary files for what is unpacked, also in a confined process, which can create none itself."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from typing import BinaryIO

_AT_ONCE = 2
_PLACES = ("TMPDIR", "TEMP", "TMP")
_confined: list[bool] = []
_kept: list[int] = []  # descriptors of empty files without a name


def keep() -> None:
    """Open files now, for a process that is going to be confined."""
    _confined[:] = [True]
    directory = next((place for name in _PLACES if (place := os.environ.get(name))), "/tmp")  # noqa: S108
    with suppress(OSError):
        while len(_kept) < _AT_ONCE:
            _kept.append(_open_nameless(directory))


def open_scratch() -> BinaryIO:
    """Return a temporary file, or a file in memory where a confined process has none left."""
    if not _confined:
        from tempfile import TemporaryFile

        return TemporaryFile()
    return _Kept(_kept.pop()) if _kept else io.BytesIO()


def _open_nameless(directory: str) -> int:
    if hasattr(os, "O_TMPFILE"):
        with suppress(OSError):
            return os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o600)
    path = f"{directory}/.lstmdump-{os.urandom(8).hex()}"
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    os.unlink(path)
    return descriptor


class _Kept(io.FileIO):
    """A file that is emptied when it is closed, for the next one."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "r+b", closefd=False)
        self._descriptor = descriptor

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            _kept.append(self._descriptor)
