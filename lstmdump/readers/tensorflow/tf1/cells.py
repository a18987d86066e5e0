"""The cells of TensorFlow 1 among its variables, in all three generations of names.

==============  =======================================================================================
0.12            `RNN/BasicLSTMCell/Linear/Matrix`, `Bias`; `RNN/LSTMCell/W_0` (`W_1`, … hold further rows),
                `B`, `W_I_diag`, `W_P_0`; `RNN/LSTMBlockCell/W`, `b`, `wci`
1.0 and 1.1     `rnn/basic_lstm_cell/weights`, `biases`, `w_i_diag`, `projection/weights`
1.2 and later   `rnn/basic_lstm_cell/kernel`, `bias`, `w_i_diag`, `projection/kernel`
==============  =======================================================================================

A kernel and a bias alone do not distinguish a cell from a dense layer. So a scope is a cell if it has the name that
TensorFlow gives to a cell, or if a graph computes a cell with these variables. Two kernels and a bias in a scope that
is called …LSTMCell are a cell as well (`LN_LSTMCell/W_xh`, `W_hh`, `bias`), if they have its shapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import takewhile

from lstmdump.model.cell_classes import BLOCK_OPERATIONS, CELL_CLASSES, TF1_ORDER, class_named
from lstmdump.model.tensor import Tensor
from lstmdump.readers.tensorflow.graph.cells import PIECE, SPLIT, GraphCell

_CLASS_BY_SCOPE = {scope: kind.name for kind in CELL_CLASSES.values() for scope in kind.scopes}
_NUMBER = re.compile(r"_\d+$")
_CELL_NAME = re.compile(r"(?i)cell(?:_\d+)?$")  # `gru` alone may be anything

# A table, not patterns: to compile those would take a tenth of the imports of `show`.
_LEAVES = {f"{around}{name}": leaf for leaf, names in (("kernel", ("kernel", "weights", "matrix")),
                                                       ("bias", ("bias", "biases", "b")))
           for around in ("", "linear/") for name in names}  # fmt: skip
_LEAVES |= {"w": "kernel", "w_p": "projection/kernel"}
_LEAVES |= {f"projection/{name}": "projection/kernel" for name in ("kernel", "weights")}
_LEAVES |= {name: f"w_{letter}_diag" for letter in "ifo" for name in (f"w_{letter}_diag", f"wc{letter}")}
_LEAVES |= {name: name for part in ("input", "transform", "forget", "output", "state")
            for name in (f"{part}/gamma", f"{part}/beta")}  # fmt: skip
"""The role of a variable in a cell by the end of its name, in lower case."""

_IN_PIECES = ("w", "w_p")  # what TensorFlow 0.12 writes with the number of a piece: `W_0`
_OPTIONAL_VARIABLES = ("w_i_diag", "w_f_diag", "w_o_diag", "projection/kernel", "projection/weights")
_OWN_CLASS = r"(\w*LSTMCell)(?:_\d+)?"
_TWO_KERNELS = {"w_xh": "kernel", "w_hh": "recurrent_kernel", "wx": "kernel", "wh": "recurrent_kernel",
                "w_x": "kernel", "w_h": "recurrent_kernel", "b": "bias", "bias": "bias", "biases": "bias"}  # fmt: skip
"""What the cells of several public projects call two kernels and a bias, in lower case."""

_MAX_LEAF_STEPS = 2
_MAX_STEPS = 32  # no genuine scope is as deep


class TF1Cell:
    """A cell of TensorFlow 1.

    Attributes:
        scope: the scope of its variables.
        kind: its class; None if nothing states it.
        forget_bias: the forget bias that it adds at run time; None if unknown.
        variables: the names of the variables by their role in the cell (`kernel`, `w_i_diag`, …), pieces in order.
        computed: the cell in the graph, if there is one.
        order: the order of its gates, if its class does not state it; empty if each gate has arrays of its own.
    """

    __slots__ = ("computed", "forget_bias", "kind", "order", "scope", "variables")

    def __init__(
        self,
        scope: str,
        kind: str | None,
        forget_bias: float | None = None,
        variables: dict[str, list[str]] | None = None,
        computed: GraphCell | None = None,
        order: str | None = None,
    ) -> None:
        self.scope = scope
        self.kind = kind
        self.forget_bias = forget_bias
        self.variables = {} if variables is None else variables
        self.computed = computed
        self.order = order

    @property
    def is_whole(self) -> bool:
        """Whether it has kernels, and not only other variables with the names of a cell's."""
        return any(leaf in self.variables for leaf in ("kernel", "W_i", "WU_i"))


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
            if len(pieces) > 1:
                pieces.sort(key=_read_piece_number)
    found |= _find_two_kernels(names, found)
    computed = [_add_computed(found, cell, known) for cell in from_graph]
    sure = set(filter(None, computed))  # cells that the graph computes, if it has any
    return [cell for cell in found.values() if cell.is_whole and (not sure or cell.scope in sure)]


def _find_two_kernels(names: Iterable[str], found: Mapping[str, TF1Cell]) -> dict[str, TF1Cell]:
    """Return the cells with two kernels and a bias of usual names in a scope called …LSTMCell, by scope.

    All variables below that scope are those of the cell.
    """
    scopes: dict[str, dict[str, str]] = {}
    for name in names:
        steps = name.split("/")
        for length in range(1, min(len(steps), _MAX_STEPS)):
            if _find_own_class(steps[length - 1]) is not None:
                scopes.setdefault("/".join(steps[:length]), {})["/".join(steps[length:])] = name
    cells = {}
    for scope, variables in scopes.items():
        known = {leaf: _TWO_KERNELS[leaf.lower()] for leaf in variables if leaf.lower() in _TWO_KERNELS}
        is_taken = scope in found and found[scope].is_whole
        if not is_taken and sorted(known.values()) == ["bias", "kernel", "recurrent_kernel"]:
            arrays = {known.get(leaf, leaf): [name] for leaf, name in variables.items()}
            cells[scope] = TF1Cell(scope, own_class(scope), None, arrays, order=TF1_ORDER)
    return cells


def own_class(scope: str) -> str | None:
    """Return the class that the last step of `scope` states, if it ends in LSTMCell and is not another kind of cell."""
    return _find_own_class(scope.rpartition("/")[2])


@lru_cache(maxsize=1024)
def _find_own_class(name: str) -> str | None:
    match = re.fullmatch(_OWN_CLASS, name) if "LSTMCell" in name else None
    return match[1] if match is not None and not class_named(match[1]).is_other else None


def kind_of(scope: str) -> str | None:
    """Return the class of the cell that the last step of `scope` names, or None."""
    return _find_kind(scope.rpartition("/")[2])


def is_in_cell(name: str) -> bool:
    """Return whether the variable `name` is in a scope that has the name of a cell of TensorFlow."""
    return kind_of(split_name(name)[0]) is not None


@lru_cache(maxsize=1024)
def _find_kind(name: str) -> str | None:
    return _CLASS_BY_SCOPE.get(_NUMBER.sub("", name).replace("_", "").lower())


def find_other_classes(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the classes of the recurrent cells other than LSTMs, by their scopes, which have matrices and such names.

    A scope within one that is called a cell is a part of that.
    """
    found: dict[str, str] = {}
    for name, tensor in tensors.items():
        steps = name.split("/")[:-1] if len(tensor.shape) > 1 else []
        for length, step in enumerate(steps[:_MAX_STEPS], start=1):
            kind = _find_kind(step) if _CELL_NAME.search(step) else None
            if kind is not None:
                if class_named(kind).is_other:
                    found.setdefault("/".join(steps[:length]), kind)
                break
    return found


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


def _find_leaf(ending: str) -> str | None:
    name, _, number = ending.rpartition("_")
    return _LEAVES.get(name if name in _IN_PIECES and number.isdecimal() else ending)


def _read_piece_number(name: str) -> int:
    number = re.search(r"_(\d{1,9})$", name)
    return int(number[1]) if number else 0


def _add_computed(found: dict[str, TF1Cell], computed: GraphCell, known: set[str]) -> str | None:
    """Add a cell of the graph to `found`, or what the graph shows to a cell that is there; return its scope.

    The result is None if the kernel of the cell is not stored, the order of its gates is unknown, or its scope has the
    name of another cell.
    """
    if computed.own is not None:
        return _add_own(found, computed, known)
    variables = {leaf: list(dict.fromkeys(PIECE.sub("", name) for name in names))
                 for leaf, names in computed.variables.items()}  # fmt: skip
    kernel = variables["kernel"][0]
    scope, _ = split_name(kernel)
    cell = found.get(scope)
    if cell is not None and kernel in cell.variables.get("kernel", ()):
        cell.computed = computed
        if computed.forget_bias is not None:
            cell.forget_bias = computed.forget_bias
        block = BLOCK_OPERATIONS.get(computed.operation)
        if block is not None and block.names_class and class_named(cell.kind).forget_bias is None:
            cell.kind = block.name  # but not of a CudnnCompatibleLSTMCell, which runs the same operation
        return scope
    stored = {leaf: there for leaf, names in variables.items() if (there := [name for name in names if name in known])}
    if "kernel" not in stored or not computed.known_order or kind_of(scope) is not None:
        return None
    kind = own_class(scope) if computed.operation == SPLIT else computed.operation
    own_scope = scope if scope and scope not in found else kernel
    if own_scope == scope:
        beside = {
            split_name(name)[1] or "": [name]
            for ending in _OPTIONAL_VARIABLES
            if (name := f"{scope}/{ending}") in known
        }
        stored = beside | stored
    found[own_scope] = TF1Cell(own_scope, kind, computed.forget_bias, stored, computed)
    return own_scope


def _add_own(found: dict[str, TF1Cell], computed: GraphCell, known: set[str]) -> str | None:
    """Add a cell of the user's own, which the graph computes, to `found`; return its scope, None if it is not stored.

    Its scope is the one that its variables have in common.
    """
    variables = {leaf: list(names) for leaf, names in computed.variables.items()}
    names = [name for pieces in variables.values() for name in pieces]
    if computed.own is None or not known.issuperset(names):
        return None
    scope = "/".join(_find_common_steps([name.split("/")[:-1] for name in names]))
    if not scope or (scope in found and found[scope].computed is not None):
        scope = names[0]
    found[scope] = TF1Cell(scope, own_class(scope), computed.forget_bias, variables, computed, computed.own.order)
    return scope


def _find_common_steps(paths: Iterable[list[str]]) -> list[str]:
    """Return the steps that all `paths` begin with."""
    return [steps[0] for steps in takewhile(lambda steps: len(set(steps)) == 1, zip(*paths, strict=False))]


def leaf_map(cells: Iterable[TF1Cell]) -> Mapping[str, tuple[TF1Cell, str]]:
    """Return the cell and the role of each variable of `cells`, by its name."""
    return {name: (cell, leaf) for cell in cells for leaf, names in cell.variables.items() for name in names}
