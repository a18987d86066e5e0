from __future__ import annotations

import pytest

from lstmdump.readers.hdf5.choice import NotPlain
from lstmdump.readers.hdf5.plain.checksum import lookup3, require_checksum


@pytest.mark.parametrize(
    ("data", "expected"), [(b"", 0xDEADBEEF), (b"Four score and seven years ago", 0x17770551)]
)  # as driver5 of the author's lookup3.c prints them
def test_lookup3_is_that_of_its_author(data: bytes, expected: int) -> None:
    assert lookup3(data) == expected


def test_another_checksum_is_not_plain() -> None:
    data = b"Four score and seven years ago"
    require_checksum(data + (0x17770551).to_bytes(4, "little"))
    with pytest.raises(NotPlain):
        require_checksum(data + (0x17770550).to_bytes(4, "little"))
