"""Models of layers that move and scale numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def model_of(shape: tuple[int, ...], make: Callable[[Any], list[Any]]) -> Callable[[Any], Any]:
    """Return a function that makes a model with an output for each of some layers of the same input."""

    def make_model(keras: Any) -> Any:
        x = keras.layers.Input(shape)
        return keras.Model(x, [layer(x) for layer in make(keras.layers)])

    return make_model


def batch(layers: Any) -> list[Any]:
    make = layers.BatchNormalization
    return [make(), make(scale=False), make(center=False), make(scale=False, center=False), make(axis=1, epsilon=0.1)]


def layer(layers: Any) -> list[Any]:
    make = layers.LayerNormalization
    return [make(), make(scale=False), make(center=False), make(axis=1), make(axis=[1, 2], epsilon=0.1)]


def unit(keras: Any) -> Any:
    """UnitNormalization behind a Dense, since the derivative of Keras at 0 is NaN."""
    layers = keras.layers
    x = layers.Input((5, 3))
    dense = layers.Dense(4)(x)
    return keras.Model(x, [layers.UnitNormalization()(dense), layers.UnitNormalization(axis=[1, 2])(dense)])


def stated(layers: Any) -> list[Any]:
    means = {"mean": [0.125, 0.25, -0.5], "variance": [0.5, 1.5, 2.0]}
    return [
        layers.Normalization(**means), layers.Normalization(invert=True, **means),
        layers.Normalization(axis=None, mean=0.5, variance=2.0), layers.Normalization(mean=0.5, variance=2.0),
        layers.Rescaling(0.5, 0.125), layers.Rescaling([1.0, 2.0, 3.0]),
    ]  # fmt: skip


def adapted(keras: Any) -> Any:
    numbers = np.random.default_rng(5).normal(1, 2, (10, 5, 3))
    layers = [keras.layers.Normalization(axis=axis) for axis in (-1, 1, (1, 2), None)]
    for layer in layers:
        layer.adapt(numbers)
    x = keras.layers.Input((5, 3))
    return keras.Model(x, [layer(x) for layer in layers])


def behind_a_mask(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that makes a model in which a layer passes a mask on, or not, to a mean that heeds it."""

    def make_model(keras: Any) -> Any:
        layers = keras.layers
        return keras.Sequential(
            [layers.Input((5, 3)), layers.Masking(), layers.Dense(3), make(layers), layers.GlobalAveragePooling1D()]
        )

    return make_model


CASES = {
    "batch-normalization": model_of((5, 3), batch),
    "batch-normalization-2d": model_of((3,), lambda layers: [layers.BatchNormalization()]),
    "layer-normalization": model_of((5, 3), layer),
    "unit-normalization": unit,
    "normalization-stated": model_of((5, 3), stated),
    "normalization-adapted": adapted,
    "mask-batch-normalization": behind_a_mask(lambda layers: layers.BatchNormalization()),
    "mask-layer-normalization": behind_a_mask(lambda layers: layers.LayerNormalization()),
    "mask-unit-normalization": behind_a_mask(lambda layers: layers.UnitNormalization()),
    "mask-normalization": behind_a_mask(lambda layers: layers.Normalization(mean=0.5, variance=2.0)),
    "mask-rescaling": behind_a_mask(lambda layers: layers.Rescaling(2.0, 0.5)),
}
