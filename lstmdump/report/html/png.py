"""Pictures of few colours as PNG, in the text of a page.

Written here and not by matplotlib, which is an extra, takes half a second to import, and draws figures: a heat map in a
page needs nothing but its points, because its text is text of the page.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Sequence

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INDEXED = 3  # the type of a picture whose points are places in a palette
_UNFILTERED = b"\0"  # before each line


def picture(rows: Sequence[bytes], palette: Sequence[tuple[int, int, int]]) -> bytes:
    """Return a picture as the bytes of a PNG.

    Args:
        rows: For each line, the place in the palette of each point; all lines have the same length.
        palette: At most 256 colours: red, green and blue.
    """
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, _INDEXED, 0, 0, 0)
    points = zlib.compress(b"".join(_UNFILTERED + row for row in rows), 9)
    colours = b"".join(bytes(colour) for colour in palette)
    chunks = ((b"IHDR", head), (b"PLTE", colours), (b"IDAT", points), (b"IEND", b""))
    return _SIGNATURE + b"".join(_make_chunk(kind, data) for kind, data in chunks)


def address(png: bytes) -> str:
    """Return the `data:` URL of a PNG."""
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"


def _make_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
