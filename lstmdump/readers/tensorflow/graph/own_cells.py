"""LSTM cells of the user's own in a graph, whose W and U are variables of any name, recognised by their equations.

::

    z_g = x·W_g + h·U_g + b_g                                for each gate g
    c' = σ(z_f + forget_bias)∘c + σ(z_i)∘tanh(z_c)
    h' = σ(z_o)∘tanh(c')

The four sums are the parts of one that is split, in any order, or each has variables of its own. W and U may be added
after their products, or concatenated before one product, or they may be the rows of one variable.

The search begins at each tanh: back to the sum of the candidate, which few others have, then forward to c' and h', and
back again to the sums of the gates. Which of the two products takes h is shown by the step before: it takes the h'
that the same cell computed. Written for and measured on graphs of TensorFlow 1.12 and 2.21.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from lstmdump.errors import CannotReplay
from lstmdump.readers.tensorflow.graph import functions as graph_functions
from lstmdump.readers.tensorflow.graph.cells import (
    ADDING,
    JOINING,
    OWN,
    PIECE,
    SPLIT,
    VARIABLES,
    GraphCell,
    OwnEquations,
    cells,
    variables_behind,
)
from lstmdump.readers.tensorflow.graph.graph_def import Graph, Node, Nodes, constant, scalar
from lstmdump.readers.tensorflow.graph.walk import Walk

_PARTS = 4
_MAX_TERMS = 12  # of the sum of a gate
_MAX_STEPS = 12  # through a loop and the tuple or stack of states that it passes on
_MAX_COUNTED = 200_000  # nodes visited in a graph; a genuine one has fewer around its activations
_ENOUGH_STEPS = 8  # of a cell, to see that it takes its own output: models for one step and for many may share it
_GATES = "ifco"
_TRANSPOSING = ("transpose_a", "transpose_b")
_OLD_PIECE = re.compile(r"(?:(?<=^\w)|(?<=/\w)|(?<=/\w_\w))_\d{1,9}$")  # TensorFlow 0.12: `W_0`, `W_P_0`


class _Product(NamedTuple):
    """A product of `taken`, the name of an output, with a variable; `joined` are the outputs that it concatenates."""

    taken: str
    variable: str
    joined: tuple[str, ...] = ()


class _Sum(NamedTuple):
    """The sum of a gate: its products, the variables and the number added, and which part of a split it is, if any."""

    products: tuple[_Product, ...]
    biases: tuple[str, ...]
    added: float
    part: int | None

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables in the sum, which all steps of a cell have in common."""
        return (*(product.variable for product in self.products), *self.biases)


class _Step(NamedTuple):
    """A step of a cell: the sums of its gates and the output h'."""

    sums: Mapping[str, _Sum]
    output: str
    node: Node


def all_cells(
    graph: Graph, is_named: Callable[[str], bool], shapes: Mapping[str, Sequence[int]] | None = None
) -> Iterator[GraphCell]:
    """Yield the cells in `graph`: those of TensorFlow, and those that compute an LSTM in another way.

    Args:
        graph: The graph.
        is_named: Whether the scope of a variable has the name of a cell of TensorFlow, whose equations are known.
        shapes: The shapes of the variables, by name; without them, other cells are searched for in any case.
    """
    of_tensorflow = list(cells(graph))
    own = {}
    if shapes is None or _may_hold_own(of_tensorflow, is_named, shapes):
        own = {cell.variables[next(iter(cell.variables))]: cell for cell in _find_own(graph, is_named)}
    for cell in of_tensorflow:
        kernel = cell.variables["kernel"]
        other = own.pop(kernel, None)
        is_same = other is None or (other.own is not None and other.own.order == "icfo" and not other.own.state_first)
        if not is_same and other is not None:
            yield other
        elif cell.operation != SPLIT or _are_pieces(kernel):
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
    if not all(_are_pieces(kernel) and all(map(is_named, kernel)) for kernel in kernels):
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


def _are_pieces(names: Sequence[str]) -> bool:
    """Return whether `names` are the pieces of one partitioned variable, or a single variable."""
    return any(len({one.sub("", name) for name in names}) == 1 for one in (PIECE, _OLD_PIECE))


def _find_own(graph: Graph, is_named: Callable[[str], bool]) -> Iterator[GraphCell]:
    counted = 0
    for nodes in (graph, *graph_functions.bodies(graph)):
        steps: dict[tuple[str, ...], list[_Step]] = {}
        known: set[tuple[str, ...]] = set()
        for node in nodes.running("Tanh"):
            if node.operation != "Tanh" or counted > _MAX_COUNTED:
                continue
            search = _Search(nodes)
            try:
                found = search.step(node, is_named, known)
            except CannotReplay:
                found = None
            counted += search.counted
            if found is not None:
                one = steps.setdefault(found.sums["c"].variables, [])
                one.append(found)
                if len(one) == _ENOUGH_STEPS:
                    known.add(found.sums["c"].variables)
        for one in steps.values():
            cell = _describe(nodes, one)
            if cell is not None:
                yield cell


class _Search(Walk):
    """The search for a step of a cell around its candidate."""

    def step(self, tanh: Node, is_named: Callable[[str], bool], known: set[tuple[str, ...]]) -> _Step | None:
        """Return the step whose candidate is `tanh`, if it is one of a cell that is not `known` yet."""
        candidate = self._read_sum(tanh.inputs[0]) if tanh.inputs else None
        if candidate is None or not candidate.products or candidate.variables in known:
            return None
        if any(is_named(product.variable) for product in candidate.products) and len(candidate.products) == 1:
            return None
        for product in self.takers(tanh.name):
            gate = self._read_gate(self.other(product, tanh.name)) if product.operation == "Mul" else None
            for state in self.takers(product.name) if gate is not None else ():
                forget = self._read_forget_gate(state, product.name)
                for output_gate, output in self._list_outputs(state.name) if forget is not None else ():
                    if gate is not None and forget is not None:
                        return _Step({"i": gate, "f": forget, "c": candidate, "o": output_gate}, output, tanh)
        return None

    def _read_forget_gate(self, state: Node, new: str) -> _Sum | None:
        kept = self.at(self.other(state, new)) if state.operation in ADDING else None
        if kept is None or kept.operation != "Mul" or len(kept.inputs) != 2:
            return None
        return self._read_gate(kept.inputs[0]) or self._read_gate(kept.inputs[1])

    def _list_outputs(self, state: str) -> Iterator[tuple[_Sum, str]]:
        """Yield the sums of the gates that multiply tanh of `state`, each with the product."""
        for squashed in self.takers(state):
            if squashed.operation == "Tanh":
                for product in self.takers(squashed.name):
                    gate = self._read_gate(self.other(product, squashed.name)) if product.operation == "Mul" else None
                    if gate is not None:
                        yield gate, product.name

    def _read_gate(self, name: str | None) -> _Sum | None:
        """Return the sum that the sigmoid at `name` takes, or None if there is none."""
        node = self.at(name)
        is_gate = node is not None and node.operation == "Sigmoid" and node.inputs
        return self._read_sum(node.inputs[0]) if node is not None and is_gate else None

    def _read_sum(self, name: str) -> _Sum | None:
        """Return the sum at `name`, if it consists of products with variables, of variables and of numbers."""
        waiting, products, biases, added, part = [name], list[_Product](), list[str](), 0.0, None
        for _ in range(_MAX_TERMS):
            if not waiting:
                return _Sum(tuple(sorted(products, key=_get_variable)), tuple(biases), added, part)
            at = self.origin(waiting.pop())
            node = self.nodes.node(at)
            if node is None:
                return None
            if node.operation in (*ADDING, "BiasAdd") and len(node.inputs) == 2:
                waiting.extend(node.inputs)
            elif _is_split(node) and part is None:
                place = at.partition(":")[2]
                part = int(place) if place.isdecimal() else 0
                waiting.append(node.inputs[1])
            elif node.operation == "MatMul" and (found := self._read_products(node)):
                products += found
            elif (value := _read_number(node)) is not None:
                added += value
            elif node.operation in VARIABLES:
                biases.append(node.name)
            else:
                return None
        return None

    def _read_products(self, node: Node) -> list[_Product]:
        """Return the products that a multiplication of matrices stands for: two if both sides are concatenated."""
        turned = any(node.attributes[key].integer(5) for key in _TRANSPOSING if key in node.attributes)
        names = variables_behind(self.nodes, node.inputs[1]) if len(node.inputs) == 2 and not turned else ()
        taken = self.origin(node.inputs[0]) if names else ""
        parts = self._list_joined(taken)
        if len(names) == 1:
            return [_Product(taken, names[0], parts)]
        if len(names) == len(parts) == 2 and not _are_pieces(names):
            return [_Product(part, name) for part, name in zip(parts, names, strict=True)]
        return []

    def _list_joined(self, name: str) -> tuple[str, ...]:
        """Return the outputs that are concatenated to give `name`; none if it is no concatenation."""
        node = self.at(name)
        if node is None or node.operation not in JOINING:
            return ()
        inputs = node.inputs[1:] if node.operation == "Concat" else node.inputs[:-1]
        return tuple(map(self.origin, inputs))

    def is_previous(self, name: str, outputs: set[str]) -> bool:
        """Return whether the output `name` is one of `outputs`, of the step before or of the last turn of a loop."""
        places: list[int] = []  # the parts of stacked states that were taken apart on the way
        for _ in range(_MAX_STEPS):
            name = self.origin(name)
            if name in outputs and not places:
                return True
            node = self.nodes.node(name)
            if node is None or node.home is not self.nodes or not node.inputs:
                return False
            place = name.partition(":")[2]
            if node.operation in ("Merge", "RefMerge"):
                sources = map(self.at, node.inputs)
                turn = next((one for one in sources if one is not None and one.operation == "NextIteration"), None)
                if turn is None or not turn.inputs:
                    return False
                name = turn.inputs[0]
            elif node.operation == "Unpack" or (node.operation == SPLIT and len(node.inputs) == 2):
                places.append(int(place) if place.isdecimal() else 0)
                name = node.inputs[-1]
            elif node.operation in ("Pack", *JOINING) and places and places[-1] < len(node.inputs):
                inputs = node.inputs[1:] if node.operation == "Concat" else node.inputs
                name = inputs[places.pop()]
            elif node.operation in ("Select", "SelectV2") and len(node.inputs) == 3:
                name = node.inputs[1] if self.origin(node.inputs[1]) in outputs else node.inputs[2]
            else:
                return False
        return False


def _is_split(node: Node) -> bool:
    """Return whether `node` divides what it takes in four."""
    return node.operation == SPLIT and len(node.inputs) == 2 and node.number("num_split") == _PARTS


def _get_variable(product: _Product) -> str:
    return product.variable


def _read_number(node: Node) -> float | None:
    """Return the number of a constant without dimensions; a bias of one unit has one."""
    value = scalar(node)
    tensor = None if value is None else constant(node)
    return value if tensor is not None and not tensor.shape else None


def _describe(nodes: Nodes, steps: Sequence[_Step]) -> GraphCell | None:
    """Return the cell with these steps, or None if its gates do not have the arrays of an LSTM."""
    first = steps[0]
    sums = first.sums
    if any(sums[letter].added for letter in "ico") or any(len(one.biases) > 1 for one in sums.values()):
        return None
    order = _find_order(sums)
    if order is None:
        return None
    outputs = {step.output for step in steps}
    letters = _GATES if not order else "c"
    roles = [_assign(nodes, [step.sums[letter] for step in steps], outputs) for letter in letters]
    known = [role for role in roles if role is not None]
    if len(known) != len(roles) or len({(role.state_first, role.is_known, len(role.variables)) for role in known}) != 1:
        return None
    variables: dict[str, tuple[str, ...]] = {}
    for letter, role in zip(letters, known, strict=True):
        names = dict(zip(_name_arrays(role, letter if not order else ""), role.variables, strict=True))
        variables |= {leaf: (name,) for leaf, name in names.items()}
        if sums[letter].biases:
            variables["bias" if order else f"b_{letter}"] = sums[letter].biases
    if len({name for names in variables.values() for name in names}) != len(variables):
        return None  # two gates that share an array are not those of an LSTM
    own = OwnEquations(order, first.output, known[0].taken, known[0].state_first, known[0].is_known)
    return GraphCell(OWN, variables, sums["f"].added, known[0].is_known, first.node, own)


def _find_order(sums: Mapping[str, _Sum]) -> str | None:
    """Return the order of the gates in one sum that is split, an empty text for four sums, None for anything else."""
    parts = {letter: one.part for letter, one in sums.items()}
    if all(part is None for part in parts.values()):
        return ""
    by_part = {part: letter for letter, part in parts.items()}
    one_sum = len({(one.products, one.biases) for one in sums.values()}) == 1
    return "".join(by_part[part] for part in range(_PARTS)) if one_sum and set(by_part) == set(range(_PARTS)) else None


class _Roles(NamedTuple):
    """The kernels of a gate, that of x first where that is known; or one kernel over both.

    Attributes:
        variables: The kernels.
        taken: The output that is x; empty where several are concatenated.
        state_first: Whether the rows of one kernel over both begin with those of h.
        is_known: Whether the graph shows which of the inputs is h.
    """

    variables: tuple[str, ...]
    taken: str
    state_first: bool
    is_known: bool


def _assign(nodes: Nodes, sums: Sequence[_Sum], outputs: set[str]) -> _Roles | None:
    """Return the roles of the kernels in a gate, whose sums in all steps are `sums`."""
    products = sums[0].products
    if len(products) == 1 and len(products[0].joined) > 1:
        taken = [list(one.products[0].joined) for one in sums]
        is_fused = True
    elif len(products) == 2:
        taken = [[product.taken for product in one.products] for one in sums]
        is_fused = False
    else:
        return None
    names = tuple([product.variable for product in products])
    search = _Search(nodes)
    fed_back = {place for inputs in taken for place, name in enumerate(inputs) if search.is_previous(name, outputs)}
    last = len(taken[0]) - 1
    if len(fed_back) > 1 or (fed_back and fed_back.isdisjoint({0, last})):
        return None
    is_known = bool(fed_back)
    state = fed_back.pop() if is_known else last
    others = [name for place, name in enumerate(taken[0]) if place != state]
    if not is_fused and state == 0:
        names = names[::-1]
    return _Roles(names, others[0] if len(others) == 1 else "", is_fused and state == 0, is_known)


def _name_arrays(role: _Roles, letter: str) -> tuple[str, ...]:
    """Return what the kernels are called in a cell: those of one gate, or of all if `letter` is empty."""
    if len(role.variables) == 1:
        return (f"WU_{letter}" if letter else "kernel",)
    return (f"W_{letter}", f"U_{letter}") if letter else ("kernel", "recurrent_kernel")
