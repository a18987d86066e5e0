"""Models of Flatten, Reshape, RepeatVector and Permute layers."""

from __future__ import annotations

from typing import Any


def reshaping(keras: Any) -> Any:
    layers = keras.layers
    given = layers.Input((6, 4))
    of_three_axes = layers.Reshape((-1, 2, 3))(given)
    vector = layers.Flatten()(given)
    return keras.Model(given, [
        of_three_axes, vector, layers.Permute((3, 1, 2))(of_three_axes), layers.RepeatVector(3)(vector),
        layers.Flatten(data_format="channels_first")(of_three_axes),
    ])  # fmt: skip


def mask_before_flatten(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([
        layers.Input((5, 3)), layers.Masking(), layers.LSTM(4, return_sequences=True), layers.Flatten(),
        layers.Reshape((5, 4)), layers.GlobalAveragePooling1D(),
    ])  # fmt: skip


CASES = {"reshaping": reshaping, "mask-before-flatten": mask_before_flatten}
