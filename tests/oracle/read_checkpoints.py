"""Let TensorFlow read every tensor of bundles, and write them where a test can read them; run in a separate process.

    read_checkpoints.py OUT < PREFIXES

Writes OUT/<n>.npz for the n-th prefix: by name the numbers (bfloat16 as float32), strings as their bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf


def numbers(read: object) -> np.ndarray:
    if isinstance(read, bytes):
        return np.frombuffer(read, np.uint8)
    array = np.asarray(read)
    if array.dtype == tf.bfloat16.as_numpy_dtype:
        return array.astype(np.float32)
    if array.dtype == object:
        return np.frombuffer(b"".join(array.reshape(-1)), np.uint8)
    return array


def value(reader: Any, prefix: str, name: str) -> object:
    """Return the tensor `name`; the reader refuses partitioned tensors of the first format, which `Restore` reads."""
    try:
        return reader.get_tensor(name)
    except tf.errors.UnimplementedError:
        dtype = reader.get_variable_to_dtype_map()[name]
        return tf.raw_ops.Restore(file_pattern=prefix, tensor_name=name, dt=dtype).numpy()


def main() -> None:
    out = Path(sys.argv[1])
    for turn, line in enumerate(sys.stdin):
        prefix = line.rstrip("\n")
        reader = tf.train.load_checkpoint(prefix)
        names = sorted(reader.get_variable_to_shape_map())
        arrays = {f"array_{place}": numbers(value(reader, prefix, name)) for place, name in enumerate(names)}
        np.savez(out / f"{turn}.npz", names=np.array(names), **arrays)


if __name__ == "__main__":
    main()
