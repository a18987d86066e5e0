"""Models of Flatten, Reshape, RepeatVector and Permute layers."""

from __future__ import annotations

from typing import Any


def flatten(keras: Any) -> Any:
    return keras.Sequential([keras.layers.Input((5, 3)), keras.layers.Flatten()])


def flatten_channels_first(keras: Any) -> Any:
    return keras.Sequential([keras.layers.Input((3, 5)), keras.layers.Flatten(data_format="channels_first")])


def reshape(keras: Any) -> Any:
    return keras.Sequential([keras.layers.Input((6, 4)), keras.layers.Reshape((-1, 2, 3))])


def repeat_vector(keras: Any) -> Any:
    return keras.Sequential([keras.layers.Input((3,)), keras.layers.RepeatVector(4)])


def permute(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([layers.Input((6, 4)), layers.Reshape((6, 2, 2)), layers.Permute((3, 1, 2))])


def mask_before_flatten(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([
        layers.Input((5, 3)), layers.Masking(), layers.LSTM(4, return_sequences=True), layers.Flatten(),
        layers.Reshape((5, 4)), layers.LSTM(2),
    ])  # fmt: skip


CASES = {
    "flatten": flatten,
    "flatten-channels-first": flatten_channels_first,
    "reshape": reshape,
    "repeat-vector": repeat_vector,
    "permute": permute,
    "mask-before-flatten": mask_before_flatten,
}
