"""The comparison of two models in four formats: text, JSON, GitHub annotations and JUnit XML."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from lstmdump.model.escape import visible
from lstmdump.report import record
from lstmdump.report.diff.verdicts import (
    DIFFERENT,
    IDENTICAL,
    QUANTISED,
    ROUNDED,
    WITHIN,
    ArrayVerdict,
    ComputedDifference,
    LayerDifference,
    ModelDifference,
)
from lstmdump.report.render.check import annotation, test_suite
from lstmdump.report.render.words import plural

_MOST_ARRAYS = 12  # of a layer that are shown; those that have moved most come first
_INDENT = "  "
_HEADINGS = ("array", "numbers", "largest", "moved", "the first")


def text_lines(found: ModelDifference) -> Iterator[str]:
    """Yield the lines on each layer, and the sum at the end."""
    for layer in found.layers:
        yield from _list_layer_lines(layer)
    different = sum(not layer.is_same for layer in found.layers)
    if not found.layers:
        return
    yield "the same" if not different else f"different: {different:,} of {plural(len(found.layers), 'LSTM layer')}"


def _list_layer_lines(layer: LayerDifference) -> Iterator[str]:
    yield f"{name_layer(layer)}: {summarise(layer)}"
    yield from (f"{_INDENT}{line}" for line in list_differences(layer))


def name_layer(layer: LayerDifference) -> str:
    """Return the name of a layer, or both names, with what they are paired by if that is not the name."""
    if layer.first is None or layer.second is None:
        return visible(layer.first or layer.second or "")
    if layer.first == layer.second:
        return visible(layer.first)
    return f"{visible(layer.first)} and {visible(layer.second)} (paired by {layer.paired_by})"


def summarise(layer: LayerDifference) -> str:
    """Return the verdict on a layer in a few words."""
    if layer.second is None:
        return "only in the first model"
    if layer.first is None:
        return "only in the second model"
    if layer.sizes is not None:
        return "of different sizes"
    different = [array for array in layer.arrays if array.verdict == DIFFERENT]
    if different:
        return f"{len(different):,} of {plural(len(layer.arrays), 'array')} different"
    if not layer.is_same:
        return "the same arrays, but they compute something else"
    kinds = dict.fromkeys(_word_verdict(array) for array in layer.arrays if array.verdict != IDENTICAL)
    return "identical" if not kinds else f"the same: {', '.join(kinds)}"


def list_differences(layer: LayerDifference) -> Iterator[str]:
    """Yield a line for each thing in which two layers differ: sizes, explanations, arrays, and what they compute."""
    if layer.sizes is not None:
        yield f"{layer.sizes[0]} against {layer.sizes[1]}"
    yield from layer.explanations
    different = sorted((array for array in layer.arrays if array.verdict == DIFFERENT), key=_how_far)
    yield from _list_rows([_list_cells(array) for array in different[:_MOST_ARRAYS]])
    if len(different) > _MOST_ARRAYS:
        yield f"and {plural(len(different) - _MOST_ARRAYS, 'more array')}"
    for one in layer.computed:
        yield _word_computed(one)


def _word_computed(one: ComputedDifference) -> str:
    """Return what two layers compute otherwise; `(not stated)` is behind what a file leaves to its release."""
    first, second = (
        visible(words) + " (not stated)" * is_assumed
        for words, is_assumed in zip((one.first, one.second), one.assumed, strict=True)
    )
    return f"{one.what}: {first} against {second}"


def _how_far(array: ArrayVerdict) -> tuple[float, str]:
    return -(math.inf if array.moved is None else array.moved), array.array


def _list_cells(array: ArrayVerdict) -> list[str]:
    """Return what is shown of an array that differs: how many numbers, by how much, and the first of them."""
    if array.detail:
        return [array.array, array.detail, "", "", ""]
    moved = "" if array.moved is None or math.isinf(array.moved) else f"{array.moved:.2%}"
    place = "" if array.place is None else f"[{', '.join(map(str, array.place))}] "
    first, second = array.values
    return [array.array, f"{array.differing:,} of {array.size:,}", f"{array.largest:.3g}", moved,
            f"{place}{first:.6g} against {second:.6g}"]  # fmt: skip


def _list_rows(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a table of arrays; the last column is not padded."""
    if not rows:
        return
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *rows, strict=True)]
    for row in (_HEADINGS, *rows):
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)),
        ]
        yield "  ".join([*cells, row[-1]]).rstrip()


def _word_verdict(array: ArrayVerdict) -> str:
    if array.verdict == ROUNDED:
        return f"rounded to {array.detail}"
    if array.verdict == QUANTISED:
        return "quantised in steps"
    if array.verdict == WITHIN:
        return "within the tolerance"
    return f"{array.verdict} {array.detail}".rstrip()


def json_line(found: ModelDifference) -> str:
    """Return the comparison as one line of JSON."""
    layers = [_record_layer(layer) for layer in found.layers]
    return record.line({"first": found.first, "second": found.second, "same": found.is_same, "layers": layers})


def _record_layer(layer: LayerDifference) -> dict[str, Any]:
    return {
        "first": layer.first,
        "second": layer.second,
        "paired_by": layer.paired_by or None,
        "same": layer.is_same,
        "arrays": [_record_array(array) for array in layer.arrays],
        "explanations": list(layer.explanations),
        "computes": [_record_computed(one) for one in layer.computed],
        "sizes": None if layer.sizes is None else list(layer.sizes),
    }


def _record_computed(one: ComputedDifference) -> dict[str, Any]:
    return {"what": one.what, "first": one.first, "second": one.second, "stated": one.is_certain}


def _record_array(array: ArrayVerdict) -> dict[str, Any]:
    return {
        "array": array.array,
        "verdict": array.verdict,
        "detail": array.detail or None,
        "largest_difference": record.finite(array.largest),
        "relative_difference": record.finite(array.relative),
        "moved": record.finite(array.moved),
        "differing": array.differing,
        "numbers": array.size,
        "first_at": None if array.place is None else list(array.place),
    }


def github_lines(found: ModelDifference) -> Iterator[str]:
    """Yield an annotation per layer that differs."""
    for layer in found.layers:
        if not layer.is_same:
            lines = [f"{name_layer(layer)}: {summarise(layer)}", *list_differences(layer)]
            yield annotation(found.second, "different LSTM layer", "\n".join(lines))


def junit(found: ModelDifference, seconds: float) -> str:
    """Return the comparison as a test suite with a test case per layer."""
    cases = [
        (name_layer(layer), None if layer.is_same else [summarise(layer), *list_differences(layer)])
        for layer in found.layers
    ]
    return test_suite("lstmdump diff", "lstmdump.diff", cases, seconds)
