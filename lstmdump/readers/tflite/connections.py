"""How LSTMs are connected: which goes backwards, which is half of a Bidirectional, and which follows which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from lstmdump.model.settings import LayerSettings
from lstmdump.model.tree import LayerPath, Source
from lstmdump.readers.tflite import schema
from lstmdump.readers.tflite.cell import LiteCell
from lstmdump.readers.tflite.constants import StoredConstants, TensorPlace

_Key = TypeVar("_Key")
_MOST_STEPS = 100
_PASSING = frozenset({schema.RESHAPE, schema.SQUEEZE, schema.EXPAND_DIMS, schema.TRANSPOSE, schema.QUANTIZE,
                      schema.DEQUANTIZE, schema.PACK})  # fmt: skip
_PASSING_LISTS = ("FlexTensorListFromTensor", "FlexTensorListStack")
"""Operators of TensorFlow that pass the steps of a tensor on as a list, or put them together again."""
_ENDS = frozenset({schema.STRIDED_SLICE, schema.SLICE, schema.GATHER})


class _TracedInput:
    """Where the input of a layer comes from: a tensor, and how often it is reversed on the way."""

    __slots__ = ("is_reversed", "place")

    def __init__(self, place: TensorPlace, *, is_reversed: bool) -> None:
        self.place = place
        self.is_reversed = is_reversed


def complete(cell: LiteCell, cells: Sequence[LiteCell], constants: StoredConstants) -> LayerSettings:
    """Return the settings of `cell`, one of `cells`, with those that the operators around it state."""
    settings = cell.settings
    if cell.sequence is not None:
        backwards = _trace_back(constants, cell.sequence).is_reversed != bool(settings.go_backwards)
        half = cell.half or _find_half(cell, cells, constants, backwards=backwards)
        settings = settings._replace(
            go_backwards=backwards, direction=half, input_from=_name_input(cell, cells, constants)
        )
    kept = [place for place in cell.first_states if _is_kept(place) or _is_kept(_trace_back(constants, place).place)]
    others = [_trace_back(constants, place).place for place in cell.first_states if place not in kept]
    given = [_name(place) for place in others if not constants.is_zero(place)]
    return settings._replace(first_states_from=tuple(dict.fromkeys(given)), stateful=bool(kept) or None)


def _name_input(cell: LiteCell, cells: Sequence[LiteCell], constants: StoredConstants) -> str | None:
    """Return the name of the input of a layer if other operators compute it; None if it is that of the model."""
    place = cell.sequence if cell.sequence is None else _trace_back(constants, cell.sequence).place
    if place is None or place.producer is None or _find_givers(constants, place, _list_outputs(dict(enumerate(cells)))):
        return None
    return place.facts.name or f"tensor {place.number}"


def sources(cells: Mapping[LayerPath, LiteCell], constants: StoredConstants) -> dict[LayerPath, Source]:
    """Return which of `cells` takes the outputs of which at every step."""
    made = _list_outputs(cells)
    found: dict[LayerPath, Source] = {}
    for path, cell in cells.items():
        if cell.sequence is None:
            continue
        givers = _find_givers(constants, _trace_back(constants, cell.sequence).place, made)
        if givers and path not in givers:
            found[path] = Source(givers)
    return found


def _list_outputs(cells: Mapping[_Key, LiteCell]) -> dict[TensorPlace, tuple[_Key, ...]]:
    """Return which of `cells` compute a tensor, by the tensor; both halves of one operator may share it."""
    made: dict[TensorPlace, tuple[_Key, ...]] = {}
    for key, cell in cells.items():
        for place in cell.outputs:
            made[place] = (*made.get(place, ()), key)
    return made


def _find_givers(
    constants: StoredConstants, place: TensorPlace, made: Mapping[TensorPlace, tuple[_Key, ...]]
) -> tuple[_Key, ...]:
    """Return the layers whose outputs of all steps a tensor is, one or two side by side."""
    if place in made:
        return made[place]
    operator = place.producer
    if operator is None or operator.code != schema.CONCATENATION or len(operator.inputs) != 2:
        return ()
    if schema.MISSING in operator.inputs:
        return ()
    parts = [made.get(_trace_back(constants, place.at(index)).place, ()) for index in operator.inputs]
    known = tuple([path for part in parts for path in part])
    return known if len(known) == len(set(known)) == len(parts) and all(parts) else ()


def _trace_back(constants: StoredConstants, place: TensorPlace) -> _TracedInput:
    """Return where a tensor comes from, behind operators that pass it on or reverse it."""
    is_reversed = False
    for _ in range(_MOST_STEPS):
        operator = place.producer
        if operator is None or operator.input(0) == schema.MISSING:
            break
        if operator.code == schema.REVERSE_V2:
            if not _reverses_steps(constants, place, operator):
                break
            is_reversed = not is_reversed
        elif (operator.code not in _PASSING or operator.code == schema.PACK) and operator.custom not in _PASSING_LISTS:
            break
        place = place.at(operator.input(0))
    return _TracedInput(place, is_reversed=is_reversed)


def _reverses_steps(constants: StoredConstants, place: TensorPlace, operator: schema.LiteOperator) -> bool:
    """Return whether an operator reverses the first or second axis, and not the numbers of a step."""
    axes = None if operator.input(1) == schema.MISSING else constants.integers(place.at(operator.input(1)))
    dimensions = len(place.facts.shape)
    return axes is not None and len(axes) == 1 and axes[0] % max(1, dimensions) in range(min(2, dimensions - 1))


def _find_half(cell: LiteCell, cells: Sequence[LiteCell], constants: StoredConstants, *, backwards: bool) -> str | None:
    """Return the half of a Bidirectional that a layer is: one of two on one input, whose outputs are put together.

    The outputs of the half that goes backwards are reversed again, unless only the last one is taken.
    """
    if cell.sequence is None:
        return None
    given = _trace_back(constants, cell.sequence).place
    for other in cells:
        if other is cell or other.sequence is None or _trace_back(constants, other.sequence).place != given:
            continue
        other_way = _trace_back(constants, other.sequence).is_reversed != bool(other.settings.go_backwards)
        if other_way != backwards and _meet(cell, other):
            return "backward" if backwards else "forward"
    return None


def _meet(one: LiteCell, other: LiteCell) -> bool:
    """Return whether an operator takes the outputs of both cells."""
    ends = [{id(operator) for place in cell.outputs for operator in _takers(place)} for cell in (one, other)]
    return not ends[0].isdisjoint(ends[1])


def _takers(place: TensorPlace) -> Iterator[schema.LiteOperator]:
    """Yield the operators that take a tensor, behind those that pass it on, reverse it, or take a part of it."""
    waiting, seen = [place.number], {place.number}
    for _ in range(_MOST_STEPS):
        if not waiting:
            return
        for operator in place.graph.takers.get(waiting.pop(), []):
            is_passing = operator.code in _PASSING or operator.custom in _PASSING_LISTS
            if is_passing or operator.code in _ENDS or operator.code == schema.REVERSE_V2:
                new = [index for index in operator.outputs if index not in seen and index != schema.MISSING]
                seen.update(new)
                waiting.extend(new)
            else:
                yield operator


def _is_kept(place: TensorPlace) -> bool:
    """Return whether a state is what the run of the model before left: in the operator, or in a variable."""
    operator = place.producer
    return place.facts.is_variable or (operator is not None and operator.code == schema.READ_VARIABLE)


def _name(place: TensorPlace) -> str:
    """Return what gives a state, in words."""
    name = place.facts.name or f"tensor {place.number}"
    return f"the input {name}" if place.number in place.graph.inputs else name
