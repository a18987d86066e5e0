"""Zip archives with a limit on the size of the directory: even a member that is never read takes 10 µs and 500 bytes.

`crc32` is the checksum of zip, from the fastest library that is installed. `crc32_combine` makes that of two parts from
those of each; None if the library has no such function. `zipfile` is imported when an archive is opened: exports write
archives without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

from lstmdump.model.limits import Limits, limit_exceeded

try:
    # 3.1 GB/s, against 0.9 to 4 GB/s of zlib depending on its build; some rarer platforms have no wheels of isal.
    from isal.isal_zlib import crc32, crc32_combine
except ImportError:
    from zlib import crc32

    crc32_combine = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import zipfile

__all__ = ["crc32", "crc32_combine", "opened"]

_ENTRY_SIZE = 46  # bytes of an entry in the directory, before its name; APPNOTE.TXT 4.3.12


class _LimitedFile:
    """A file that refuses a single read longer than a directory of as many members as `limits` allows."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file = file
        # zipfile itself reads 64 KiB to find the directory
        self._limit: int | None = max(limits.objects * _ENTRY_SIZE, 1 << 17)
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes, or all.

        Raises:
            RefusedModel: There are too many.
        """
        if self._limit is not None and size > self._limit:
            words = f"a zip archive whose directory has {size:,} bytes"
            raise limit_exceeded("objects", words, needed=-(-size // _ENTRY_SIZE))
        return self._file.read(size)

    def allow_all(self) -> None:
        """Allow reads of any size from now on."""
        self._limit = None


def opened(file: BinaryIO, limits: Limits) -> zipfile.ZipFile:
    """Open the zip archive in `file`.

    Exceptions of `zipfile` for a damaged archive are not converted.

    Raises:
        RefusedModel: The archive has too many members.
    """
    import zipfile

    directory = _LimitedFile(file, limits)
    archive = zipfile.ZipFile(cast("BinaryIO", directory))
    directory.allow_all()
    return archive
