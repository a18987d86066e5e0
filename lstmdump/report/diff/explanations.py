"""What explains the differences of two layers exactly: gates that are exchanged, a transposed block, rounding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from lstmdump.lstm import LSTM
from lstmdump.lstm.cell import GATES
from lstmdump.replay.differences import explaining
from lstmdump.replay.differences.measuring import Measured, are_equal
from lstmdump.report.diff.arrays import GateArray, find_added_biases, pair_arrays
from lstmdump.report.diff.verdicts import AS_FLOAT32, QUANTISED, ROUNDED, ArrayVerdict

_WORDS = {"i": "input", "f": "forget", "c": "candidate", "o": "output"}


class Explained(NamedTuple):
    """What was found: sentences, and arrays whose verdicts are better with that."""

    sentences: tuple[str, ...]
    verdicts: Mapping[str, ArrayVerdict]


def explain(
    a: LSTM,
    b: LSTM,
    different: Sequence[GateArray],
    judged: Mapping[str, ArrayVerdict],
    measured: Mapping[str, Measured],
) -> Explained:
    """Return what explains the differences of two layers.

    Args:
        a: the layer of the first model.
        b: that of the second.
        different: the arrays that differ.
        judged: the verdicts on all arrays by name.
        measured: how they differ, by name, those that both layers have.

    Raises:
        CorruptModel, UnreadableModel: The numbers cannot be read.
    """
    sentences: list[str] = []
    verdicts: dict[str, ArrayVerdict] = {}
    left = [one for one in different if one.name in measured]
    for words, gates in _find_exchanged(a, b, different):
        sentences.append(words)
        left = [one for one in left if one.gate not in gates]
    by_words: dict[str, list[str]] = {}
    only_forget = all(one.gate == "f" for one in left if one.array == "b")
    for one in left:
        words, verdict = _explain_array(a, b, one, judged[one.name], measured[one.name], only_forget=only_forget)
        if words:
            by_words.setdefault(words, []).append(one.name)
        if verdict is not None:
            verdicts[one.name] = verdict
    sentences += [f"{', '.join(names)}: {words}" for words, names in by_words.items()]
    return Explained(tuple(sentences), verdicts)


def _find_exchanged(a: LSTM, b: LSTM, different: Sequence[GateArray]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the sentence on gates that are exchanged, and those gates: each has the arrays of another one."""
    with_others = {one.gate for one in different if one.array in "UW"}
    gates = [gate for gate in GATES if gate in with_others]
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
        pair = pair_arrays(a, b, array, gate, other)
        if pair is not None and not are_equal(pair):
            return False
    return (a.gates[gate].b is None) == (b.gates[other].b is None)


def _word(gate: str) -> str:
    return f"{gate} ({_WORDS[gate]})"


def _explain_array(
    a: LSTM, b: LSTM, one: GateArray, judged: ArrayVerdict, measured: Measured, *, only_forget: bool
) -> tuple[str, ArrayVerdict | None]:
    """Return what explains the difference of an array, in words, and its verdict if that is better than different."""
    pair = pair_arrays(a, b, one.array, one.gate)
    if pair is None or one.first is None or one.second is None:
        return "", None
    if one.name == "b_f" and (added := explaining.find_added(pair)) is not None:
        words, verdict = _word_forget_bias(a, b, added, judged)
        if only_forget or verdict is not None:
            return words, verdict
    if one.array == "b" and (words := _find_split_bias(a, b, one.gate)):
        return words, None
    if one.array in "WU" and explaining.is_reordered(one.first, one.second):
        return "the block is transposed", None
    found = explaining.explain(pair, measured.largest, measured.scale)
    if found.rounded_to:
        return "", judged._replace(verdict=ROUNDED, detail=found.rounded_to)
    if found.step is not None:
        return "", judged._replace(verdict=QUANTISED, detail=f"{found.step:.6g}")
    if found.added is not None:
        return f"{found.added:g} is added to every number", None
    return "" if found.factor is None else f"every number is multiplied by {found.factor:g}", None


def _find_split_bias(a: LSTM, b: LSTM, gate: str) -> str:
    """Return the words for a bias that is one of the two that the other layer adds; empty if it is not."""
    for is_second, pair in find_added_biases(a, b, gate):
        if are_equal(pair):
            owner, other = ("second", "first") if is_second else ("first", "second")
            return f"the {owner} adds two biases, of which one is that of the {other}, and the other is not 0"
    return ""


def _word_forget_bias(a: LSTM, b: LSTM, added: float, judged: ArrayVerdict) -> tuple[str, ArrayVerdict | None]:
    """Return the words for a forget bias that one layer has in b_f, and the other adds at run time or not at all."""
    before, after = a.forget_bias, b.forget_bias
    if before is not None and after is not None and before - after == added:
        owner = "second" if added > 0 else "first"
        words = f"the forget bias {abs(added):g} is folded into it in the {owner}, and added at run time in the other"
        return words, judged._replace(verdict=AS_FLOAT32, detail="with the forget bias")
    return f"{added:g} is added in every unit, as by a forget bias that is folded in one of them", None
