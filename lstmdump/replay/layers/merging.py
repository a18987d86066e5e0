"""Layers of several inputs: sums, products, maxima, joined inputs and dot products.

What becomes of masks depends on the release. Before Keras 3.4, a step behind such a layer counts if it counts in every
input that has a mask. Since then it counts if it counts in any input; Multiply, Maximum and Minimum leave the numbers
of masked steps out; and unless all inputs have a mask, there is none behind them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, TypeAlias

import numpy as np

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.base import NO_CONTEXT, Gradient, RunContext, RunnableLayer, Signal
from lstmdump.replay.layers.reading import LayerReader, setting
from lstmdump.replay.layers.sizes import read_list

_LEAST_NORM = 1e-7
_LEAST_NORM_OF_TENSORFLOW = 1e-6
"""What vectors are divided by if their norm is less: in Keras 3, and where TensorFlow divides them for Keras 2."""

_Counted: TypeAlias = "Sequence[Array | None]"
"""For each input, where its numbers count, as an array that is repeated for it; None if all do."""


class Combination(ABC):
    """A function of arrays of equally many axes, whose numbers at the same place it combines.

    Attributes:
        takes_two: Whether it is a function of two arrays only.
    """

    takes_two = False

    @abstractmethod
    def combine(self, parts: Sequence[Array], counted: _Counted) -> Array:
        """Return the combination of `parts`."""

    @abstractmethod
    def pull_back(self, parts: Sequence[Array], counted: _Counted, output: Array, gradient: Array) -> list[Array]:
        """Return the gradients of the parts, each of the shape of `gradient`, (batch, r, …), that of `output`."""


class SumOfInputs(Combination):
    """The sum of all inputs, masked or not; also their mean, or the difference of two.

    Args:
        is_difference: Whether the second input is subtracted.
        is_mean: Whether the sum is divided by the number of inputs.
    """

    def __init__(self, *, is_difference: bool = False, is_mean: bool = False) -> None:
        self._is_difference = self.takes_two = is_difference
        self._is_mean = is_mean

    def combine(self, parts: Sequence[Array], counted: _Counted) -> Array:  # noqa: ARG002
        """Return the sum."""
        total: Array = reduce(np.subtract if self._is_difference else np.add, parts)
        return total / len(parts) if self._is_mean else total

    def pull_back(self, parts: Sequence[Array], counted: _Counted, output: Array, gradient: Array) -> list[Array]:  # noqa: ARG002
        """Return the gradient of each part."""
        if self._is_difference:
            return [gradient, -gradient]
        return [gradient / len(parts) if self._is_mean else gradient] * len(parts)


class ProductOfInputs(Combination):
    """The product of the numbers that count, 0 where none counts."""

    def combine(self, parts: Sequence[Array], counted: _Counted) -> Array:
        """Return the product."""
        product: Array = reduce(np.multiply, self._fill(parts, counted))
        any_counts = _join_by_or(counted)
        return product if any_counts is None else np.where(any_counts, product, product.dtype.type(0))

    def pull_back(self, parts: Sequence[Array], counted: _Counted, output: Array, gradient: Array) -> list[Array]:  # noqa: ARG002
        """Return the gradient of each part, which is 0 where it does not count."""
        filled = self._fill(parts, counted)
        found = []
        for index, present in enumerate(counted):
            others = [part[:, None] for part in (*filled[:index], *filled[index + 1 :])]
            product = reduce(np.multiply, others, gradient)
            found.append(product if present is None else product * present[:, None])
        return found

    def _fill(self, parts: Sequence[Array], counted: _Counted) -> list[Array]:
        return [
            part if present is None else np.where(present, part, part.dtype.type(1))
            for part, present in zip(parts, counted, strict=True)
        ]


class ExtremeOfInputs(Combination):
    """The largest, or the smallest, of the numbers that count; that of the first input where none counts.

    Where several are the largest, the derivative belongs to the first, as in TensorFlow.

    Args:
        sign: 1 for the largest, -1 for the smallest.
    """

    def __init__(self, sign: int) -> None:
        self._choose = np.maximum if sign > 0 else np.minimum
        self._never = -sign * math.inf

    def combine(self, parts: Sequence[Array], counted: _Counted) -> Array:
        """Return the largest numbers."""
        result: Array = reduce(self._choose, self._fill(parts, counted))
        return result

    def pull_back(self, parts: Sequence[Array], counted: _Counted, output: Array, gradient: Array) -> list[Array]:
        """Return the gradient of each part: it belongs to the first that has the output."""
        is_open = np.ones(output.shape, bool)
        found = []
        for part in self._fill(parts, counted):
            is_chosen = (part == output) & is_open
            is_open &= ~is_chosen
            found.append(gradient * is_chosen[:, None])
        return found

    def _fill(self, parts: Sequence[Array], counted: _Counted) -> list[Array]:
        """Return the parts, with numbers that are never chosen in place of those that do not count."""
        any_counts = _join_by_or(counted)
        if any_counts is not None:
            counted = [None if counted[0] is None else counted[0] | ~any_counts, *counted[1:]]
        return [
            part if present is None else np.where(present, part, part.dtype.type(self._never))
            for part, present in zip(parts, counted, strict=True)
        ]


class ElementwiseMerge(RunnableLayer):
    """A layer that combines the numbers at the same place in all inputs.

    Inputs of fewer axes get axes of length 1 behind the batch, and axes of length 1 are repeated as needed.

    Args:
        name: Its name.
        combination: What it computes.
        joins_by_or: Whether masks are joined as in Keras 3.4 and later.
    """

    def __init__(self, name: str, combination: Combination, *, joins_by_or: bool) -> None:
        super().__init__(name)
        self._combination = combination
        self._joins_by_or = joins_by_or

    def forward(self, inputs: Sequence[Signal], context: RunContext = NO_CONTEXT) -> tuple[Signal, ...]:  # noqa: ARG002
        """Return the combination of all inputs."""
        masks = [one.mask for one in inputs]
        values = self._combination.combine(self._align(inputs), self._find_counted(inputs))
        return (Signal(values, _join_by_or(masks) if self._joins_by_or else _join_by_and(masks)),)

    def backward(
        self,
        inputs: Sequence[Signal],
        outputs: Sequence[Signal],
        gradients: Sequence[Gradient],
        context: RunContext = NO_CONTEXT,  # noqa: ARG002
    ) -> tuple[Gradient, ...]:
        """Return the gradient of each input, summed where its numbers were repeated."""
        (made,), (gradient,) = outputs, gradients
        if gradient is None:
            return (None,) * len(inputs)
        parts = self._align(inputs)
        found = self._combination.pull_back(parts, self._find_counted(inputs), made.values, gradient)
        return tuple(
            _sum_repeated(one, part.shape).reshape(*gradient.shape[:2], *given.values.shape[1:])
            for one, part, given in zip(found, parts, inputs, strict=True)
        )

    def _align(self, inputs: Sequence[Signal]) -> list[Array]:
        if self._combination.takes_two and len(inputs) != 2:
            raise CannotReplay(f"{self.name} has {len(inputs)} inputs, and not two")
        axes = max(one.values.ndim for one in inputs)
        parts = [one.values.reshape(len(one.values), *(1,) * (axes - one.values.ndim), *one.values.shape[1:])
                 for one in inputs]  # fmt: skip
        batch, *lengths = (set(at_axis) for at_axis in zip(*(part.shape for part in parts), strict=True))
        if len(batch) > 1 or any(len(different - {1}) > 1 for different in lengths):
            raise BadInput(f"{self.name} cannot combine inputs {_show_shapes(inputs)}")
        return parts

    def _find_counted(self, inputs: Sequence[Signal]) -> list[Array | None]:
        """Return where the numbers of each input count; an input that gets more axes loses its mask."""
        if not self._joins_by_or:
            return [None] * len(inputs)
        axes = max(one.values.ndim for one in inputs)
        masks = [None if one.values.ndim < axes else one.mask for one in inputs]
        return [None if mask is None else mask.reshape(*mask.shape, *(1,) * (axes - 2)) for mask in masks]


class Concatenate(RunnableLayer):
    """A Concatenate layer.

    Args:
        name: Its name.
        axis: The axis along which the inputs are joined; the batch has number 0.
        joins_by_or: Whether masks are joined as in Keras 3.4 and later.
    """

    def __init__(self, name: str, axis: int, *, joins_by_or: bool) -> None:
        super().__init__(name)
        self._axis = axis
        self._joins_by_or = joins_by_or

    def forward(self, inputs: Sequence[Signal], context: RunContext = NO_CONTEXT) -> tuple[Signal, ...]:  # noqa: ARG002
        """Return all inputs, one behind the other."""
        axis = self._find_axis(inputs)
        return (Signal(np.concatenate([one.values for one in inputs], axis), self._join_masks(inputs, axis)),)

    def backward(
        self,
        inputs: Sequence[Signal],
        outputs: Sequence[Signal],  # noqa: ARG002
        gradients: Sequence[Gradient],
        context: RunContext = NO_CONTEXT,  # noqa: ARG002
    ) -> tuple[Gradient, ...]:
        """Return the part of the gradient that belongs to each input."""
        (gradient,) = gradients
        if gradient is None:
            return (None,) * len(inputs)
        axis = self._find_axis(inputs)
        ends = np.cumsum([one.values.shape[axis] for one in inputs])
        return tuple(np.split(gradient, ends[:-1], axis + 1))

    def _find_axis(self, inputs: Sequence[Signal]) -> int:
        axes = {one.values.ndim for one in inputs}
        axis = self._axis if self._axis >= 0 else max(axes) + self._axis
        others = {(*one.values.shape[:axis], *one.values.shape[axis + 1 :]) for one in inputs}
        if len(axes) > 1 or len(others) > 1 or not 0 < axis < max(axes):
            raise BadInput(f"{self.name} cannot join inputs {_show_shapes(inputs)} along axis {self._axis}")
        return axis

    def _join_masks(self, inputs: Sequence[Signal], axis: int) -> Array | None:
        masks = [one.mask for one in inputs]
        if inputs[0].values.ndim < 3 or all(mask is None for mask in masks):
            return None
        if not self._joins_by_or and axis > 1:
            return _join_by_and(masks)
        if not self._joins_by_or and any(mask is None for mask in masks):
            raise CannotReplay(f"{self.name} joins steps of an input with a mask and one without, which Keras refuses")
        filled = [np.ones(one.values.shape[:2], bool) if one.mask is None else one.mask for one in inputs]
        return np.concatenate(filled, 1) if axis == 1 else _join_by_or(filled)


class DotProduct(RunnableLayer):
    """A Dot layer: the sum over the products of the numbers along an axis of each of two inputs.

    No step is masked behind it.

    Args:
        name: Its name.
        axes: The axis of each input; the batch has number 0.
        least_norm: The least norm by which vectors along the axes are divided first; None if they are not divided.
    """

    def __init__(self, name: str, axes: tuple[int, int], least_norm: float | None = None) -> None:
        super().__init__(name)
        self._axes = axes
        self._least_norm = least_norm

    def forward(self, inputs: Sequence[Signal], context: RunContext = NO_CONTEXT) -> tuple[Signal, ...]:  # noqa: ARG002
        """Return (batch, *other axes of the first, *other axes of the second), or (batch, 1) if there are none."""
        first, second = (self._normalize(rows) for rows in self._arrange(inputs))
        products = first @ second.swapaxes(1, 2)
        return (Signal(products.reshape(self._find_shape(inputs))),)

    def backward(
        self,
        inputs: Sequence[Signal],
        outputs: Sequence[Signal],  # noqa: ARG002
        gradients: Sequence[Gradient],
        context: RunContext = NO_CONTEXT,  # noqa: ARG002
    ) -> tuple[Gradient, ...]:
        """Return the gradients of both inputs."""
        (gradient,) = gradients
        if gradient is None:
            return (None, None)
        rows = self._arrange(inputs)
        first, second = (self._normalize(one)[:, None] for one in rows)
        of_products = gradient.reshape(*gradient.shape[:2], first.shape[2], second.shape[2])
        found = of_products @ second, of_products.swapaxes(2, 3) @ first
        return tuple(
            self._restore(self._pull_back_norm(one, of_rows), given.values, axis)
            for one, of_rows, given, axis in zip(rows, found, inputs, self._find_axes(inputs), strict=True)
        )

    def _arrange(self, inputs: Sequence[Signal]) -> list[Array]:
        """Return the vectors of each input, (batch, number, length)."""
        axes = self._find_axes(inputs)
        moved = [np.moveaxis(one.values, axis, -1) for one, axis in zip(inputs, axes, strict=True)]
        return [one.reshape(len(one), -1, one.shape[-1]) for one in moved]

    def _restore(self, of_rows: Array, values: Array, axis: int) -> Array:
        """Return gradients of the vectors of `values`, (batch, r, number, length), as gradients of `values`."""
        others = (*values.shape[1:axis], *values.shape[axis + 1 :])
        return np.moveaxis(of_rows.reshape(*of_rows.shape[:2], *others, values.shape[axis]), -1, axis + 1)

    def _find_axes(self, inputs: Sequence[Signal]) -> tuple[int, ...]:
        if len(inputs) != 2:
            raise CannotReplay(f"{self.name} has {len(inputs)} inputs, and not two")
        axes = tuple(
            axis if axis >= 0 else one.values.ndim + axis for axis, one in zip(self._axes, inputs, strict=True)
        )
        first, second = (one.values for one in inputs)
        if not all(0 < axis < one.values.ndim for axis, one in zip(axes, inputs, strict=True)) or (
            len(first),
            first.shape[axes[0]],
        ) != (len(second), second.shape[axes[1]]):
            raise BadInput(f"{self.name} cannot multiply inputs {_show_shapes(inputs)} along the axes {self._axes}")
        return axes

    def _find_shape(self, inputs: Sequence[Signal]) -> tuple[int, ...]:
        others = [
            (*one.values.shape[1:axis], *one.values.shape[axis + 1 :])
            for one, axis in zip(inputs, self._find_axes(inputs), strict=True)
        ]
        return len(inputs[0].values), *(others[0] + others[1] or (1,))

    def _normalize(self, rows: Array) -> Array:
        return rows if self._least_norm is None else rows / np.maximum(_norms(rows), self._least_norm)

    def _pull_back_norm(self, rows: Array, gradient: Array) -> Array:
        """Return the gradient of `rows` from that of the normalized rows, (batch, r, number, length)."""
        if self._least_norm is None:
            return gradient
        norms, units = _norms(rows), self._normalize(rows)[:, None]
        along = (gradient * units).sum(-1, keepdims=True) * units
        change: Array = gradient - np.where(norms[:, None] < self._least_norm, 0, along)
        return change / np.maximum(norms, self._least_norm)[:, None]


class Cosine(RunnableLayer):
    """A Merge layer in the mode `cos` for two vectors (batch, length): their cosine, (batch, 1, 1)."""

    def forward(self, inputs: Sequence[Signal], context: RunContext = NO_CONTEXT) -> tuple[Signal, ...]:  # noqa: ARG002
        """Return the products of the vectors, divided by those of their norms."""
        if len(inputs) != 2 or inputs[0].values.ndim != 2 or inputs[0].values.shape != inputs[1].values.shape:
            raise BadInput(f"{self.name} takes two vectors of the same length, not {_show_shapes(inputs)}")
        first, second = (one.values for one in inputs)
        cosines = (first * second).sum(1, keepdims=True) / self._divisor(inputs)
        return (Signal(cosines[:, None]),)

    def backward(
        self,
        inputs: Sequence[Signal],
        outputs: Sequence[Signal],
        gradients: Sequence[Gradient],
        context: RunContext = NO_CONTEXT,  # noqa: ARG002
    ) -> tuple[Gradient, ...]:
        """Return the gradients of both vectors."""
        (made,), (gradient,) = outputs, gradients
        if gradient is None:
            return (None, None)
        divisor, cosines = self._divisor(inputs), made.values[:, 0]
        found = []
        for this, other in (inputs, inputs[::-1]):
            squares = np.maximum((this.values**2).sum(1, keepdims=True), np.finfo(divisor.dtype).tiny)
            change = other.values / divisor - np.where(divisor > _LEAST_DIVISOR, cosines * this.values / squares, 0)
            found.append(gradient[..., 0] * change[:, None])
        return tuple(found)

    def _divisor(self, inputs: Sequence[Signal]) -> Array:
        divisor: Array = np.maximum(_norms(inputs[0].values) * _norms(inputs[1].values), _LEAST_DIVISOR)
        return divisor


_LEAST_DIVISOR = 1e-7
"""What Keras divides a cosine by where the product of the norms is less."""


def _join_by_and(masks: Sequence[Array | None]) -> Array | None:
    present = [mask for mask in masks if mask is not None]
    return reduce(np.logical_and, present) if present else None


def _join_by_or(masks: Sequence[Array | None]) -> Array | None:
    present = [mask for mask in masks if mask is not None]
    return reduce(np.logical_or, present) if len(present) == len(masks) else None


def _sum_repeated(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Return `gradient`, (batch, r, …), summed over the axes along which an array of this shape was repeated."""
    repeated = tuple(axis for axis, length in enumerate(shape[1:], start=2) if length == 1 and gradient.shape[axis] > 1)
    return gradient.sum(repeated, keepdims=True) if repeated else gradient


def _norms(vectors: Array) -> Array:
    """Return the norms along the last axis, which stays, with length 1."""
    norms: Array = np.sqrt((vectors**2).sum(-1, keepdims=True))
    return norms


def _show_shapes(inputs: Sequence[Signal]) -> str:
    return " and ".join(str(one.values.shape) for one in inputs)


_COMBINATIONS: Mapping[str, Combination] = {
    "Add": SumOfInputs(),
    "Average": SumOfInputs(is_mean=True),
    "Maximum": ExtremeOfInputs(1),
    "Minimum": ExtremeOfInputs(-1),
    "Multiply": ProductOfInputs(),
    "Subtract": SumOfInputs(is_difference=True),
}
_MODES = {"ave": "Average", "max": "Maximum", "mul": "Multiply", "sum": "Add"}
"""The modes of a Merge layer, and the layer that computes the same."""


def _read_elementwise(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    return ElementwiseMerge(layer.name, _COMBINATIONS[layer.kind], joins_by_or=reader.release.joins_masks_by_or)


def _read_concatenate(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    axis = _read_axis(layer, "axis", setting(layer, "axis", default=-1))
    return Concatenate(layer.name, axis, joins_by_or=reader.release.joins_masks_by_or)


def _read_dot(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    least_norm = _LEAST_NORM if reader.release.keras > 2 else _LEAST_NORM_OF_TENSORFLOW
    is_normalized = setting(layer, "normalize", default=False)
    return DotProduct(layer.name, _read_axes(layer, "axes"), least_norm if is_normalized else None)


def _read_merge(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:  # noqa: ARG001
    """Read a Merge layer, of Keras 1 or the first releases of Keras 2."""
    mode = setting(layer, "mode", default="sum")
    if setting(layer, "mode_type", default="raw") != "raw" or not isinstance(mode, str):
        raise CannotReplay(f"{layer.name} is a Merge layer whose mode is a Python function, which cannot be computed")
    if mode in _MODES:
        return ElementwiseMerge(layer.name, _COMBINATIONS[_MODES[mode]], joins_by_or=False)
    if mode == "concat":
        axis = _read_axis(layer, "concat_axis", setting(layer, "concat_axis", default=-1))
        return Concatenate(layer.name, axis, joins_by_or=False)
    if mode == "dot":
        return DotProduct(layer.name, _read_axes(layer, "dot_axes"))
    if mode == "cos" and set(_read_axes(layer, "dot_axes")) <= {1, -1}:
        return Cosine(layer.name)
    raise CannotReplay(f"{layer.name} is a Merge layer of the mode {mode!r}, which cannot be computed")


def _read_axes(layer: NetworkLayer, key: str) -> tuple[int, int]:
    stated = read_list(setting(layer, key, default=-1))
    first, second = stated if isinstance(stated, (list, tuple)) and len(stated) == 2 else (stated, stated)
    return _read_axis(layer, key, first), _read_axis(layer, key, second)


def _read_axis(layer: NetworkLayer, key: str, stated: Any) -> int:
    if type(stated) is not int:
        raise CannotReplay(f"{layer.name}: its {key} {stated!r} cannot be used")
    return stated


BUILDERS = {
    **dict.fromkeys(_COMBINATIONS, _read_elementwise),
    "Concatenate": _read_concatenate,
    "Dot": _read_dot,
    "Merge": _read_merge,
}
