"""What explains the differences of two layers exactly: gates that are exchanged, a transposed block, rounding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from lstmdump.lstm import LSTM
from lstmdump.lstm.cell import GATES
from lstmdump.model.tensor import Tensor
from lstmdump.replay import array_differences as measured
from lstmdump.replay.array_differences import are_equal
from lstmdump.report.diff.verdicts import AS_FLOAT32, QUANTISED, ROUNDED, ArrayVerdict

_WORDS = {"i": "input", "f": "forget", "c": "candidate", "o": "output"}
_LARGEST = 1 << 24  # numbers of an array that is read as a whole to explain its difference


class Explained(NamedTuple):
    """What was found: sentences, and arrays whose verdicts are better with that."""

    sentences: tuple[str, ...]
    verdicts: Mapping[str, ArrayVerdict]


def explain(a: LSTM, b: LSTM, different: Sequence[tuple[str, str]], judged: Mapping[str, ArrayVerdict]) -> Explained:
    """Return what explains the differences of two layers.

    Args:
        a: the layer of the first model.
        b: that of the second.
        different: the arrays that differ, each as its letter and that of its gate.
        judged: the verdicts on all arrays by name.
    """
    sentences: list[str] = []
    verdicts: dict[str, ArrayVerdict] = {}
    left = list(different)
    for gates in _find_exchanged(a, b, left):
        sentences.append(gates[0])
        left = [one for one in left if one[1] not in gates[1]]
    for array, gate in left:
        first, second = _get(a, array, gate), _get(b, array, gate)
        if first is None or second is None or first.size > _LARGEST:
            continue
        name = f"{array}_{gate}" if gate else array
        words, verdict = _explain_array(a, b, array, gate, first, second, judged[name])
        sentences += [f"{name}: {words}"] if words else []
        if verdict is not None:
            verdicts[name] = verdict
    return Explained(tuple(sentences), verdicts)


def _get(lstm: LSTM, array: str, gate: str) -> Tensor | None:
    found: Tensor | None = getattr(lstm.gates[gate], array) if gate else lstm.projection_kernel
    return found


def _find_exchanged(a: LSTM, b: LSTM, different: Sequence[tuple[str, str]]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the sentence on gates that are exchanged, and those gates: each has the arrays of another one."""
    gates = [gate for gate in GATES if ("U", gate) in different or ("W", gate) in different]
    taken = {gate: next((other for other in gates if other != gate and _has_arrays_of(a, gate, b, other)), None)
             for gate in gates}  # fmt: skip
    moved = {gate: other for gate, other in taken.items() if other is not None}
    for gate, other in list(moved.items()):
        if moved.get(other) == gate and gate < other:
            yield f"the gates {_word(gate)} and {_word(other)} are exchanged", frozenset((gate, other))
            del moved[gate], moved[other]
    if moved and set(moved) == set(moved.values()):
        words = ", ".join(f"{_word(gate)} is {_word(other)}" for gate, other in moved.items())
        yield f"the gates are in another order: {words} in the second", frozenset(moved)


def _has_arrays_of(a: LSTM, gate: str, b: LSTM, other: str) -> bool:
    """Return whether all arrays of `gate` in the first layer are those of `other` in the second."""
    for array in "UWb":
        first, second = _get(a, array, gate), _get(b, array, other)
        if (first is None) != (second is None):
            return False
        if first is not None and second is not None and not are_equal(first, second):
            return False
    return True


def _word(gate: str) -> str:
    return f"{gate} ({_WORDS[gate]})"


def _explain_array(
    a: LSTM, b: LSTM, array: str, gate: str, first: Tensor, second: Tensor, judged: ArrayVerdict
) -> tuple[str, ArrayVerdict | None]:
    """Return what explains the difference of an array, in words, and its verdict if that is better than different."""
    if array == "b" and gate == "f" and (added := measured.find_added(first, second)) is not None:
        return _word_forget_bias(a, b, added, judged)
    if array in "WU" and (measured.is_transposed(first, second) or measured.is_reordered(first, second)):
        return "the block is transposed", None
    if rounding := measured.find_rounding(first, second) or measured.find_rounding(second, first):
        return "", judged._replace(verdict=ROUNDED, detail=rounding)
    for one in (second, first):
        if (step := measured.find_step(one, judged.largest)) is not None:
            return "", judged._replace(verdict=QUANTISED, detail=f"{step:.6g}")
    if (added := measured.find_added(first, second)) is not None:
        return f"{added:g} is added to every number", None
    if (factor := measured.find_factor(first, second)) is not None:
        return f"every number is multiplied by {factor:g}", None
    return "", None


def _word_forget_bias(a: LSTM, b: LSTM, added: float, judged: ArrayVerdict) -> tuple[str, ArrayVerdict | None]:
    """Return the words for a forget bias that one layer has in b_f, and the other adds at run time or not at all."""
    before, after = a.forget_bias, b.forget_bias
    if before is not None and after is not None and before - after == added:
        owner = "second" if added > 0 else "first"
        words = f"the forget bias {abs(added):g} is folded into it in the {owner}, and added at run time in the other"
        return words, judged._replace(verdict=AS_FLOAT32, detail="with the forget bias")
    return f"{added:g} is added in every unit, as by a forget bias that is folded in one of them", None
