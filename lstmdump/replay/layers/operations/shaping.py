"""Operations that move numbers to other places: reshape, transpose, slices, concatenation, padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lstmdump.errors import CannotReplay
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.axes import resolve_axes
from lstmdump.replay.layers.operations.along_axes import to_axes
from lstmdump.replay.layers.operations.function import LARGEST, Function, WithoutGradient, unbroadcast


class ReshapeOperation(Function):
    """The same numbers in another shape, which may split each sample into several, or join several to one."""

    def compute(self, *operands: Any) -> Any:
        """Return `operands[0]` in the shape of `operands[1]`, a list of lengths or an array."""
        x, shape = operands
        made = x.reshape([int(length) for length in shape])
        longer, shorter = max(len(x), len(made)), min(len(x), len(made))
        if longer % max(shorter, 1):
            raise ValueError(f"samples would be mixed in the shape {made.shape}")
        return made

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the gradient in the old shape."""
        return gradient.reshape(len(gradient), *operands[0].shape), None


class SameNumbers(Function):
    """A function that adds or removes axes of length 1.

    Args:
        name: The name of the operation.
        axis: The axis or the axes; for `adds`, as they are in the result. Null removes all but the batch.
        adds: Whether axes are added.
    """

    def __init__(self, name: str, axis: Any, adds: bool) -> None:
        self._name, self._adds = name, adds
        self._axes = None if axis is None and not adds else to_axes(name, axis)

    def compute(self, *operands: Any) -> Any:
        """Return the array with other axes."""
        (x,) = operands
        if self._axes is None:
            return x.reshape(len(x), *(length for length in x.shape[1:] if length > 1))
        axes = resolve_axes(self._name, self._axes, x.ndim + (len(self._axes) if self._adds else 0))
        return np.expand_dims(x, axes) if self._adds else np.squeeze(x, axes)

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the gradient with the old axes."""
        return (gradient.reshape(len(gradient), *operands[0].shape),)


class TransposeOperation(Function):
    """The same numbers with axes in another order; null turns all axes round, also that of the batch."""

    def __init__(self, name: str, axes: Any) -> None:
        self._axes = () if axes is None else to_axes(name, axes)
        if self._axes[:1] != (0,):
            raise CannotReplay(f"{name} moves the axis of the batch")

    def compute(self, *operands: Any) -> Any:
        """Return the transposed array."""
        return operands[0].transpose(self._axes)

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the gradient with the axes in the old order."""
        back = np.argsort([axis % len(self._axes) for axis in self._axes])
        return (gradient.transpose(0, *(back + 1)),)


class SwapAxes(Function):
    """The same numbers with two axes exchanged."""

    def __init__(self, name: str, first: Any, second: Any) -> None:
        self._name = name
        self._axes = to_axes(name, [first, second])

    def compute(self, *operands: Any) -> Any:
        """Return the array with the axes exchanged."""
        (x,) = operands
        return np.swapaxes(x, *resolve_axes(self._name, self._axes, x.ndim))

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the gradient with the axes exchanged again."""
        first, second = resolve_axes(self._name, self._axes, operands[0].ndim)
        return (np.swapaxes(gradient, first + 1, second + 1),)


class Slicing(Function):
    """The numbers at an index of slices, numbers, new axes and an ellipsis: `x[:, -1]`.

    Args:
        name: The name of the operation.
        key: The index.
    """

    def __init__(self, name: str, key: Any) -> None:
        self._name = name
        self._key = tuple(key) if isinstance(key, (list, tuple)) else (key,)
        if not all(one is None or one is Ellipsis or type(one) is int or isinstance(one, slice) for one in self._key):
            raise CannotReplay(f"{name}: an index of arrays cannot be computed")

    def compute(self, *operands: Any) -> Any:
        """Return the numbers of each sample, or some numbers of a list of lengths."""
        (x,) = operands
        first = self._key[0] if self._key and (self._key[0] is not Ellipsis or len(self._key) > x.ndim) else slice(None)
        if first != slice(None) and not _is_list_of_lengths(x):
            raise CannotReplay(f"{self._name} takes some samples of a batch only")
        return x[self._key]

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the gradient, 0 for the numbers that are left out."""
        found = np.zeros((len(gradient), *operands[0].shape), gradient.dtype)
        whole = (slice(None), *self._key)
        found[whole] = gradient
        return (found,)


class TakeOperation(Function):
    """The numbers at some places along an axis: the operand is the array, the places are fixed."""

    def __init__(self, name: str, indices: Any, axis: Any) -> None:
        self._name = name
        self._axes = to_axes(name, axis)
        self._indices = np.asarray(indices)
        if self._indices.dtype.kind not in "iu":
            raise CannotReplay(f"{name}: its indices are not whole numbers")

    def compute(self, *operands: Any) -> Any:
        """Return the numbers."""
        (x,) = operands
        (axis,) = resolve_axes(self._name, self._axes, x.ndim)
        return np.take(x, self._indices, axis=axis)

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the gradient, added up for numbers that are taken several times."""
        (x,) = operands
        (axis,) = resolve_axes(self._name, self._axes, x.ndim)
        found = np.zeros((len(gradient), *x.shape), gradient.dtype)
        first = np.moveaxis(found, axis + 1, 0)
        at = tuple(range(axis + 1, axis + 1 + self._indices.ndim))
        np.add.at(first, self._indices, np.moveaxis(gradient, at, range(len(at))))
        return (found,)


class Joining(Function):
    """The arrays of a list, one after the other along an axis.

    Args:
        name: The name of the operation.
        axis: The axis; for `stacks`, as it is in the result.
        stacks: Whether the axis is a new one.
    """

    def __init__(self, name: str, axis: Any, stacks: bool) -> None:
        self._name, self._stacks = name, stacks
        self._axes = to_axes(name, axis)

    def compute(self, *operands: Any) -> Any:
        """Return the joined array."""
        (arrays,) = operands
        axis = self._resolve(arrays[0])
        return np.stack(arrays, axis) if self._stacks else np.concatenate(arrays, axis)

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the part of the gradient that belongs to each array."""
        (arrays,) = operands
        axis = self._resolve(arrays[0])
        if self._stacks:
            return (list(np.moveaxis(gradient, axis + 1, 0)),)
        return (np.split(gradient, np.cumsum([one.shape[axis] for one in arrays])[:-1], axis + 1),)

    def _resolve(self, x: Any) -> int:
        (axis,) = resolve_axes(self._name, self._axes, np.ndim(x) + self._stacks)
        return axis


class Separation(Function):
    """The parts of an array along an axis, each an output.

    Args:
        name: The name of the operation.
        parts: The number of equal parts, or where the second and later ones start.
        axis: The axis.
    """

    def __init__(self, name: str, parts: Any, axis: Any) -> None:
        self._name = name
        self._axes = to_axes(name, axis)
        self._parts = parts if type(parts) is int else list(to_axes(name, parts))

    def compute(self, *operands: Any) -> Any:
        """Return the parts."""
        (x,) = operands
        return np.split(x, self._parts, self._resolve(x))

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the gradients of all parts, joined."""
        return (np.concatenate(gradient, self._resolve(operands[0]) + 1),)

    def _resolve(self, x: Array) -> int:
        (axis,) = resolve_axes(self._name, self._axes, x.ndim)
        return axis


class Unstacking(Function):
    """The arrays at all places of an axis, each an output; of a list of lengths, its numbers."""

    def __init__(self, name: str, axis: Any) -> None:
        self._name = name
        self._axes = to_axes(name, 0 if axis is None else axis)

    def compute(self, *operands: Any) -> Any:
        """Return the arrays."""
        (x,) = operands
        return list(x) if _is_list_of_lengths(x) else list(np.moveaxis(x, self._resolve(x), 0))

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the gradients of all arrays, stacked."""
        return (np.stack(gradient, self._resolve(operands[0]) + 1),)

    def _resolve(self, x: Array) -> int:
        (axis,) = resolve_axes(self._name, self._axes, x.ndim)
        return axis


class Repetition(Function):
    """Each number several times along an axis, one after the other."""

    def __init__(self, name: str, repeats: Any, axis: Any) -> None:
        self._name = name
        self._axes = to_axes(name, axis)
        (self._repeats,) = check_sizes(name, [repeats])

    def compute(self, *operands: Any) -> Any:
        """Return the repeated numbers."""
        (x,) = operands
        (axis,) = resolve_axes(self._name, self._axes, x.ndim)
        return np.repeat(x, self._repeats, axis)

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the sums of the gradients of one number."""
        (x,) = operands
        (axis,) = resolve_axes(self._name, self._axes, x.ndim)
        split = (len(gradient), *x.shape[: axis + 1], self._repeats, *x.shape[axis + 1 :])
        return (gradient.reshape(split).sum(axis=axis + 2),)


class Tiling(Function):
    """An array several times along its axes, but not along the batch."""

    def __init__(self, name: str, multiples: Any) -> None:
        self._multiples = check_sizes(name, multiples)
        if self._multiples[:1] != (1,):
            raise CannotReplay(f"{name} repeats the samples of a batch")

    def compute(self, *operands: Any) -> Any:
        """Return the tiles."""
        (x,) = operands
        if x.ndim != len(self._multiples):
            raise ValueError(f"{len(self._multiples)} numbers of repeats for {x.ndim} dimensions")
        return np.tile(x, self._multiples)

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the sums of the gradients of all tiles."""
        pairs = zip(self._multiples, operands[0].shape, strict=True)
        split = gradient.reshape(len(gradient), *(length for pair in pairs for length in pair))
        return (split.sum(axis=tuple(range(1, split.ndim, 2))),)


class Reversal(Function):
    """An array turned round along some axes."""

    def __init__(self, name: str, axis: Any) -> None:
        self._name = name
        self._axes = to_axes(name, axis)

    def compute(self, *operands: Any) -> Any:
        """Return the reversed array."""
        (x,) = operands
        return np.flip(x, resolve_axes(self._name, self._axes, x.ndim))

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the reversed gradient."""
        axes = resolve_axes(self._name, self._axes, operands[0].ndim)
        return (np.flip(gradient, tuple(axis + 1 for axis in axes)),)


class ConstantPadding(Function):
    """An array with a number around it, but without more samples.

    Args:
        name: The name of the operation.
        widths: For each axis how many numbers are added at the beginning and at the end.
        mode: `constant`, in any case; others are refused.
        number: The number; null for 0.
    """

    def __init__(self, name: str, widths: Any, mode: Any, number: Any) -> None:
        if str(mode or "constant").lower() != "constant" or type(number or 0) not in (int, float):
            raise CannotReplay(f"{name}: padding of the mode {mode} cannot be computed")
        self._widths = [check_sizes(name, pair) for pair in widths] if isinstance(widths, (list, tuple)) else []
        if self._widths[:1] != [(0, 0)] or not all(len(pair) == 2 for pair in self._widths):
            raise CannotReplay(f"{name}: padding of {widths} cannot be computed")
        self._number = number or 0

    def compute(self, *operands: Any) -> Any:
        """Return the padded array."""
        return np.pad(operands[0], self._widths, constant_values=self._number)

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the gradient without that of the added numbers."""
        pairs = zip(self._widths, operands[0].shape, strict=True)
        inside = (slice(None), *(slice(before, before + length) for (before, _), length in pairs))
        return (gradient[inside],)


class BroadcastOperation(Function):
    """An array repeated so that it has a given shape, a list of lengths or an array."""

    def compute(self, *operands: Any) -> Any:
        """Return the array, which must have as many dimensions as before."""
        x, shape = operands
        lengths = [int(length) for length in shape]
        if len(lengths) != x.ndim or lengths[0] != len(x) or max(lengths) > LARGEST:
            raise ValueError(f"{x.shape} repeated to the shape {tuple(lengths)}")
        return np.broadcast_to(x, lengths)

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the sums of the gradients of one number."""
        return unbroadcast(gradient, operands[0].shape), None


class ShapeOperation(WithoutGradient):
    """The shape of an array, as an array."""

    def compute(self, *operands: Any) -> Any:
        """Return the lengths, with that of the batch."""
        return np.array(operands[0].shape)


def check_sizes(name: str, sizes: Any) -> tuple[int, ...]:
    """Return `sizes`, a list of numbers of repeats or of additions.

    Raises:
        CannotReplay: It is not a list of whole numbers from 0 to `LARGEST`.
    """
    if not isinstance(sizes, (list, tuple)) or not all(type(one) is int and 0 <= one <= LARGEST for one in sizes):
        raise CannotReplay(f"{name}: its sizes {str(sizes)[:80]} cannot be used")
    return tuple(sizes)


def _is_list_of_lengths(x: Array) -> bool:
    return x.ndim == 1 and x.dtype.kind in "iu"
