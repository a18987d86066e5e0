"""Pooling of sequences and pictures. No step is masked behind it.

Where several numbers are the maximum, derivatives are those of TensorFlow: that of a window belongs to the first of
them, that of a whole sequence to all of them in equal parts.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from lstmdump.errors import CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.base import DropsMask, RunnableLayer, Signal
from lstmdump.replay.layers.channels import arrange
from lstmdump.replay.layers.reading import LayerReader, setting
from lstmdump.replay.layers.sizes import read_sizes, require_axes
from lstmdump.replay.layers.spatial.windows import Windows, find_rule


class MaxPooling(DropsMask):
    """A MaxPooling layer. What is added around the input is never the maximum."""

    def __init__(self, name: str, windows: Windows) -> None:
        super().__init__(name)
        self._windows = windows

    def compute(self, given: Signal) -> Array:
        """Return the largest number of each window, for each channel."""
        values = given.values
        self._windows.require(self.name, values)
        first, *others = self._windows.taps(self._pad(values), self._windows.counts(values.shape[1:-1]))
        result: Array = first.copy()
        for tap in others:
            np.maximum(result, tap, out=result)
        return result

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:
        """Return the gradient of the input: that of a window belongs to its first maximum."""
        lengths, counts = given.values.shape[1:-1], output.shape[1:-1]
        result = self._windows.make_padded(gradient.shape[:2], lengths, output.shape[-1], gradient)
        is_open = np.ones(output.shape, bool)
        taps = self._windows.taps(self._pad(given.values), counts)
        for tap, of_tap in zip(taps, self._windows.taps(result, counts), strict=True):
            is_maximum = (tap == output) & is_open
            is_open &= ~is_maximum
            np.add(of_tap, gradient * is_maximum[:, None], out=of_tap)
        return self._windows.crop(result, lengths)

    def _pad(self, values: Array) -> Array:
        return self._windows.pad(values, -math.inf)


class AveragePooling(DropsMask):
    """An AveragePooling layer. What is added around the input does not count."""

    def __init__(self, name: str, windows: Windows) -> None:
        super().__init__(name)
        self._windows = windows

    def compute(self, given: Signal) -> Array:
        """Return the mean of each window, for each channel."""
        self._windows.require(self.name, given.values)
        return self._sum(given.values) / self._count(given.values)

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:
        """Return the gradient of the input: that of a window belongs to all of it in equal parts."""
        lengths, counts = given.values.shape[1:-1], output.shape[1:-1]
        result = self._windows.make_padded(gradient.shape[:2], lengths, output.shape[-1], gradient)
        share = gradient / self._count(given.values)
        for of_tap in self._windows.taps(result, counts):
            np.add(of_tap, share, out=of_tap)
        return self._windows.crop(result, lengths)

    def _sum(self, values: Array) -> Array:
        first, *others = self._windows.taps(self._windows.pad(values), self._windows.counts(values.shape[1:-1]))
        result: Array = first.copy()
        for tap in others:
            result += tap
        return result

    def _count(self, values: Array) -> Array:
        """Return how many steps of the input each window covers, (1, *counts, 1)."""
        return self._sum(np.ones((1, *values.shape[1:-1], 1), values.dtype))


class _GlobalPooling(DropsMask):
    """A layer that makes one number of each channel.

    Args:
        name: Its name.
        axes: The number of axes between batch and channels.
        keeps_axes: Whether these remain, with length 1.
    """

    def __init__(self, name: str, axes: int, *, keeps_axes: bool) -> None:
        super().__init__(name)
        self._axes = tuple(range(1, 1 + axes))
        self._keeps_axes = keeps_axes


class GlobalMaxPooling(_GlobalPooling):
    """A GlobalMaxPooling layer, which takes masked steps as they are."""

    def compute(self, given: Signal) -> Array:
        """Return the largest number of each channel, (batch, channels)."""
        require_axes(self.name, given.values, len(self._axes))
        result: Array = given.values.max(axis=self._axes, keepdims=self._keeps_axes)
        return result

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:
        """Return the gradient of the input: it belongs to all maxima in equal parts."""
        is_maximum = given.values == _stretch(output, 1, self._axes)
        share = is_maximum / is_maximum.sum(axis=self._axes, keepdims=True, dtype=gradient.dtype)
        result: Array = _stretch(gradient, 2, self._axes) * share[:, None]
        return result


class GlobalAveragePooling(_GlobalPooling):
    """A GlobalAveragePooling layer. Masked steps do not count; the mean of no step is NaN."""

    def compute(self, given: Signal) -> Array:
        """Return the mean of each channel, (batch, channels)."""
        require_axes(self.name, given.values, len(self._axes))
        counted = self._find_counted(given)
        values = given.values if counted is None else np.where(counted, given.values, 0)
        total = values.sum(axis=self._axes, keepdims=self._keeps_axes)
        with np.errstate(invalid="ignore"):
            result: Array = total / self._number(given, counted, keepdims=self._keeps_axes)
        return result

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the gradient of the input: it belongs to all steps that count in equal parts."""
        counted = self._find_counted(given)
        present = np.ones((1, *given.values.shape[1:-1], 1), bool) if counted is None else counted
        share = present / np.maximum(self._number(given, counted, keepdims=True), 1)
        result: Array = _stretch(gradient, 2, self._axes) * share[:, None]
        return result

    def _find_counted(self, given: Signal) -> Array | None:
        """Return which steps count, (batch, steps, 1); None if all do. Only sequences have masked steps."""
        return None if given.mask is None or len(self._axes) > 1 else given.mask[..., None]

    def _number(self, given: Signal, counted: Array | None, *, keepdims: bool) -> Array:
        """Return the number of steps that count, for each sequence."""
        if counted is None:
            return np.array(math.prod(given.values.shape[1:-1]), given.values.dtype)
        number: Array = counted.sum(axis=self._axes, keepdims=keepdims, dtype=given.values.dtype)
        return number


def _stretch(reduced: Array, first: int, axes: tuple[int, ...]) -> Array:
    """Return `reduced`, (…, channels), with an axis of length 1 for each of `axes`, from the axis `first` on."""
    return reduced.reshape(*reduced.shape[:first], *(1 for _ in axes), reduced.shape[-1])


def _read_max(layer: NetworkLayer, reader: LayerReader, axes: int) -> RunnableLayer:
    return arrange(layer, MaxPooling(layer.name, _read_windows(layer, reader, axes)))


def _read_average(layer: NetworkLayer, reader: LayerReader, axes: int) -> RunnableLayer:
    return arrange(layer, AveragePooling(layer.name, _read_windows(layer, reader, axes)))


def _read_windows(layer: NetworkLayer, reader: LayerReader, axes: int) -> Windows:
    size = read_sizes(layer, "pool_size", "pool_length", count=axes, default=2)
    rule = find_rule(layer)
    if setting(layer, "padding", "border_mode", default="valid") != "valid" and reader.release.is_theano:
        raise CannotReplay(f"{layer.name}: its padding is that of Theano, which cannot be computed")
    return Windows(size, read_sizes(layer, "strides", "stride", count=axes, default=size), (1,) * axes, rule)


def _read_global_max(layer: NetworkLayer, reader: LayerReader, axes: int) -> RunnableLayer:  # noqa: ARG001
    return arrange(layer, GlobalMaxPooling(layer.name, axes, keeps_axes=_keeps_axes(layer)))


def _read_global_average(layer: NetworkLayer, reader: LayerReader, axes: int) -> RunnableLayer:  # noqa: ARG001
    return arrange(layer, GlobalAveragePooling(layer.name, axes, keeps_axes=_keeps_axes(layer)))


def _keeps_axes(layer: NetworkLayer) -> bool:
    return bool(setting(layer, "keepdims", default=False))


BUILDERS = {
    f"{kind}{axes}D": partial(builder, axes=axes)
    for axes in (1, 2)
    for kind, builder in (
        ("AveragePooling", _read_average),
        ("GlobalAveragePooling", _read_global_average),
        ("GlobalMaxPooling", _read_global_max),
        ("MaxPooling", _read_max),
    )
}
