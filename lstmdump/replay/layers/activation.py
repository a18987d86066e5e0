"""Layers that apply an activation: Activation, ReLU and its relatives, Softmax."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.activations.elementwise import Activation
from lstmdump.replay.gradients import pull_back_through
from lstmdump.replay.layers.axes import axes_setting, resolve_axes
from lstmdump.replay.layers.base import OneToOne, RunnableLayer, Signal
from lstmdump.replay.layers.reading import ExpectedArray, LayerReader, setting


class ActivationLayer(OneToOne):
    """A layer that applies `activation` to its input."""

    def __init__(self, name: str, activation: Activation) -> None:
        super().__init__(name)
        self._activation = activation

    def compute(self, given: Signal) -> Array:
        """Return the activation of values (batch, …)."""
        return self._activation(given.values)

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the gradient of the values, (batch, r, …)."""
        return pull_back_through(self._activation, given.values, gradient)


class ParametricReLU(OneToOne):
    """A PReLU layer: x above 0, and `slopes`·x below; `slopes` is (…) without the batch, 1 along shared axes."""

    def __init__(self, name: str, slopes: Array) -> None:
        super().__init__(name)
        self._slopes = slopes

    def compute(self, given: Signal) -> Array:
        """Return (batch, …) for values (batch, …)."""
        x = given.values
        if x.ndim != self._slopes.ndim + 1 or not _is_broadcast(self._slopes.shape, x.shape[1:]):
            raise BadInput(f"{self.name} has slopes of the shape {self._slopes.shape}, which do not fit {x.shape[1:]}")
        result: Array = np.maximum(x, 0) + self._slopes * np.minimum(x, 0)
        return result

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the gradient, (batch, r, …); Keras composes the function of two relus, so that it is 0 at 0."""
        x = given.values
        result: Array = gradient * np.where(x > 0, 1, np.where(x < 0, self._slopes, 0)).astype(x.dtype)[:, None]
        return result


class SoftmaxLayer(OneToOne):
    """A Softmax layer.

    Args:
        name: Its name.
        axes: The axes that are summed over, those of (batch, …).
        adds_mask: Whether the release adds a large negative number to masked steps, as Keras 3 and tf_keras do.
    """

    def __init__(self, name: str, axes: Sequence[int], adds_mask: bool) -> None:
        super().__init__(name)
        self._axes = tuple(axes)
        self._adds_mask = adds_mask

    def compute(self, given: Signal) -> Array:
        """Return the exponentials of values (batch, …), as shares of their sum."""
        if self._adds_mask and given.mask is not None:
            raise CannotReplay(f"{self.name} takes a mask, which Keras adds to numbers of another shape")
        axes = resolve_axes(self.name, self._axes, given.values.ndim)
        shares: Array = np.exp(given.values - given.values.max(axis=axes, keepdims=True))
        shares /= shares.sum(axis=axes, keepdims=True)
        return shares

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:
        """Return the gradient of the values, (batch, r, …)."""
        axes = tuple(axis + 1 for axis in resolve_axes(self.name, self._axes, given.values.ndim))
        shares = output[:, None]
        result: Array = shares * (gradient - (gradient * shares).sum(axis=axes, keepdims=True))
        return result


def _is_broadcast(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    return all(length in (1, found) for length, found in zip(shape, target, strict=True))


def _read_activation(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    reader.arrays(layer, [])
    return ActivationLayer(layer.name, reader.activation(layer))


def _read_relu(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    reader.arrays(layer, [])
    return ActivationLayer(
        layer.name, reader.activation_named(layer, {"class_name": layer.kind, "config": layer.config})
    )


def _read_parametric_relu(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    if len(layer.weights) != 1:
        reader.arrays(layer, [ExpectedArray("alpha", ())])
    (stored,) = layer.weights.values()
    expected = ExpectedArray("alpha", stored.shape, ("alphas",))
    return ParametricReLU(layer.name, reader.arrays(layer, [expected])["alpha"])


def _read_softmax(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    reader.arrays(layer, [])
    adds_mask = reader.release.keras > 2 or reader.release.is_tensorflow_keras
    return SoftmaxLayer(layer.name, axes_setting(layer, setting(layer, "axis", default=-1)), adds_mask)


BUILDERS = {
    "Activation": _read_activation,
    "PReLU": _read_parametric_relu,
    "Softmax": _read_softmax,
    **dict.fromkeys(("ELU", "LeakyReLU", "ReLU", "ThresholdedReLU"), _read_relu),
}
