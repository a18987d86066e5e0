"""Arrays that a graph model holds more than once: the converter may copy them for each step of an unrolled loop.

Keras 3 also runs a masked cell once before its loop. Each step is then found as a cell of its own. Steps whose arrays
are equal, and have the same names but for numbers and loops, are one cell. Equal arrays within one cell are kept apart:
the biases of two gates may both be zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from lstmdump.model.sentences import plural
from lstmdump.model.tree import Model
from lstmdump.readers.tfjs.manifest import ManifestEntry
from lstmdump.readers.tfjs.weights import StoredWeights

_BODY, _LOOP = "/while/body/_", "/while/"
_CELL, _STACK = "lstm_cell", "stacked_rnn_cells"  # numbered by the calls; cells within a stack by their place


Copies: TypeAlias = Mapping[str, str]
"""The names of arrays that are left out, each with the name of the one in its place."""


def describe(
    describe_without: Callable[[Copies], Model], stored: StoredWeights, names: Collection[str], ending: str
) -> tuple[Model, Copies]:
    """Return a model in which each cell has its arrays once, and the copies that are left out.

    Args:
        describe_without: returns the model without some copies.
        stored: the arrays.
        names: the names of those that were variables.
        ending: how the names end, after the names of the operations that read the variables.
    """
    model = describe_without({})
    if len(cells := _list_cells(model)) < 2 and frozenset(names) <= frozenset().union(*cells):
        return model, {}
    equal = [group for alike in _list_alike({name: stored.entries[name] for name in names}, ending)
             for group in stored.find_equal(alike)]  # fmt: skip
    if not equal:
        return model, {}
    # Which of two products takes h may show only where the steps have their arrays in common.
    everything = {name: group[0] for group in equal for name in group[1:]}
    merged = describe_without(everything)
    merged_cells = _list_cells(merged)
    if {frozenset(everything.get(name, name) for name in cell) for cell in cells} <= {*map(frozenset, merged_cells)}:
        used = frozenset().union(*merged_cells)
        copies = {name: first for name, first in everything.items() if first in used}
        if copies == everything:
            return merged, copies
    else:
        copies = _find_copies(cells, equal)
    return (describe_without(copies), copies) if copies else (model, {})


def _list_cells(model: Model) -> list[dict[str, str]]:
    """Return the cells that are found by their equations, each as what its arrays are called there by their names."""
    cells = (layer for layer in model.root.walk() if layer.stated.shows_equations)
    return [{tensor.name: leaf for leaf, tensor in cell.weights.items()} for cell in cells]


def _find_copies(cells: Sequence[Mapping[str, str]], equal: Iterable[list[str]]) -> dict[str, str]:
    """Return the arrays of those cells that have the same numbers as another one, with the names of its arrays."""
    places = {name: (turn, leaf) for turn, cell in enumerate(cells) for name, leaf in cell.items()}
    copies: dict[str, str] = {}
    for group in equal:
        copies |= _map_to_first_cell(group, places)
    others = {name for cell in cells if not copies.keys() >= cell.keys() for name in cell}
    return {name: first for name, first in copies.items() if name not in others}


def _list_alike(entries: Mapping[str, ManifestEntry], ending: str) -> list[list[str]]:
    """Return the names that differ in numbers of steps and in loops only, of arrays of one shape."""
    alike: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for name, entry in entries.items():
        alike.setdefault((_name_place(name.removesuffix(ending)), entry.shape), []).append(name)
    return [names for names in alike.values() if len(names) > 1]


def _name_place(name: str) -> str:
    """Return the `name` of an operation, but as it would be without a loop, and in the first step.

    `a/while/body/_7/model/a/while/lstm_cell/MatMul_2` is `a/lstm_cell/MatMul`, and so is `a/lstm_cell_1/MatMul_2`.
    """
    before, loop, within = name.partition(_BODY)
    outside = f"{before}/{within.rpartition(_LOOP)[2]}" if loop else name
    scope, _, operation = outside.rpartition("/")
    around, _, cell = scope.rpartition("/")
    outer, _, stack = around.rpartition("/")
    if stack.startswith(_STACK):
        around = f"{outer}/{_drop_number(stack)}"
    elif cell.startswith(_CELL):
        cell = _drop_number(cell)
    return f"{around}/{cell}/{_drop_number(operation)}"


def _drop_number(step: str) -> str:
    rest, _, number = step.rpartition("_")
    return rest if number.isdecimal() else step


def _map_to_first_cell(equal: list[str], places: Mapping[str, tuple[int, str]]) -> dict[str, str]:
    """Return which of the arrays `equal` stand for which array of the first cell that has one of them.

    Args:
        equal: the names of the arrays.
        places: the number of the cell that an array is in, and its name there.
    """
    found = {name: places[name] for name in equal if name in places}
    if not found:
        return {}
    first = min(found.values())[0]
    of_first = {leaf: name for name, (turn, leaf) in found.items() if turn == first}
    copies = {name: of_first[leaf] for name, (turn, leaf) in found.items() if turn != first and leaf in of_first}
    rest = [name for name in equal if name not in places]  # of a step whose state is zeros, and left out
    return copies | dict.fromkeys(rest, next(iter(of_first.values())))


def note(copies: Collection[str]) -> Iterator[str]:
    """Yield the note on arrays that are `copies` of others."""
    if copies:
        name = next(iter(copies))
        yield (f"{plural(len(copies), 'array')} stored again for other steps of a cell, as of an unrolled loop, "
               f"such as {name}: each counts once")  # fmt: skip
