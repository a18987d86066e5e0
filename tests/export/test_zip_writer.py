from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Mapping

import pytest

from lstmdump.errors import OutputUnwritable
from lstmdump.export.zip_writer import ZipWriter

MEMBERS = {"a/W_i.npy": b"first" * 100, "é.npy": b"", "b": bytes(range(256))}
by_zipfile_of_today = pytest.mark.skipif(
    sys.version_info < (3, 11, 4), reason="until then zipfile wrote a member's sizes into its short fields, too"
)
CHUNK = memoryview(bytes(1 << 26))


class Forgetful(io.BytesIO):
    """A file that keeps its length and the bytes of short writes, and discards those of long ones."""

    def __init__(self) -> None:
        super().__init__()
        self.at = self.length = 0
        self.kept: dict[int, bytes] = {}

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (self.at if whence == 1 else 0)
        return self.at

    def tell(self) -> int:
        return self.at

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        if view.nbytes < 1000:
            self.kept.update({self.at + place: byte for place, byte in enumerate(view.tobytes())})  # type: ignore[misc]
        self.at += view.nbytes
        self.length = max(self.length, self.at)
        return view.nbytes


def by_zipfile(members: Mapping[str, bytes], method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.create_system = 3
            with archive.open(info, "w", force_zip64=True) as member:
                member.write(data)
    return file.getvalue()


@by_zipfile_of_today
def test_stored_members_are_written_as_zipfile_writes_them() -> None:
    file = io.BytesIO()
    archive = ZipWriter(file)
    for name, data in MEMBERS.items():
        archive.stored(name, len(data)).write(data)
    archive.close()
    assert file.getvalue() == by_zipfile(MEMBERS, zipfile.ZIP_STORED)


@by_zipfile_of_today
def test_members_written_in_turns_equal_those_that_zipfile_writes_one_by_one() -> None:
    file = io.BytesIO()
    archive = ZipWriter(file)
    first, second = archive.stored("first", 4), archive.stored("second", 4)
    for member, data in ((first, b"ab"), (second, b"AB"), (first, b"cd"), (second, b"CD")):
        member.write(data)
    archive.close()
    assert file.getvalue() == by_zipfile({"first": b"abcd", "second": b"ABCD"}, zipfile.ZIP_STORED)


@by_zipfile_of_today
def test_sealed_members_are_written_as_others_are() -> None:
    file = io.BytesIO()
    archive = ZipWriter(file)
    for name, data in MEMBERS.items():
        archive.stored(name, len(data)).write(data)
        archive.seal()
    archive.close()
    assert file.getvalue() == by_zipfile(MEMBERS, zipfile.ZIP_STORED)


@by_zipfile_of_today
def test_compressed_members_are_written_as_zipfile_writes_them() -> None:
    file = io.BytesIO()
    archive = ZipWriter(file)
    for name, data in MEMBERS.items():
        member = archive.deflated(name)
        member.write(data)
        member.close()
    archive.close()
    assert file.getvalue() == by_zipfile(MEMBERS, zipfile.ZIP_DEFLATED)


def test_an_archive_without_members_is_written_as_zipfile_writes_it() -> None:
    file = io.BytesIO()
    ZipWriter(file).close()
    assert file.getvalue() == by_zipfile({}, zipfile.ZIP_STORED)


@by_zipfile_of_today
def test_more_members_than_two_bytes_count_are_written_as_zipfile_writes_them() -> None:
    names = [str(number) for number in range(1 << 16)]
    file = io.BytesIO()
    archive = ZipWriter(file)
    for name in names:
        archive.stored(name, 0)
    archive.close()
    assert file.getvalue() == by_zipfile(dict.fromkeys(names, b""), zipfile.ZIP_STORED)


@by_zipfile_of_today
def test_members_beyond_two_gibibytes_are_written_as_zipfile_writes_them() -> None:
    count = (2**31 // len(CHUNK)) + 1
    ours, theirs = Forgetful(), Forgetful()
    archive = ZipWriter(ours)
    for name in ("long", "far"):
        size = count if name == "long" else 1
        member = archive.stored(name, size * len(CHUNK))
        for _ in range(size):
            member.write(CHUNK)
    archive.close()
    with zipfile.ZipFile(theirs, "w") as peer:
        for name in ("long", "far"):
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            with peer.open(info, "w", force_zip64=True) as stream:
                for _ in range(count if name == "long" else 1):
                    stream.write(CHUNK)
    assert (ours.length, ours.kept) == (theirs.length, theirs.kept)


@pytest.mark.parametrize("data", [b"123", b"12345"])
def test_a_member_of_another_size_than_announced_is_refused(data: bytes) -> None:
    archive = ZipWriter(io.BytesIO())
    archive.stored("a", 4).write(data)
    with pytest.raises(ValueError, match=f"{len(data)} bytes were written, but 4 were announced"):
        archive.close()


def test_a_name_too_long_for_an_archive_is_refused() -> None:
    ZipWriter(io.BytesIO()).stored("a" * 65_535, 0)
    with pytest.raises(OutputUnwritable, match=r"a name of 65,536 bytes is too long for a zip archive") as refused:
        ZipWriter(io.BytesIO()).stored("a" * 65_536, 0)
    assert len(str(refused.value)) < 4096
