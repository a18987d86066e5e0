"""Models of convolutions."""

from __future__ import annotations

from functools import partial
from typing import Any


def several(keras: Any, shape: tuple[int, ...], kind: str, settings: list[dict[str, Any]]) -> Any:
    """Return a model that applies a layer of the class `kind` for each of `settings` to the same input."""
    given = keras.layers.Input(shape)
    return keras.Model(given, [getattr(keras.layers, kind)(**one)(given) for one in settings])


def separable_causal(keras: Any) -> Any:
    if keras.__name__ == "keras":  # which does not run them any more
        return None
    return several(keras, (8, 4), "SeparableConv1D", [{"filters": 5, "kernel_size": 3, "padding": "causal"}])


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
        layers.Conv1D(3, 2, activation="tanh"), layers.GlobalAveragePooling1D(),
    ])  # fmt: skip


CASES = {
    "conv1d": partial(several, shape=(8, 4), kind="Conv1D", settings=[
        {"filters": 6, "kernel_size": 3, "activation": "relu"},
        {"filters": 6, "kernel_size": 2, "use_bias": False, "activation": "softmax"},
        {"filters": 6, "kernel_size": 4, "padding": "same"},
        {"filters": 6, "kernel_size": 3, "padding": "same", "strides": 3, "activation": "tanh"},
        {"filters": 6, "kernel_size": 1, "padding": "same", "strides": 3},
        {"filters": 6, "kernel_size": 3, "padding": "causal", "strides": 2},
        {"filters": 6, "kernel_size": 2, "padding": "causal", "dilation_rate": 3},
        {"filters": 6, "kernel_size": 3, "padding": "same", "dilation_rate": 2},
        {"filters": 6, "kernel_size": 3, "groups": 2, "strides": 2},
    ]),
    "conv2d": partial(several, shape=(6, 7, 4), kind="Conv2D", settings=[
        {"filters": 3, "kernel_size": (2, 3), "activation": "elu"},
        {"filters": 3, "kernel_size": 3, "strides": (2, 2), "padding": "same"},
        {"filters": 3, "kernel_size": 2, "dilation_rate": (2, 3)},
    ]),
    "separable1d": partial(several, shape=(8, 4), kind="SeparableConv1D", settings=[
        {"filters": 5, "kernel_size": 3, "padding": "same", "depth_multiplier": 2, "activation": "tanh"},
        {"filters": 5, "kernel_size": 2, "strides": 2, "use_bias": False},
    ]),
    "separable2d": partial(several, shape=(6, 7, 4), kind="SeparableConv2D", settings=[
        {"filters": 3, "kernel_size": (3, 2), "strides": 2},
    ]),
    "separable1d-causal": separable_causal,
    "depthwise1d": partial(several, shape=(8, 4), kind="DepthwiseConv1D", settings=[
        {"kernel_size": 3, "depth_multiplier": 2, "strides": 2},
        {"kernel_size": 2, "padding": "same", "activation": "relu", "use_bias": False},
    ]),
    "depthwise2d": partial(several, shape=(6, 7, 4), kind="DepthwiseConv2D", settings=[
        {"kernel_size": (3, 2), "padding": "same"},
    ]),
    "transposed1d": partial(several, shape=(5, 4), kind="Conv1DTranspose", settings=[
        {"filters": 3, "kernel_size": size, "strides": strides, "padding": padding, "activation": "tanh"}
        for padding in ("valid", "same")
        for size, strides in ((3, 1), (3, 2), (2, 3), (4, 2))
    ]),
    "transposed2d": partial(several, shape=(3, 4, 2), kind="Conv2DTranspose", settings=[
        {"filters": 3, "kernel_size": (3, 2), "strides": 2, "padding": "same"},
    ]),
    "convolution-of-frames": frames,
    "mask-before-convolution": mask_before_convolution,
}  # fmt: skip
