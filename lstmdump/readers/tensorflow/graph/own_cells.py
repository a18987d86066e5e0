"""LSTM cells of the user's own in a graph, whose W and U are variables of any name, recognised by their equations.

::

    z_g = x·W_g + h·U_g + b_g                                for each gate g
    c' = σ(z_f + forget_bias)∘c + σ(z_i)∘activation(z_c)
    h' = σ(z_o)∘activation(c')

The four sums are the parts of one that is split or sliced, in any order, or each has variables of its own. W and U may
be added after their products, or concatenated before one product, or they may be the rows of one variable. Peepholes
may be added before each σ, and c' may be clipped.

The search begins at each activation: back to the sum of the candidate, which few others have, then forward to c' and
h', and back again to the sums of the gates. Which of the two products takes h is shown by the step before: it takes the
h' that the same cell computed. Written for and measured on graphs of TensorFlow 1.12 and 2.21.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from lstmdump.errors import CannotReplay
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.settings import ActivationName
from lstmdump.readers.tensorflow.graph import functions as graph_functions
from lstmdump.readers.tensorflow.graph.cell_walk import ACTIVATIONS, CLIPPING
from lstmdump.readers.tensorflow.graph.cells import ADDING, JOINING, OWN, SPLIT, GraphCell
from lstmdump.readers.tensorflow.graph.gate_sums import GateSum, SumWalk
from lstmdump.readers.tensorflow.graph.graph_def import Graph, Node, Nodes

_OF_CANDIDATES = [operation for operation in ACTIVATIONS if operation != "Sigmoid"]  # that would be a gate as well
_MAX_STEPS = 12  # through a loop and the tuple or stack of states that it passes on
_MAX_COUNTED = 200_000  # nodes visited in a graph; a genuine one has fewer around its activations
_ENOUGH_STEPS = 8  # of a cell, to see that it takes its own output: models for one step and for many may share it
_GATES = "ifco"


class OwnEquations(NamedTuple):
    """The equations of a cell of the user's own, which are those of an LSTM.

    Attributes:
        order: The order of the gates in the columns of its arrays; empty if each gate has arrays of its own.
        output: The output that is h'.
        taken: The output that is x; empty if it is put together from several.
        state_first: Whether the rows of a kernel over both begin with those of h, not with those of x.
        is_known: Whether the graph shows which of the inputs is h; otherwise only the widths may.
        units: The units, where the graph shows them.
        activation: The activation of the candidate and of the cell state, by Keras's name.
        cell_clip: The bound x if the cell state is clipped to [-x, x], or None.
        problem: Why the cell cannot be replayed: it has two activations, or other bounds.
        state: The output that is c', clipped if the next step takes it so.
        before: The output that is c, the cell state before the step.
        recurrent_activation: The activation of the gates: sigmoid or a hard sigmoid.
        in_turn: What two steps take as x, of which the second takes the h' of the first; empty if none show it.
    """

    order: str
    output: str
    taken: str
    state_first: bool
    is_known: bool
    units: int | None = None
    activation: str = "tanh"
    cell_clip: float | None = None
    problem: str | None = None
    state: str = ""
    before: str = ""
    recurrent_activation: ActivationName = "sigmoid"
    in_turn: tuple[str, ...] = ()


class _Gate(NamedTuple):
    """A gate: its sum, and what that goes through."""

    sum: GateSum
    activation: ActivationName


class _Step(NamedTuple):
    """A step of a cell.

    Attributes:
        sums: The sums of its gates.
        node: The activation of the candidate.
        before: The output that is c.
        state: The output that is c', after its clipping.
        output: The output that is h'.
        of_state: The activation of c', by Keras's name.
        of_gates: The activations of i, f and o.
    """

    sums: Mapping[str, GateSum]
    node: Node
    before: str
    state: str
    output: str
    of_state: str
    of_gates: tuple[ActivationName, ...]


def find(graph: Graph, is_named: Callable[[str], bool]) -> Iterator[GraphCell]:
    """Yield the cells of the user's own in `graph`, and in the bodies of its loops.

    Args:
        graph: The graph.
        is_named: Whether the scope of a variable has the name of a cell of TensorFlow, whose equations are known.
    """
    counted = 0
    for nodes in (graph, *graph_functions.bodies(graph)):
        steps: dict[tuple[str, ...], list[_Step]] = {}
        known: set[tuple[str, ...]] = set()
        for node in (node for operation in _OF_CANDIDATES for node in nodes.running(operation)):
            if node.operation not in _OF_CANDIDATES or counted > _MAX_COUNTED:
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


class _Search(SumWalk):
    """The search for a step of a cell around its candidate."""

    def step(self, activation: Node, is_named: Callable[[str], bool], known: set[tuple[str, ...]]) -> _Step | None:
        """Return the step whose candidate is `activation`, if it is one of a cell that is not `known` yet."""
        candidate = self.read_sum(activation.inputs[0]) if activation.inputs else None
        if candidate is None or not candidate.products or candidate.variables in known:
            return None
        if any(is_named(product.variable) for product in candidate.products) and len(candidate.products) == 1:
            return None
        for product in self.takers(activation.name):
            gate = self._read_gate(self.other(product, activation.name)) if product.operation == "Mul" else None
            for total in self.takers(product.name) if gate is not None else ():
                forget, before = self._read_forget_gate(total, product.name)
                if gate is None or forget is None:
                    continue
                for state, of_state, output_gate, output in self._list_outputs(total.name):
                    sums = {"i": gate.sum, "f": forget.sum, "c": candidate, "o": output_gate.sum}
                    of_gates = (gate.activation, forget.activation, output_gate.activation)
                    return _Step(sums, activation, before, state, output, of_state, of_gates)
        return None

    def _read_forget_gate(self, total: Node, new: str) -> tuple[_Gate | None, str]:
        """Return the forget gate and the state that it multiplies, if `total` adds that to `new`."""
        kept = self.at(self.other(total, new)) if total.operation in ADDING else None
        if kept is not None and kept.operation == "Mul" and len(kept.inputs) == 2:
            for turn in (0, 1):
                gate = self._read_gate(kept.inputs[turn])
                if gate is not None:
                    return gate, self.origin(kept.inputs[1 - turn])
        return None, ""

    def _list_outputs(self, total: str) -> Iterator[tuple[str, str, _Gate, str]]:
        """Yield the state made of `total`, its activation, the gate that multiplies the activated one, and the product.

        The state is `total` itself or, where that is clipped, what this gives.
        """
        for state in self._list_states(total):
            for squashed in self.takers(state):
                if squashed.operation in ACTIVATIONS:
                    for product in self.takers(squashed.name):
                        other = self.other(product, squashed.name) if product.operation == "Mul" else None
                        gate = self._read_gate(other)
                        if gate is not None:
                            yield state, ACTIVATIONS[squashed.operation], gate, product.name

    def _list_states(self, total: str) -> Iterator[str]:
        """Yield `total`, or the ends of the one or two operations that clip it."""
        clipped = [taker.name for taker in self.takers(total) if taker.operation in CLIPPING]
        yield from clipped or [total]
        for name in clipped:
            yield from (taker.name for taker in self.takers(name) if taker.operation in CLIPPING)

    def _read_gate(self, name: str | None) -> _Gate | None:
        """Return the gate whose result `name` is, or None if there is none."""
        found = self.match_sigmoid(name)
        total = None if found is None else self.read_sum(found[1])
        return None if found is None or total is None else _Gate(total, found[0])

    def is_previous(self, name: str, outputs: set[str]) -> bool:
        """Return whether the output `name` is one of `outputs`, of the step before or of the last turn of a loop."""
        return self._find_previous(name, outputs) in outputs

    def is_made_of(self, name: str, outputs: set[str]) -> bool:
        """Return whether the output `name` is a product of one of `outputs` of the step before: a projection."""
        node = self.nodes.node(self._find_previous(name, outputs))
        while node is not None and node.home is self.nodes and node.operation in (*ADDING, "BiasAdd", "MatMul"):
            name = self.origin(node.inputs[0])
            if node.operation == "MatMul":
                return name in outputs
            node = self.nodes.node(name)
        return False

    def _find_previous(self, name: str, outputs: set[str]) -> str:
        """Return the output that `name` passes on from the step before, or from the last turn of a loop.

        States may be put together and taken apart on the way. The search ends at one of `outputs`, or where nothing
        passes the state on.
        """
        places: list[int] = []  # the parts of states that were taken apart
        for _ in range(_MAX_STEPS):
            name = self.origin(name)
            if name in outputs and not places:
                return name
            passed = self.nodes.returned(name) or self._pass_back(name, places, outputs)
            if passed is None:
                return name
            name = passed
        return name

    def _pass_back(self, name: str, places: list[int], outputs: set[str]) -> str | None:
        """Return the output that the node at `name` passes on, and keep account of which part of it is meant."""
        node = self.nodes.node(name)
        if node is None or node.home is not self.nodes or not node.inputs:
            return None
        if node.operation in ("Merge", "RefMerge"):
            sources = map(self.at, node.inputs)
            turn = next((one for one in sources if one is not None and one.operation == "NextIteration"), None)
            return turn.inputs[0] if turn is not None and turn.inputs else None
        place = name.partition(":")[2]
        if node.operation == "Unpack" or (node.operation == SPLIT and len(node.inputs) == 2):
            places.append(int(place) if place.isdecimal() else 0)
            return node.inputs[-1]
        if (columns := self.read_columns(node)) is not None:  # of two states side by side
            start, stop = columns
            places.append(0 if start == 0 else 1 if stop is None else start // (stop - start))
            return node.inputs[0]
        if node.operation in ("Pack", *JOINING) and places and places[-1] < len(node.inputs):
            inputs = node.inputs[1:] if node.operation == "Concat" else node.inputs
            return inputs[places.pop()]
        if node.operation in ("Select", "SelectV2") and len(node.inputs) == 3:
            return node.inputs[1] if self.origin(node.inputs[1]) in outputs else node.inputs[2]
        return None


def _describe(nodes: Nodes, steps: Sequence[_Step]) -> GraphCell | None:
    """Return the cell with these steps, or None if its gates do not have the arrays of an LSTM."""
    first = steps[0]
    sums = first.sums
    order, units = _find_order(sums)
    if order is None or not _has_usual_terms(first):
        return None
    letters = _GATES if not order else "c"
    roles = [_assign(nodes, [step.sums[letter] for step in steps], steps) for letter in letters]
    known = [role for role in roles if role is not None]
    if len(known) != len(roles) or len({(role.state_first, role.is_known, len(role.variables)) for role in known}) != 1:
        return None
    if known[0].is_known and not _keeps_state(nodes, steps):
        return None
    variables = _name_variables(sums, dict(zip(letters, known, strict=True)), order)
    if len({name for names in variables.values() for name in names}) != len(variables):
        return None  # two gates that share an array are not those of an LSTM
    activation, clip, problem = _read_settings(nodes, first)
    role = known[0]
    own = OwnEquations(order, first.output, role.taken, role.state_first, role.is_known, units, activation, clip,
                       problem, first.state, first.before, first.of_gates[0], role.in_turn)  # fmt: skip
    return GraphCell(OWN, variables, sums["f"].added, role.is_known, first.node, own)


def _has_usual_terms(step: _Step) -> bool:
    """Return whether each gate has one bias at most, a peephole at most to its own state, and no number but the f."""
    states = {"i": step.before, "f": step.before, "o": step.state}
    for letter, one in step.sums.items():
        if len(one.biases) > 1 or len(one.peepholes) > 1 or (one.added and letter != "f"):
            return False
        if any(peephole.state != states.get(letter) for peephole in one.peepholes):
            return False
    return True


def _keeps_state(nodes: Nodes, steps: Sequence[_Step]) -> bool:
    """Return whether the state that the forget gate multiplies is the one that the same cell computed before."""
    search, states = _Search(nodes), {step.state for step in steps}
    return any(search.is_previous(step.before, states) for step in steps)


def _read_settings(nodes: Nodes, step: _Step) -> tuple[str, float | None, str | None]:
    """Return the activation, the bound of the cell state, and why the cell cannot be replayed, if it cannot."""
    activation = ACTIVATIONS[step.node.operation]
    if step.of_state != activation:
        return activation, None, f"its candidate goes through {activation}, but its cell state through {step.of_state}"
    if any(of_gate != step.of_gates[0] for of_gate in step.of_gates):
        return activation, None, "its gates go through different activations"
    try:
        return activation, _Search(nodes).read_bound(step.state, "cell state"), None
    except CannotReplay as error:
        return activation, None, str(error)


def _name_variables(sums: Mapping[str, GateSum], roles: Mapping[str, _Roles], order: str) -> dict[str, tuple[str, ...]]:
    """Return the names of the variables by what they are called in a cell, the kernels first."""
    variables: dict[str, tuple[str, ...]] = {}
    for letter, role in roles.items():
        names = zip(_name_arrays(role, letter if not order else ""), role.variables, strict=True)
        variables |= {leaf: (name,) for leaf, name in names}
        if sums[letter].biases:
            variables["bias" if order else f"b_{letter}"] = sums[letter].biases
    peepholes = {f"w_{letter}_diag": one.peepholes[0] for letter, one in sums.items() if one.peepholes}
    return variables | {leaf: (peephole.variable,) for leaf, peephole in peepholes.items()}


def _find_order(sums: Mapping[str, GateSum]) -> tuple[str | None, int | None]:
    """Return the order of the gates in one sum that is cut in four, and the columns of one where they show.

    The order is empty for four sums, and None for anything else.
    """
    parts = [one.part for one in sums.values()]
    if all(part is None for part in parts):
        return "", None
    by_place = {part.place: letter for letter, part in zip(sums, parts, strict=True) if part is not None}
    widths = {None if part is None else part.width for part in parts}
    is_one_sum = len({(one.products, one.biases) for one in sums.values()}) == len(widths) == 1
    if not is_one_sum or set(by_place) != set(range(len(_GATES))):
        return None, None
    return "".join(by_place[place] for place in range(len(_GATES))), widths.pop()


class _Roles(NamedTuple):
    """The kernels of a gate, that of x first where that is known; or one kernel over both.

    Attributes:
        variables: The kernels.
        taken: The output that is x; empty where several are concatenated.
        state_first: Whether the rows of one kernel over both begin with those of h.
        is_known: Whether the graph shows which of the inputs is h.
        in_turn: What two steps take as x, of which the second takes the h' of the first; empty if none show it.
    """

    variables: tuple[str, ...]
    taken: str
    state_first: bool
    is_known: bool
    in_turn: tuple[str, ...] = ()


def _assign(nodes: Nodes, sums: Sequence[GateSum], steps: Sequence[_Step]) -> _Roles | None:
    """Return the roles of the kernels in a gate, whose sums in all `steps` are `sums`."""
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
    search, outputs = _Search(nodes), {step.output for step in steps}
    states = {step.state for step in steps}
    fed_back = {place for inputs in taken for place, name in enumerate(inputs) if search.is_previous(name, outputs)}
    last = len(taken[0]) - 1
    if len(fed_back) > 1 or (fed_back and fed_back.isdisjoint({0, last})):
        return None
    if not fed_back and any(
        search.is_made_of(name, outputs) or search.is_previous(name, states) for inputs in taken for name in inputs
    ):
        return None  # the recurrent kernel takes something else than h
    is_known = bool(fed_back)
    state = fed_back.pop() if is_known else last
    others = [name for place, name in enumerate(taken[0]) if place != state]
    if not is_fused and state == 0:
        names = names[::-1]
    if len(others) != 1:
        return _Roles(names, "", is_fused and state == 0, is_known)
    of_output = {step.output: inputs[last - state] for step, inputs in zip(steps, taken, strict=True)}
    after = ((search.origin(inputs[state]), inputs[last - state]) for inputs in taken if is_known)
    in_turn = next(((of_output[before], own) for before, own in after if before in of_output), ())
    return _Roles(names, others[0], is_fused and state == 0, is_known, in_turn)


def _name_arrays(role: _Roles, letter: str) -> tuple[str, ...]:
    """Return what the kernels are called in a cell: those of one gate, or of all if `letter` is empty."""
    if len(role.variables) == 1:
        return (f"WU_{letter}" if letter else "kernel",)
    return (f"W_{letter}", f"U_{letter}") if letter else ("kernel", "recurrent_kernel")
