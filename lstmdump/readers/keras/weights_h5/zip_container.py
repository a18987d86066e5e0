"""The files of a Keras model in a zip archive.

The archive and its names are untrusted, so nothing is extracted under a name from the archive: members are opened by
known names.
"""

from __future__ import annotations

import io
import math
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO, cast

from lstmdump.errors import CorruptModel, RefusedModel, UnsupportedFormat
from lstmdump.model import budget
from lstmdump.model.limits import FREE, limit_exceeded
from lstmdump.model.location import Location
from lstmdump.model.scratch import open_scratch
from lstmdump.model.zip.archives import Archive
from lstmdump.model.zip.directory import DEFLATED, LOCAL_HEADER, LOCAL_HEADER_SIZE, STORED, Member
from lstmdump.readers import foreign_errors, json_text
from lstmdump.readers.declared_sizes import Declared, Extents
from lstmdump.readers.hdf5.choice import MOST_TEXT, require_usual
from lstmdump.readers.hdf5.file import HDF5File, open_hdf5
from lstmdump.readers.keras.weights_h5.member_window import MemberWindow

_MAX_IN_MEMORY = 16 * 2**20  # bytes; a larger decompressed member is kept in a temporary file
_MAX_READ_WHOLE = 8 * 2**20  # bytes; a smaller uncompressed member with few numbers in it is read when it is opened
_METADATA_PER_BYTE = 32  # of HDF5 per byte of the architecture; 1,000 layers of 8 units have 26, one of 64 units has 47
_CHUNK = 2**20
_ENCRYPTED = 0x1
_FOREIGN_ERRORS = (zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


class ZipContainer:
    """The files of a model in a zip archive.

    Raises:
        CorruptModel: The archive is truncated or damaged.
    """

    def __init__(self, location: Location) -> None:
        self._is_here = location.is_here
        self.limits = location.limits
        self._declared = Declared(location.limits)
        with _convert_errors("the zip archive"):
            self._file = location.open()
            try:
                self._archive = Archive(self._file, location.limits)
            except BaseException:
                self._file.close()
                raise
        self._members: dict[str, list[Member]] = {}
        for info in self._archive.members:
            self._members.setdefault(info.filename, []).append(info)
        self._places = Extents()
        self._taken: set[str] = set()
        self._open: list[HDF5File] = []
        self._unverified: list[MemberWindow] = []

    def has(self, name: str) -> bool:
        """Return whether the member `name` exists."""
        return name in self._members

    def text(self, name: str) -> bytes:
        """Return the content of the member `name`.

        Raises:
            CorruptModel: The member is damaged or missing.
            RefusedModel: The member exceeds the limit on JSON texts, or is encrypted.
        """
        size = self._find_member(name).file_size
        if size > self.limits.json_size:
            raise json_text.too_long(name, size)
        require_usual(size, MOST_TEXT)
        with self._open_inflated(name) as member:
            return member.read(size)

    def hdf5(self, name: str) -> HDF5File:
        """Open the HDF5 file in the member `name`.

        Keras stores it uncompressed; then it is read from the archive itself, without a copy.

        Raises:
            CorruptModel: The member is not HDF5 or is damaged.
            RefusedModel: The member decompresses to far more than its stored size, or is encrypted.
        """
        info = self._find_member(name)
        if info.compress_type == STORED:
            window = self._open_window(info)
            self._unverified.append(window)
            in_memory = self._is_mostly_described(info)
            self._open.append(open_hdf5(cast("BinaryIO", window), in_memory=in_memory, declared=self._declared))
        else:
            unpacked = self._unpack(info)
            self._open.append(open_hdf5(unpacked, declared=self._declared, stored=info.compress_size))
        return self._open[-1]

    def verify(self) -> None:
        """Compare every uncompressed member with its checksum; decompression has checked the others.

        Raises:
            CorruptModel: A checksum differs.
        """
        while self._unverified and not self._file.closed:
            with _convert_errors(self._unverified[-1].name):
                self._unverified[-1].verify()
            self._unverified.pop()

    def close(self) -> None:
        """Close the archive and all files opened in it."""
        for file in self._open:
            file.close()
        self._file.close()

    def _find_member(self, name: str) -> Member:
        if name not in self._members:
            raise CorruptModel(f"{name} is missing from the zip archive")
        if len(self._members[name]) > 1:
            raise CorruptModel(f"the zip archive holds more than one {name}")
        info = self._members[name][0]
        if info.flag_bits & _ENCRYPTED:
            raise RefusedModel(f"{name} is encrypted; Keras does not encrypt files")
        if info.compress_type not in (STORED, DEFLATED):
            raise UnsupportedFormat(f"{name} is compressed by a method that is not supported; only deflate is")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise RefusedModel(f"{name} is a symbolic link; Keras does not write links")
        if name not in self._taken:
            self._taken.add(name)
            self._places.take(name, info.header_offset, LOCAL_HEADER_SIZE + info.compress_size)
            self._places.require_disjoint()
        return info

    def _is_mostly_described(self, info: Member) -> bool:
        """Return whether the HDF5 file `info` consists mostly of metadata, which is going to be read anyway.

        HDF5 reads metadata in pieces of some hundred bytes. Through Python, the pieces of 1,000 layers take 90 ms.
        """
        others = sum(other.file_size for other in self._archive.members if other is not info)
        return self._is_here and info.file_size <= min(_MAX_READ_WHOLE, _METADATA_PER_BYTE * others)

    @contextmanager
    def _open_inflated(self, name: str) -> Iterator[BinaryIO]:
        info = self._find_member(name)
        if info.file_size > max(FREE, self.limits.unfolding * info.compress_size):
            words = f"{name} inflates from {info.compress_size:,} bytes to {info.file_size:,}"
            needed = math.ceil(info.file_size / max(1, info.compress_size))
            raise limit_exceeded("unfolding", words, needed=needed)
        with _convert_errors(name), self._archive.open(info) as member:
            yield member

    def _open_window(self, info: Member) -> MemberWindow:
        with _convert_errors(info.filename):
            self._file.seek(info.header_offset)
            header = self._file.read(LOCAL_HEADER_SIZE)
            name_length, extra_length = struct.unpack("<26x2H", header)
            name = self._file.read(name_length)
            start = info.header_offset + LOCAL_HEADER_SIZE + name_length + extra_length
            end = self._file.seek(0, io.SEEK_END)
            if header[:4] != LOCAL_HEADER or name != info.filename.encode() or start + info.file_size > end:
                raise CorruptModel(f"{info.filename} is not at the offset that the zip archive states")
            return MemberWindow(self._file, info.filename, start, info.file_size, info.CRC)

    def _unpack(self, info: Member) -> BinaryIO:
        with self._open_inflated(info.filename) as member, _convert_errors(info.filename):
            budget.allow(info.file_size)
            into: BinaryIO = io.BytesIO() if info.file_size <= _MAX_IN_MEMORY else open_scratch()
            # zipfile stops at the declared size, and compares the checksum there.
            while chunk := member.read(_CHUNK):
                into.write(chunk)
            return into


def _convert_errors(what: str) -> AbstractContextManager[None]:
    """Convert the errors of zipfile, zlib and the system to a `CorruptModel` that names `what` as damaged."""
    return foreign_errors.stopped(_FOREIGN_ERRORS, f"{what} cannot be read")
