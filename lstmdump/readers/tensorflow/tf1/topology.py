"""The connections between cells of TensorFlow 1, by their graph or by their names.

`MultiRNNCell` passes the output of `multi_rnn_cell/cell_0` (0.12: `MultiRNNCell/Cell0`) to `cell_1`, and
`stack_bidirectional_rnn` passes the outputs of `cell_0/bidirectional_rnn/fw` and `bw`, concatenated, to both halves of
`cell_1`. There may be a wrapper between them. If it has variables of its own, they show it; a residual wrapper, which
adds the input to the output and has no name, is only possible if both have the same width.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter

from lstmdump.errors import CannotReplay
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import LayerPath, Source
from lstmdump.readers.tensorflow.graph import cell_sources
from lstmdump.readers.tensorflow.graph.cell_outputs import CellOutputs, KnownCell
from lstmdump.readers.tensorflow.graph.cell_sources import SequenceGiver
from lstmdump.readers.tensorflow.tf1 import directions, own_arrays
from lstmdump.readers.tensorflow.tf1.cells import TF1Cell

_STACKED = re.compile(r"(.*/)?(?:multi_rnn_cell/cell_|MultiRNNCell/Cell)(\d{1,4})()/[^/]+")
_STACKED_HALF = re.compile(r"(.*/)?cell_(\d{1,4})/bidirectional_rnn/(fw|bw)/[^/]+")
_HALVES = ("fw", "bw")


class _PlacedCell:
    """A cell at `path`, with the widths of its input and of its output."""

    def __init__(self, path: LayerPath, cell: TF1Cell, tensors: Mapping[str, Tensor]) -> None:
        self.path = path
        self.scope = cell.scope
        if cell.order is not None:
            self.input, self.output = own_arrays.sizes(cell, tensors)
            return
        columns = tensors[cell.variables["kernel"][0]].shape[1]
        rows = sum(tensors[name].shape[0] for name in cell.variables["kernel"])
        widths = [tensors[name].shape[-1:] for name in cell.variables.get("projection/kernel", ())]
        self.output = widths[0][0] if widths and widths[0] else columns // 4
        self.input = rows - self.output


def of(cells: Mapping[LayerPath, TF1Cell], tensors: Mapping[str, Tensor]) -> dict[LayerPath, Source]:
    """Return the sources of `cells`, whose variables are among `tensors`."""
    has_graph = any(cell.computed is not None for cell in cells.values())
    placed = [_PlacedCell(path, cell, tensors) for path, cell in cells.items()]
    inside = {name for cell in cells.values() for names in cell.variables.values() for name in names}
    others = [name for name in tensors if name not in inside]
    found = _find_by_graph(cells) if has_graph else _find_by_name(_STACKED, ("",), placed, others)
    return {**_find_by_name(_STACKED_HALF, _HALVES, placed, others), **found}


def outputs_of(cells: Mapping[LayerPath, TF1Cell]) -> CellOutputs:
    """Return the outputs of those of `cells` that are in a graph, by their names in the model."""
    known = ((path, cell.computed, cell.variables) for path, cell in cells.items())
    return CellOutputs({"/".join(path): KnownCell(computed, variables)
                        for path, computed, variables in known if computed is not None})  # fmt: skip


def _find_by_graph(cells: Mapping[LayerPath, TF1Cell]) -> dict[LayerPath, Source]:
    paths, outputs = {"/".join(path): path for path in cells}, outputs_of(cells)
    found = {}
    for name in outputs.cells:
        try:
            givers = cell_sources.find(name, outputs)
        except CannotReplay:
            continue
        if givers and all(_is_in_order(giver, paths[name], paths[giver.cell], cells) for giver in givers):
            found[paths[name]] = Source(tuple(paths[giver.cell] for giver in givers))
    return found


def _is_in_order(giver: SequenceGiver, path: LayerPath, giving: LayerPath, cells: Mapping[LayerPath, TF1Cell]) -> bool:
    """Return whether the cell at `path` gets the outputs of the one at `giving` in the order of the input.

    A half that goes backwards has a reversal before it, and another one behind it, which restores the order. Any
    other cell that goes backwards has only the one before it.
    """
    own, of_giver = (directions.find(cells[one], cells) for one in (path, giving))
    is_turned = directions.goes_backwards(cells[path], own) is True
    return giver.is_turned == (is_turned != (of_giver == "backward"))


def _find_by_name(
    pattern: re.Pattern[str], parts: Sequence[str], placed: Iterable[_PlacedCell], others: Collection[str]
) -> dict[LayerPath, Source]:
    """Return the sources of the cells whose scopes match `pattern`, if each level has exactly one cell per part."""
    # A level is the cells of one number in a stack: one cell, or the halves `fw` and `bw`. Level k follows level k - 1
    # if both are complete and the widths allow only a direct connection.
    levels: dict[tuple[str, int], list[tuple[int, _PlacedCell]]] = {}
    for one in placed:
        if (match := pattern.fullmatch(one.scope)) is not None:
            levels.setdefault((match[1] or "", int(match[2])), []).append((parts.index(match[3]), one))
    found: dict[LayerPath, Source] = {}
    for (around, level), turns in levels.items():
        before = sorted(levels.get((around, level - 1), []), key=itemgetter(0))
        is_whole = [turn for turn, _ in before] == sorted(turn for turn, _ in turns) == list(range(len(parts)))
        below, cells = [one for _, one in before], [one for _, one in turns]
        if is_whole and _follow(below, cells, others):
            found |= {one.path: Source(tuple(one.path for one in below)) for one in cells}
    return found


def _follow(below: Collection[_PlacedCell], cells: Collection[_PlacedCell], others: Collection[str]) -> bool:
    """Return whether `cells` read exactly the outputs of `below`, as the widths show, with no wrapper between them."""
    total = sum(one.output for one in below)
    may_add = any(one.input == one.output for one in below)
    fits = not may_add and all(one.input == total for one in cells)
    return fits and not any(_is_wrapped(one, others) for one in (*below, *cells))


def _is_wrapped(one: _PlacedCell, others: Collection[str]) -> bool:
    """Return whether the scope around the cell has variables that belong to no cell."""
    around = one.scope.rpartition("/")[0] + "/"
    return any(name.startswith(around) for name in others)
