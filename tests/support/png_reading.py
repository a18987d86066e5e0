"""The points of a PNG with a palette, without filters, as pages of lstmdump hold them."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.uint8]


class Picture(NamedTuple):
    """The place in the palette of each point, and the palette as rows of red, green and blue."""

    places: Array
    palette: Array

    @property
    def colours(self) -> Array:
        """The colour of each point."""
        return self.palette[self.places]


def read(data: bytes) -> Picture:
    """Return the picture in a PNG, whose checksums are checked."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks: dict[bytes, bytes] = {}
    place = 8
    while place < len(data):
        (size,) = struct.unpack_from(">I", data, place)
        kind, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        assert struct.unpack_from(">I", data, place + 8 + size) == (zlib.crc32(kind + content),)
        chunks[kind] = content
        place += 12 + size
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height, *settings = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert settings == [8, 3, 0, 0, 0]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    return Picture(lines[:, 1:], np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3))


def read_address(address: str) -> Picture:
    """Return the picture in a `data:` URL."""
    head, _, data = address.partition(",")
    assert head == "data:image/png;base64"
    return read(base64.b64decode(data, validate=True))
