"""Convolutions of sequences and pictures, and what is made of them. No step is masked behind them.

A convolution is a product of a kernel with each of the windows that slide along the input, all of them at once. In
pulling back, the same kernel goes from the windows to the input; a transposed convolution does that in forward
direction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np

from lstmdump.errors import CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.activations.elementwise import Activation
from lstmdump.replay.gradients import pull_back_through
from lstmdump.replay.layers.base import DropsMask, RunnableLayer, Signal
from lstmdump.replay.layers.channels import arrange
from lstmdump.replay.layers.reading import ExpectedArray, LayerReader, setting
from lstmdump.replay.layers.sizes import read_list, read_sizes, require_axes
from lstmdump.replay.layers.spatial.windows import Windows, find_rule

_NUMBERS_AT_ONCE = 1 << 21
"""How many numbers of windows are laid out side by side for one product."""


class WindowMap(Protocol):
    """A linear map of sequences or pictures, (n, lengths…, channels)."""

    def require(self, name: str, values: Array) -> None:
        """Raise BadInput if the map, that of the layer `name`, cannot take `values`."""

    def apply(self, values: Array) -> Array:
        """Return the map of `values`."""

    def transpose(self, values: Array, lengths: Sequence[int]) -> Array:
        """Return the transposed map of `values`, whose axes are to have these lengths."""


class SlidingKernel:
    """The map of a convolution.

    Args:
        windows: The windows.
        kernel: The kernel, (*size, channels/groups, filters).
        groups: The number of groups of channels; the k-th group of filters sees the k-th of them only.
    """

    def __init__(self, windows: Windows, kernel: Array, groups: int = 1) -> None:
        self._windows = windows
        self._channels, self._filters = kernel.shape[-2] * groups, kernel.shape[-1]
        by_group = kernel.reshape(-1, kernel.shape[-2], groups, self._filters // groups)
        self._kernel = np.ascontiguousarray(by_group.transpose(2, 0, 1, 3))  # (groups, taps, channels, filters)

    def require(self, name: str, values: Array) -> None:
        """Raise BadInput if the convolution, the layer `name`, cannot take `values`."""
        self._windows.require(name, values, self._channels)

    def apply(self, values: Array) -> Array:
        """Return (n, counts…, filters) for values (n, lengths…, channels)."""
        covered = self._windows.gather(self._windows.pad(values))
        result = np.empty((*covered.shape[: values.ndim - 1], self._filters), self._kernel.dtype)
        at_once = max(1, _NUMBERS_AT_ONCE // max(1, math.prod(covered.shape[1:])))
        for first in range(0, len(values), at_once):
            part = slice(first, first + at_once)
            self._multiply(covered[part], result[part])
        return result

    def _multiply(self, covered: Array, out: Array) -> None:
        """Write the products of all windows to `out`, which is contiguous."""
        groups, taps, channels, filters = self._kernel.shape
        rows = np.moveaxis(covered.reshape(-1, taps, groups, channels), 2, 0).reshape(groups, -1, taps * channels)
        by_group = np.moveaxis(out.reshape(-1, groups, filters), 1, 0)
        np.matmul(rows, self._kernel.reshape(groups, taps * channels, filters), out=by_group)

    def transpose(self, values: Array, lengths: Sequence[int]) -> Array:
        """Return (n, *lengths, channels) for values (n, counts…, filters)."""
        groups, _, _, filters = self._kernel.shape
        counts = values.shape[1:-1]
        padded = self._windows.make_padded(values.shape[:1], lengths, self._channels, values)
        rows = np.moveaxis(values.reshape(-1, groups, filters), 1, 0)
        for tap, covered in enumerate(self._windows.taps(padded, counts)):
            products = rows @ self._kernel[:, tap].swapaxes(1, 2)
            np.add(covered, np.moveaxis(products, 0, 1).reshape(covered.shape), out=covered)
        return self._windows.crop(padded, lengths)


class TransposedKernel:
    """The map of a transposed convolution.

    Args:
        windows: The windows, which slide along the output.
        kernel: The kernel, (*size, filters, channels).
        is_padded: Whether the output is just `strides` times as long as the input.
    """

    def __init__(self, windows: Windows, kernel: Array, *, is_padded: bool) -> None:
        self._windows = windows
        self._channels = kernel.shape[-1]
        self._is_padded = is_padded
        self._from_output = SlidingKernel(windows, kernel)

    def require(self, name: str, values: Array) -> None:
        """Raise BadInput if the convolution, the layer `name`, cannot take `values`."""
        require_axes(name, values, len(self._windows.size), self._channels)

    def apply(self, values: Array) -> Array:
        """Return (n, lengths…, filters) for values (n, counts…, channels)."""
        lengths = []
        for count, extent, stride in zip(values.shape[1:-1], self._windows.extents, self._windows.strides, strict=True):
            lengths.append(count * stride + (0 if self._is_padded else max(extent - stride, 0)))
        return self._from_output.transpose(values, lengths)

    def transpose(self, values: Array, lengths: Sequence[int]) -> Array:  # noqa: ARG002
        """Return (n, counts…, channels) for values (n, lengths…, filters)."""
        return self._from_output.apply(values)


class PointwiseAfter:
    """The map of a separable convolution: one of each channel by itself, and then one of windows of one step."""

    def __init__(self, depthwise: SlidingKernel, pointwise: SlidingKernel) -> None:
        self._depthwise = depthwise
        self._pointwise = pointwise

    def require(self, name: str, values: Array) -> None:
        """Raise BadInput if the convolution, the layer `name`, cannot take `values`."""
        self._depthwise.require(name, values)

    def apply(self, values: Array) -> Array:
        """Return (n, counts…, filters) for values (n, lengths…, channels)."""
        return self._pointwise.apply(self._depthwise.apply(values))

    def transpose(self, values: Array, lengths: Sequence[int]) -> Array:
        """Return (n, *lengths, channels) for values (n, counts…, filters)."""
        return self._depthwise.transpose(self._pointwise.transpose(values, values.shape[1:-1]), lengths)


class Convolution(DropsMask):
    """A layer that computes a convolution of any kind: a(map of x + b).

    Args:
        name: Its name.
        linear: The map.
        bias: b, (filters,), or None.
        activation: a.
    """

    def __init__(self, name: str, linear: WindowMap, bias: Array | None, activation: Activation) -> None:
        super().__init__(name)
        self._linear = linear
        self._bias = bias
        self._activation = activation

    def compute(self, given: Signal) -> Array:
        """Return (batch, …, filters) for values (batch, …, channels)."""
        z = self._convolve(given)
        return self._activation(z, out=z)

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the gradient of x, (batch, r, …, channels)."""
        of_z = pull_back_through(self._activation, self._convolve(given), gradient)
        of_x = self._linear.transpose(of_z.reshape(-1, *of_z.shape[2:]), given.values.shape[1:-1])
        return of_x.reshape(*gradient.shape[:2], *of_x.shape[1:])

    def _convolve(self, given: Signal) -> Array:
        self._linear.require(self.name, given.values)
        z = self._linear.apply(given.values)
        if self._bias is not None:
            z += self._bias
        return z


def _read_convolution(layer: NetworkLayer, reader: LayerReader, axes: int) -> RunnableLayer:
    size = _read_size(layer, axes)
    filters, groups = *read_sizes(layer, "filters", "nb_filter"), *read_sizes(layer, "groups", default=1)
    stored = (None,) * 4 if reader.release.keras == 1 else (*size, None, filters)
    arrays = _read_arrays(layer, reader, [ExpectedArray("kernel", stored, ("W",))], filters)
    kernel = arrays["kernel"]
    if reader.release.keras == 1:
        kernel = _arrange_as_keras_2(layer, kernel, size, filters)
    if filters % groups:
        raise CannotReplay(f"{layer.name}: its {filters} filters are not {groups} equal groups")
    if reader.release.is_theano:
        kernel = np.flip(kernel, tuple(range(axes)))
    windows = _read_windows(layer, reader, size)
    return _finish(layer, reader, SlidingKernel(windows, kernel, groups), arrays)


def _read_depthwise(layer: NetworkLayer, reader: LayerReader, axes: int) -> RunnableLayer:
    _refuse_theano(layer, reader)
    size = _read_size(layer, axes)
    expected = [ExpectedArray("depthwise_kernel", (*size, None, None), ("kernel",))]
    arrays = _read_arrays(layer, reader, expected, None)
    _require_width(layer, arrays, "bias", 0)
    return _finish(layer, reader, _make_depthwise(_read_windows(layer, reader, size), arrays), arrays)


def _read_separable(layer: NetworkLayer, reader: LayerReader, axes: int) -> RunnableLayer:
    _refuse_theano(layer, reader)
    size, ones, filters = _read_size(layer, axes), (1,) * axes, read_sizes(layer, "filters")[0]
    expected = [
        ExpectedArray("depthwise_kernel", (*size, None, None)),
        ExpectedArray("pointwise_kernel", (*ones, None, filters)),
    ]
    arrays = _read_arrays(layer, reader, expected, filters)
    _require_width(layer, arrays, "pointwise_kernel", -2)
    depthwise = _make_depthwise(_read_windows(layer, reader, size), arrays)
    single = Windows(ones, ones, ones, find_rule(layer))
    return _finish(layer, reader, PointwiseAfter(depthwise, SlidingKernel(single, arrays["pointwise_kernel"])), arrays)


def _read_transposed(layer: NetworkLayer, reader: LayerReader, axes: int) -> RunnableLayer:
    _refuse_theano(layer, reader)
    size, (filters,) = _read_size(layer, axes), read_sizes(layer, "filters")
    padding, output_padding = setting(layer, "padding"), read_list(setting(layer, "output_padding"))
    windows = _read_windows(layer, reader, size)
    if padding not in ("valid", "same") or output_padding is not None or set(windows.dilation) != {1}:
        raise CannotReplay(f"{layer.name}: its padding, output_padding or dilation_rate cannot be computed")
    arrays = _read_arrays(layer, reader, [ExpectedArray("kernel", (*size, filters, None))], filters)
    linear = TransposedKernel(windows, arrays["kernel"], is_padded=padding == "same")
    return _finish(layer, reader, linear, arrays)


def _read_size(layer: NetworkLayer, axes: int) -> tuple[int, ...]:
    if "nb_row" in layer.config and axes > 1:  # Keras 1
        return *read_sizes(layer, "nb_row"), *read_sizes(layer, "nb_col")
    return read_sizes(layer, "kernel_size", "filter_length", count=axes)


def _read_windows(layer: NetworkLayer, reader: LayerReader, size: tuple[int, ...]) -> Windows:
    axes = len(size)
    return Windows(
        size,
        read_sizes(layer, "strides", "subsample_length", "subsample", count=axes, default=1),
        read_sizes(layer, "dilation_rate", "atrous_rate", count=axes, default=1),
        find_rule(layer, is_theano=reader.release.is_theano),
    )


def _read_arrays(
    layer: NetworkLayer, reader: LayerReader, kernels: list[ExpectedArray], filters: int | None
) -> dict[str, Array]:
    has_bias = setting(layer, "use_bias", "bias", default=True)
    return reader.arrays(layer, [*kernels, ExpectedArray("bias", (filters,), ("b",))] if has_bias else kernels)


def _arrange_as_keras_2(layer: NetworkLayer, kernel: Array, size: tuple[int, ...], filters: int) -> Array:
    """Return a kernel of Keras 1 as Keras 2 stores it, (*size, channels, filters).

    Keras 1 stores it as (*size, channels, filters), or as (filters, channels, *size) in its first releases and where
    the channels come first. A sequence is a picture of one column.
    """
    of_picture = (*size, 1)[:2]
    if setting(layer, "dim_ordering") != "th" and kernel.shape[:2] == of_picture and kernel.shape[3] == filters:
        pass
    elif kernel.shape[2:] == of_picture and kernel.shape[0] == filters:
        kernel = kernel.transpose(2, 3, 1, 0)
    else:
        raise CannotReplay(f"{layer.name}: its kernel is {kernel.shape}, which does not fit its configuration")
    return kernel[:, 0] if len(size) == 1 else kernel


def _make_depthwise(windows: Windows, arrays: dict[str, Array]) -> SlidingKernel:
    kernel = arrays["depthwise_kernel"]
    channels, multiplier = kernel.shape[-2:]
    return SlidingKernel(windows, kernel.reshape(*windows.size, 1, channels * multiplier), channels)


def _require_width(layer: NetworkLayer, arrays: dict[str, Array], name: str, axis: int) -> None:
    """Check that the array `name`, if there is one, is along `axis` as long as a depthwise convolution is wide."""
    width = math.prod(arrays["depthwise_kernel"].shape[-2:])
    if name in arrays and arrays[name].shape[axis] != width:
        raise CannotReplay(f"{layer.name}: its {name} is {arrays[name].shape}, which does not fit {width} channels")


def _refuse_theano(layer: NetworkLayer, reader: LayerReader) -> None:
    if reader.release.is_theano:
        raise CannotReplay(f"{layer.name} is a {layer.kind} layer of Theano, which cannot be computed")


def _finish(layer: NetworkLayer, reader: LayerReader, linear: WindowMap, arrays: dict[str, Array]) -> RunnableLayer:
    return arrange(layer, Convolution(layer.name, linear, arrays.get("bias"), reader.activation(layer)))


BUILDERS = {
    f"{kind}{axes}D{suffix}": partial(builder, axes=axes)
    for axes in (1, 2)
    for kind, suffix, builder in (
        ("AtrousConvolution", "", _read_convolution),
        ("Conv", "", _read_convolution),
        ("Convolution", "", _read_convolution),
        ("Conv", "Transpose", _read_transposed),
        ("DepthwiseConv", "", _read_depthwise),
        ("SeparableConv", "", _read_separable),
    )
}
