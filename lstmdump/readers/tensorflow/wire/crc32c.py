"""The checksum of TensorFlow's tables and tensors: CRC-32C (Castagnoli), masked as in LevelDB."""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import ExtensionFileLoader, PathFinder
from typing import Any

from lstmdump.readers.protobuf import Buffer

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, with its bits reversed
_MASK_DELTA = 0xA282EAD8  # from LevelDB: masking keeps checksums of data that contains checksums reliable

# The loop in Python takes 10 ms for 100 KB. The index of a checkpoint has a few KB, so it is checked without the
# library, which takes some milliseconds to load.
_BYTES_WITHOUT_LIBRARY = 50_000
_left = _BYTES_WITHOUT_LIBRARY
_in_library: Callable[[Buffer, int], int] | None = None


def masked(data: Buffer) -> int:
    """Return the masked checksum of `data`, as it is stored."""
    return mask(crc32c(data))


def mask(plain: int) -> int:
    """Return the checksum `plain` masked: rotated right by 15 bits, plus LevelDB's constant."""
    return (((plain >> 15) | (plain << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def crc32c(data: Buffer, before: int = 0) -> int:
    """Return the checksum of `data`, appended to data with the checksum `before`."""
    global _left, _in_library  # noqa: PLW0603 - the library is loaded once per process, and so the bytes are counted
    if len(data) <= _left:
        _left -= len(data)
        return _compute_in_python(data, before)
    if _in_library is None:
        _left, _in_library = -1, _load_library()
    return _in_library(data, before)


def _load_library() -> Callable[[Buffer, int], int]:
    """Load the library's function, from its extension module alone if it has one.

    The package around that module also imports importlib.metadata and argparse, which takes 40 ms, a tenth of the time
    to export 400 MB.
    """
    package = PathFinder.find_spec("crc32c")
    places = package.submodule_search_locations if package is not None else None
    inner = PathFinder.find_spec("_crc32c", places) if places else None
    if inner is not None and isinstance(inner.loader, ExtensionFileLoader):
        module: Any = inner.loader.create_module(inner)
        inner.loader.exec_module(module)
    else:
        import crc32c as module
    function: Callable[[Buffer, int], int] = module.crc32c
    return function


def _compute_in_python(data: Buffer, before: int) -> int:
    value, table = before ^ 0xFFFFFFFF, _TABLE
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def _make_table_entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ _POLYNOMIAL if value & 1 else value >> 1
    return value


_TABLE = tuple(_make_table_entry(byte) for byte in range(256))
