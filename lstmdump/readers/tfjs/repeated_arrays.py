"""Arrays that a graph model holds once for each step: the converter may copy them where a loop is unrolled.

Each step is then found as a cell of its own. Steps whose arrays are equal, and have the same names but for a number,
are one cell. Equal arrays within one cell are kept apart: the biases of two gates may both be zeros.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from lstmdump.model.sentences import plural
from lstmdump.model.tree import Model
from lstmdump.readers.tfjs.manifest import ManifestEntry
from lstmdump.readers.tfjs.weights import StoredWeights


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
    copies: dict[str, str] = {}
    for alike in _list_alike({name: stored.entries[name] for name in names}, ending):
        for equal in stored.find_equal(alike) if not places.keys().isdisjoint(alike) else ():
            copies |= _map_to_first_cell(equal, places)
    for cell in cells:
        own = [tensor.name for tensor in cell.weights.values()]
        if not copies.keys() >= set(own):  # another cell, with some of the same numbers
            copies = {name: first for name, first in copies.items() if name not in own}
    return copies


def _list_alike(entries: Mapping[str, ManifestEntry], ending: str) -> Iterator[list[str]]:
    """Yield the names that differ in the number of an operation only, of arrays of one shape."""
    alike: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for name, entry in entries.items():
        operation = name.removesuffix(ending)
        rest, _, number = operation.rpartition("_")
        alike.setdefault((rest if number.isdecimal() else operation, entry.shape), []).append(name)
    return (names for names in alike.values() if len(names) > 1)


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
        yield (f"{plural(len(copies), 'array')} stored again for other steps of a cell, as where a loop is unrolled, "
               f"such as {name}: each counts once")  # fmt: skip
