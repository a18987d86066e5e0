"""The activations that act on each number, in numpy, and their gradients.

Each keeps shape and dtype, passes NaN on, and neither overflows nor warns where the result is finite. Where a function
has no derivative, as relu at 0, the one used is that of TensorFlow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, NamedTuple, ParamSpec

import numpy as np

from lstmdump.model.tensor import Array
from lstmdump.replay.activations.normal_distribution import normal_cdf, normal_density

_Function = Callable[[Array], Array]
_Parameters = ParamSpec("_Parameters")
_makers: dict[str, Callable[..., Activation]] = {}


class _Recipe(NamedTuple):
    """How an activation is made: by the function of this module with this name, from these arguments."""

    name: str
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]


class Activation(ABC):
    """A function of arrays (…, m) that keeps their shape and dtype.

    Attributes:
        mixes_units: Whether a result depends on other numbers along the last axis than the one at its own index.
    """

    mixes_units = False

    @abstractmethod
    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """Return the value at `z`, written to `out` if given; `out` may be `z` itself."""

    @abstractmethod
    def pull_back(self, z: Array, gradient: Array) -> Array:
        """Return the gradient with respect to `z`, from that with respect to the value at `z`; both (…, m)."""

    def slope_at(self, value: Array) -> Array | None:  # noqa: ARG002
        """Return the derivative where the activation has this `value`; None if the value does not determine it."""
        return None


class _Tanh(Activation):
    def __call__(self, z: Array, out: Array | None = None) -> Array:
        return np.tanh(z, out=out)

    def pull_back(self, z: Array, gradient: Array) -> Array:
        result: Array = gradient * (1 - np.tanh(z) ** 2)
        return result

    def slope_at(self, value: Array) -> Array:
        slope: Array = 1 - value**2
        return slope


class _Sigmoid(Activation):
    """The sigmoid as (1 + tanh(z/2))/2, which cannot overflow, and is faster in float32."""

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        half = z.dtype.type(0.5)
        value = np.multiply(z, half, out=out)
        np.tanh(value, out=value)
        np.multiply(value, half, out=value)
        result: Array = np.add(value, half, out=value)
        return result

    def pull_back(self, z: Array, gradient: Array) -> Array:
        value = self(z)
        result: Array = gradient * value * (1 - value)
        return result

    def slope_at(self, value: Array) -> Array:
        slope: Array = value * (1 - value)
        return slope


class _Ramp(Activation):
    def __init__(self, slope: float, middle: float, low: float, high: float) -> None:
        self._slope, self._middle, self._low, self._high = slope, middle, low, high

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        value = np.multiply(z, self._slope, out=out)
        np.add(value, self._middle, out=value)
        return np.clip(value, self._low, self._high, out=value)

    def pull_back(self, z: Array, gradient: Array) -> Array:
        value = z * self._slope + self._middle
        slope = np.where((value <= self._low) | (value >= self._high), 0, self._slope)
        return _finish(gradient * slope, z)


class _Clipped(Activation):
    """Another activation, applied to numbers that are kept within bounds before."""

    def __init__(self, activation: Activation, bound: float) -> None:
        self._activation, self._bound = activation, bound
        self.mixes_units = activation.mixes_units

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        return self._activation(np.clip(z, -self._bound, self._bound, out=out), out=out)

    def pull_back(self, z: Array, gradient: Array) -> Array:
        inner = self._activation.pull_back(np.clip(z, -self._bound, self._bound), gradient)
        result: Array = np.where(np.abs(z) > self._bound, z.dtype.type(0), inner)
        return result


class _ByElement(Activation):
    """A function of each number, given by its value and its derivative."""

    def __init__(self, value: _Function, slope: _Function) -> None:
        self._value, self._slope = value, slope
        self.made_by: _Recipe | None = None

    def __reduce__(self) -> tuple[Callable[[_Recipe], Activation], tuple[_Recipe]]:
        """Pickle how the activation is made, because its functions cannot be pickled."""
        if self.made_by is None:
            raise TypeError("only activations of this module can be pickled")
        return make_again, (self.made_by,)

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            return _finish(self._value(z), z, out)

    def pull_back(self, z: Array, gradient: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            return _finish(gradient * self._slope(z), z)


def _picklable(make: Callable[_Parameters, Activation]) -> Callable[_Parameters, Activation]:
    """Let the activations that `make` returns know how they are made."""

    @wraps(make)
    def make_known(*arguments: _Parameters.args, **options: _Parameters.kwargs) -> Activation:
        made = make(*arguments, **options)
        if isinstance(made, _ByElement):
            made.made_by = _Recipe(make.__name__, arguments, options)
        return made

    _makers[make.__name__] = make_known
    return make_known


def make_again(recipe: _Recipe) -> Activation:
    """Return the activation that `recipe` describes."""
    return _makers[recipe.name](*recipe.arguments, **recipe.options)


def tanh() -> Activation:
    """Return the hyperbolic tangent."""
    return _Tanh()


def sigmoid() -> Activation:
    """Return f(z) = 1/(1 + exp(-z)), exact to a rounding error of 1."""
    return _Sigmoid()


def ramp(slope: float = 1.0, middle: float = 0.0, *, low: float, high: float) -> Activation:
    """Return f(z) = `slope`·z + `middle`, limited to between `low` and `high`."""
    return _Ramp(slope, middle, low, high)


def clipped(activation: Activation, bound: float) -> Activation:
    """Return f(z) = `activation`(z), for a z that is kept within ±`bound`."""
    return _Clipped(activation, bound)


@_picklable
def affine(slope: float, middle: float) -> Activation:
    """Return f(z) = `slope`·z + `middle`."""
    return _ByElement(lambda z: slope * z + middle, lambda z: np.full_like(z, slope))


@_picklable
def scaled_tanh(scale: float, slope: float) -> Activation:
    """Return f(z) = `scale`·tanh(`slope`·z)."""
    return _ByElement(lambda z: scale * np.tanh(slope * z), lambda z: scale * slope * (1 - np.tanh(slope * z) ** 2))


@_picklable
def relu(*, most: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0) -> Activation:
    """Return f(z) = z above `threshold`, but at most `most`; below it `negative_slope`·(z - `threshold`)."""

    def value(z: Array) -> Array:
        kept: Array = np.where(z <= threshold, 0, z) if threshold else np.maximum(z, 0)
        kept = kept if most is None else np.minimum(kept, most)
        return kept + negative_slope * np.minimum(z - threshold, 0) if negative_slope else kept

    def slope(z: Array) -> Array:
        return np.where(z <= threshold, negative_slope, 1 if most is None else z < most)

    return _ByElement(value, slope)


@_picklable
def elu(alpha: float = 1.0) -> Activation:
    """Return f(z) = z above 0, and `alpha`·(exp(z) - 1) below."""
    return _ByElement(
        lambda z: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))),
        lambda z: np.where(z > 0, 1, alpha * np.exp(np.minimum(z, 0))),
    )


@_picklable
def selu() -> Activation:
    """Return f(z) = λ·z above 0, and λ·α·(exp(z) - 1) below, which keeps a mean of 0 and a variance of 1.

    Source: Klambauer et al. 2017, "Self-Normalizing Neural Networks".
    """
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return _ByElement(
        lambda z: scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))),
        lambda z: scale * np.where(z >= 0, 1, alpha * np.exp(np.minimum(z, 0))),
    )


@_picklable
def gelu() -> Activation:
    """Return f(z) = z·Φ(z), where Φ is the normal distribution function: not its approximation by tanh."""
    return _ByElement(lambda z: z * normal_cdf(z), lambda z: normal_cdf(z) + z * normal_density(z))


@_picklable
def softplus() -> Activation:
    """Return f(z) = log(1 + exp(z))."""
    return _ByElement(_softplus, _sigmoid)


@_picklable
def log_sigmoid() -> Activation:
    """Return f(z) = -log(1 + exp(-z)), the logarithm of the sigmoid."""
    return _ByElement(lambda z: -_softplus(-z), lambda z: _sigmoid(-z))


@_picklable
def softsign() -> Activation:
    """Return f(z) = z/(1 + |z|)."""
    return _ByElement(lambda z: z / (1 + np.abs(z)), lambda z: 1 / (1 + np.abs(z)) ** 2)


@_picklable
def silu() -> Activation:
    """Return f(z) = z/(1 + exp(-z)), z times its sigmoid."""
    return _ByElement(lambda z: z * _sigmoid(z), lambda z: _sigmoid(z) * (1 + z * _sigmoid(-z)))


@_picklable
def hard_silu() -> Activation:
    """Return f(z) = z·hard_sigmoid(z), of slope 1/6."""
    gate = ramp(1 / 6, 0.5, low=0, high=1)
    return _ByElement(lambda z: z * gate(z), lambda z: gate(z) + gate.pull_back(z, z))


@_picklable
def mish() -> Activation:
    """Return f(z) = z·tanh(log(1 + exp(z)))."""

    def slope(z: Array) -> Array:
        twice = 2 * _softplus(z)
        change = 4 * _sigmoid(twice) * _sigmoid(-twice)  # 1 - tanh², without cancellation
        result: Array = np.tanh(twice / 2) + z * change * _sigmoid(z)
        return result

    return _ByElement(lambda z: z * np.tanh(_softplus(z)), slope)


@_picklable
def squareplus() -> Activation:
    """Return f(z) = (z + √(z² + 4))/2."""

    def value(z: Array) -> Array:
        larger = (np.hypot(z, 2) + np.abs(z)) / 2  # root of y² = z·y + 1; the product of both roots is -1
        result: Array = np.where(z < 0, 1 / larger, larger)
        return result

    return _ByElement(value, lambda z: value(z) / np.hypot(z, 2))


@_picklable
def sparse_plus() -> Activation:
    """Return f(z) = 0 up to -1, z from 1 on, and (z + 1)²/4 between."""
    gate = ramp(0.5, 0.5, low=0, high=1)
    return _ByElement(lambda z: gate(z) ** 2 + np.maximum(z - 1, 0), gate)


@_picklable
def exponential() -> Activation:
    """Return f(z) = exp(z), infinite where the dtype cannot hold it."""
    return _ByElement(np.exp, np.exp)


@_picklable
def linear() -> Activation:
    """Return f(z) = z."""
    return _ByElement(lambda z: z, np.ones_like)


@_picklable
def tanh_shrink() -> Activation:
    """Return f(z) = z - tanh(z)."""
    return _ByElement(lambda z: z - np.tanh(z), lambda z: np.tanh(z) ** 2)


@_picklable
def soft_shrink(threshold: float = 0.5) -> Activation:
    """Return f(z) = z moved towards 0 by `threshold`, and 0 where |z| is at most `threshold`."""
    return _ByElement(lambda z: z - np.clip(z, -threshold, threshold), lambda z: np.abs(z) > threshold)


@_picklable
def hard_shrink(threshold: float = 0.5) -> Activation:
    """Return f(z) = z, and 0 where |z| is at most `threshold`."""
    return _ByElement(lambda z: np.where(np.abs(z) <= threshold, 0, z), lambda z: np.abs(z) > threshold)


def _finish(value: Array, z: Array, out: Array | None = None) -> Array:
    """Return `value` in the dtype of `z` as an array that is not `z`, or write it to `out`."""
    if out is None:
        result: Array = value.astype(z.dtype, copy=value is z)
        return result
    out[...] = value
    return out


def _sigmoid(z: Array) -> Array:
    """Return the sigmoid, precise even where it is tiny; exp may overflow, which gives the right result."""
    result: Array = 1 / (1 + np.exp(-z))
    return result


def _softplus(z: Array) -> Array:
    result: Array = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
    return result
