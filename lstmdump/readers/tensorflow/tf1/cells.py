"""The cells of TensorFlow 1 among its variables, in all three generations of names.

==============  =======================================================================================
0.12            `RNN/BasicLSTMCell/Linear/Matrix`, `Bias`; `RNN/LSTMCell/W_0` (`W_1`, … hold further rows),
                `B`, `W_I_diag`, `W_P_0`; `RNN/LSTMBlockCell/W`, `b`, `wci`
1.0 and 1.1     `rnn/basic_lstm_cell/weights`, `biases`, `w_i_diag`, `projection/weights`
1.2 and later   `rnn/basic_lstm_cell/kernel`, `bias`, `w_i_diag`, `projection/kernel`
==============  =======================================================================================

A kernel and a bias alone do not distinguish a cell from a dense layer. So a scope is a cell if it has the name that
TensorFlow gives to a cell, or if a graph computes a cell with these variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from lstmdump.model.cell_classes import BLOCK_OPERATIONS, CELL_CLASSES
from lstmdump.readers.tensorflow.graph.cells import PIECE, SPLIT, GraphCell

_CLASS_BY_SCOPE = {scope: kind.name for kind in CELL_CLASSES.values() for scope in kind.scopes}
_NUMBER = re.compile(r"_\d+$")

_LEAVES = (
    ("kernel", re.compile(r"(?:linear/)?(?:kernel|weights|matrix)|w(?:_\d+)?")),
    ("bias", re.compile(r"(?:linear/)?(?:bias|biases|b)")),
    ("projection/kernel", re.compile(r"projection/(?:kernel|weights)|w_p(?:_\d+)?")),
    (r"w_\g<1>_diag", re.compile(r"w_([ifo])_diag|wc([ifo])")),
    (r"\g<0>", re.compile(r"(?:input|transform|forget|output|state)/(?:gamma|beta)")),
)
_OPTIONAL_VARIABLES = ("w_i_diag", "w_f_diag", "w_o_diag", "projection/kernel", "projection/weights")
_MAX_LEAF_STEPS = 2
_MAX_STEPS = 32  # no genuine scope is as deep


class TF1Cell:
    """A cell of TensorFlow 1.

    Attributes:
        scope: the scope of its variables.
        kind: its class.
        forget_bias: the forget bias that it adds at run time; None if unknown.
        variables: the names of the variables by their role in the cell (`kernel`, `w_i_diag`, …), pieces in order.
        computed: the cell in the graph, if there is one.
    """

    __slots__ = ("computed", "forget_bias", "kind", "scope", "variables")

    def __init__(
        self,
        scope: str,
        kind: str,
        forget_bias: float | None = None,
        variables: dict[str, list[str]] | None = None,
        computed: GraphCell | None = None,
    ) -> None:
        self.scope = scope
        self.kind = kind
        self.forget_bias = forget_bias
        self.variables = {} if variables is None else variables
        self.computed = computed


def find(names: Iterable[str], from_graph: Iterable[GraphCell]) -> list[TF1Cell]:
    """Return the cells whose variables are among `names`.

    First every scope with the name of a cell and variables with the names of a cell's variables is taken. Then the
    cells of the graph are added to these, or matched to them by their kernels. If the graph has any of the cells, those
    that are not in the graph are dropped: only their names are those of cells.

    Args:
        names: the names of all variables.
        from_graph: the cells that the graph computes.
    """
    found: dict[str, TF1Cell] = {}
    known = set(names := list(names))
    for name in names:
        scope, leaf = split_name(name)
        kind = kind_of(scope)
        if leaf is not None and kind is not None:
            cell = found.setdefault(scope, TF1Cell(scope, kind, CELL_CLASSES[kind].forget_bias))
            cell.variables.setdefault(leaf, []).append(name)
    for cell in found.values():
        for pieces in cell.variables.values():
            pieces.sort(key=_read_piece_number)
    computed = [_add_computed(found, cell, known) for cell in from_graph]
    sure = set(filter(None, computed))  # cells that the graph computes, if it has any
    return [cell for cell in found.values() if "kernel" in cell.variables and (not sure or cell.scope in sure)]


def kind_of(scope: str) -> str | None:
    """Return the class of the cell that the last step of `scope` names, or None."""
    return _find_kind(scope.rpartition("/")[2])


@lru_cache(maxsize=1024)
def _find_kind(name: str) -> str | None:
    return _CLASS_BY_SCOPE.get(_NUMBER.sub("", name).replace("_", "").lower())


def note_other_cells(names: Iterable[str]) -> list[str]:
    """Return notes on the cells among `names` whose class is called an LSTM but differs from one with four gates."""
    around = dict.fromkeys(name.rpartition("/")[0] for name in names if "/" in name)
    scopes = dict.fromkeys(
        "/".join(steps[:length])
        for steps in (scope.split("/") for scope in around)
        for length in range(1, min(len(steps) + 1, _MAX_STEPS))
    )
    kinds = ((scope, CELL_CLASSES[name]) for scope in scopes if (name := kind_of(scope)) is not None)
    return [
        f"{scope} is a {kind.name}, {kind.difference}: not read as an LSTM" for scope, kind in kinds if kind.difference
    ]


def split_name(name: str) -> tuple[str, str | None]:
    """Return the scope of the variable `name` and its role in a cell; the role is None if it has none."""
    steps = PIECE.sub("", name).split("/")
    for length in range(min(_MAX_LEAF_STEPS, len(steps) - 1), 0, -1):
        leaf = _find_leaf("/".join(steps[-length:]).lower())
        if leaf is not None:
            return "/".join(steps[:-length]), leaf
    return name.rpartition("/")[0], None


@lru_cache(maxsize=1024)
def _find_leaf(ending: str) -> str | None:
    for leaf, pattern in _LEAVES:
        if (match := pattern.fullmatch(ending)) is not None:
            return _expand_leaf(leaf, match)
    return None


def _expand_leaf(leaf: str, match: re.Match[str]) -> str:
    if leaf == r"\g<0>":
        return match[0]
    return f"w_{match[1] or match[2]}_diag" if match.groups() else leaf


def _read_piece_number(name: str) -> int:
    number = re.search(r"_(\d{1,9})$", name)
    return int(number[1]) if number else 0


def _add_computed(found: dict[str, TF1Cell], computed: GraphCell, known: set[str]) -> str | None:
    """Add a cell of the graph to `found`, or what the graph shows to a cell that is there; return its scope.

    The result is None if the kernel of the cell is not stored, the order of its gates is unknown, or its scope has the
    name of another cell.
    """
    variables = {leaf: list(dict.fromkeys(PIECE.sub("", name) for name in names))
                 for leaf, names in computed.variables.items()}  # fmt: skip
    kernel = variables["kernel"][0]
    scope, leaf = split_name(kernel)
    cell = found.get(scope)
    if cell is not None and kernel in cell.variables.get("kernel", ()):
        cell.computed = computed
        if computed.forget_bias is not None:
            cell.forget_bias = computed.forget_bias
        block = BLOCK_OPERATIONS.get(computed.operation)
        if block is not None and block.names_class and CELL_CLASSES[cell.kind].forget_bias is None:
            cell.kind = block.name  # but not of a CudnnCompatibleLSTMCell, which runs the same operation
        return scope
    stored = {leaf: there for leaf, names in variables.items() if (there := [name for name in names if name in known])}
    if "kernel" not in stored or not computed.known_order or kind_of(scope) is not None:
        return None
    kind = "LSTMCell" if computed.operation == SPLIT else computed.operation
    own_scope = scope if leaf == "kernel" and scope and scope not in found else kernel
    if own_scope == scope:
        beside = {
            split_name(name)[1] or "": [name]
            for ending in _OPTIONAL_VARIABLES
            if (name := f"{scope}/{ending}") in known
        }
        stored = beside | stored
    found[own_scope] = TF1Cell(own_scope, kind, computed.forget_bias, stored, computed)
    return own_scope


def leaf_map(cells: Iterable[TF1Cell]) -> Mapping[str, tuple[TF1Cell, str]]:
    """Return the cell and the role of each variable of `cells`, by its name."""
    return {name: (cell, leaf) for cell in cells for leaf, names in cell.variables.items() for name in names}
