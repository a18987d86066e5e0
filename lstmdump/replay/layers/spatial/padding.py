"""Layers that lengthen or shorten sequences and pictures. No step is masked behind them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.base import DropsMask, RunnableLayer, Signal
from lstmdump.replay.layers.channels import arrange
from lstmdump.replay.layers.reading import LayerReader, setting
from lstmdump.replay.layers.sizes import Margins, check_sizes, cut, read_list, read_sizes, require_axes


class ZeroPadding(DropsMask):
    """A ZeroPadding layer.

    Args:
        name: Its name.
        margins: The numbers of zeros around the steps.
    """

    def __init__(self, name: str, margins: Margins) -> None:
        super().__init__(name)
        self._margins = margins

    def compute(self, given: Signal) -> Array:
        """Return the values between zeros."""
        require_axes(self.name, given.values, len(self._margins))
        return np.pad(given.values, ((0, 0), *self._margins, (0, 0)))

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the gradient of what stands between the zeros."""
        inner: Array = gradient[cut(self._margins, given.values.shape[1:-1])]
        return inner


class Cropping(DropsMask):
    """A Cropping layer.

    Args:
        name: Its name.
        margins: The numbers of steps that are left out.
    """

    def __init__(self, name: str, margins: Margins) -> None:
        super().__init__(name)
        self._margins = margins

    def compute(self, given: Signal) -> Array:
        """Return the values without the margins."""
        require_axes(self.name, given.values, len(self._margins))
        lengths = [n - sum(margin) for n, margin in zip(given.values.shape[1:-1], self._margins, strict=True)]
        if min(lengths) < 1:
            raise BadInput(f"{self.name} leaves nothing of an input {given.values.shape}")
        inner: Array = given.values[cut(self._margins, lengths)]
        return inner

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the gradient, which is 0 in the margins."""
        return np.pad(gradient, ((0, 0), (0, 0), *self._margins, (0, 0)))


class UpSampling(DropsMask):
    """An UpSampling layer, which repeats each step.

    Args:
        name: Its name.
        sizes: How often, for each axis between batch and channels.
    """

    def __init__(self, name: str, sizes: tuple[int, ...]) -> None:
        super().__init__(name)
        self._sizes = sizes

    def compute(self, given: Signal) -> Array:
        """Return the values, each step several times."""
        require_axes(self.name, given.values, len(self._sizes))
        values = given.values
        for axis, size in enumerate(self._sizes, start=1):
            values = np.repeat(values, size, axis=axis)
        return values

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the sums of the gradients of equal steps."""
        lengths = given.values.shape[1:-1]
        pairs = [number for pair in zip(lengths, self._sizes, strict=True) for number in pair]
        split = gradient.reshape(*gradient.shape[:2], *pairs, gradient.shape[-1])
        result: Array = split.sum(axis=tuple(range(3, 3 + len(pairs), 2)))
        return result


def _read_zero_padding(layer: NetworkLayer, reader: LayerReader, axes: int) -> RunnableLayer:  # noqa: ARG001
    return arrange(layer, ZeroPadding(layer.name, _read_margins(layer, "padding", axes)))


def _read_cropping(layer: NetworkLayer, reader: LayerReader, axes: int) -> RunnableLayer:  # noqa: ARG001
    return arrange(layer, Cropping(layer.name, _read_margins(layer, "cropping", axes)))


def _read_margins(layer: NetworkLayer, key: str, axes: int) -> Margins:
    """Return the margins under `key`: a number for all, one for each axis, or a pair for each axis."""
    stated: Any = read_list(setting(layer, key, default=1))
    if axes == 1 and isinstance(stated, (list, tuple)):
        stated = [stated]
    for_each = stated if isinstance(stated, (list, tuple)) else [stated] * axes
    if len(for_each) != axes:
        raise CannotReplay(f"{layer.name}: its {key} {stated!r} cannot be used")
    margins = [check_sizes(layer, key, read_list(one), count=2, least=0) for one in for_each]
    return tuple((first, last) for first, last in margins)


def _read_up_sampling(layer: NetworkLayer, reader: LayerReader, axes: int) -> RunnableLayer:  # noqa: ARG001
    interpolation = setting(layer, "interpolation", default="nearest")
    if interpolation != "nearest":
        raise CannotReplay(f"{layer.name}: its interpolation {interpolation!r} cannot be computed")
    return arrange(layer, UpSampling(layer.name, read_sizes(layer, "size", "length", count=axes, default=2)))


BUILDERS = {
    **{f"ZeroPadding{axes}D": partial(_read_zero_padding, axes=axes) for axes in (1, 2)},
    **{f"Cropping{axes}D": partial(_read_cropping, axes=axes) for axes in (1, 2)},
    **{f"UpSampling{axes}D": partial(_read_up_sampling, axes=axes) for axes in (1, 2)},
}
