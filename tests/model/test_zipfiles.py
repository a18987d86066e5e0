"""The limit on the members of a zip archive."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from lstmdump.errors import RefusedModel
from lstmdump.model import zipfiles
from lstmdump.model.limits import DEFAULTS


def archive(members: int, comment: bytes = b"") -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for number in range(members):
            made.writestr(f"{number:05}", b"content")
        made.comment = comment
    return file


def test_an_archive_within_the_limit_is_opened() -> None:
    made = zipfiles.opened(archive(2570), DEFAULTS._replace(objects=2850))  # 46 + 5 bytes each; 2^17 in any case
    assert (len(made.namelist()), made.read("02569")) == (2570, b"content")


def test_an_archive_with_too_many_members_is_refused_before_they_are_read() -> None:
    with pytest.raises(RefusedModel, match="directory has 510,000 bytes; --limit objects=11087 allows it"):
        zipfiles.opened(archive(10_000), DEFAULTS._replace(objects=9_000))


def test_the_limit_named_in_the_error_allows_the_archive() -> None:
    assert len(zipfiles.opened(archive(10_000), DEFAULTS._replace(objects=11_087)).namelist()) == 10_000


@pytest.mark.parametrize("count", [0, 1, 65535])
def test_the_number_of_members_stated_in_the_archive_does_not_matter(count: int) -> None:
    data = bytearray(archive(10_000).getvalue())
    data[-14:-10] = struct.pack("<HH", count, count)
    with pytest.raises(RefusedModel):
        zipfiles.opened(io.BytesIO(data), DEFAULTS._replace(objects=9_000))


def test_a_long_comment_does_not_count_as_directory() -> None:
    assert zipfiles.opened(archive(1, b"x" * 65_535), DEFAULTS._replace(objects=1)).namelist() == ["00000"]


def test_members_may_be_longer_than_directories() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("long", bytes(1 << 18))
    assert zipfiles.opened(file, DEFAULTS._replace(objects=1)).read("long") == bytes(1 << 18)
