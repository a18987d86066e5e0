"""Zip archives, opened if their directories are not too long: a member that is never read takes 10 µs and 500 bytes.

`crc32` is their checksum, from the fastest library that is here. `zipfile` is imported by who opens one: exports write
theirs without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

from lstmdump.model.limits import Limits, limit_exceeded

try:
    # 3.1 GB/s, where zlib comes to 0.9 to 4 GB/s by its build; there are no wheels of it for some rarer machines.
    from isal.isal_zlib import crc32
except ImportError:
    from zlib import crc32

if TYPE_CHECKING:
    import zipfile

__all__ = ["crc32", "opened"]

_SHORTEST = 46  # bytes of an entry in the directory, before its name; APPNOTE.TXT 4.3.12


class _Directory:
    """FILE, of which no part is read at once that is longer than a directory of as many members as `limits` allows."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file = file
        self._most: int | None = max(limits.objects * _SHORTEST, 1 << 17)  # what zipfile searches for the directory
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, size: int = -1) -> bytes:
        """The next SIZE bytes, or all.

        Raises:
            RefusedModel: they are too many.
        """
        if self._most is not None and size > self._most:
            words = f"a zip archive whose directory has {size:,} bytes"
            raise limit_exceeded("objects", words, needed=-(-size // _SHORTEST))
        return self._file.read(size)

    def trust(self) -> None:
        """Read what is asked for from now on."""
        self._most = None


def opened(file: BinaryIO, limits: Limits) -> zipfile.ZipFile:
    """The zip archive in FILE.

    What zipfile raises over a damaged archive is left as it is.

    Raises:
        RefusedModel: it has too many members.
    """
    import zipfile

    directory = _Directory(file, limits)
    archive = zipfile.ZipFile(cast("BinaryIO", directory))
    directory.trust()
    return archive
