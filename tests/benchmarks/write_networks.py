"""Write networks with Keras 3, in a separate process, each with an input.

    write_networks.py OUT SEQUENCES

Writes OUT/<network>.keras and OUT/<network>.npy, an input of so many sequences, for each of `NETWORKS`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np


def embedding_and_lstms(keras: Any) -> Any:
    """Return a classifier of texts of up to 100 words, of which 0 is none."""
    layers = keras.layers
    return keras.Sequential([
        layers.Input((100,), dtype="int32"),
        layers.Embedding(5000, 128, mask_zero=True),
        layers.LSTM(128, return_sequences=True),
        layers.LSTM(64),
        layers.Dense(5, "softmax"),
    ])  # fmt: skip


def convolutions_and_bidirectional(keras: Any) -> Any:
    """Return a regression on 200 steps of 16 numbers."""
    layers = keras.layers
    return keras.Sequential([
        layers.Input((200, 16)),
        layers.Conv1D(64, 5, padding="same", activation="relu"),
        layers.MaxPooling1D(2),
        layers.Conv1D(64, 3, activation="relu"),
        layers.MaxPooling1D(2),
        layers.Bidirectional(layers.LSTM(64)),
        layers.Dense(32, "relu"),
        layers.Dense(1),
    ])  # fmt: skip


NETWORKS = {"embedding": embedding_and_lstms, "convolution": convolutions_and_bidirectional}


def main() -> None:
    import keras

    out, sequences = Path(sys.argv[1]), int(sys.argv[2])
    draw = np.random.default_rng(0)
    for name, make in NETWORKS.items():
        keras.utils.set_random_seed(0)
        model = make(keras)
        model.save(out / f"{name}.keras")
        shape = (sequences, *model.input_shape[1:])
        is_ids = name == "embedding"
        x = draw.integers(1, 5000, shape) if is_ids else draw.standard_normal(shape)
        if is_ids:  # texts of different lengths, padded with 0
            x[np.arange(shape[1]) >= draw.integers(shape[1] // 2, shape[1] + 1, sequences)[:, None]] = 0
        np.save(out / f"{name}.npy", x.astype("int32" if is_ids else "float32"))


if __name__ == "__main__":
    main()
