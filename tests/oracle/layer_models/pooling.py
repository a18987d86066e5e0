"""Models of pooling layers. Inputs have equal numbers where they are cut off by a ReLU or masked."""

from __future__ import annotations

from functools import partial
from typing import Any


def one_layer(keras: Any, shape: tuple[int, ...], kind: str, **settings: Any) -> Any:
    return keras.Sequential([keras.layers.Input(shape), getattr(keras.layers, kind)(**settings)])


def max_of_equals(keras: Any, kind: str = "MaxPooling1D") -> Any:
    """Return a pooling behind numbers that are equal in pairs: each belongs to the step of its own kind."""
    layers = keras.layers
    return keras.Sequential([layers.Input((6, 3)), layers.UpSampling1D(2), getattr(layers, kind)()])


def masked(keras: Any, kind: str) -> Any:
    layers = keras.layers
    return keras.Sequential([
        layers.Input((6, 3)), layers.Masking(), layers.LSTM(4, return_sequences=True), getattr(layers, kind)(),
    ])  # fmt: skip


def mask_before_pooling(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([
        layers.Input((6, 3)), layers.Masking(), layers.LSTM(4, return_sequences=True), layers.MaxPooling1D(2),
        layers.LSTM(2),
    ])  # fmt: skip


SEQUENCE, PICTURE = (7, 3), (5, 6, 2)
POOLS = {
    "valid": {},
    "same": {"padding": "same"},
    "same-overlapping": {"pool_size": 3, "strides": 2, "padding": "same"},
    "sparse": {"pool_size": 2, "strides": 3},
}
CASES = {
    **{
        f"{kind.lower()}-{name}": partial(one_layer, shape=PICTURE if "2" in kind else SEQUENCE, kind=kind, **settings)
        for kind in ("MaxPooling1D", "AveragePooling1D", "MaxPooling2D", "AveragePooling2D")
        for name, settings in POOLS.items()
    },
    **{
        f"{kind.lower()}{'-keepdims' if keepdims else ''}": partial(
            one_layer, shape=PICTURE if "2" in kind else SEQUENCE, kind=kind, keepdims=keepdims
        )
        for kind in ("GlobalMaxPooling1D", "GlobalAveragePooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling2D")
        for keepdims in (False, True)
    },
    "averagepooling1d-channels-first": partial(
        one_layer, shape=(3, 7), kind="AveragePooling1D", data_format="channels_first"
    ),
    "globalmaxpooling1d-channels-first": partial(
        one_layer, shape=(3, 7), kind="GlobalMaxPooling1D", data_format="channels_first"
    ),
    "maximum-of-equals": max_of_equals,
    "global-maximum-of-equals": partial(max_of_equals, kind="GlobalMaxPooling1D"),
    "mask-and-global-maximum": partial(masked, kind="GlobalMaxPooling1D"),
    "mask-and-global-average": partial(masked, kind="GlobalAveragePooling1D"),
    "mask-before-pooling": mask_before_pooling,
}
