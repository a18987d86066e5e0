"""The layers of a TensorFlow 1 model by the names of its variables, without variables that are not weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from lstmdump.errors import CorruptModel
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.settings import DeferredSettings
from lstmdump.model.tensor import Array, Cuts, Tensor, chained
from lstmdump.model.tree import LayerPath, Sources, Weight
from lstmdump.readers.tensorflow.graph import cells as graph_cells
from lstmdump.readers.tensorflow.graph.cells import GraphCell
from lstmdump.readers.tensorflow.graph.graph_def import Graph
from lstmdump.readers.tensorflow.tf1 import beside, own_arrays
from lstmdump.readers.tensorflow.tf1 import cells as tf1_cells
from lstmdump.readers.tensorflow.tf1 import settings as tf1_settings
from lstmdump.readers.tensorflow.tf1.cells import TF1Cell
from lstmdump.readers.tensorflow.wire import decode

_DIRECTIONS = {"fw": "0fw", "bw": "1bw", "FW": "0FW", "BW": "1BW"}
_LOOPS = r"(^|/)(rnn|RNN|fw|bw|FW|BW|cell_\d+|Cell\d+|multi_rnn_cell)/[^/]+$"
_CELL = r"(?i)(?:cell|lstm)[^/]*$"
_CELLS = r"(?i)cell|lstm|rnn"
_DIGITS = re.compile(r"(\d{1,18})")


class Variables(NamedTuple):
    """The weights of a model, with the classes and settings of its layers, and what lies beside them."""

    weights: list[Weight]
    kinds: dict[LayerPath, str]
    settings: dict[LayerPath, DeferredSettings]
    notes: list[str]
    sources: Callable[[], Sources]
    beside: tuple[Tensor, ...] = ()
    holds_averages: bool = False


def place(
    tensors: Mapping[str, Tensor],
    graph: Graph | None,
    computed: Iterable[GraphCell] = (),
    *,
    take_averages: bool = False,
) -> Variables:
    """Return the layers of the variables in `tensors`.

    Names are the only structure: a variable belongs to the cell whose scope and role its name states (`cells.py`), if
    the shapes fit, and else to a layer of its scope. A graph adds what names do not show: how the pieces of a
    partitioned variable are joined, the order in which variables were created, and cells with any name.

    Args:
        tensors: all stored tensors by name, including those of an optimizer.
        graph: the graph, if it is stored.
        computed: the cells that the graph computes.
        take_averages: whether moving averages take the places of their weights.

    Raises:
        CorruptModel: The pieces of a variable cannot be joined.
    """
    trainable = None if graph is None else graph.trainable
    kept, arrays_beside, notes, holds_averages = beside.separate(tensors, trainable, take_averages=take_averages)
    if graph is not None:
        kept = _join_partitions(kept, graph)
    found = tf1_cells.find(kept, computed)
    cells = [cell for cell in found if own_arrays.fits(cell, kept) or (cell.order is None and _fits(cell, kept))]
    inside = tf1_cells.leaf_map(cells)
    rank = {} if graph is None else {name: graph.turn(name) for name in kept}
    paths = _find_paths(kept)
    weights: list[Weight] = []
    done: set[str] = set()
    for name in sorted(kept, key=lambda name: (rank.get(name, 0), _natural_key(name))):
        if name not in inside:
            scope, _, leaf = name.rpartition("/")
            weights.append(Weight(paths[scope], leaf, kept[name]))
        elif name not in done:
            weights.extend(_list_weights(inside[name][0], kept))
            done.update(piece for pieces in inside[name][0].variables.values() for piece in pieces)
    by_path = {_split_scope(cell.scope): cell for cell in cells}
    return Variables(
        weights,
        _find_kinds(by_path, kept),
        tf1_settings.of(by_path),
        [*notes, *tf1_cells.note_other_cells(kept), *_note_unnamed_cells(kept, inside, with_graph=graph is not None)],
        lambda: tf1_settings.sources(by_path, kept),
        arrays_beside,
        holds_averages,
    )


def _find_kinds(cells: Mapping[LayerPath, TF1Cell], tensors: Mapping[str, Tensor]) -> dict[LayerPath, str]:
    """Return the classes of the LSTM `cells`, and of the other recurrent cells among `tensors`."""
    others = {_split_scope(scope): kind for scope, kind in tf1_cells.find_other_classes(tensors).items()}
    return {path: kind for path, kind in others.items() if path not in cells} | {
        path: cell.kind for path, cell in cells.items() if cell.kind is not None
    }


def _split_scope(scope: str) -> LayerPath:
    return tuple(filter(None, scope.split("/")))


def _find_paths(names: Iterable[str]) -> dict[str, LayerPath]:
    """Return the path for each scope in `names`, without the automatic name of the only cell of a Keras layer."""
    scopes = dict.fromkeys(name.rpartition("/")[0] for name in names)
    of_keras = {name.rpartition("/")[0] for name in names if name.endswith("/recurrent_kernel")}
    if not of_keras:
        return {scope: _split_scope(scope) for scope in scopes}
    from lstmdump.readers.keras.architecture.names import drop_automatic_names

    may_be_cells = [scope in of_keras and bool(scope.rpartition("/")[0]) for scope in scopes]
    paths = drop_automatic_names([tuple(scope.split("/")) for scope in scopes], may_be_cells, stacks=False)
    return {scope: _split_scope("/".join(path)) for scope, path in zip(scopes, paths, strict=True)}


def _fits(cell: TF1Cell, tensors: Mapping[str, Tensor]) -> bool:
    """Return whether the variables of `cell` have the shapes of a cell; a dense layer may have the name of one."""
    if f"{cell.scope}/recurrent_kernel" in tensors:
        return False  # a cell of Keras, with two kernels
    kernel = _join_pieces(cell, "kernel", tensors).shape
    bias = [tensors[name].shape for name in cell.variables.get("bias", ())]
    width = [tensors[name].shape[-1:] for name in cell.variables.get("projection/kernel", ())]
    if len(kernel) != 2 or kernel[1] % 4 or (bias and bias != [kernel[1:]]):
        return False
    return kernel[0] > (width[0][0] if width and width[0] else kernel[1] // 4) > 0


def _note_unnamed_cells(
    tensors: Mapping[str, Tensor], inside: Mapping[str, object], *, with_graph: bool
) -> Iterator[str]:
    """Yield notes on scopes with the shapes of a cell that is not read; only a graph would show what they are."""
    scopes: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        scope, _, leaf = name.rpartition("/")
        if name not in inside and scope:
            scopes.setdefault(scope, {})[leaf] = tensor
    for scope, arrays in scopes.items():
        if tf1_cells.kind_of(scope) is not None or "recurrent_kernel" in arrays:
            continue
        if re.search(_CELLS, scope) and _has_two_kernels(arrays.values()) and with_graph:
            yield f"{scope} has the shapes of an LSTM cell, but its graph does not show the equations of one"
        elif not with_graph and (
            (re.search(_CELLS, scope) and _has_two_kernels(arrays.values()))
            or ((re.search(_LOOPS, scope) or re.search(_CELL, scope)) and _has_one_kernel(scope, arrays, tensors))
        ):
            yield f"{scope} has the shapes of an LSTM cell; only the graph (.meta) would show whether it is one"


def _has_one_kernel(scope: str, arrays: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> bool:
    """Return whether the `arrays` of a scope have the names and shapes of a kernel over x and h and its bias."""
    kernels = [f"{scope}/{leaf}" for leaf in arrays if tf1_cells.split_name(f"{scope}/{leaf}")[1] == "kernel"]
    cells = (TF1Cell(scope, None, None, {"kernel": [name], "bias": [f"{scope}/bias"]}) for name in kernels)
    return "bias" in arrays and any(_fits(cell, tensors) for cell in cells)


def _has_two_kernels(arrays: Iterable[Tensor]) -> bool:
    """Return whether `arrays` include a kernel (d, 4u), a recurrent kernel (u, 4u) and a bias (4u,)."""
    shapes = [tensor.shape for tensor in arrays]
    recurrent = {shape for shape in shapes if len(shape) == 2 and shape[1] == 4 * shape[0] and shape[1:] in shapes}
    return any(sum(len(shape) == 2 and shape[1] == columns for shape in shapes) == 2 for _, columns in recurrent)


def _join_partitions(tensors: Mapping[str, Tensor], graph: Graph) -> dict[str, Tensor]:
    """Return `tensors` with the pieces of partitioned variables joined as `graph` shows."""
    pieces: dict[str, list[str]] = {}
    for name in tensors:
        pieces.setdefault(graph_cells.PIECE.sub("", name), []).append(name)
    axes = graph_cells.joining_axes(graph) if any(names != [base] for base, names in pieces.items()) else {}
    whole: dict[str, Tensor] = {}
    for base, names in pieces.items():
        ordered = sorted(names, key=_natural_key)
        axis = axes.get(ordered[0])
        if axis is None or base in names:
            whole.update({name: tensors[name] for name in names})
        else:
            whole[base] = joined([tensors[name] for name in ordered], axis)
    return whole


def _list_weights(cell: TF1Cell, tensors: Mapping[str, Tensor]) -> list[Weight]:
    """Return the weights of `cell`, the kernel first; TensorFlow 0.12 splits a kernel by rows."""
    if cell.order is not None:
        return [Weight(_split_scope(cell.scope), *array) for array in own_arrays.arrays(cell, tensors).items()]
    leaves = sorted(cell.variables, key=lambda leaf: (leaf != "kernel", leaf != "bias", leaf))
    path = _split_scope(cell.scope)
    return [Weight(path, leaf, _join_pieces(cell, leaf, tensors)) for leaf in leaves]


def _join_pieces(cell: TF1Cell, leaf: str, tensors: Mapping[str, Tensor]) -> Tensor:
    """Return the array with the role `leaf` in `cell`, its pieces joined."""
    pieces = [tensors[name] for name in cell.variables[leaf]]
    return pieces[0] if len(pieces) == 1 else joined(pieces, 0)


def joined(pieces: Sequence[Tensor], axis: int) -> Tensor:
    """Return the tensor of `pieces`, concatenated along `axis`.

    Raises:
        CorruptModel: The other dimensions or the types of the pieces differ.
    """
    first = pieces[0]
    alike = {(*piece.shape[:axis], *piece.shape[axis + 1 :], piece.dtype, len(piece.shape)) for piece in pieces}
    if len(alike) != 1 or len(first.shape) <= axis:
        raise CorruptModel(f"{first.name} and the pieces after it do not fit together")
    places, length = [], 0
    for piece in pieces:
        places.append((tuple(length if place == axis else 0 for place in range(len(piece.shape))), piece))
        length += piece.shape[axis]

    def fetch(cuts: Cuts) -> Array:
        return decode.assembled(places, first.dtype, cuts)

    shape = (*first.shape[:axis], length, *first.shape[axis + 1 :])
    rows = chained(pieces) if axis == 0 else None
    return Tensor(_join_names([piece.name for piece in pieces]), shape, first.dtype, fetch, rows)


def _join_names(names: Sequence[str]) -> str:
    """Return one name for several, with braces as in a shell: `W_{0,1}`."""
    start, _, _ = names[0].rpartition("_")
    if all(name.startswith(f"{start}_") for name in names):
        return f"{start}_{{{','.join(name[len(start) + 1 :] for name in names)}}}"
    return "{" + ",".join(names) + "}"


def _natural_key(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts `name` with numbers by value, and the forward half of a bidirectional layer first."""
    steps = "/".join(_DIRECTIONS.get(step, step) for step in name.split("/"))
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in _DIGITS.split(steps) if piece]
