"""The activations that an LSTM of Keras can name, in numpy, each with what it does to a gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from lstmdump.errors import CannotReplay
from lstmdump.tensor import Array


class Activation(ABC):
    """A function of arrays (…, m) that keeps their shape and dtype."""

    @abstractmethod
    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """Its value at Z, written to OUT, which may be Z itself, where that is given."""

    @abstractmethod
    def pull_back(self, z: Array, gradient: Array) -> Array:
        """The gradient with respect to Z, (…, m), where GRADIENT, (…, m), is that with respect to the value at Z."""


class _Tanh(Activation):
    def __call__(self, z: Array, out: Array | None = None) -> Array:
        return np.tanh(z, out=out)

    def pull_back(self, z: Array, gradient: Array) -> Array:
        result: Array = gradient * (1 - np.tanh(z) ** 2)
        return result


class _Sigmoid(Activation):
    def __call__(self, z: Array, out: Array | None = None) -> Array:
        with np.errstate(over="ignore"):
            result: Array = np.reciprocal(1 + np.exp(-z), out=out)
        return result

    def pull_back(self, z: Array, gradient: Array) -> Array:
        value = self(z)
        result: Array = gradient * value * (1 - value)
        return result


class _HardSigmoid(Activation):
    """0 and 1, and between them a line of this SLOPE through 1/2: 1/5 in Keras 1 and 2, 1/6 in Keras 3."""

    def __init__(self, slope: float) -> None:
        self._slope = slope

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        result: Array = np.clip(z * self._slope + z.dtype.type(0.5), 0, 1, out=out)
        return result

    def pull_back(self, z: Array, gradient: Array) -> Array:
        inside = np.abs(z) * self._slope < 0.5
        return np.where(inside, gradient * self._slope, 0).astype(z.dtype)


def named(name: str, keras: int) -> Activation:
    """The activation that Keras KERAS (1, 2 or 3) calls NAME.

    Raises:
        CannotReplay: it has none of that name.
    """
    known: dict[str, Activation] = {
        "tanh": _Tanh(), "sigmoid": _Sigmoid(), "hard_sigmoid": _HardSigmoid(1 / 6 if keras == 3 else 0.2)
    }  # fmt: skip
    if name not in known:
        raise CannotReplay(f"the activation {name} is unknown; name another with --activation")
    return known[name]
