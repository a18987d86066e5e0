"""The LSTM cells in a TensorFlow 1 graph: their variables, and the forget bias that they add.

The cells of `tf.nn.rnn_cell` multiply input and state by one kernel, add a bias and split the sum in four; the forget
bias, a constant that no checkpoint holds, is added to the third part. The cells of `tf.contrib.rnn` with `Block` in
their names are a single operation with the forget bias among its attributes. Measured on graphs of TensorFlow 0.12 to
2.21.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from lstmdump.model.cell_classes import BLOCK_OPERATIONS
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.tensorflow.graph.graph_def import Graph, Node, Nodes, constant, scalar

if TYPE_CHECKING:
    from lstmdump.readers.tensorflow.graph.own_cells import OwnEquations

SPLIT = "Split"
OWN = "own"
"""What stands for the operation in a cell that `own_cells` recognises."""

PIECE = re.compile(r"/part_\d+$")
_OLD_PIECE = r"(?:(?<=^\w)|(?<=/\w)|(?<=/\w_\w))_\d{1,9}$"  # TensorFlow 0.12: `W_0`, `W_P_0`
ADDING = frozenset({"Add", "AddV2"})
JOINING = frozenset({"Concat", "ConcatV2"})
VARIABLES = frozenset({"Variable", "VariableV2", "VarHandleOp", "Const"})
_PEEPHOLES = ("w_i_diag", "w_f_diag", "w_o_diag")
_CANDIDATE, _FORGET, _PARTS = 1, 2, 4
_OF_CANDIDATES = frozenset(
    {"Tanh", "Relu", "Relu6", "Elu", "Selu", "Softplus", "Softsign"}
)  # activations that no gate uses
_MAX_AXES = 8
_MAX_PIECES = 256  # of a variable: more than any partitioner has reason to make
_MAX_DISTANCE = 60  # nodes between the part of the forget gate and its sigmoid; layer normalization takes some 20


class GraphCell(NamedTuple):
    """A cell in a graph.

    Attributes:
        operation: `Split`, or the operation that is the whole cell, or `OWN`.
        variables: the names of the variables by their role: `kernel`, `bias`, `w_i_diag`, …; several names for a
            partitioned variable. A cell of the user's own may have `recurrent_kernel`, or arrays for each gate: `W_i`,
            `U_i`, `b_i`, or `WU_i` over x and h.
        forget_bias: the constant added to the forget gate, or None if the graph does not show it.
        known_order: whether the graph shows which part is the candidate and which is the forget gate.
        node: the node of `operation`; the activation of the candidate in a cell of the user's own.
        own: the equations of a cell of the user's own.
    """

    operation: str
    variables: dict[str, tuple[str, ...]]
    forget_bias: float | None
    known_order: bool
    node: Node
    own: OwnEquations | None = None


def cells(graph: Graph) -> Iterator[GraphCell]:
    """Yield the cells in `graph` and in the bodies of its loops; an unrolled cell is yielded once."""
    seen: set[tuple[str, ...]] = set()
    for nodes in _all_nodes(graph):
        for found in _find_cells(nodes, seen):
            seen.add(found.variables["kernel"])
            yield found


def _all_nodes(graph: Graph) -> Iterator[Nodes]:
    yield graph
    if graph.holds_functions():
        from lstmdump.readers.tensorflow.graph import functions

        yield from functions.bodies(graph)


def _find_cells(graph: Nodes, seen: set[tuple[str, ...]]) -> Iterator[GraphCell]:
    for operation in BLOCK_OPERATIONS:
        for node in graph.running(operation):
            block = _read_block_cell(graph, node) if node.operation == operation else None
            if block is not None and block.variables["kernel"] not in seen:
                yield block
    own_scopes: set[str] = set()  # further splits in the scope of a cell's kernel are steps of that cell
    for node in graph.running(SPLIT, done=own_scopes):
        variables = _find_variables(graph, node)
        if variables and variables["kernel"][0].rpartition("/")[0] == node.scope:
            own_scopes.add(node.scope)
        if variables and variables["kernel"] not in seen:
            yield _read_split_cell(graph, node, variables)


def read_split_cell(graph: Nodes, split: Node) -> GraphCell | None:
    """Return the cell around `split`, a Split, or None if it does not divide the product with a variable in four."""
    variables = _find_variables(graph, split)
    return _read_split_cell(graph, split, variables) if variables else None


def _read_block_cell(graph: Nodes, node: Node) -> GraphCell | None:
    block = BLOCK_OPERATIONS[node.operation]
    kernel_at = block.kernel_at
    if len(node.inputs) < kernel_at + 5:
        return None
    sees_state = "use_peephole" in node.attributes and node.attributes["use_peephole"].integer(5) != 0
    places = {"kernel": kernel_at, "bias": kernel_at + 4}
    places |= {leaf: kernel_at + 1 + turn for turn, leaf in enumerate(_PEEPHOLES)} if sees_state else {}
    found = {leaf: variables_behind(graph, node.inputs[at]) for leaf, at in places.items()}
    variables = {leaf: names for leaf, names in found.items() if names}
    if "kernel" not in variables:
        return None
    added = node.attributes.get("forget_bias")
    forget_bias = block.forget_bias if added is None else added.float32(4)
    return GraphCell(node.operation, variables, forget_bias, True, node)


def _find_variables(graph: Nodes, split: Node) -> dict[str, tuple[str, ...]]:
    """Return the variables of the sum that `split` divides in four; none if that is not a product with a variable."""
    if split.number("num_split") != _PARTS or len(split.inputs) != 2:
        return {}
    total = graph.source(split.inputs[1])
    bias: tuple[str, ...] = ()
    if total is not None and total.operation in ("BiasAdd", *ADDING) and len(total.inputs) == 2:
        bias = variables_behind(graph, total.inputs[1])
        total = graph.source(total.inputs[0])
    if total is None or total.operation != "MatMul" or len(total.inputs) != 2:
        return {}
    kernel = variables_behind(graph, total.inputs[1])
    return {leaf: names for leaf, names in (("kernel", kernel), ("bias", bias)) if names} if kernel else {}


def _read_split_cell(graph: Nodes, split: Node, variables: dict[str, tuple[str, ...]]) -> GraphCell:
    is_candidate = any(node.operation in _OF_CANDIDATES for node in graph.taking(f"{split.name}:{_CANDIDATE}"))
    forget_bias = _find_added_constant(graph, f"{split.name}:{_FORGET}")
    return GraphCell(SPLIT, variables, forget_bias, is_candidate and forget_bias is not None, split)


def variables_behind(graph: Nodes, name: str) -> tuple[str, ...]:
    """Return the names of the variables behind the input `name`: one, or the pieces that are joined there, or none."""
    node = graph.source(name)
    if node is None:
        return ()
    if node.operation in JOINING and len(node.inputs) <= _MAX_PIECES:
        pieces = [piece for piece in map(node.home.source, node.inputs) if piece is not None and not _is_axis(piece)]
        return tuple(piece.name for piece in pieces) if all(piece.operation in VARIABLES for piece in pieces) else ()
    return (node.name,) if node.operation in VARIABLES else ()


def are_pieces(names: Sequence[str]) -> bool:
    """Return whether `names` are the pieces of one partitioned variable, or a single variable."""
    return len(names) == 1 or any(len({re.sub(one, "", name) for name in names}) == 1 for one in (PIECE, _OLD_PIECE))


def _is_axis(node: Node) -> bool:
    tensor = constant(node)
    return tensor is not None and not tensor.shape


def _find_added_constant(graph: Nodes, output: str) -> float | None:
    """Return the constant that is added to `output`, or 0.0 if a sigmoid takes it directly; else None.

    A layer-normalized cell adds the constant after the normalization. So if nothing is added to `output` itself, the
    nodes behind it are searched, nearest first, for the sigmoid, and the constant is that of the sum it takes.
    """
    for node in graph.taking(output):
        if node.operation == "Sigmoid":
            return 0.0
        if (value := _read_addend(graph, node)) is not None:
            return value
    waiting, seen = [output], {output}
    while waiting and len(seen) < _MAX_DISTANCE:
        for node in islice(graph.taking(waiting.pop(0)), _MAX_DISTANCE):
            if node.operation == "Sigmoid":
                total = graph.node(node.inputs[0])
                return None if total is None else _read_addend(graph, total)
            if node.name not in seen:
                seen.add(node.name)
                waiting.append(node.name)
    return None


def _read_addend(graph: Nodes, node: Node) -> float | None:
    """Return the constant number that `node`, an addition, adds; None if it is not an addition or adds arrays."""
    if node.operation not in ADDING or len(node.inputs) != 2:
        return None
    sources = (graph.source(name) for name in node.inputs)
    return next((value for source in sources if source is not None and (value := scalar(source)) is not None), None)


def joining_axes(graph: Graph) -> dict[str, int]:
    """Return, by name, the axis along which `graph` joins each piece of a partitioned variable to the others."""
    found: dict[str, int] = {}
    for nodes in _all_nodes(graph):
        for joining in (node for operation in JOINING for node in nodes.running(operation)):
            axis_at = 0 if joining.operation == "Concat" else len(joining.inputs) - 1
            axis = nodes.source(joining.inputs[axis_at]) if joining.inputs else None
            value = None if axis is None else scalar(axis)
            sources = [nodes.source(name) for place, name in enumerate(joining.inputs) if place != axis_at]
            if value in range(_MAX_AXES):
                pieces = (source for source in sources if source is not None and source.operation in VARIABLES)
                found.update((piece.name, int(value or 0)) for piece in pieces)
    return found
