"""Models of Masking layers, with a mean over the steps that heeds the mask."""

from __future__ import annotations

from typing import Any


def masking(keras: Any) -> Any:
    return keras.Sequential([keras.layers.Input((5, 3)), keras.layers.Masking(), keras.layers.GlobalAveragePooling1D()])


def again(keras: Any) -> Any:
    """A second mask, of features that are 0 or more and so have masked steps of their own."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((5, 3)),
            layers.Masking(),
            layers.Dense(2),
            layers.ReLU(),
            layers.Masking(),
            layers.GlobalAveragePooling1D(),
        ]
    )


CASES = {"masking": masking, "masking-again": again}
