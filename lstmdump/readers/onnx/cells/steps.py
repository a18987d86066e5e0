"""LSTM cells that are spread over many nodes, unrolled or in a loop, recognised by their equations.

::

    z_g = x·W_g + h·U_g + b_g                                for each gate g
    c' = σ(z_f + forget_bias)∘c + σ(z_i)∘activation(z_c)
    h' = σ(z_o)∘activation(c')

The search begins at each sum that can be c', goes back to the sums of three gates, then forward to h' and back again to
the sum of the output gate. Which of the two products takes h is shown by the step before: it takes the h' that the same
cell computed, as the forget gate multiplies its c'. Written for and measured on graphs of torch 2.13 and tf2onnx 1.17.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.settings import ActivationName
from lstmdump.readers.onnx.cells.sums import OnnxSums, SumOfGate, WeightProduct
from lstmdump.readers.onnx.constants import Constants, Value
from lstmdump.readers.onnx.graph import OnnxGraph, OnnxNode
from lstmdump.readers.onnx.values import At

_GATES = "ifco"
_ENOUGH_STEPS, _MOST_STEPS = 4, 8  # of a cell, to see that it takes its own output; as for several sequences in turn
_MAX_SEARCHED = 20_000  # sums in a graph
_MAX_TAKERS = 16  # nodes that take a cell state


class Step(NamedTuple):
    """A step of a cell.

    Attributes:
        sums: The sums of its gates.
        gate_activation: The activation of the gates i, f and o.
        activation: The activation of the candidate.
        output_activation: The activation of the output.
        before: The value that is c.
        state: The value that is c', after its clipping.
        output: The value that is h'.
        clip: The bound of the cell state.
    """

    sums: Mapping[str, SumOfGate]
    gate_activation: ActivationName
    activation: ActivationName
    output_activation: ActivationName
    before: At
    state: At
    output: At
    clip: float | None

    @property
    def arrays(self) -> tuple[str, ...]:
        """The names of the arrays of all gates."""
        return tuple(dict.fromkeys(name for letter in _GATES for name in self.sums[letter].key))


class Cell(NamedTuple):
    """A cell.

    Attributes:
        steps: Some of its steps, or one turn of a loop.
        order: The order of the gates in one sum that is cut in four; empty for four sums.
        of_input: For each sum, the matrix that x is multiplied by; one matrix over x and h where `is_joined`.
        of_state: For each sum, the matrix that h is multiplied by; none where `is_joined`.
        is_joined: Whether x and h are concatenated before one product.
        state_first: Whether h is the first of the two that are concatenated.
        first_states: The values that are h and c before the first step, as far as they are known.
    """

    steps: Sequence[Step]
    order: str
    of_input: tuple[WeightProduct, ...]
    of_state: tuple[WeightProduct, ...]
    is_joined: bool
    state_first: bool
    first_states: tuple[At, ...]

    @property
    def first(self) -> Step:
        """The first of its steps."""
        return self.steps[0]


def find(graphs: Iterable[OnnxGraph], constants: Constants) -> Iterator[Cell | At]:
    """Yield the cells of `graphs`, and the output of what looks like one but could not be understood."""
    for graph in graphs:
        search = _CellSearch(constants)
        by_arrays: dict[tuple[str, ...], list[Step]] = {}
        for node in islice(graph.sums(), _MAX_SEARCHED):
            for step in search.steps_at(node):
                same = by_arrays.setdefault(step.sums["c"].key, [])
                if not search.are_enough(same):
                    same.append(step)
                if search.are_enough(same):
                    graph.pass_over_steps(node, step.arrays)
        for steps in by_arrays.values():
            yield search.describe(steps) or At(graph, steps[0].output.name)
        if not by_arrays:
            yield from filter(None, [next(filter(None, map(search.find_lookalike, graph.sums())), None)])


class _CellSearch(OnnxSums):
    """The search for the steps of cells, and for what they have in common."""

    def find_lookalike(self, total: OnnxNode) -> At | None:
        """Return σ∘activation(`total`) if `total` is the sum of two products with σ, whatever σ takes."""
        products = [self.source(total, place).maker for place in (0, 1)]
        if all(one is not None and one.operation == "Mul" and self._has_gate(one) for one in products):
            for squashed in self._takers(At(total.home, total.outputs[0])):
                for product in self._takers(At(total.home, squashed.outputs[0])):
                    if squashed.operation == "Tanh" and product.operation == "Mul" and self._has_gate(product):
                        return At(total.home, product.outputs[0])
        return None

    def _has_gate(self, product: OnnxNode) -> bool:
        makers = [self.source(product, place).maker for place in range(len(product.inputs))]
        return any(maker is not None and maker.operation == "Sigmoid" for maker in makers)

    def steps_at(self, total: OnnxNode) -> Iterator[Step]:
        """Yield the step whose new cell state is the sum `total`, if it is one of a cell."""
        products = [self.source(total, place).maker for place in (0, 1)]
        if any(one is None or one.operation != "Mul" or len(one.inputs) != 2 for one in products):
            return
        for kept, new in (products, products[::-1]):
            found = None if kept is None or new is None else self._read_state(kept, new)
            if found is not None:
                step = self._find_output(At(total.home, total.outputs[0]), *found)
                if step is not None:
                    yield step
                    return

    def _read_state(
        self, kept: OnnxNode, new: OnnxNode
    ) -> tuple[dict[str, SumOfGate], ActivationName, ActivationName, At] | None:
        """Return the sums of i, f and c, the activations, and c, if `kept` is f∘c and `new` is i∘candidate."""
        for forget_place in (0, 1):
            forget, before = self.read_gate(self.source(kept, forget_place)), self.source(kept, 1 - forget_place)
            if forget is None:
                continue
            for input_place in (0, 1):
                gate = self.read_gate(self.source(new, input_place))
                candidate = self.read_gate(self.source(new, 1 - input_place))
                if gate is not None and candidate is not None and gate[0] == forget[0]:
                    return {"i": gate[1], "f": forget[1], "c": candidate[1]}, gate[0], candidate[0], before
        return None

    def _find_output(
        self, total: At, sums: dict[str, SumOfGate], gates: ActivationName, candidate: ActivationName, before: At
    ) -> Step | None:
        """Return the step whose cell state is `total` or what that is clipped to, if there is an h'."""
        for state, clip in self._list_states(total):
            for squashed in self._takers(state):
                for product in self._takers(At(state.graph, squashed.outputs[0])):
                    taken = self.read_activation(At(state.graph, squashed.outputs[0]))
                    if product.operation != "Mul" or len(product.inputs) != 2 or taken is None or taken[1] != state:
                        continue
                    other = next((place for place in (0, 1) if product.inputs[place] not in squashed.outputs), 0)
                    gate = self.read_gate(self.source(product, other))
                    if gate is not None and gate[0] == gates:
                        output = At(state.graph, product.outputs[0])
                        all_sums = {**sums, "o": gate[1]}
                        return Step(all_sums, gates, candidate, taken[0], before, state, output, clip)
        return None

    def _list_states(self, total: At) -> Iterator[tuple[At, float | None]]:
        """Yield what `total` is clipped to, with the bound, then `total` itself."""
        for node in self._takers(total) if total.graph.has_any(("Clip",)) else ():
            if node.operation == "Clip":
                state = At(total.graph, node.outputs[0])
                clipped = self.read_clipped(state)
                if clipped is not None:
                    yield state, clipped[1]
        yield total, None

    def _takers(self, at: At) -> Iterator[OnnxNode]:
        return islice(at.graph.find_takers(at.name), _MAX_TAKERS)

    def describe(self, steps: Sequence[Step]) -> Cell | None:
        """Return the cell with these steps, or None if the graph does not prove that it is an LSTM."""
        first = steps[0]
        order = _find_order(first.sums)
        forms = [(_find_order(step.sums), step.gate_activation, step.activation, step.output_activation, step.clip)
                 for step in steps]  # fmt: skip
        if order is None or forms.count(forms[0]) < len(forms) or not all(map(_has_usual_terms, steps)):
            return None
        letters = "c" if order else _GATES
        if {len(first.sums[letter].products) for letter in letters} == {1}:
            return self._describe_joined(steps, order, letters)
        pairs = [self._order_products(steps, letter) for letter in letters]
        known = [pair for pair in pairs if pair is not None]
        if len(known) < len(pairs):
            return None
        of_input, of_state = zip(*known, strict=True)
        taken = [product.taken for product in first.sums["c"].products if product.matrix == of_state[-1].matrix]
        first_states = tuple(map(self.first_turn, [*taken, first.before]))
        return Cell(steps, order, of_input, of_state, False, False, first_states)

    def are_enough(self, steps: Sequence[Step]) -> bool:
        """Return whether `steps` are enough of a cell: one of them takes the state of another, or there are many."""
        if len(steps) < _ENOUGH_STEPS:
            return False
        states = [step.state for step in steps]
        return len(steps) >= _MOST_STEPS or any(self._list_given(step.before, states) for step in steps)

    def _order_products(self, steps: Sequence[Step], letter: str) -> tuple[WeightProduct, WeightProduct] | None:
        """Return the products of x and of h in the sum of a gate; None if the steps do not show which is which."""
        products = [step.sums[letter].products for step in steps]
        if {len(one) for one in products} != {2}:
            return None
        place = self._find_state(steps, [(one[0].taken, one[1].taken) for one in products])
        return None if place is None else (products[0][1 - place], products[0][place])

    def _describe_joined(self, steps: Sequence[Step], order: str, letters: str) -> Cell | None:
        """Return the cell whose products take x and h, concatenated in the same order in all of them."""
        places = set()
        for letter in letters:
            makers = [step.sums[letter].products[0].taken.maker for step in steps]
            joined = [node for node in makers if node is not None and _joins_columns(node)]
            if len(joined) < len(steps):
                return None
            places.add(self._find_state(steps, [(self.source(node, 0), self.source(node, 1)) for node in joined]))
        place = places.pop()
        if places or place is None:
            return None
        products = tuple(steps[0].sums[letter].products[0] for letter in letters)
        return Cell(steps, order, products, (), True, place == 0, (self.first_turn(steps[0].before),))

    def _find_state(self, steps: Sequence[Step], taken: Sequence[tuple[At, At]]) -> int | None:
        """Return which of the two values `taken` by each of `steps` is h, or None if they do not show that.

        It is the h' of the very step whose c' the forget gate multiplies, if there is such a step, and for some there
        must be one; the other value is never an h'.
        """
        before = [self._list_given(step.before, [one.state for one in steps]) for step in steps]
        outputs = [step.output for step in steps]
        given = [[self._list_given(pair[place], outputs) for pair in taken] for place in (0, 1)]
        for place in (0, 1):
            if any(before) and given[place] == before and not any(given[1 - place]):
                return place
        return None

    def _list_given(self, at: At, values: Sequence[At]) -> list[int]:
        """Return the indices of those of `values` that `at` is, or was at the last turn of a loop."""
        found = at, self.next_turn(at)
        return [index for index, value in enumerate(values) if value in found]


def _joins_columns(node: OnnxNode) -> bool:
    return node.operation == "Concat" and len(node.inputs) == 2 and node.integer("axis") in (1, -1)


def _find_order(sums: Mapping[str, SumOfGate]) -> str | None:
    """Return the order of the gates in one sum that is cut in four; empty for four sums, None for anything else."""
    parts = [one.part for one in sums.values()]
    if all(part is None for part in parts):
        return ""
    by_place = {part.place: letter for letter, part in zip(sums, parts, strict=True) if part is not None}
    is_one_sum = len({(one.products, one.biases) for one in sums.values()}) == 1
    if not is_one_sum or set(by_place) != set(range(len(_GATES))):
        return None
    return "".join(by_place[place] for place in range(len(_GATES)))


def _has_usual_terms(step: Step) -> bool:
    """Return whether only the forget gate has a number added, and all gates take the same x and h."""
    taken = {frozenset(product.taken for product in one.products) for one in step.sums.values()}
    return len(taken) == 1 and all(not one.added or letter == "f" for letter, one in step.sums.items())


def biases_of(cell: Cell) -> list[tuple[Value, ...]]:
    """Return the biases of each sum of `cell`."""
    return [cell.first.sums[letter].biases for letter in ("c" if cell.order else _GATES)]
