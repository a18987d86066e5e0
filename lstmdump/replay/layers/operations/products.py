"""Products of matrices and the sums of Einstein."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lstmdump.errors import CannotReplay
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.operations.function import Function, unbroadcast

_OF_GRADIENTS = "R"  # a letter that subscripts must not use


class MatrixProduct(Function):
    """The product of the matrices in the last two axes, of which the first or the second may be transposed."""

    def __init__(self, name: str, transposes_first: Any = False, transposes_second: Any = False) -> None:
        self._name = name
        self._transposes = (bool(transposes_first), bool(transposes_second))

    def compute(self, *operands: Any) -> Any:
        """Return (…, n, k) for operands (…, n, m) and (…, m, k)."""
        first, second = self._prepare(operands)
        return first @ second

    def mixes_samples(self, operands: Sequence[Any], are_inputs: Sequence[bool], result: Any) -> bool:  # noqa: ARG002
        """Return whether the batch is an axis of the matrices, and not one before them.

        Only of a first operand may the samples be rows, which are multiplied by a constant.
        """
        first, second = operands
        if all(are_inputs):
            return bool(first.ndim != second.ndim or first.ndim < 3)
        return bool(second.ndim < 3) if are_inputs[1] else bool(first.ndim < 3 and self._transposes[0])

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the gradients of both."""
        first, second = self._prepare(operands)
        found = (gradient @ _turn(second), _turn(first) @ gradient)
        return [
            unbroadcast(_turn(one) if turns else one, operand.shape)
            for one, operand, turns in zip(found, operands, self._transposes, strict=True)
        ]

    def _prepare(self, operands: Sequence[Any]) -> tuple[Array, Array]:
        first, second = (np.asarray(one) for one in operands)
        if first.ndim < 2 or second.ndim < 2:
            raise ValueError("a product of vectors")
        return _turn(first) if self._transposes[0] else first, _turn(second) if self._transposes[1] else second


class EinsteinSum(Function):
    """The sum that subscripts such as `bij,bjk->bik` describe, in which each sample stays by itself.

    Args:
        name: The name of the operation.
        subscripts: The subscripts, without an ellipsis.
    """

    def __init__(self, name: str, subscripts: Any) -> None:
        text = subscripts.replace(" ", "") if isinstance(subscripts, str) else ""
        terms, arrow, self._result = text.partition("->")
        self._terms = terms.split(",")
        every = [*self._terms, self._result]
        if not arrow or not all(one.isalpha() and len({*one, _OF_GRADIENTS}) == len(one) + 1 for one in every):
            raise CannotReplay(f"{name}: the sum {str(subscripts)[:80]} cannot be computed")
        sample = self._result[0]
        if not all(one[0] == sample for one in self._terms):
            raise CannotReplay(f"{name} acts across the samples of a batch")

    def compute(self, *operands: Any) -> Any:
        """Return the sum."""
        if len(operands) != len(self._terms):
            raise ValueError(f"{len(operands)} arrays for {len(self._terms)} terms")
        return np.einsum(f"{','.join(self._terms)}->{self._result}", *operands, optimize=True)

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the gradient of each array, the sum of the gradient with the other arrays."""
        return [self._differentiate(operands, index, gradient) for index in range(len(operands))]

    def _differentiate(self, operands: Sequence[Any], index: int, gradient: Any) -> Any:
        others = [(term, operand) for place, (term, operand) in enumerate(zip(self._terms, operands, strict=True))
                  if place != index]  # fmt: skip
        known = {letter for term in [self._result, *(term for term, _ in others)] for letter in term}
        alone = [axis for axis, letter in enumerate(self._terms[index]) if letter not in known]
        kept = "".join(letter for letter in self._terms[index] if letter in known)
        terms = [_OF_GRADIENTS + self._result, *(term for term, _ in others)]
        found = np.einsum(
            f"{','.join(terms)}->{_OF_GRADIENTS}{kept}", gradient, *(one for _, one in others), optimize=True
        )
        return np.broadcast_to(np.expand_dims(found, [axis + 1 for axis in alone]),
                               (len(gradient), *operands[index].shape))  # fmt: skip


def _turn(matrices: Array) -> Array:
    return np.swapaxes(matrices, -1, -2)
