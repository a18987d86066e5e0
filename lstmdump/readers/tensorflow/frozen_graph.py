"""Frozen graphs: a GraphDef in which variables are replaced by constants of the same names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from lstmdump.errors import ModelClosed
from lstmdump.model.limits import Limits
from lstmdump.model.location import Location
from lstmdump.model.tensor import Tensor, without_numbers
from lstmdump.model.tree import Model, grow
from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.detect import Format
from lstmdump.readers.tensorflow.graph.cell_search import all_cells
from lstmdump.readers.tensorflow.graph.functions import LOOPS
from lstmdump.readers.tensorflow.graph.graph_def import Graph, Node, constant, variables_declared
from lstmdump.readers.tensorflow.graph.graph_file import read_graph
from lstmdump.readers.tensorflow.tf1 import cells as tf1_cells
from lstmdump.readers.tensorflow.tf1 import frozen_names
from lstmdump.readers.tensorflow.tf1 import variables as tf1_variables
from lstmdump.readers.tensorflow.wire import dtypes

_READING = ("/read", "/Read/ReadVariableOp", "/ReadVariableOp")
_PASSING_ON = frozenset({"Identity", "Enter"})
_LEAVES = frozenset({"kernel", "recurrent_kernel", "bias"})
_TAKING_WEIGHTS = frozenset({"MatMul", "BatchMatMul", "BatchMatMulV2", "BiasAdd", "Add", "AddV2", "Conv1D", "Conv2D",
                             "Conv3D", "DepthwiseConv2dNative", "Gather", "GatherV2"})  # fmt: skip
_AUTOMATIC = frozenset({"Const", "zeros", "ones", "zeros_like", "ones_like", "x", "y", "a", "b", "value", "values",
                        "tensor", "shape", "size", "stack", "concat", "mean", "stddev", "min", "max", "mul", "add",
                        "sub", "truediv", "range", "Fill", "delta", "start", "limit", "axis"})  # fmt: skip
"""The last steps of names that TensorFlow gives to constants that are not variables, without their numbers."""

_NOT_FROZEN = "the graph is not frozen: it declares variables, whose numbers are in a checkpoint"


def read(location: Location) -> Model:
    """Return the model in the GraphDef at `location`.

    Raises:
        UnreadableModel: The graph cannot be read, or is damaged.
    """
    stored = read_graph(location)
    try:
        return _read(Graph(stored.data, location.limits, stored), stored.close, location)
    except BaseException:
        stored.close()
        raise


def _read(graph: Graph, close: Callable[[], None], location: Location) -> Model:
    found = [(node, tensor) for node in graph.running("Const") if (tensor := _read_array(node)) is not None]
    _require_stored(found, graph, location)
    closed: list[bool] = []
    constants = {node.name: _require_open(tensor, closed) for node, tensor in found}

    def release() -> None:
        closed.append(True)
        close()

    return describe(graph, constants, location.limits, producer="", release=release)


def describe(
    graph: Graph,
    constants: Mapping[str, Tensor],
    limits: Limits,
    *,
    producer: str,
    release: Callable[[], None],
    format_word: str = Format.GRAPH.value,
    known: Collection[str] = (),
) -> Model:
    """Return the model of `graph`, in which constants stand for the variables.

    Args:
        graph: the graph.
        constants: the arrays of floating-point numbers by the names of their nodes.
        limits: the limits of the model.
        producer: the program that wrote the file; empty to tell by the names of the variables.
        release: closes the file.
        format_word: the word of the key `format` in the JSON output.
        known: the names of the constants that are known to have been variables, if any are.

    Raises:
        CorruptModel: The graph is damaged.
    """
    by_reader = {name: tensor for name, tensor in constants.items() if frozen_names.is_read(name)}
    if by_reader:
        root = grow(frozen_names.place(by_reader), {}, limits=limits)
        return Model(
            format_word,
            producer or "tensorflow 2",
            root,
            notes=(frozen_names.NOTE,),
            countable=False,
            release=release,
        )
    declared = {name: without_numbers(name, *kind) for name, kind in variables_declared(graph).items()}
    shapes = {name: tensor.shape for name, tensor in {**constants, **declared}.items()}
    computed = list(all_cells(graph, tf1_cells.is_in_cell, shapes))
    used = {name for cell in computed for names in cell.variables.values() for name in names}
    names = {*known, *used} if known else _find_variables(graph, constants, used)
    variables = {name: tensor for name, tensor in constants.items() if name in names}
    placed = tf1_variables.place(variables | declared, graph, computed)
    root = grow(placed.weights, placed.kinds, placed.settings, limits)
    notes = [*([_NOT_FROZEN] if declared else []), *placed.notes]
    return Model(
        format_word,
        producer or "tensorflow 1",
        root,
        notes=tuple(notes),
        release=release,
        sources=placed.sources,
    )


def _require_stored(found: Iterable[tuple[Node, Tensor]], graph: Graph, location: Location) -> None:
    """Check that the constants do not declare far more bytes than the file stores.

    A constant may store fewer numbers than its shape has: the last one is repeated.

    Raises:
        RefusedModel: They declare far more.
    """
    declared = Declared(location.limits)
    declared.store(graph.size)
    for _, tensor in found:
        declared.take(tensor.size * (dtypes.item_size(tensor.dtype) or 0))
    declared.require_stored()


def _require_open(tensor: Tensor, closed: Sequence[bool]) -> Tensor:
    """Return `tensor`, which can be read until `closed` has an item."""

    def check() -> None:
        if closed:
            raise ModelClosed(f"{tensor.name} was requested after the model had been closed")

    return tensor.guarded(check)


def _read_array(node: Node) -> Tensor | None:
    """Return the array of floating-point numbers that `node`, a constant, holds, or None if it holds another value."""
    tensor = constant(node)
    is_array = tensor is not None and tensor.shape and tensor.dtype.startswith(("float", "bfloat"))
    return tensor if is_array else None


def _find_variables(graph: Graph, constants: Collection[str], used: Collection[str]) -> set[str]:
    """Return which of `constants` were variables: those that cells have `used`, and those that are read as such.

    A constant that nothing reads is an output of the graph, such as the transitions of a random field that is
    decoded elsewhere.
    If a later step has removed the nodes that read variables, an operation that takes weights reads them instead, or an
    addition. The names that TensorFlow gives to constants are not those of variables.
    """
    passed_on = {name for name in constants if any(graph.node(name + ending) is not None for ending in _READING)}
    readers = {name: {reader.operation for reader in graph.taking(name)} for name in constants if name not in passed_on}
    passed_on |= {name for name, operations in readers.items() if _is_passed_on(name, operations)}
    named = {name for name in readers if not _is_automatic(name.rpartition("/")[2])}
    outputs = {name for name in named if not readers[name]}
    weights = {name for name in named if not readers[name].isdisjoint(_TAKING_WEIGHTS)} if not passed_on else set()
    return {*passed_on, *outputs, *weights, *used}


def _is_automatic(step: str) -> bool:
    kind, _, number = step.rpartition("_")
    return (kind if number.isdecimal() else step) in _AUTOMATIC


def _is_passed_on(name: str, readers: Collection[str]) -> bool:
    """Return whether one of `readers`, operations, reads the constant `name` as a variable and only passes it on.

    A loop that is a single node reads its initial states and its variables alike; there the name decides.
    """
    in_loop = not set(LOOPS).isdisjoint(readers) and name.rpartition("/")[2] in _LEAVES
    return not _PASSING_ON.isdisjoint(readers) or in_loop
