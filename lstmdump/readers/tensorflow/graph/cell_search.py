"""The search for all cells in a graph: TensorFlow's, and cells of the user's own where there may be some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from lstmdump.readers.tensorflow.graph.cells import SPLIT, GraphCell, are_pieces, cells
from lstmdump.readers.tensorflow.graph.graph_def import Graph

_PARTS = 4


def all_cells(
    graph: Graph, is_named: Callable[[str], bool], shapes: Mapping[str, Sequence[int]]
) -> Iterator[GraphCell]:
    """Yield the cells in `graph`: those of TensorFlow, and those that compute an LSTM in another way.

    Args:
        graph: The graph.
        is_named: Whether the scope of a variable has the name of a cell of TensorFlow, whose equations are known.
        shapes: The shapes of the variables, by name.
    """
    of_tensorflow = list(cells(graph))
    own = {}
    if _may_hold_own(of_tensorflow, is_named, shapes):
        from lstmdump.readers.tensorflow.graph import own_cells

        own = {cell.variables[next(iter(cell.variables))]: cell for cell in own_cells.find(graph, is_named)}
    for cell in of_tensorflow:
        kernel = cell.variables["kernel"]
        other = own.pop(kernel, None)
        is_same = other is None or _is_of_tensorflow(other)
        if not is_same and other is not None:
            yield other
        elif cell.operation != SPLIT or are_pieces(kernel):
            yield cell
    yield from own.values()


def _may_hold_own(
    of_tensorflow: Sequence[GraphCell], is_named: Callable[[str], bool], shapes: Mapping[str, Sequence[int]]
) -> bool:
    """Return whether the search for other cells can find one, as it takes three times as long as all the rest.

    It cannot if all cells are in scopes of TensorFlow's and no other matrices have shapes of a cell: columns for four
    gates and at least as many rows as a gate has columns, or four matrices of the columns of one gate.
    """
    read = {name for cell in of_tensorflow for names in cell.variables.values() for name in names}
    kernels = [cell.variables["kernel"] for cell in of_tensorflow]
    if not all(are_pieces(kernel) and all(map(is_named, kernel)) for kernel in kernels):
        return True
    others = [
        shape
        for name, shape in shapes.items()
        if len(shape) == 2 and name not in read and name.rpartition("/")[0] not in read  # a slot: `kernel/Adam`
    ]
    if any(columns % _PARTS == 0 and rows >= columns // _PARTS for rows, columns in others):
        return True
    of_one_gate = Counter(columns for rows, columns in others if rows >= columns)
    return any(number >= _PARTS for number in of_one_gate.values())


def _is_of_tensorflow(cell: GraphCell) -> bool:
    """Return whether a cell that was found by its equations has the layout and the names of one of TensorFlow's."""
    scope = cell.variables["kernel"][0].rpartition("/")[0] if "kernel" in cell.variables else ""
    usual = all(names == (f"{scope}/{leaf}",) for leaf, names in cell.variables.items() if leaf.endswith("_diag"))
    return usual and cell.own is not None and cell.own.order == "icfo" and not cell.own.state_first
