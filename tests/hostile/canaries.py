"""Secret files that no model may cause to be opened."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np
from support import builders
from support import tensorflow_builders as tensorflow

SECRET = 31337.0078125
"""The number that fills the secret files."""


def write(directory: Path) -> Path:
    """Write the secret files into `directory`: HDF5, raw numbers, JSON, the two files of a bundle, an archive."""
    directory.mkdir(parents=True, exist_ok=True)
    values = np.full((64, 64), SECRET, np.float32)
    with h5py.File(directory / "secret.h5", "w") as file:
        file["secret"] = values
        file["group/secret"] = values
    (directory / "secret.raw").write_bytes(struct.pack("<f", SECRET) * 4096)
    (directory / "secret.json").write_text(f'{{"class_name": "Sequential", "config": {{"layers": [], "x": {SECRET}}}}}')
    tensorflow.write_bundle(directory / "secret", {"lstm/kernel": values})
    builders.saved(directory / "secret.weights.h5", {"layers/lstm_1/cell": [np.full(array.shape, SECRET, np.float32)
                                                                           for array in builders.cell()]})  # fmt: skip
    with zipfile.ZipFile(directory / "secret.keras", "w") as archive:
        archive.write(directory / "secret.weights.h5", "model.weights.h5")
    return directory
