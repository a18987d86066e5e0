"""Layers that move and scale numbers: batch, layer and unit normalization, Normalization and Rescaling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.axes import axes_setting, broadcast_shape, resolve_axes
from lstmdump.replay.layers.base import OneToOne, RunnableLayer, Signal
from lstmdump.replay.layers.reading import ExpectedArray, LayerReader, number_setting, setting

_SMALLEST_SQUARE = 1e-12  # of UnitNormalization: the least sum of squares in tf_keras, the least norm in Keras 3
_SMALLEST_DEVIATION = 1e-7  # of Normalization


class ScaleAndShift(OneToOne):
    """A layer that computes (x - `center`)·`scale` + `shift`, with numbers along some axes.

    It is batch normalization with moving averages, Normalization and Rescaling.

    Args:
        name: Its name.
        axes: The axes of (batch, …) that the numbers lie along, in order; none for the same numbers everywhere.
        center: What is subtracted, with a length for each of `axes`.
        scale: The factors, likewise.
        shift: What is added, likewise.
        keeps_mask: Whether the mask is passed on.
    """

    def __init__(
        self, name: str, axes: Sequence[int], center: Array, scale: Array, shift: Array, keeps_mask: bool = True
    ) -> None:
        super().__init__(name)
        self._axes = tuple(axes)
        self._center, self._scale, self._shift = center, scale, shift
        self._keeps_mask = keeps_mask

    def compute(self, given: Signal) -> Array:
        """Return (batch, …) for values (batch, …)."""
        center, scale, shift = self._spread(given.values)
        y: Array = given.values - center
        y *= scale
        y += shift
        return y

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the gradient of the values, (batch, r, …)."""
        _, scale, _ = self._spread(given.values)
        result: Array = gradient * scale[:, None]
        return result

    def pass_mask(self, given: Signal) -> Array | None:
        """Return the mask, unless the layer drops it."""
        return given.mask if self._keeps_mask else None

    def _spread(self, x: Array) -> tuple[Array, Array, Array]:
        axes = resolve_axes(self.name, self._axes, x.ndim)
        _check_lengths(self.name, x, axes, self._scale.shape)
        shape = broadcast_shape(x.shape, axes)
        return self._center.reshape(shape), self._scale.reshape(shape), self._shift.reshape(shape)


class Standardization(OneToOne):
    """A layer that gives each sample a mean of 0 and a variance of 1 along some axes, before it scales and shifts it.

    It is layer normalization, and batch normalization of mode 1 in Keras 1.

    Args:
        name: Its name.
        axes: The axes of (batch, …) that the mean is taken along, in order.
        epsilon: What is added to the variance.
        scale: The factors, with a length for each of `axes`; None for 1.
        shift: What is added at the end, likewise; None for 0.
        added_to_deviation: What is added to the root of the variance.
    """

    def __init__(
        self,
        name: str,
        axes: Sequence[int],
        epsilon: float,
        scale: Array | None,
        shift: Array | None,
        added_to_deviation: float = 0.0,
    ) -> None:
        super().__init__(name)
        self._axes = tuple(axes)
        self._epsilon, self._added = epsilon, added_to_deviation
        self._scale, self._shift = scale, shift

    def compute(self, given: Signal) -> Array:
        """Return (batch, …) for values (batch, …)."""
        axes = self._resolve(given.values)
        centered, deviation = self._measure(given.values, axes)
        centered /= deviation + self._added
        for numbers, apply in ((self._scale, np.multiply), (self._shift, np.add)):
            if numbers is not None:
                apply(centered, numbers.reshape(broadcast_shape(centered.shape, axes)), out=centered)
        return centered

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the gradient of the values, (batch, r, …).

        With D = √(variance + ε) + δ, y = (x - mean)/D depends on x directly, through the mean and through D.
        """
        axes = self._resolve(given.values)
        centered, deviation = self._measure(given.values, axes)
        if self._scale is not None:
            gradient = gradient * self._scale.reshape(broadcast_shape(centered.shape, axes))[:, None]
        centered, deviation = centered[:, None], deviation[:, None]
        along = tuple(axis + 1 for axis in axes)
        through_deviation = (gradient * centered).mean(axis=along, keepdims=True) / (
            deviation * (deviation + self._added)
        )
        result: Array = gradient - gradient.mean(axis=along, keepdims=True)
        result -= centered * through_deviation
        result /= deviation + self._added
        return result

    def _resolve(self, x: Array) -> tuple[int, ...]:
        axes = resolve_axes(self.name, self._axes, x.ndim)
        if list(axes) != sorted(set(axes)):
            raise CannotReplay(f"{self.name}: its axes {list(self._axes)} are not in ascending order")
        for numbers in (self._scale, self._shift):
            if numbers is not None:
                _check_lengths(self.name, x, axes, numbers.shape)
        return axes

    def _measure(self, x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
        """Return x less its mean, and √(variance + ε)."""
        centered = x - x.mean(axis=axes, keepdims=True)
        deviation: Array = np.sqrt(np.square(centered).mean(axis=axes, keepdims=True) + self._epsilon)
        return centered, deviation


class UnitNormalization(OneToOne):
    """A layer that gives the numbers along `axes` of (batch, …) a norm of 1, as far as theirs is not `smallest`."""

    def __init__(self, name: str, axes: Sequence[int], smallest: float) -> None:
        super().__init__(name)
        self._axes = tuple(axes)
        self._smallest = smallest

    def compute(self, given: Signal) -> Array:
        """Return (batch, …) for values (batch, …)."""
        norm, _ = self._measure(given.values)
        result: Array = given.values / norm
        return result

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:
        """Return the gradient of the values, (batch, r, …)."""
        norm, axes = self._measure(given.values)
        y = output[:, None]
        along = tuple(axis + 1 for axis in axes)
        change = np.where(norm > self._smallest, 1, 0).astype(y.dtype)[:, None]
        result: Array = (gradient - y * (gradient * y).sum(axis=along, keepdims=True) * change) / norm[:, None]
        return result

    def _measure(self, x: Array) -> tuple[Array, tuple[int, ...]]:
        axes = resolve_axes(self.name, self._axes, x.ndim)
        norm = np.sqrt(np.square(x).sum(axis=axes, keepdims=True))
        return np.maximum(norm, self._smallest), axes


def _check_lengths(name: str, x: Array, axes: Sequence[int], lengths: tuple[int, ...]) -> None:
    found = tuple(x.shape[axis] for axis in axes)
    if found != lengths:
        raise BadInput(f"{name} normalizes lengths of {lengths}; its input has {found} along the same axes")


def _read_batch_normalization(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    _refuse_old_modes(layer, reader)
    expected = [
        *([ExpectedArray("gamma", (None,))] if setting(layer, "scale", default=True) else []),
        *([ExpectedArray("beta", (None,))] if setting(layer, "center", default=True) else []),
        ExpectedArray("moving_mean", (None,), ("running_mean",)),
        ExpectedArray("moving_variance", (None,), ("running_std", "running_variance")),
    ]
    arrays = reader.arrays(layer, expected)
    if len({len(values) for values in arrays.values()}) > 1:
        raise CannotReplay(f"{layer.name}: its arrays have different lengths")
    axes = axes_setting(layer, setting(layer, "axis", default=-1))
    if len(axes) > 1:
        raise CannotReplay(f"{layer.name} normalizes along several axes, {list(axes)}")
    epsilon = number_setting(layer, "epsilon", default=1e-3)
    mean, variance = arrays["moving_mean"], arrays["moving_variance"]
    gamma = arrays.get("gamma", np.ones_like(mean))
    beta = arrays.get("beta", np.zeros_like(mean))
    if setting(layer, "mode", default=0) == 1:
        return Standardization(layer.name, [-1], epsilon, gamma, beta, added_to_deviation=epsilon)
    return ScaleAndShift(layer.name, axes, mean, gamma / np.sqrt(variance + mean.dtype.type(epsilon)), beta)


def _refuse_old_modes(layer: NetworkLayer, reader: LayerReader) -> None:
    """Refuse what Keras 1 computes otherwise.

    The first releases of Keras 1, and Keras 0, store the standard deviation, later ones the variance, both as
    `running_std`. The regularizers became a part of the configuration after that.
    """
    if setting(layer, "mode", default=0) not in (0, 1):
        raise CannotReplay(f"{layer.name}: batch normalization of mode 2 depends on the other samples of a batch")
    if reader.release.keras < 2 and "gamma_regularizer" not in layer.config:
        raise CannotReplay(f"{layer.name}: this release stores the variance or its root, and does not state which")


def _read_layer_normalization(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    if setting(layer, "rms_scaling", default=False):
        raise CannotReplay(f"{layer.name}: layer normalization with rms_scaling cannot be computed")
    axes = axes_setting(layer, setting(layer, "axis", default=-1))
    shape = (None,) * len(axes)
    names = [name for name, key in (("gamma", "scale"), ("beta", "center")) if setting(layer, key, default=True)]
    arrays = reader.arrays(layer, [ExpectedArray(name, shape) for name in names])
    epsilon = number_setting(layer, "epsilon", default=1e-3)
    return Standardization(layer.name, axes, epsilon, arrays.get("gamma"), arrays.get("beta"))


def _read_unit_normalization(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    reader.arrays(layer, [])
    axes = axes_setting(layer, setting(layer, "axis", default=-1))
    smallest = _SMALLEST_SQUARE if reader.release.keras > 2 else _SMALLEST_SQUARE**0.5
    return UnitNormalization(layer.name, axes, smallest)


def _read_normalization(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    axis = setting(layer, "axis", default=-1)
    axes = () if axis in (None, []) else axes_setting(layer, axis)
    if list(axes) != sorted(axes):
        raise CannotReplay(f"{layer.name}: its axes {list(axes)} are not in ascending order")
    mean, variance = _read_moments(layer, reader, len(axes))
    axes = axes[len(axes) - mean.ndim :]
    deviation = np.maximum(np.sqrt(variance), mean.dtype.type(_SMALLEST_DEVIATION))
    keeps_mask = reader.release.keras > 2
    if setting(layer, "invert", default=False):
        return ScaleAndShift(layer.name, axes, np.zeros_like(mean), deviation, mean, keeps_mask)
    return ScaleAndShift(layer.name, axes, mean, 1 / deviation, np.zeros_like(mean), keeps_mask)


def _read_moments(layer: NetworkLayer, reader: LayerReader, dimensions: int) -> tuple[Array, Array]:
    """Return mean and variance, of so many dimensions, from the configuration or from the arrays."""
    stated = [setting(layer, key) for key in ("mean", "variance")]
    if None in stated:
        shape = (None,) * dimensions
        expected = [ExpectedArray("mean", shape), ExpectedArray("variance", shape), ExpectedArray("count", ())]
        arrays = reader.arrays(layer, expected)
        return arrays["mean"], arrays["variance"]
    mean, variance = np.broadcast_arrays(*(_to_array(layer, value, reader.dtype) for value in stated))
    return mean, variance


def _read_rescaling(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    reader.arrays(layer, [])
    scale = _to_array(layer, setting(layer, "scale", default=1.0), reader.dtype)
    offset = _to_array(layer, setting(layer, "offset", default=0.0), reader.dtype)
    scale, offset = np.broadcast_arrays(scale, offset)
    axes = range(-scale.ndim, 0)
    return ScaleAndShift(layer.name, axes, np.zeros_like(scale), scale, offset, reader.release.keras > 2)


def _to_array(layer: NetworkLayer, value: Any, dtype: str) -> Array:
    try:
        array = np.array(value, dtype)
    except (TypeError, ValueError) as error:
        raise CannotReplay(f"{layer.name}: {str(value)[:80]} is not a number or a list of numbers") from error
    if not np.isfinite(array).all():
        raise CannotReplay(f"{layer.name}: its numbers are not finite")
    return array


BUILDERS = {
    "BatchNormalization": _read_batch_normalization,
    "LayerNormalization": _read_layer_normalization,
    "Normalization": _read_normalization,
    "Rescaling": _read_rescaling,
    "UnitNormalization": _read_unit_normalization,
}
