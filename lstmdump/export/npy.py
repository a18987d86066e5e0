"""Write the header of a `.npy` file: the dtype and shape of the numbers that follow. Source: `numpy.lib.format`.

Written here because importing numpy for it takes longer (100 ms and more) than a whole export of a small checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

_MAGIC = b"\x93NUMPY\x01\x00"
_ALIGNMENT = 64  # bytes; so that the numbers of a mapped file are aligned
_PART = 1 << 18  # characters of a text that are encoded at once
_DIGITS = 21  # numpy reserves so many for the first axis, so that it can grow in place
_TYPES = {
    "bool": "|b1", "int8": "|i1", "uint8": "|u1", "int16": "<i2", "uint16": "<u2", "int32": "<i4", "uint32": "<u4",
    "int64": "<i8", "uint64": "<u8", "float16": "<f2", "float32": "<f4", "float64": "<f8", "complex64": "<c8",
    "complex128": "<c16",
}  # fmt: skip


def item_size(dtype: str) -> int | None:
    """Return the bytes of a number of the type that numpy calls `dtype`; None for other types."""
    return int(_TYPES[dtype][2:]) if dtype in _TYPES else None


def header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Return the header for numbers of `dtype` in `shape`, row by row."""
    return _make_header(_TYPES[dtype], shape)


def text(value: str) -> tuple[int, Iterator[bytes]]:
    """Return the size of a whole file, and its bytes in pieces: `value` as an array without dimensions.

    `numpy.load` reads it without unpickling. A character takes four bytes.
    """
    head = _make_header(f"<U{len(value)}", ())
    parts = (value[start : start + _PART] for start in range(0, len(value), _PART))
    return len(head) + 4 * len(value), chain([head], (part.encode("utf-32-le", "surrogatepass") for part in parts))


def _make_header(described: str, shape: tuple[int, ...]) -> bytes:
    fields = f"{{'descr': '{described}', 'fortran_order': False, 'shape': {shape!r}, }}"
    if shape:
        fields += " " * (_DIGITS - len(repr(shape[0])))
    length = len(_MAGIC) + 2 + len(fields) + 1
    fields += " " * (-length % _ALIGNMENT) + "\n"
    return _MAGIC + len(fields).to_bytes(2, "little") + fields.encode("ascii")
