from __future__ import annotations

import io
import zlib

import pytest

from lstmdump.errors import CorruptModel
from lstmdump.readers.keras.weights_h5 import member_window
from lstmdump.readers.keras.weights_h5.member_window import MemberWindow

LARGE = 1 << 17  # bytes of a piece that is summed when it is read
CONTENT = bytes(range(251)) * (4 * LARGE // 251 + 1)
BEFORE = b"another member"
needs_combining = pytest.mark.skipif(member_window.crc32_combine is None, reason="a function of isal")


class CountingFile(io.BytesIO):
    """An archive that counts the bytes read."""

    read_so_far = 0

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        count = super().readinto(buffer)
        self.read_so_far += count
        return count


def window(content: bytes = CONTENT, crc: int | None = None) -> tuple[MemberWindow, CountingFile]:
    file = CountingFile(BEFORE + content + b"the directory")
    crc = zlib.crc32(CONTENT) if crc is None else crc
    return MemberWindow(file, "x", len(BEFORE), len(content), crc), file  # type: ignore[arg-type]


def read(member: MemberWindow, start: int, size: int) -> bytes:
    member.seek(start)
    data = bytearray(size)
    return bytes(data[: member.readinto(data)])


def test_a_read_is_of_the_member() -> None:
    member, _ = window()
    assert read(member, 7, 100) == CONTENT[7:107]


PIECES = {
    "nothing": [],
    "in order": [(0, LARGE), (LARGE, LARGE), (2 * LARGE, LARGE)],
    "with gaps": [(100, LARGE), (100 + LARGE + 5, LARGE)],
    "in another order": [(2 * LARGE, LARGE), (0, LARGE), (LARGE, LARGE)],
    "twice": [(50, LARGE), (50, LARGE)],
    "overlapping": [(0, 2 * LARGE), (LARGE, 2 * LARGE)],
    "in small pieces": [(start, 1000) for start in range(0, 50_000, 1000)],
    "to the end": [(3 * LARGE, 2 * LARGE)],
}


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
def test_a_member_with_its_checksum_is_accepted(pieces: list[tuple[int, int]]) -> None:
    member, _ = window()
    for start, size in pieces:
        read(member, start, size)
    member.verify()


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
@pytest.mark.parametrize("at", [0, 99, 100 + LARGE + 2, 2 * LARGE, len(CONTENT) - 1])
def test_a_changed_byte_anywhere_is_detected(at: int, pieces: list[tuple[int, int]]) -> None:
    member, _ = window(CONTENT[:at] + bytes([CONTENT[at] ^ 1]) + CONTENT[at + 1 :])
    for start, size in pieces:
        read(member, start, size)
    with pytest.raises(CorruptModel, match=r"^x is damaged: its checksum differs from the one in the zip archive$"):
        member.verify()


@needs_combining
@pytest.mark.parametrize("name", ["in order", "in another order", "with gaps"])
def test_what_was_read_in_large_pieces_is_not_read_again(name: str) -> None:
    member, file = window()
    for start, size in PIECES[name]:
        read(member, start, size)
    member.verify()
    assert file.read_so_far == len(CONTENT)


def test_without_a_function_that_combines_checksums_all_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_window, "crc32_combine", None)
    member, file = window()
    read(member, 0, LARGE)
    member.verify()
    assert file.read_so_far == LARGE + len(CONTENT)


def test_a_member_that_is_cut_short_is_damaged() -> None:
    member = MemberWindow(io.BytesIO(CONTENT[:-1]), "x", 0, len(CONTENT), zlib.crc32(CONTENT))
    with pytest.raises(CorruptModel, match="x is damaged"):
        member.verify()
