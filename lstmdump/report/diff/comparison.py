"""The comparison of two models: their layers in pairs, gate by gate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lstmdump.errors import CannotReplay
from lstmdump.lstm import LSTM, behaviour
from lstmdump.lstm.activation_names import word_with_slope
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.report.diff import arrays, pairing
from lstmdump.report.diff.arrays import GateArray
from lstmdump.report.diff.pairing import LayerPair
from lstmdump.report.diff.verdicts import (
    AS_FLOAT32,
    DIFFERENT,
    IDENTICAL,
    TOLERANCE,
    WITHIN,
    ArrayVerdict,
    ComputedDifference,
    LayerDifference,
    ModelDifference,
)

if TYPE_CHECKING:
    from lstmdump.replay.differences.measuring import Measured
    from lstmdump.replay.differences.pairs import ArrayPair


def compare(
    first: LoadedModel, second: LoadedModel, chosen: tuple[Sequence[LSTM], Sequence[LSTM]], tolerance: float = TOLERANCE
) -> ModelDifference:
    """Return the comparison of two models.

    Args:
        first: the first model.
        second: the second model.
        chosen: the layers of each that are compared.
        tolerance: the largest difference that counts as the same, by the largest number of an array.

    Raises:
        CorruptModel, UnreadableModel: Numbers cannot be read.
    """
    pairs = pairing.pair(*chosen)
    paired = {id(lstm) for pair in pairs for lstm in pair[:2]}
    by_first = {id(pair.first): pair for pair in pairs}
    layers = [
        _compare_layers(by_first[id(lstm)], first.producer, second.producer, tolerance)
        if id(lstm) in by_first
        else LayerDifference(lstm.name, None)
        for lstm in chosen[0]
    ]
    layers += [LayerDifference(None, lstm.name) for lstm in chosen[1] if id(lstm) not in paired]
    return ModelDifference(first.path, second.path, tuple(layers))


def _compare_layers(pair: LayerPair, first_producer: str, second_producer: str, tolerance: float) -> LayerDifference:
    a, b, how = pair
    computed = tuple(_list_computed(a, b, first_producer, second_producer))
    if a.sizes != b.sizes:
        return LayerDifference(a.name, b.name, how, computed=computed, sizes=(_word_sizes(a), _word_sizes(b)))
    verdicts, explanations = _compare_arrays(a, b, tolerance)
    return LayerDifference(a.name, b.name, how, tuple(verdicts), tuple(explanations), computed)


def _word_sizes(lstm: LSTM) -> str:
    projected = "" if lstm.projection is None else f", projected to {lstm.projection}"
    return f"{lstm.input_dim} inputs, {lstm.units} units{projected}"


def _list_computed(a: LSTM, b: LSTM, first_producer: str, second_producer: str) -> Iterator[ComputedDifference]:
    """Yield what the layers compute otherwise; what a file does not state is what its release has by default."""
    ways = _describe(a, first_producer), _describe(b, second_producer)
    for what, first in ways[0].items():
        second = ways[1].get(what, first)
        if first.words != second.words:
            yield ComputedDifference(what, first.words, second.words, (first.is_assumed, second.is_assumed))


class _Setting(NamedTuple):
    """A thing that a layer computes, in words, and whether its file does not state it."""

    words: str
    is_assumed: bool = False


def _describe(lstm: LSTM, producer: str) -> dict[str, _Setting]:
    """Return what a layer computes beside its arrays; where it computes more than an LSTM, only that."""
    try:
        found = behaviour.of(lstm, producer)
    except CannotReplay as error:
        return {"equations": _Setting(str(error))}
    assumed = behaviour.list_assumed(lstm)
    words: dict[str, str] = {
        "activation": word_with_slope(found.activation, found.keras),
        "recurrent_activation": word_with_slope(found.recurrent_activation, found.keras),
        "output_activation": (
            "as the candidate"
            if found.output_activation is None
            else word_with_slope(found.output_activation, found.keras)
        ),
        "go_backwards": str(found.go_backwards).lower(),
        "gate_clip": _word_bound(found.gate_clip),
        "cell_clip": _word_bound(found.cell_clip),
        "projection_clip": _word_bound(found.projection_clip),
    }
    described = {what: _Setting(word, what in assumed) for what, word in words.items()}
    return {"equations": _Setting("those of an LSTM")} | described


def _word_bound(bound: float | None) -> str:
    return "none" if bound is None else f"{bound:g}"


def _compare_arrays(a: LSTM, b: LSTM, tolerance: float) -> tuple[list[ArrayVerdict], list[str]]:
    """Return the verdict on each array, and what explains the differences of those that are different."""
    both = arrays.list_arrays(a, b)
    same_rows = arrays.find_same_rows(a, b)
    if same_rows is None:
        return [ArrayVerdict(one.name, IDENTICAL, size=one.size) for one in both], []
    from lstmdump.report.diff import explanations

    pairs = {one.name: arrays.pair_arrays(a, b, one.array, one.gate, same_rows=same_rows) for one in both}
    measured = _measure(pairs)
    judged = {
        one.name: _judge(one.name, measured[one.name], tolerance) if one.name in measured else _judge_alone(one)
        for one in both
    }
    different = [one for one in both if judged[one.name].verdict == DIFFERENT]
    explained = explanations.explain(a, b, different, judged, measured)
    judged |= explained.verdicts
    return [judged[one.name] for one in both], list(explained.sentences)


def _measure(pairs: Mapping[str, ArrayPair | None]) -> dict[str, Measured]:
    """Return how the arrays that both layers have differ, by name."""
    from lstmdump.replay.differences.measuring import measure_all

    present = {name: pair for name, pair in pairs.items() if pair is not None}
    return dict(zip(present, measure_all(list(present.values())), strict=True))


def _judge_alone(both: GateArray) -> ArrayVerdict:
    """Return the verdict on an array that only one of the layers has; a bias that is missing is 0."""
    present = both.first or both.second
    if both.array == "b" and present is not None and not present.read().any():
        return ArrayVerdict(both.name, AS_FLOAT32, size=both.size)
    return ArrayVerdict(both.name, DIFFERENT, "only in one", moved=None, size=both.size)


def _judge(name: str, found: Measured, tolerance: float) -> ArrayVerdict:
    relative = found.largest / found.scale if found.scale else (0.0 if not found.largest else math.inf)
    if found.same_bits:
        verdict = IDENTICAL
    elif found.same_as_float32:
        verdict = AS_FLOAT32
    else:
        verdict = WITHIN if relative <= tolerance else DIFFERENT
    moved = found.relative_norm if found.norm_before else None
    return ArrayVerdict(
        name, verdict, "", found.largest, relative, moved, found.differing, found.size, found.place, found.values
    )
