"""Run in a process of its own: let TensorFlow read every tensor of bundles, and write them where a test can read them.

    read_checkpoints.py OUT < PREFIXES

Writes OUT/<n>.npz for the n-th prefix: by name the numbers (bfloat16 as float32), strings as their bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf


def numbers(value: object) -> np.ndarray:
    if isinstance(value, bytes):
        return np.frombuffer(value, np.uint8)
    array = np.asarray(value)
    if array.dtype == tf.bfloat16.as_numpy_dtype:
        return array.astype(np.float32)
    if array.dtype == object:
        return np.frombuffer(b"".join(array.reshape(-1)), np.uint8)
    return array


def main() -> None:
    out = Path(sys.argv[1])
    for turn, line in enumerate(sys.stdin):
        reader = tf.train.load_checkpoint(line.rstrip("\n"))
        names = sorted(reader.get_variable_to_shape_map())
        arrays = {f"array_{place}": numbers(reader.get_tensor(name)) for place, name in enumerate(names)}
        np.savez(out / f"{turn}.npz", names=np.array(names), **arrays)


if __name__ == "__main__":
    main()
