"""Zip archives with a limit on the size of the directory: even a member that is never read takes 10 µs and 500 bytes.

`crc32` is the checksum of zip, from the fastest library that is installed. `crc32_combine` makes that of two parts from
those of each; None if the library has no such function. `zipfile` is imported for archives that are not plain, and for
members that are compressed; exports write archives without it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.model.zip import directory
from lstmdump.model.zip.directory import ENTRY_SIZE, Member

try:
    # 3.1 GB/s, against 0.9 to 4 GB/s of zlib depending on its build; some rarer platforms have no wheels of isal.
    from isal.isal_zlib import crc32, crc32_combine
except ImportError:
    from zlib import crc32

    crc32_combine = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import zipfile

__all__ = ["Archive", "crc32", "crc32_combine", "opened"]

_MOST_AT_ONCE = 16 * 2**20  # bytes of a member that are read without `zipfile`


class _LimitedFile:
    """A file that refuses a single read of more than `most` bytes, for as long as a directory is read."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self._most: int | None = most
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes, or all.

        Raises:
            RefusedModel: There are too many.
        """
        if self._most is not None and size > self._most:
            words = f"a zip archive whose directory has {size:,} bytes"
            raise limit_exceeded("objects", words, needed=-(-size // ENTRY_SIZE))
        return self._file.read(size)

    def allow_all(self) -> None:
        """Allow reads of any size from now on."""
        self._most = None


class Archive:
    """The zip archive in `file`, which stays open.

    Attributes:
        members: All members, in the order of the directory.

    Raises:
        RefusedModel: The archive has too many members.
        ValueError: The archive is damaged.
        NotImplementedError: It is of a version that `zipfile` does not read.
    """

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._archive: zipfile.ZipFile | None = None
        plain = directory.read_plain(file, _most_bytes(limits))
        self.members = plain if plain is not None else [_describe(info) for info in self._by_zipfile().infolist()]

    def names(self) -> list[str]:
        """Return the names of all members, in the order of the directory."""
        return [member.filename for member in self.members]

    @contextmanager
    def open(self, member: Member) -> Iterator[BinaryIO]:
        """Yield the decompressed content of `member`, whose checksum is compared when all has been read.

        Raises:
            ValueError: The member is damaged; also while it is read, as are the other exceptions.
            RuntimeError: It is encrypted.
            NotImplementedError: It is compressed in a way that `zipfile` does not read.
        """
        content = None
        if self._archive is None and member.file_size <= _MOST_AT_ONCE:
            content = directory.read_stored(self._file, member)
        if content is not None:
            yield io.BytesIO(content)
            return
        with _convert_damage():
            archive = self._by_zipfile()
            with archive.open(archive.infolist()[self.members.index(member)]) as opened:
                yield cast("BinaryIO", opened)

    def _by_zipfile(self) -> zipfile.ZipFile:
        if self._archive is None:
            with _convert_damage():
                self._archive = opened(self._file, self._limits)
        return self._archive


def opened(file: BinaryIO, limits: Limits) -> zipfile.ZipFile:
    """Open the zip archive in `file` with `zipfile`, whose exceptions for a damaged archive are not converted.

    Raises:
        RefusedModel: The archive has too many members.
    """
    import zipfile

    directory = _LimitedFile(file, _most_bytes(limits))
    archive = zipfile.ZipFile(cast("BinaryIO", directory))
    directory.allow_all()
    return archive


def _most_bytes(limits: Limits) -> int:
    """Return the bytes of a directory with as many members as `limits` allow."""
    return max(limits.objects * ENTRY_SIZE, 1 << 17)  # `zipfile` reads 64 KiB to find the directory


@contextmanager
def _convert_damage() -> Iterator[None]:
    """Convert `zipfile`'s own exception to a ValueError, for callers that do not import `zipfile`."""
    import zipfile

    try:
        yield
    except zipfile.BadZipFile as error:
        raise ValueError(*error.args) from error


def _describe(info: zipfile.ZipInfo) -> Member:
    return Member(*(getattr(info, attribute) for attribute in Member._fields))
