"""Directories of zip archives that are read without `zipfile`, whose answers are the expected ones."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lstmdump.model.zip import directory
from lstmdump.model.zip.directory import Member, read_plain, read_stored

ROOT = Path(__file__).parents[3]
KERAS = sorted(
    path for place in ("sample_models", "tests") for path in (ROOT / place).rglob("*.keras") if path.is_file()
)
PYTORCH = sorted(
    path
    for place in ("sample_models", "tests")
    for path in (ROOT / place).rglob("*.pt")
    if path.is_file() and zipfile.is_zipfile(path)
)
END = 22  # bytes of the record at the end, after the directory
MOST = 1 << 17


def archive(
    members: dict[str, bytes], kind: int = zipfile.ZIP_STORED, change: Callable[[zipfile.ZipInfo], None] | None = None
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            if change is not None:
                change(info)
            made.writestr(info, content, kind)
    return file.getvalue()


PLAIN = archive({"config.json": b"{}", "model.weights.h5": b"numbers", "assets/": b""})


def edited(place: int, form: str, value: int, data: bytes = PLAIN) -> bytes:
    """Return `data` with `value` at `place`, which counts from the end if it is negative."""
    changed = bytearray(data)
    struct.pack_into(form, changed, place % len(data), value)
    return bytes(changed)


def entry(field: int, form: str, value: int) -> bytes:
    """Return the archive with another `value` in `field` of its first entry in the directory."""
    return edited(PLAIN.index(b"PK\x01\x02") + field, form, value)


def names(data: bytes, most: int = MOST) -> list[str] | None:
    members = read_plain(io.BytesIO(data), most)
    return None if members is None else [member.filename for member in members]


def as_zipfile_reads(archive: zipfile.ZipFile) -> list[Member]:
    return [Member(*(getattr(info, attribute) for attribute in Member._fields)) for info in archive.infolist()]


@pytest.mark.parametrize("path", KERAS, ids=lambda path: path.name)
def test_the_members_of_genuine_models_are_those_that_zipfile_reads(path: Path) -> None:
    with path.open("rb") as file, zipfile.ZipFile(path) as archive:
        assert read_plain(file, MOST) == as_zipfile_reads(archive)


@pytest.mark.parametrize("path", KERAS, ids=lambda path: path.name)
def test_the_texts_of_genuine_models_are_those_that_zipfile_reads(path: Path) -> None:
    with path.open("rb") as file, zipfile.ZipFile(path) as archive:
        texts = [member for member in read_plain(file, MOST) or () if member.filename.endswith(".json")]
        assert len(texts) == 2  # the architecture and the version
        assert [read_stored(file, text) for text in texts] == [archive.read(text.filename) for text in texts]


@pytest.mark.parametrize("path", PYTORCH, ids=lambda path: path.name)
def test_the_members_of_files_of_pytorch_are_those_that_zipfile_reads(path: Path) -> None:
    with path.open("rb") as file, zipfile.ZipFile(path) as archive:
        assert read_plain(file, MOST) == as_zipfile_reads(archive)


@pytest.mark.parametrize("place", range(END, END + 20 + 56))
def test_records_of_zip64_that_state_something_else_are_left_to_zipfile(place: int) -> None:
    data = next(data for data in map(Path.read_bytes, PYTORCH) if data[-END - 20 :].startswith(b"PK\x06\x07"))
    changed = bytearray(data)
    changed[-place - 1] ^= 1
    is_version = END + 20 + 40 <= place < END + 20 + 44  # of the format, which says nothing of this archive
    assert (names(bytes(changed)) is None) != is_version


def test_compressed_members_are_listed_and_not_read() -> None:
    data = archive({"config.json": b"{}" * 99}, zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        expected = as_zipfile_reads(made)
    assert read_plain(io.BytesIO(data), MOST) == expected
    assert read_stored(io.BytesIO(data), expected[0]) is None


def test_an_empty_archive_has_no_members() -> None:
    assert names(archive({})) == []


def test_names_that_occur_twice_are_listed_twice() -> None:
    assert names(archive({"first": b"1", "other": b"2"}).replace(b"other", b"first")) == ["first", "first"]


def end_as_locator(info: zipfile.ZipInfo) -> None:
    """Let the last 20 bytes of an entry whose name has ten letters begin as the record that precedes the end in ZIP64."""
    info.internal_attr, info.external_attr = struct.unpack("<HL", b"PK\x06\x07\0\0")


def unusual() -> dict[str, bytes]:
    """Return archives that are not plain, many of which `zipfile` reads, by what is unusual about them."""
    start = PLAIN.index(b"PK\x01\x02")
    second = PLAIN.index(b"PK\x01\x02", start + 1)
    commented = bytearray(PLAIN + b"words")
    struct.pack_into("<H", commented, len(PLAIN) - 2, 5)
    return {
        "empty file": b"",
        "shorter than the end": PLAIN[-END + 1 :],
        "no archive": b"x" * 200,
        "truncated": PLAIN[:-1],
        "bytes before": b"#!" + PLAIN,
        "bytes behind": PLAIN + b"\0",
        "comment": bytes(commented),
        "ZIP64": archive({"0123456789": b""}, change=end_as_locator),
        "no signature at the end": edited(-END, "<B", 0),
        "length of a comment only": edited(-2, "<H", 5),
        "bytes before the end": PLAIN[:-END] + b"\0" + PLAIN[-END:],
        "part of an entry": edited(
            -END + 12, "<L", len(PLAIN) - END - start + 10, PLAIN[:-END] + bytes(10) + PLAIN[-END:]
        ),
        "other disk": edited(-END + 4, "<H", 1),
        "other disk of the directory": edited(-END + 6, "<H", 1),
        "other number on this disk": edited(-END + 8, "<H", 2),
        "other number": edited(-END + 8, "<L", 2 | 2 << 16),
        "shorter directory": edited(-END + 12, "<L", len(PLAIN) - END - start - 1),
        "other start": edited(-END + 16, "<L", start + 1),
        "entry without signature": entry(0, "<B", 0),
        "later version": entry(6, "<H", 46),
        "encrypted": entry(8, "<H", 0x1),
        "patch": entry(8, "<H", 0x20),
        "masked": entry(8, "<H", 0x2000),
        "bzip2": entry(10, "<H", 12),
        "stored with two sizes": entry(24, "<L", 3),
        "sizes in ZIP64": entry(20, "<Q", 0xFFFFFFFF_FFFFFFFF),
        "longer name": entry(28, "<H", 12),
        "name beyond the directory": edited(PLAIN.rindex(b"PK\x01\x02") + 28, "<H", 8),
        "member on another disk": entry(34, "<H", 1),
        "offset in ZIP64": entry(42, "<L", 0xFFFFFFFF),
        "member at the place of another": edited(second + 42, "<L", 0),
        "overlapping members": edited(second + 42, "<L", 42),
        "member over the directory": edited(PLAIN.rindex(b"PK\x01\x02") + 42, "<L", start - 36),
        "extra field": archive({"a": b"1"}, change=lambda info: setattr(info, "extra", b"\xfe\xca\0\0")),
        "comment of a member": archive({"a": b"1"}, change=lambda info: setattr(info, "comment", b"words")),
        "name beyond ASCII": archive({"ä": b"1"}),
        "name in code page 437": PLAIN.replace(b"config.json", b"config.j\x84on"),
        "name with a backslash": PLAIN.replace(b"config.json", b"config\\json"),
        "name with NUL": PLAIN.replace(b"config.json", b"config\0json"),
    }


@pytest.mark.parametrize("what", unusual())
def test_an_archive_that_is_not_plain_is_left_to_zipfile(what: str) -> None:
    assert names(unusual()[what]) is None


def test_a_directory_of_more_bytes_than_allowed_is_left_to_zipfile() -> None:
    size = len(PLAIN) - END - PLAIN.index(b"PK\x01\x02")
    assert names(PLAIN, size) == ["config.json", "model.weights.h5", "assets/"]
    assert names(PLAIN, size - 1) is None


def test_a_utf_8_flag_does_not_matter_for_ascii() -> None:
    assert names(entry(8, "<H", 0x800)) == ["config.json", "model.weights.h5", "assets/"]


@pytest.mark.parametrize(
    ("place", "form", "value"),
    [(0, "<B", 0), (26, "<H", 10), (28, "<H", 4), (30, "<B", 0), (41, "<B", 0)],
    ids=["signature", "name length", "extra field", "name", "content"],
)
def test_a_member_that_differs_from_its_entry_is_left_to_zipfile(place: int, form: str, value: int) -> None:
    data = edited(place, form, value)
    members = read_plain(io.BytesIO(data), MOST)
    assert members is not None
    assert read_stored(io.BytesIO(data), members[0]) is None
    assert read_stored(io.BytesIO(PLAIN), members[0]) == b"{}"


def test_a_member_that_only_its_entry_calls_compressed_is_left_to_zipfile() -> None:
    data = entry(10, "<H", zipfile.ZIP_DEFLATED)
    members = read_plain(io.BytesIO(data), MOST)
    assert members is not None
    assert read_stored(io.BytesIO(data), members[0]) is None


def test_a_member_beyond_the_end_of_the_file_is_left_to_zipfile() -> None:
    members = read_plain(io.BytesIO(PLAIN), MOST)
    assert members is not None
    assert read_stored(io.BytesIO(PLAIN[:42]), members[0]) is None
    assert directory.LOCAL_HEADER_SIZE + len("config.json") == 41  # so the file ends within the content
