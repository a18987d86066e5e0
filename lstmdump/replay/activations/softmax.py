"""The softmax and related activations, which act on all numbers along the last axis, in numpy, and their gradients."""

from __future__ import annotations

import numpy as np

from lstmdump.model.tensor import Array
from lstmdump.replay.activations.elementwise import Activation


class _MixingActivation(Activation):
    mixes_units = True


class _Softmax(_MixingActivation):
    def __call__(self, z: Array, out: Array | None = None) -> Array:
        value = np.exp(_subtract_largest(z), out=out)
        result: Array = np.divide(value, value.sum(axis=-1, keepdims=True), out=value)
        return result

    def pull_back(self, z: Array, gradient: Array) -> Array:
        value = self(z)
        result: Array = value * (gradient - (gradient * value).sum(axis=-1, keepdims=True))
        return result


class _LogSoftmax(_MixingActivation):
    def __call__(self, z: Array, out: Array | None = None) -> Array:
        shifted = _subtract_largest(z)
        result: Array = np.subtract(shifted, np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), out=out)
        return result

    def pull_back(self, z: Array, gradient: Array) -> Array:
        result: Array = gradient - _Softmax()(z) * gradient.sum(axis=-1, keepdims=True)
        return result


class _Sparsemax(_MixingActivation):
    def __call__(self, z: Array, out: Array | None = None) -> Array:
        _, threshold = _find_threshold(z)
        result: Array = np.maximum(z - threshold, 0, out=out)
        return result

    def pull_back(self, z: Array, gradient: Array) -> Array:
        shares, threshold = _find_threshold(z)
        kept = gradient * (z > threshold)
        result: Array = kept - shares * kept.sum(axis=-1, keepdims=True)
        return result


def softmax() -> Activation:
    """Return the softmax: the exponentials as shares of their sum along the last axis."""
    return _Softmax()


def log_softmax() -> Activation:
    """Return the logarithm of the softmax."""
    return _LogSoftmax()


def sparsemax() -> Activation:
    """Return the sparsemax as Keras 3.8 to 3.15 compute it: z less a threshold τ, or 0 if that is negative.

    With S_j the sum of the j largest numbers z_1, …, z_j, and k the number of j with z_j > (S_j - 1)/j, their τ is
    (S_1 + … + S_k - 1)/k. Martins and Astudillo, "From Softmax to Sparsemax" (2016), use (S_k - 1)/k: the two agree
    for k = 1; otherwise the values here sum to less than 1.
    """
    return _Sparsemax()


def _find_threshold(z: Array) -> tuple[Array, Array]:
    """Return the derivative of the threshold τ by each number of `z`, (…, m), and τ, (…, 1)."""
    order = np.argsort(-z, axis=-1)
    falling = np.take_along_axis(z, order, axis=-1)
    sums = falling.cumsum(axis=-1)
    counted = falling > (sums - 1) / np.arange(1, z.shape[-1] + 1, dtype=z.dtype)
    number = np.maximum(counted.sum(axis=-1, keepdims=True, dtype=z.dtype), 1)
    shares = np.empty_like(z)
    np.put_along_axis(shares, order, counted[..., ::-1].cumsum(axis=-1, dtype=z.dtype)[..., ::-1] / number, axis=-1)
    return shares, (np.where(counted, sums, 0).sum(axis=-1, keepdims=True) - 1) / number


def _subtract_largest(z: Array) -> Array:
    result: Array = z - z.max(axis=-1, keepdims=True)
    return result
