"""The softmax and its kin, which see all numbers along the last axis, in numpy, and what each does to a gradient."""

from __future__ import annotations

import numpy as np

from lstmdump.nonlinearities import Activation
from lstmdump.tensor import Array


class _Softmax(Activation):
    def __call__(self, z: Array, out: Array | None = None) -> Array:
        value = np.exp(_below_its_largest(z), out=out)
        result: Array = np.divide(value, value.sum(axis=-1, keepdims=True), out=value)
        return result

    def pull_back(self, z: Array, gradient: Array) -> Array:
        value = self(z)
        result: Array = value * (gradient - (gradient * value).sum(axis=-1, keepdims=True))
        return result


class _LogSoftmax(Activation):
    def __call__(self, z: Array, out: Array | None = None) -> Array:
        shifted = _below_its_largest(z)
        result: Array = np.subtract(shifted, np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), out=out)
        return result

    def pull_back(self, z: Array, gradient: Array) -> Array:
        result: Array = gradient - _Softmax()(z) * gradient.sum(axis=-1, keepdims=True)
        return result


class _Sparsemax(Activation):
    def __call__(self, z: Array, out: Array | None = None) -> Array:
        shifted = _below_its_largest(z)
        falling = -np.sort(-shifted, axis=-1)
        excess = falling.cumsum(axis=-1) - 1
        place = np.arange(1, z.shape[-1] + 1, dtype=z.dtype)
        number = (falling * place > excess).sum(axis=-1, keepdims=True)
        lowest = np.take_along_axis(excess, np.maximum(number, 1) - 1, axis=-1) / number.astype(z.dtype)
        result: Array = np.maximum(shifted - lowest, 0, out=out)
        return result

    def pull_back(self, z: Array, gradient: Array) -> Array:
        above = self(z) > 0
        mean = (gradient * above).sum(axis=-1, keepdims=True) / above.sum(axis=-1, keepdims=True, dtype=z.dtype)
        result: Array = above * (gradient - mean)
        return result


def softmax() -> Activation:
    """The exponentials, as shares of their sum along the last axis."""
    return _Softmax()


def log_softmax() -> Activation:
    """The logarithms of the softmax."""
    return _LogSoftmax()


def sparsemax() -> Activation:
    """Of the points of sum 1 along the last axis, and nowhere negative, that which is the nearest to z.

    Source: Martins and Astudillo 2016, "From Softmax to Sparsemax".
    """
    return _Sparsemax()


def _below_its_largest(z: Array) -> Array:
    result: Array = z - z.max(axis=-1, keepdims=True)
    return result
