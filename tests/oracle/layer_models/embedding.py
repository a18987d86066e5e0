"""Models of Embedding layers."""

from __future__ import annotations

from typing import Any


def embedding(keras: Any) -> Any:
    return keras.Sequential([keras.layers.Input((5,), dtype="int32"), keras.layers.Embedding(6, 3)])


def heeded_mask(keras: Any) -> Any:
    """A mask of ids, which only the mean over the steps heeds."""
    embedding = keras.layers.Embedding(6, 3, mask_zero=True)
    return keras.Sequential([keras.layers.Input((5,), dtype="int32"), embedding, keras.layers.GlobalAveragePooling1D()])


CASES = {"embedding": embedding, "embedding-mask": heeded_mask}
