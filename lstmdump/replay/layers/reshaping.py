"""Layers that arrange the numbers of each sample in another way. No step is masked behind them."""

from __future__ import annotations

import math

import numpy as np

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.base import DropsMask, RunnableLayer, Signal
from lstmdump.replay.layers.channels import arrange
from lstmdump.replay.layers.reading import LayerReader, setting
from lstmdump.replay.layers.sizes import read_list, read_sizes

_MOST_AXES = 16


class Reshape(DropsMask):
    """A Reshape or Flatten layer, which takes and gives the numbers row by row.

    Args:
        name: Its name.
        shape: The shape of a sample; one length may be -1, which stands for what remains.
    """

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        super().__init__(name)
        self._shape = shape

    def compute(self, given: Signal) -> Array:
        """Return (batch, *shape)."""
        size = math.prod(given.values.shape[1:])
        known = math.prod(length for length in self._shape if length != -1)
        if size % known if -1 in self._shape else size != known:
            raise BadInput(f"{self.name} cannot give samples of {given.values.shape[1:]} the shape {self._shape}")
        return given.values.reshape(len(given.values), *(size // known if k == -1 else k for k in self._shape))

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the gradient in the shape of the input."""
        return gradient.reshape(*gradient.shape[:2], *given.values.shape[1:])


class RepeatVector(DropsMask):
    """A RepeatVector layer: a sequence that consists of the same vector, `count` times."""

    def __init__(self, name: str, count: int) -> None:
        super().__init__(name)
        self._count = count

    def compute(self, given: Signal) -> Array:
        """Return (batch, count, d) for values (batch, d)."""
        if given.values.ndim != 2:
            raise BadInput(f"{self.name} takes vectors, (batch, features), not {given.values.shape}")
        return np.repeat(given.values[:, None], self._count, axis=1)

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the sum of the gradients of all steps."""
        result: Array = gradient.sum(axis=2)
        return result


class Permute(DropsMask):
    """A Permute layer.

    Args:
        name: Its name.
        order: For each axis of the output, the axis of the input that it is; the batch has number 0 in both.
    """

    def __init__(self, name: str, order: tuple[int, ...]) -> None:
        super().__init__(name)
        self._order = order

    def compute(self, given: Signal) -> Array:
        """Return the values with their axes in the given order."""
        if given.values.ndim != len(self._order) + 1:
            raise BadInput(f"{self.name} takes samples of {len(self._order)} axes, not {given.values.shape[1:]}")
        moved: Array = given.values.transpose(0, *self._order)
        return moved

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the gradient with its axes in the order of the input."""
        moved: Array = gradient.transpose(0, 1, *(2 + self._order.index(axis) for axis in sorted(self._order)))
        return moved


def _read_flatten(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:  # noqa: ARG001
    return arrange(layer, Reshape(layer.name, (-1,)))


def _read_reshape(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:  # noqa: ARG001
    shape = _read_integers(layer, "target_shape")
    if any(length == 0 or length < -1 for length in shape) or shape.count(-1) > 1:
        raise CannotReplay(f"{layer.name}: its target_shape {shape} cannot be used")
    return Reshape(layer.name, shape)


def _read_repeat(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:  # noqa: ARG001
    (count,) = read_sizes(layer, "n")
    return RepeatVector(layer.name, count)


def _read_permute(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:  # noqa: ARG001
    order = _read_integers(layer, "dims")
    if sorted(order) != list(range(1, len(order) + 1)):
        raise CannotReplay(f"{layer.name}: its dims {order} do not name each axis once")
    return Permute(layer.name, order)


def _read_integers(layer: NetworkLayer, key: str) -> tuple[int, ...]:
    stated = read_list(setting(layer, key))
    if not isinstance(stated, (list, tuple)) or len(stated) > _MOST_AXES or {type(one) for one in stated} - {int}:
        raise CannotReplay(f"{layer.name}: its {key} {stated!r} cannot be used")
    return tuple(stated)


BUILDERS = {
    "Flatten": _read_flatten,
    "Permute": _read_permute,
    "RepeatVector": _read_repeat,
    "Reshape": _read_reshape,
}
