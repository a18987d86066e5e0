"""Operations along axes: sums, means, extremes, cumulative sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lstmdump.errors import CannotReplay
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.axes import resolve_axes
from lstmdump.replay.layers.operations.function import Function, WithoutGradient

_REDUCTIONS: Mapping[str, Callable[..., Any]] = {
    "all": np.all,
    "any": np.any,
    "max": np.max,
    "mean": np.mean,
    "min": np.min,
    "std": np.std,
    "sum": np.sum,
    "var": np.var,
}


class Reduction(Function):
    """A number for all those along some axes.

    Args:
        name: The name of the operation.
        kind: What is computed: `all`, `any`, `max`, `mean`, `min`, `std`, `sum` or `var`.
        axis: The axis, or a list of them; null for all, which would mix the samples of a batch.
        keepdims: Whether the axes remain, with a length of 1.
    """

    def __init__(self, name: str, kind: str, axis: Any, keepdims: Any) -> None:
        if axis is None:
            raise CannotReplay(f"{name} acts across the samples of a batch")
        self._name, self._kind = name, kind
        self._axes = to_axes(name, axis)
        self._keepdims = bool(keepdims)

    def compute(self, *operands: Any) -> Array:
        """Return the numbers."""
        (x,) = operands
        result: Array = np.asarray(_REDUCTIONS[self._kind](x, axis=self._resolve(x), keepdims=self._keepdims))
        return result

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:
        """Return the gradient of the array; extremes that are reached several times share it."""
        (x,) = operands
        if self._kind in ("all", "any"):
            return (None,)
        axes = self._resolve(x)
        if not self._keepdims:
            result = np.expand_dims(result, axes)
            gradient = np.expand_dims(gradient, tuple(axis + 1 for axis in axes))
        with np.errstate(all="ignore"):
            return (np.broadcast_to(gradient * self._differentiate(x, result, axes), (len(gradient), *x.shape)),)

    def _differentiate(self, x: Array, result: Array, axes: tuple[int, ...]) -> Any:
        """Return the derivatives of `result`, which has the dimensions of `x`, by the numbers of `x`."""
        count = x.size // max(result.size, 1)
        if self._kind == "sum":
            return 1.0
        if self._kind == "mean":
            return 1.0 / count
        if self._kind in ("max", "min"):
            reached = (x == result).astype(x.dtype)
            return reached / reached.sum(axis=axes, keepdims=True)
        centered = (x - x.mean(axis=axes, keepdims=True)) / count
        return 2 * centered if self._kind == "var" else centered / result

    def _resolve(self, x: Array) -> tuple[int, ...]:
        return resolve_axes(self._name, self._axes, x.ndim)


class CumulativeSum(Function):
    """The sums of the numbers up to each place along an axis."""

    def __init__(self, name: str, axis: Any) -> None:
        self._name = name
        self._axes = to_axes(name, axis)

    def compute(self, *operands: Any) -> Any:
        """Return the sums."""
        (x,) = operands
        return np.cumsum(x, axis=self._resolve(x))

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the sums of the gradient from each place on."""
        axis = self._resolve(operands[0]) + 1
        return (np.flip(np.cumsum(np.flip(gradient, axis), axis=axis), axis),)

    def _resolve(self, x: Array) -> int:
        (axis,) = resolve_axes(self._name, self._axes, x.ndim)
        return axis


class ArgMax(WithoutGradient):
    """The place of the largest number along an axis."""

    def __init__(self, name: str, axis: Any) -> None:
        self._name = name
        self._axes = to_axes(name, axis)

    def compute(self, *operands: Any) -> Any:
        """Return the places."""
        (x,) = operands
        (axis,) = resolve_axes(self._name, self._axes, x.ndim)
        return np.argmax(x, axis=axis)


def to_axes(name: str, axis: Any) -> tuple[int, ...]:
    """Return the setting `axis`, a whole number or a list of them, as a tuple."""
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    if not axes or not all(type(one) is int for one in axes):
        raise CannotReplay(f"{name}: its axis {axis} is not a whole number or a list of them")
    return tuple(axes)
