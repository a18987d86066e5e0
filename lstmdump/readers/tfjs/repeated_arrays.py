"""Arrays that a graph model holds more than once: the converter may copy them for each step of an unrolled loop.

Keras 3 also runs a masked cell once before its loop. Each step is then found as a cell of its own. Steps whose arrays
are equal, and have the same names but for numbers and loops, are one cell. Equal arrays within one cell are kept apart:
the biases of two gates may both be zeros.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from lstmdump.model.sentences import plural
from lstmdump.model.tree import Model
from lstmdump.readers.tfjs.manifest import ManifestEntry
from lstmdump.readers.tfjs.weights import StoredWeights

_BODY, _LOOP = "/while/body/_", "/while/"
_CELL = "lstm_cell"  # Keras numbers it by the calls of a layer
_CELLS = "stacked_rnn_cells"  # within which the number tells cells apart


def find(model: Model, stored: StoredWeights, names: Collection[str], ending: str) -> dict[str, str]:
    """Return the arrays of all steps but one, each with the name of the array of that step.

    Args:
        model: the model, in which each step is a cell.
        stored: the arrays.
        names: the names of those that were variables.
        ending: how the names end, after the names of the operations that read the variables.
    """
    cells = [layer for layer in model.root.walk() if layer.stated.shows_equations]
    places = {tensor.name: (turn, leaf) for turn, cell in enumerate(cells) for leaf, tensor in cell.weights.items()}
    if len(cells) < 2 and places.keys() >= set(names):
        return {}
    copies: dict[str, str] = {}
    for alike in _list_alike({name: stored.entries[name] for name in names}, ending):
        for equal in stored.find_equal(alike) if not places.keys().isdisjoint(alike) else ():
            copies |= _map_to_first_cell(equal, places)
    others: set[str] = set()  # of cells with some of the same numbers only
    for cell in cells:
        own = [tensor.name for tensor in cell.weights.values()]
        others |= set() if copies.keys() >= set(own) else set(own)
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
    named = _drop_number(cell) if cell.startswith(_CELL) and not around.endswith(_CELLS) else cell
    return f"{around}/{named}/{_drop_number(operation)}"


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
