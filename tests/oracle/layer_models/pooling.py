"""Models of pooling layers."""

from __future__ import annotations

from functools import partial
from typing import Any


def pools(keras: Any, axes: int, shape: tuple[int, ...]) -> Any:
    given = keras.layers.Input(shape)
    settings = [
        {"pool_size": 2},
        {"pool_size": 2, "padding": "same"},
        {"pool_size": 3, "strides": 2, "padding": "same"},
        {"pool_size": 2, "strides": 3},
    ]
    kinds = [getattr(keras.layers, f"{kind}Pooling{axes}D") for kind in ("Max", "Average")]
    return keras.Model(given, [kind(**one)(given) for kind in kinds for one in settings])


def global_pools(keras: Any, axes: int, shape: tuple[int, ...]) -> Any:
    given = keras.layers.Input(shape)
    kinds = [getattr(keras.layers, f"Global{kind}Pooling{axes}D") for kind in ("Max", "Average")]
    return keras.Model(given, [kind(keepdims=keepdims)(given) for kind in kinds for keepdims in (False, True)])


def channels_first(keras: Any) -> Any:
    layers = keras.layers
    given = layers.Input((3, 7))
    return keras.Model(given, [
        layers.AveragePooling1D(3, strides=2, data_format="channels_first")(given),
        layers.GlobalMaxPooling1D(data_format="channels_first", keepdims=True)(given),
    ])  # fmt: skip


def equal_numbers(keras: Any) -> Any:
    """Return a model of poolings of the last two steps, which are equal in the second sequence of the batch."""
    layers = keras.layers
    given = layers.Input((6, 3))
    last = layers.Cropping1D((4, 0))(given)
    return keras.Model(given, [layers.MaxPooling1D(2)(last), layers.GlobalMaxPooling1D()(last)])


def masked(keras: Any) -> Any:
    layers = keras.layers
    given = layers.Input((6, 3))
    states = layers.LSTM(4, return_sequences=True)(layers.Masking()(given))
    return keras.Model(given, [
        layers.GlobalMaxPooling1D()(states), layers.GlobalAveragePooling1D()(states),
        layers.GlobalAveragePooling1D()(layers.MaxPooling1D(1)(states)),
    ])  # fmt: skip


CASES = {
    "pools-of-sequences": partial(pools, axes=1, shape=(7, 3)),
    "pools-of-pictures": partial(pools, axes=2, shape=(5, 6, 2)),
    "global-pools-of-sequences": partial(global_pools, axes=1, shape=(7, 3)),
    "global-pools-of-pictures": partial(global_pools, axes=2, shape=(5, 6, 2)),
    "pools-channels-first": channels_first,
    "pools-of-equal-numbers": equal_numbers,
    "masks-and-pools": masked,
}
