"""Sparse files: runs of zeros take no space on the disk."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

_STEP = 1 << 20


class SparseFile(io.FileIO):
    """A new file with a hole in place of each MiB of zeros written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")

    def write(self, data: Any) -> int:
        """Write `data`."""
        numbers = np.frombuffer(data, np.uint8)
        for start in range(0, len(numbers), _STEP):
            piece = numbers[start : start + _STEP]
            if piece.any():
                super().write(piece.data)
            else:
                self.seek(len(piece), io.SEEK_CUR)
        return len(numbers)

    def close(self) -> None:
        """Extend the file to the length written, and close it."""
        if not self.closed:
            self.truncate(max(self.tell(), self.seek(0, io.SEEK_END)))
        super().close()
