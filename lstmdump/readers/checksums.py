"""The checksum of TensorFlow's tables and tensors: CRC-32C (Castagnoli), masked as LevelDB does."""

from __future__ import annotations

from lstmdump.readers.protobuf import Buffer

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, its bits reversed
_MASK_DELTA = 0xA282EAD8  # LevelDB: so that a checksum of data that holds checksums stays a good one

# Importing the library takes 20 to 40 ms (it reads its own version through importlib.metadata), which is what our loop
# takes over some 200 KB. The index of a checkpoint has a few KB, so that looking at one goes without the library.
_BYTES_WITHOUT_LIBRARY = 200_000
_left = _BYTES_WITHOUT_LIBRARY


def masked(data: Buffer) -> int:
    """The masked checksum of DATA, as it is stored."""
    return mask(crc32c(data))


def mask(plain: int) -> int:
    """The checksum PLAIN, masked."""
    return (((plain >> 15) | (plain << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def crc32c(data: Buffer, before: int = 0) -> int:
    """The checksum of DATA, or of what had the checksum BEFORE, followed by DATA."""
    global _left  # noqa: PLW0603 - the import is paid once per process, and so is what is saved by it
    if len(data) <= _left:
        _left -= len(data)
        return _in_python(data, before)
    import crc32c as library

    _left = -1
    return library.crc32c(data, before)


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
