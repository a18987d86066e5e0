"""CRC-32, the checksum of zip archives, from the fastest library that is here."""

from __future__ import annotations

try:
    # 3.1 GB/s, where zlib comes to 0.9 to 4 GB/s by its build; there are no wheels of it for some rarer machines.
    from isal.isal_zlib import crc32
except ImportError:
    from zlib import crc32

__all__ = ["crc32"]
