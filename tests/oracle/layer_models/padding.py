"""Models of ZeroPadding, Cropping and UpSampling layers."""

from __future__ import annotations

from typing import Any


def sequences(keras: Any) -> Any:
    layers = keras.layers
    given = layers.Input((5, 3))
    padded = layers.ZeroPadding1D((1, 3))(given)
    return keras.Model(given, [
        padded, layers.UpSampling1D(3)(given), layers.Cropping1D((2, 1))(padded), layers.Cropping1D((2, 0))(padded),
    ])  # fmt: skip


def pictures(keras: Any) -> Any:
    layers = keras.layers
    given = layers.Input((4, 5, 2))
    return keras.Model(given, [
        layers.ZeroPadding2D(((0, 1), (2, 1)))(given), layers.ZeroPadding2D((1, 2))(given),
        layers.UpSampling2D((2, 3))(given), layers.Cropping2D(((1, 2), (3, 0)))(given),
    ])  # fmt: skip


def mask_before_padding(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([
        layers.Input((5, 3)), layers.Masking(), layers.LSTM(4, return_sequences=True), layers.ZeroPadding1D(1),
        layers.GlobalAveragePooling1D(),
    ])  # fmt: skip


CASES = {"padded-sequences": sequences, "padded-pictures": pictures, "mask-before-padding": mask_before_padding}
