"""Zip archives: the limit on their members, and what is read by `zipfile`."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from lstmdump.errors import RefusedModel
from lstmdump.model.limits import DEFAULTS
from lstmdump.model.zip.archives import Archive


def archive(members: int, comment: bytes = b"") -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for number in range(members):
            made.writestr(f"{number:05}", b"content")
        made.comment = comment
    return file


def read(opened: Archive, name: str) -> bytes:
    with opened.open(next(member for member in opened.members if member.filename == name)) as content:
        return content.read()


def test_an_archive_within_the_limit_is_opened() -> None:
    made = Archive(archive(2570), DEFAULTS._replace(objects=2850))  # 46 + 5 bytes each; 2^17 in any case
    assert (len(made.names()), read(made, "02569")) == (2570, b"content")


def test_an_archive_with_too_many_members_is_refused_before_they_are_read() -> None:
    with pytest.raises(RefusedModel, match="directory has 510,000 bytes; --limit objects=11087 allows it"):
        Archive(archive(10_000), DEFAULTS._replace(objects=9_000))


def test_the_limit_named_in_the_error_allows_the_archive() -> None:
    assert len(Archive(archive(10_000), DEFAULTS._replace(objects=11_087)).names()) == 10_000


@pytest.mark.parametrize("count", [0, 1, 65535])
def test_the_number_of_members_stated_in_the_archive_does_not_matter(count: int) -> None:
    data = bytearray(archive(10_000).getvalue())
    data[-14:-10] = struct.pack("<HH", count, count)
    with pytest.raises(RefusedModel):
        Archive(io.BytesIO(data), DEFAULTS._replace(objects=9_000))


def test_a_long_comment_does_not_count_as_directory() -> None:
    assert Archive(archive(1, b"x" * 65_535), DEFAULTS._replace(objects=1)).names() == ["00000"]


def test_members_may_be_longer_than_directories() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("long", bytes(1 << 18))
    assert read(Archive(file, DEFAULTS._replace(objects=1)), "long") == bytes(1 << 18)


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("comment", [b"", b"not plain"])
def test_members_are_read_whether_the_archive_is_plain_or_not(kind: int, comment: bytes) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as made:
        made.writestr("a", b"first" * 9)
        made.writestr("b", b"second" * 9)
        made.comment = comment
    assert [read(Archive(file, DEFAULTS), name) for name in "ab"] == [b"first" * 9, b"second" * 9]


def test_a_wrong_checksum_is_reported_in_the_words_of_zipfile() -> None:
    file = archive(2)
    file.getbuffer()[36] ^= 1  # the second byte of "content"
    with pytest.raises(ValueError, match=r"^Bad CRC-32 for file '00000'$"):
        read(Archive(file, DEFAULTS), "00000")
    assert read(Archive(file, DEFAULTS), "00001") == b"content"


def test_what_is_not_an_archive_is_reported_in_the_words_of_zipfile() -> None:
    with pytest.raises(ValueError, match=r"^File is not a zip file$"):
        Archive(io.BytesIO(b"x" * 99), DEFAULTS)
