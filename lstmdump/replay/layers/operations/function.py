"""What operations have in common: a function of operands, and its gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from lstmdump.model.tensor import Array
from lstmdump.replay.layers.base import OneToOne, Signal

LARGEST = 1 << 20
"""The largest size that an operation may state, so that a damaged file cannot request all memory."""


class Function(ABC):
    """A function of operands. An operand is an array, a number, or a list of them.

    Attributes:
        takes_any_numbers: See `RunnableLayer`.
    """

    takes_any_numbers = False

    @abstractmethod
    def compute(self, *operands: Any) -> Any:
        """Return the result, an array, or a list of arrays for an operation with several outputs.

        Raises:
            ValueError: The operands have shapes that do not fit; the message says why.
        """

    def mixes_samples(self, operands: Sequence[Any], are_inputs: Sequence[bool], result: Any) -> bool:  # noqa: ARG002
        """Return whether a sample of `result` depends on several samples of an operand that is an input.

        Functions that act along an axis raise an error themselves if that is the batch.
        """
        return False

    @abstractmethod
    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:
        """Return the gradient of each operand, (r, batch, …), from that of the result; None for 0.

        For a list of operands or of results, gradients are in a list.
        """


class WithoutGradient(Function):
    """A function whose result does not change where its operands change a little."""

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return None for each operand."""
        return (None,) * len(operands)


class OfLayer(Function):
    """What `layer` computes, as a function of its input."""

    def __init__(self, layer: OneToOne) -> None:
        self._layer = layer

    def compute(self, *operands: Any) -> Array:
        """Return the output of the layer."""
        return self._layer.compute(Signal(as_floats(operands[0])))

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:
        """Return the gradient of the input of the layer."""
        found = self._layer.pull_back(Signal(as_floats(operands[0])), result, np.moveaxis(gradient, 0, 1))
        return (np.moveaxis(found, 1, 0),)


def repeats_samples(operands: Sequence[Any], are_inputs: Sequence[bool], result: Array) -> bool:
    """Return whether an input has fewer axes than `result`, so that its batch is not the first axis there.

    Whole numbers may be the lengths of an array, which belong to no sample.
    """
    inputs = (one for one, is_input in zip(operands, are_inputs, strict=True) if is_input)
    return any(one.dtype.kind not in "iu" and 0 < one.ndim < result.ndim for one in inputs)


def as_floats(values: Array) -> Array:
    """Return `values`, whole numbers and truth values as float64."""
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Return the gradient (r, *shape) of an operand of this shape from that of the operand as it was broadcast."""
    gradient = gradient.sum(axis=tuple(range(1, 1 + gradient.ndim - 1 - len(shape))))
    repeated = tuple(1 + axis for axis, length in enumerate(shape) if length == 1 != gradient.shape[1 + axis])
    result: Array = gradient.sum(axis=repeated, keepdims=True)
    return result
