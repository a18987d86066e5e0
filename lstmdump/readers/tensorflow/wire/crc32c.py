"""The checksum of TensorFlow's tables and tensors: CRC-32C (Castagnoli), masked as LevelDB does."""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import ExtensionFileLoader, PathFinder
from typing import Any

from lstmdump.readers.tensorflow.wire.protobuf import Buffer

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, its bits reversed
_MASK_DELTA = 0xA282EAD8  # LevelDB: so that a checksum of data that holds checksums stays a good one

# A loop of our own takes 10 ms over 100 KB. The index of a checkpoint has a few KB, so that looking at one goes without
# the library, which takes some milliseconds to load.
_BYTES_WITHOUT_LIBRARY = 50_000
_left = _BYTES_WITHOUT_LIBRARY
_in_library: Callable[[Buffer, int], int] | None = None


def masked(data: Buffer) -> int:
    """The masked checksum of DATA, as it is stored."""
    return mask(crc32c(data))


def mask(plain: int) -> int:
    """The checksum PLAIN, masked."""
    return (((plain >> 15) | (plain << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def crc32c(data: Buffer, before: int = 0) -> int:
    """The checksum of DATA, or of what had the checksum BEFORE, followed by DATA."""
    global _left, _in_library  # noqa: PLW0603 - loading is paid once per process, and so is what is saved by it
    if len(data) <= _left:
        _left -= len(data)
        return _in_python(data, before)
    if _in_library is None:
        _left, _in_library = -1, _library()
    return _in_library(data, before)


def _library() -> Callable[[Buffer, int], int]:
    """The library's function, from its module in C alone where there is one.

    The package around that module imports importlib.metadata and argparse for purposes of its own: 40 ms, a tenth of
    what exporting 400 MB takes.
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


def _in_python(data: Buffer, before: int) -> int:
    value, table = before ^ 0xFFFFFFFF, _TABLE
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def _table_entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ _POLYNOMIAL if value & 1 else value >> 1
    return value


_TABLE = tuple(_table_entry(byte) for byte in range(256))
