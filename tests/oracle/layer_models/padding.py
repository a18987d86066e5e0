"""Models of ZeroPadding, Cropping and UpSampling layers."""

from __future__ import annotations

from typing import Any


def pad_crop_repeat(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([
        layers.Input((5, 3)), layers.ZeroPadding1D((1, 3)), layers.UpSampling1D(3), layers.Cropping1D((4, 2)),
    ])  # fmt: skip


def in_two_directions(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([
        layers.Input((4, 5, 2)), layers.ZeroPadding2D(((0, 1), (2, 1))), layers.UpSampling2D((2, 3)),
        layers.Cropping2D(((1, 2), (3, 0))),
    ])  # fmt: skip


def without_margin_behind(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([layers.Input((5, 3)), layers.Cropping1D((2, 0)), layers.ZeroPadding1D(2)])


def mask_before_padding(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([
        layers.Input((5, 3)), layers.Masking(), layers.LSTM(4, return_sequences=True), layers.ZeroPadding1D(1),
        layers.LSTM(2),
    ])  # fmt: skip


CASES = {
    "pad-crop-repeat": pad_crop_repeat,
    "pad-in-two-directions": in_two_directions,
    "crop-without-margin-behind": without_margin_behind,
    "mask-before-padding": mask_before_padding,
}
