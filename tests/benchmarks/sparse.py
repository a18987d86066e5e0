"""Files with holes: what is all zero takes no room."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

_STEP = 1 << 20


class SparseFile(io.FileIO):
    """A new file that leaves a hole where it would write a MiB of zeros."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")

    def write(self, data: Any) -> int:
        """Write DATA, whatever its length."""
        numbers = np.frombuffer(data, np.uint8)
        for start in range(0, len(numbers), _STEP):
            piece = numbers[start : start + _STEP]
            if piece.any():
                super().write(piece.data)
            else:
                self.seek(len(piece), io.SEEK_CUR)
        return len(numbers)

    def close(self) -> None:
        """Make the file as long as was written."""
        if not self.closed:
            self.truncate(max(self.tell(), self.seek(0, io.SEEK_END)))
        super().close()
