"""Models of Dense layers."""

from __future__ import annotations

from typing import Any


def dense(keras: Any) -> Any:
    return keras.Sequential([keras.layers.Input((5, 3)), keras.layers.Dense(4, "relu"), keras.layers.Dense(2)])


def without_bias(keras: Any) -> Any:
    return keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(4, "softmax", use_bias=False)])


CASES = {"dense": dense, "dense-without-bias": without_bias}
