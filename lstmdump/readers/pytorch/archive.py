"""The zip archive of `torch.save` since PyTorch 1.6, and of `torch.jit.save`: `data.pkl` and a member for each storage.

All members are in one folder, which is called as the file was when it was saved, and are stored as they are. Their
checksums are compared when numbers are read, unless they are 0: `set_crc32_options(False)` leaves them out.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterable
from typing import Any, BinaryIO

from lstmdump.errors import CorruptModel, RefusedModel, UnsupportedFormat
from lstmdump.model import budget
from lstmdump.model.limits import Limits
from lstmdump.model.zip import archives
from lstmdump.model.zip.archives import crc32
from lstmdump.model.zip.directory import STORED, Member
from lstmdump.readers import foreign_errors
from lstmdump.readers.declared_sizes import Extents
from lstmdump.readers.detect import PYTORCH_MEMBER, ZIP_MAGIC
from lstmdump.readers.pytorch.arrays import ByteBuffer
from lstmdump.readers.pytorch.open_file import OpenFile
from lstmdump.readers.pytorch.pickle_machine import PickleMachine, too_long
from lstmdump.readers.pytorch.storages import CALLS, PickledStorage

_PICKLE = "data.pkl"
_LOCAL_HEADER = 30  # bytes before the name; APPNOTE.TXT 4.3.7
_ENCRYPTED = 0x1
_BLOCK = 1 << 20
_FOREIGN_ERRORS = (struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)


class SavedArchive:
    """An archive of PyTorch in `file`.

    Attributes:
        value: What its pickle stands for.
        is_big_endian: Whether the bytes of its numbers are in reverse order.
        is_script: Whether it is a program, of TorchScript.
        is_frozen: Whether arrays are constants of the program, without names.

    Raises:
        CorruptModel: It is truncated, damaged, or a member is missing.
        RefusedModel: It is encrypted, or exceeds a limit.
        UnsupportedFormat: A member is compressed.
    """

    def __init__(self, file: OpenFile, limits: Limits) -> None:
        self._file = file
        with foreign_errors.stopped(_FOREIGN_ERRORS, "the zip archive cannot be read"):
            members = archives.Archive(file.get(_PICKLE), limits).members
        self._members = {member.filename: member for member in members}
        self._repeated = _find_repeated(members) if len(self._members) < len(members) else frozenset()
        self._stored = sum([member.file_size for member in members])
        self._folder = self._find_folder()
        self._places = Extents(file.size)
        self._taken: set[str] = set()
        self._verified: set[str] = set()
        self.is_big_endian = self._read_byte_order()
        self.is_script = f"{self._folder}constants.pkl" in self._members
        self.is_frozen = f"{self._folder}constants/0" in self._members
        pickled = self._read_whole(self._find_member(_PICKLE), limits)
        self.value: Any = PickleMachine(pickled, 0, CALLS, limits).run()[0]

    def buffer(self, storage: PickledStorage) -> ByteBuffer:
        """Return the bytes of a storage.

        Raises:
            CorruptModel: They are missing, or fewer than the pickle declares.
        """
        info = self._find_member(f"data/{storage.key}")
        declared = storage.size
        if declared is not None and declared > info.file_size:
            raise CorruptModel(f"{info.filename} has {info.file_size:,} bytes, and {_PICKLE} declares {declared:,}")
        return ByteBuffer(info.filename, info.file_size, lambda array: self._locate(info, array))

    def require_disjoint(self) -> None:
        """Check that no two of the members that were asked for overlap.

        Raises:
            CorruptModel: Two do.
        """
        self._places.require_disjoint()

    @property
    def stored(self) -> int:
        """The bytes of all members."""
        return self._stored

    def _find_folder(self) -> str:
        """Return the folder of the pickle, with a slash behind it."""
        names = [name for name in self._members if name.endswith(_PICKLE)]
        found = [name for name in names if re.fullmatch(PYTORCH_MEMBER, name)]
        if len(found) != 1:
            raise CorruptModel(f"the zip archive holds {len(found)} times {_PICKLE}: {', '.join(found[:2])}")
        return found[0].removesuffix(_PICKLE)

    def _find_member(self, name: str) -> Member:
        path = f"{self._folder}{name}"
        info = self._members.get(path)
        if info is None or path in self._repeated:
            raise CorruptModel(f"{path} is missing from the zip archive" if info is None else
                               f"the zip archive holds more than one {path}")  # fmt: skip
        if info.flag_bits & _ENCRYPTED:
            raise RefusedModel(f"{path} is encrypted; PyTorch does not encrypt files")
        if info.compress_type != STORED or info.compress_size != info.file_size:
            raise UnsupportedFormat(
                f"{path} is compressed, which PyTorch does not do; unpack it, and pack it with zip -0"
            )
        if path not in self._taken:
            self._taken.add(path)
            self._places.take(path, info.header_offset, _LOCAL_HEADER + info.file_size)
        return info

    def _read_byte_order(self) -> bool:
        name = f"{self._folder}byteorder"
        if name not in self._members:
            return False
        info = self._find_member("byteorder")
        word = self._file.read(self._find_start(info), min(info.file_size, 8))
        if word not in (b"little", b"big"):
            raise CorruptModel(f"{name} says neither little nor big")
        return word == b"big"

    def _read_whole(self, info: Member, limits: Limits) -> bytes:
        if info.file_size > limits.json_size:
            raise too_long(info.filename, info.file_size)
        content = self._file.read(self._find_start(info), info.file_size)
        if info.CRC and crc32(content) != info.CRC:
            raise _damaged(info)
        return content

    def _locate(self, info: Member, array: str) -> tuple[BinaryIO, int]:
        file, start = self._file.get(array), self._find_start(info)
        if info.filename not in self._verified:
            self._verify(info, start)
        return file, start

    def _find_start(self, info: Member) -> int:
        """Return the offset of the first byte of a member, behind its local header."""
        header = self._file.read(info.header_offset, _LOCAL_HEADER)
        name_length, extra_length = struct.unpack("<26x2H", header)
        name = self._file.read(info.header_offset + _LOCAL_HEADER, name_length)
        start: int = info.header_offset + _LOCAL_HEADER + name_length + extra_length
        is_it = header[:4] == ZIP_MAGIC and name == info.orig_filename.encode("utf-8", "surrogateescape")
        if not is_it or start + info.file_size > self._file.size:
            raise CorruptModel(f"{info.filename} is not at the offset that the zip archive states")
        return start

    def _verify(self, info: Member, start: int) -> None:
        """Compare the bytes of a member with their checksum."""
        crc = 0
        for at in range(0, info.file_size if info.CRC else 0, _BLOCK):
            block = self._file.read(start + at, min(_BLOCK, info.file_size - at))
            budget.allow(len(block))
            crc = crc32(block, crc)
        if crc != info.CRC:
            raise _damaged(info)
        self._verified.add(info.filename)


def _find_repeated(members: Iterable[Member]) -> frozenset[str]:
    """Return the names that more than one of `members` has."""
    return frozenset(name for name, count in Counter(member.filename for member in members).items() if count > 1)


def _damaged(info: Member) -> CorruptModel:
    return CorruptModel(f"{info.filename} is damaged: its checksum differs from the one in the zip archive")
