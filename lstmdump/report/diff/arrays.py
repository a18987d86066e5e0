"""The arrays of two layers that are compared, as they are stored where that is faster to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lstmdump.lstm import LSTM
from lstmdump.lstm.cell import GATES
from lstmdump.lstm.roles import Role
from lstmdump.model.tensor import Tensor
from lstmdump.replay.differences.pairs import ArrayPair, count_same_rows

_ARRAYS = "WUbV"
_P = "P"
_BESIDE = (Role.NORMALIZATION, Role.NORMALIZATION_OF_ALL, Role.PROJECTION_BIAS)  # which belong to no array of a gate
_TRANSPOSED = ".T"  # how `Layout.parts` writes that a gate's array is the transpose of what is stored


class GateArray(NamedTuple):
    """An array of a gate in both layers, by its letter and that of the gate; None where a layer has none."""

    array: str
    gate: str
    first: Tensor | None
    second: Tensor | None

    @property
    def name(self) -> str:
        """Its name: `W_i`, `P` for the projection, or that of a stored array that is beside the gates."""
        return f"{self.array}_{self.gate}" if self.gate else self.array

    @property
    def size(self) -> int:
        """How many numbers it has."""
        present = self.first or self.second
        return 0 if present is None else present.size


def list_arrays(a: LSTM, b: LSTM) -> list[GateArray]:
    """Return the arrays that one of the layers has, or both."""
    found = [
        GateArray(array, gate, get_array(a, array, gate), get_array(b, array, gate))
        for array in _ARRAYS
        for gate in GATES
    ]
    beside = [weight.name for lstm in (a, b) for weight in lstm.weights if weight.role in _BESIDE]
    found += [
        GateArray(array, "", get_array(a, array, ""), get_array(b, array, "")) for array in (_P, *dict.fromkeys(beside))
    ]
    return [one for one in found if not (one.first is None and one.second is None)]


def get_array(lstm: LSTM, array: str, gate: str) -> Tensor | None:
    """Return W, U, b or V of a gate, or what is of no gate: P, or a stored array by its name; None if there is none."""
    if not gate and array != _P:
        return next((weight.tensor for weight in lstm.weights if weight.name == array), None)
    found: Tensor | None = getattr(lstm.gates[gate], array) if gate else lstm.projection_kernel
    return found


class _Source(NamedTuple):
    """An array in the form of a gate, and what is stored of it: the same, or its transpose."""

    array: Tensor
    stored: Tensor
    is_transposed: bool


def pair_arrays(
    a: LSTM, b: LSTM, array: str, gate: str, other: str | None = None, same_rows: Mapping[int, int] | None = None
) -> ArrayPair | None:
    """Return an array of both layers to be compared, or None where one has no such array.

    Args:
        a: the first layer.
        b: the second.
        array: W, U, b, V, or P for the projection.
        gate: the gate, or an empty text for the projection.
        other: the gate of the second layer, if that is another one.
        same_rows: how many rows are known to be the same, by the identity of the stored array of the first.
    """
    first, second = _find_source(a, array, gate), _find_source(b, array, gate if other is None else other)
    if first is None or second is None:
        return None
    if first.is_transposed != second.is_transposed:
        return ArrayPair(first.array, second.array, is_mixed=True)
    pair = ArrayPair(first.stored, second.stored, is_transposed=first.is_transposed)
    return pair._replace(same_rows=_count_rows(pair, same_rows)) if same_rows else pair


def _find_source(lstm: LSTM, array: str, gate: str) -> _Source | None:
    found = get_array(lstm, array, gate)
    if found is None:
        return None
    parts = lstm.layout.parts(lstm, gate).get(array, ()) if gate else ()
    if len(parts) == 1 and parts[0][1] == _TRANSPOSED and parts[0][0].shape == found.shape[::-1]:
        return _Source(found, parts[0][0], is_transposed=True)
    return _Source(found, found, is_transposed=False)


def _count_rows(pair: ArrayPair, same_rows: Mapping[int, int]) -> int:
    """Return how many rows of a pair of blocks are the same because rows of what they are stored in are."""
    first, second = pair.places
    if first.spans != second.spans:
        return 0
    begin, end = first.spans[0]
    return max(0, min(end, same_rows.get(id(first.whole), 0)) - begin)


def find_same_rows(a: LSTM, b: LSTM) -> dict[int, int] | None:
    """Return how many rows of the stored arrays of two layers have the same bytes, without arithmetic.

    They are given by the identity of the array of the first layer. None: everything is the same, in one layout.

    Raises:
        CorruptModel, UnreadableModel: The bytes cannot be read.
    """
    first, second = ({weight.name: weight.tensor for weight in lstm.weights} for lstm in (a, b))
    if type(a.layout) is not type(b.layout) or a.gate_order != b.gate_order or first.keys() != second.keys():
        return {}
    found = {id(tensor): count_same_rows(tensor, second[name]) for name, tensor in first.items()}
    are_same = all(found[id(tensor)] == tensor.shape[0] for tensor in first.values())
    return None if are_same and a.forget_bias == b.forget_bias else found


def find_added_biases(a: LSTM, b: LSTM, gate: str) -> Iterator[tuple[bool, ArrayPair]]:
    """Yield the pairs of the bias of one layer and one of two that the other adds, and whether the second adds them."""
    for one, other, is_second in ((a, b, True), (b, a, False)):
        whole, parts = get_array(one, "b", gate), other.layout.parts(other, gate).get("b", ())
        own = one.layout.parts(one, gate).get("b", ())
        if whole is not None and len(parts) == 2 and len(own) == 1:
            yield from ((is_second, ArrayPair(whole, part)) for part, _ in parts)
