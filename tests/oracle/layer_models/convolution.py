"""Models of convolutions."""

from __future__ import annotations

from functools import partial
from typing import Any


def one_layer(keras: Any, shape: tuple[int, ...], kind: str, **settings: Any) -> Any:
    return keras.Sequential([keras.layers.Input(shape), getattr(keras.layers, kind)(**settings)])


def frames(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([
        layers.Input((4, 5, 6, 2)), layers.TimeDistributed(layers.Conv2D(3, (2, 3), activation="relu")),
        layers.TimeDistributed(layers.MaxPooling2D()), layers.TimeDistributed(layers.Flatten()), layers.LSTM(3),
    ])  # fmt: skip


def mask_before_convolution(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([
        layers.Input((6, 3)), layers.Masking(), layers.LSTM(4, return_sequences=True),
        layers.Conv1D(3, 2, activation="tanh"), layers.LSTM(2),
    ])  # fmt: skip


SEQUENCE, PICTURE = (8, 4), (6, 7, 4)
ONE = partial(one_layer, shape=SEQUENCE, kind="Conv1D", filters=6)
CASES = {
    "conv1d": partial(ONE, kernel_size=3, activation="relu"),
    "conv1d-without-bias": partial(ONE, kernel_size=2, use_bias=False, activation="softmax"),
    "conv1d-same": partial(ONE, kernel_size=4, padding="same"),
    "conv1d-same-strides": partial(ONE, kernel_size=3, padding="same", strides=3, activation="tanh"),
    "conv1d-strides-longer-than-kernel": partial(ONE, kernel_size=1, padding="same", strides=3),
    "conv1d-causal": partial(ONE, kernel_size=3, padding="causal", strides=2),
    "conv1d-causal-dilated": partial(ONE, kernel_size=2, padding="causal", dilation_rate=3),
    "conv1d-same-dilated": partial(ONE, kernel_size=3, padding="same", dilation_rate=2),
    "conv1d-groups": partial(ONE, kernel_size=3, groups=2, strides=2),
    "conv2d": partial(one_layer, shape=PICTURE, kind="Conv2D", filters=3, kernel_size=(2, 3), activation="elu"),
    "conv2d-same": partial(
        one_layer, shape=PICTURE, kind="Conv2D", filters=3, kernel_size=3, strides=(2, 2), padding="same"
    ),
    "conv2d-dilated": partial(one_layer, shape=PICTURE, kind="Conv2D", filters=3, kernel_size=2, dilation_rate=(2, 3)),
    "separable1d": partial(
        one_layer, shape=SEQUENCE, kind="SeparableConv1D", filters=5, kernel_size=3, padding="same",
        depth_multiplier=2, activation="tanh",
    ),
    "separable1d-causal": partial(
        one_layer, shape=SEQUENCE, kind="SeparableConv1D", filters=5, kernel_size=3, padding="causal"
    ),
    "separable2d": partial(
        one_layer, shape=PICTURE, kind="SeparableConv2D", filters=3, kernel_size=(3, 2), strides=2, use_bias=False
    ),
    "depthwise1d": partial(
        one_layer, shape=SEQUENCE, kind="DepthwiseConv1D", kernel_size=3, depth_multiplier=2, strides=2
    ),
    "depthwise2d": partial(one_layer, shape=PICTURE, kind="DepthwiseConv2D", kernel_size=(3, 2), padding="same"),
    **{
        f"transposed1d-{padding}-{size}-{strides}": partial(
            one_layer, shape=(5, 4), kind="Conv1DTranspose", filters=3, kernel_size=size, strides=strides,
            padding=padding, activation="tanh",
        )
        for padding in ("valid", "same")
        for size, strides in ((3, 1), (3, 2), (2, 3), (4, 2))
    },
    "transposed2d": partial(
        one_layer, shape=(3, 4, 2), kind="Conv2DTranspose", filters=3, kernel_size=(3, 2), strides=2, padding="same"
    ),
    "convolution-of-frames": frames,
    "mask-before-convolution": mask_before_convolution,
}  # fmt: skip
