"""The equations that a TensorFlow 1 graph computes around the split of a cell: activations, clipping, peepholes.

::

    c' = σ(split:2 + forget_bias)∘c + σ(split)∘activation(split:1)
    h' = σ(split:3)∘activation(c')

Peepholes may be added before each σ, and c' may be clipped; a projection may follow, and be clipped as well. A cell
that computes anything else is reported, so that it is not replayed as a plain cell. Measured on graphs of TensorFlow
0.12 to 2.21.

Operations are matched by structure, not by name: forward from each output of the split to the operations that take it,
and back from their products and sums to the source of the other operand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lstmdump.errors import CannotReplay
from lstmdump.model.cell_classes import BLOCK_OPERATIONS
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.settings import ActivationName
from lstmdump.readers.tensorflow.graph.cell_walk import ACTIVATIONS, CLIPPING, CellWalk
from lstmdump.readers.tensorflow.graph.cells import ADDING, PIECE, SPLIT, GraphCell, variables_behind
from lstmdump.readers.tensorflow.graph.graph_def import Node, scalar

_CANDIDATE = 1
_PARTS = {"i": 0, "f": 2, "o": 3}
_STATE_OF_BLOCK, _OUTPUT_OF_BLOCK = 1, 6
_MAX_TERMS = 8  # of the sum that a gate takes
_OTHER_EQUATIONS = "its graph computes more than the equations of an LSTM, or something else"


class Equations(NamedTuple):
    """The computation of a cell.

    Attributes:
        activation: the activation of the candidate and of the cell state, by Keras's name.
        output: the name of the node output that is h'.
        cell_clip: the bound x if the cell state is clipped to [-x, x], or None.
        projection_clip: likewise for the projected output.
        state: the name of the node output that is c', clipped if the next step takes it so.
        before: the input of a node that is c, the cell state before the step.
        recurrent_activation: the activation of the gates, by Keras's name.
    """

    activation: str
    output: str
    cell_clip: float | None = None
    projection_clip: float | None = None
    state: str = ""
    before: str = ""
    recurrent_activation: ActivationName = "sigmoid"


def read(cell: GraphCell, variables: Mapping[str, Sequence[str]]) -> Equations:
    """Return the equations of `cell`.

    `variables` holds the names of the known variables by their role in the cell, for instance `kernel`.

    Raises:
        CannotReplay: The cell computes something else, or takes other variables.
    """
    if cell.own is not None:  # such a cell is found by its equations
        if cell.own.problem is not None:
            raise CannotReplay(cell.own.problem)
        own = cell.own
        return Equations(own.activation, own.output, own.cell_clip, state=own.state, before=own.before,
                         recurrent_activation=own.recurrent_activation)  # fmt: skip
    return _read_split(cell, variables) if cell.operation == SPLIT else _read_block(cell, variables)


def _read_block(cell: GraphCell, variables: Mapping[str, Sequence[str]]) -> Equations:
    _check_peepholes({leaf[2] for leaf in cell.variables if leaf.endswith("_diag")}, variables)
    said = cell.node.attributes.get("cell_clip")
    clip = BLOCK_OPERATIONS[cell.operation].cell_clip if said is None else said.float32(4)
    before = cell.node.inputs[BLOCK_OPERATIONS[cell.operation].input_at + 1]
    state, output = (f"{cell.node.name}:{number}" for number in (_STATE_OF_BLOCK, _OUTPUT_OF_BLOCK))
    return Equations("tanh", output, clip if clip > 0 else None, state=state, before=before)


def _read_split(cell: GraphCell, variables: Mapping[str, Sequence[str]]) -> Equations:
    total = cell.node.home.source(cell.node.inputs[1])
    has_bias = total is not None and total.operation != "MatMul"
    if has_bias != ("bias" in variables):
        raise CannotReplay(_OTHER_EQUATIONS)
    around = _CellGraph(cell.node)
    kept = around.state()
    given = around.output(kept.name)
    activation, of_state = kept.activation, given.activation
    if of_state != activation:
        raise CannotReplay(f"its candidate goes through {activation}, but its cell state through {of_state}")
    _check_peepholes(kept.peepholes | given.peepholes, variables)
    found = Equations(activation, given.name, given.clip, state=given.state, before=kept.before)
    if "projection/kernel" not in variables:
        return found
    projected, projection_clip = around.projected(given.name, variables["projection/kernel"])
    return found._replace(output=projected, projection_clip=projection_clip)


def _check_peepholes(seen: set[str], variables: Mapping[str, Sequence[str]]) -> None:
    """Check that the gates that take the cell state, `seen`, are those with a peephole in `variables`."""
    if seen != {letter for letter in _PARTS if f"w_{letter}_diag" in variables}:
        raise CannotReplay("its gates take the cell state other than through the known peepholes")


class _State(NamedTuple):
    """The sum c', before it is clipped.

    Attributes:
        activation: the activation of the candidate in it.
        name: its name.
        before: the input of a node that is c in it.
        peepholes: the letters of the gates i and f that see c.
    """

    activation: str
    name: str
    before: str
    peepholes: set[str]


class _Output(NamedTuple):
    """The product h'.

    Attributes:
        activation: the activation of c' in it.
        name: its name.
        state: the name of c' in it, clipped or not.
        clip: the bound of c'.
        peepholes: the letter of the gate o if it sees c'.
    """

    activation: str
    name: str
    state: str
    clip: float | None
    peepholes: set[str]


class _CellGraph(CellWalk):
    """The nodes around the split of a cell."""

    def __init__(self, split: Node) -> None:
        super().__init__(split.home)
        self._name = split.name

    def _output_of_split(self, place: int) -> str:
        return f"{self._name}:{place}" if place else self._name

    def state(self) -> _State:
        """Return the new cell state.

        The pattern is c' = i∘activation(candidate) + f∘c: among the products of the activated candidate, one must have
        the gate i as its other factor and be added to a product with the gate f, whose other factor is then c.
        """
        for taker in self.takers(self._output_of_split(_CANDIDATE)):
            word, activated, products = self._match_activation(taker)
            for product in products:
                gate = self._match_gate(self.other(product, activated), "i")
                for total in self.takers(product.name) if gate is not None else ():
                    before, forget = self._match_forget_gate(total, product.name)
                    if gate is not None and forget is not None:
                        seen = self._find_peepholes({"i": gate, "f": forget}, self.origin(before))
                        return _State(word, total.name, before, seen)
        raise CannotReplay(self._describe_unknown_activation())

    def _match_activation(self, taker: Node) -> tuple[str, str, list[Node]]:
        """Return the activation that `taker` applies to the candidate, the output of it, and the products with that.

        A product that takes the candidate directly makes the activation linear.
        """
        if taker.operation == "Mul":
            return "linear", self._output_of_split(_CANDIDATE), [taker]
        word = ACTIVATIONS.get(taker.operation)
        products = [node for node in self.takers(taker.name) if node.operation == "Mul"] if word is not None else []
        return word or "", taker.name, products

    def _describe_unknown_activation(self) -> str:
        for taker in self.takers(self._output_of_split(_CANDIDATE)):
            if taker.operation not in ACTIVATIONS and len(taker.inputs) == 1 and "Shape" not in taker.operation:
                return f"its candidate goes through {taker.operation}, which is not a known activation"
        return _OTHER_EQUATIONS

    def _match_forget_gate(self, total: Node, product: str) -> tuple[str, list[str] | None]:
        """Return the state that the gate f multiplies, if `total` is the sum of `product` and of that, and the gate.

        The gate is given by its peepholes, as in `_match_gate`.
        """
        kept = self.at(self.other(total, product)) if total.operation in ADDING else None
        if kept is None or kept.operation != "Mul" or len(kept.inputs) != 2:
            return "", None
        for turn in (0, 1):
            gate = self._match_gate(kept.inputs[turn], "f")
            if gate is not None:
                return kept.inputs[1 - turn], gate
        return "", None

    def _match_gate(self, name: str | None, letter: str) -> list[str] | None:
        """Return the states that the gate at `name` takes through peepholes; None if it is not the gate `letter`.

        A gate is the sigmoid of its part of the split, or of the sum of that part with the product of a state and a
        variable (the peephole), and for f with a constant (the forget bias). Nested additions are expanded.
        """
        node = self.at(name)
        if node is None or node.operation != "Sigmoid" or not node.inputs:
            return None
        waiting, parts, constants = [node.inputs[0]], 0, 0
        states: list[str] = []
        while waiting and parts + constants + len(states) < _MAX_TERMS:
            term = self.origin(waiting.pop())
            node = self.at(term)
            if term == self._output_of_split(_PARTS[letter]):
                parts += 1
            elif node is not None and node.operation in ADDING and len(waiting) < _MAX_TERMS:
                waiting.extend(node.inputs)
            elif node is not None and (peephole := self.match_peephole(node)) is not None:
                states.append(peephole[1])
            elif node is not None and scalar(node) is not None:
                constants += 1
            else:
                return None
        is_plain = not waiting and parts == 1 and constants <= (letter == "f") and len(states) <= 1
        return states if is_plain else None

    def _find_peepholes(self, gates: Mapping[str, Sequence[str]], state: str) -> set[str]:
        """Return the letters of the gates that have peepholes, which may take `state` only; `gates` holds these."""
        if any(seen != state for states in gates.values() for seen in states):
            raise CannotReplay(_OTHER_EQUATIONS)
        return {letter for letter, states in gates.items() if states}

    def output(self, state: str) -> _Output:
        """Return the output h' of the step whose cell state is `state`.

        The pattern is h' = o∘activation(c'), where c' is `state` itself, or `state` clipped if the next step does not
        take the unclipped one.
        """
        for sigmoid in self._find_sigmoids():
            gate = self._match_gate(sigmoid.name, "o")
            for product in self.takers(sigmoid.name) if gate is not None else ():
                activated = self.at(self.other(product, sigmoid.name)) if product.operation == "Mul" else None
                if activated is None or not activated.inputs or gate is None:
                    continue
                word = ACTIVATIONS.get(activated.operation, "linear")
                taken = self.other(product, sigmoid.name) if word == "linear" else activated.inputs[0]
                clipped = self.origin(taken or "")
                if clipped == state or (self.match_clipping(clipped)[0] == state and not self.is_fed_back(state)):
                    clip, seen = self.read_bound(clipped, "cell state"), self._find_peepholes({"o": gate}, clipped)
                    return _Output(word, product.name, clipped, clip, seen)
        raise CannotReplay(_OTHER_EQUATIONS)

    def _find_sigmoids(self) -> list[Node]:
        """Return the sigmoids of the part of the output gate, with or without a peephole."""
        takers = list(self.takers(self._output_of_split(_PARTS["o"])))
        takers += [after for taker in takers if taker.operation in ADDING for after in self.takers(taker.name)]
        return [taker for taker in takers if taker.operation == "Sigmoid"]

    def projected(self, output: str, names: Sequence[str]) -> tuple[str, float | None]:
        """Return the projection of `output` by the variable with these `names`, and its bound."""
        for product in self.takers(output):
            if product.operation == "MatMul" and self._is_product_with(product, names):
                clipped = [node for node in self.takers(product.name) if node.operation in CLIPPING]
                if not clipped or self.is_fed_back(product.name):
                    return product.name, None
                clipped += [node for node in self.takers(clipped[0].name) if node.operation in CLIPPING]
                return clipped[-1].name, self.read_bound(clipped[-1].name, "projected output")
        raise CannotReplay(_OTHER_EQUATIONS)

    def _is_product_with(self, product: Node, names: Sequence[str]) -> bool:
        """Return whether the second factor of `product` is the variable with these `names`, or its pieces."""
        behind = variables_behind(self.nodes, product.inputs[1]) if len(product.inputs) == 2 else ()
        return bool(behind) and {PIECE.sub("", name) for name in behind} <= set(names)
