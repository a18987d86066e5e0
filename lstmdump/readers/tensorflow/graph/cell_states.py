"""What a cell of a graph is given besides x: its states before the first step, and the lengths of the sequences.

`dynamic_rnn` keeps h and c in variables of a loop, whose first values come from outside. `static_rnn` writes the steps
one after the other: the first one takes them directly. With `sequence_length`, a step behind the end of a sequence
keeps the states: `Select` takes them, where the number of the step has reached the length, or, in a list, a condition
around the step. Measured on graphs of TensorFlow 1.12 and 2.21, with both forms of loops and conditions.
"""

from __future__ import annotations

from collections.abc import Iterator

from lstmdump.model.cell_classes import BLOCK_OPERATIONS
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.tensorflow.graph import cell_inputs, loops
from lstmdump.readers.tensorflow.graph.cell_outputs import SELECTING, CellOutputs
from lstmdump.readers.tensorflow.graph.cells import ADDING, JOINING, SPLIT, GraphCell
from lstmdump.readers.tensorflow.graph.graph_def import Node, constant
from lstmdump.readers.tensorflow.graph.loops import GraphOutput, origin
from lstmdump.readers.tensorflow.graph.walk import Walk

_MAX_NODES = 2000
_MAX_GIVERS = 16
_MAX_NUMBERS = 1 << 16  # of a constant that is read
_MAX_STEPS = 12
_TAKING_APART = {"Split": 1, "SplitV": 0, "StridedSlice": 0, "Unpack": 0}
_ARRANGING = {**_TAKING_APART, "BroadcastTo": 0, "CheckNumerics": 0, "EnsureShape": 0, "ExpandDims": 0, "Fill": 1,
              "Gather": 0, "GatherNd": 0, "GatherV2": 0, "Print": 0, "ResourceGather": 0, "Reshape": 0, "Slice": 0,
              "Snapshot": 0, "Squeeze": 0, "Tile": 0, "Transpose": 0}  # fmt: skip
"""The position of the input whose numbers each operation returns, all or some, in another arrangement."""

_MERGING = ("Merge", "RefMerge")
_COMPARING = ("Greater", "GreaterEqual", "Less", "LessEqual")
_LOGICAL = ("LogicalAnd", "LogicalNot", "LogicalOr")
_REDUCING = ("Max", "Min", "Maximum", "Minimum")


class Lengths(NamedTuple):
    """The lengths of the sequences that a loop is given: the output that gives them, and the numbers if constant."""

    name: str
    numbers: tuple[int, ...] | None


def first_states(name: str, outputs: CellOutputs) -> tuple[str, ...] | None:
    """Return what gives the first states of the cell `name` of `outputs`: other cells, variables, nodes of the graph.

    Returns:
        The names, those of h first; none if the states are 0; or None if the graph does not show it.

    Raises:
        CannotReplay: The graph has more nodes there than any genuine one.
    """
    places = list(_list_states(name, outputs))
    if not places:
        return None
    givers = [giver for place in places for giver in _list_givers(_find_first(place), outputs)]
    return tuple(dict.fromkeys(givers))[:_MAX_GIVERS]


def lengths(name: str, outputs: CellOutputs) -> Lengths | None:
    """Return the lengths of sequences that the loop around the cell `name` is given, or None if all steps count.

    Raises:
        CannotReplay: The graph has more nodes there than any genuine one.
    """
    for condition in _list_conditions(name, outputs):
        found = _find_lengths(condition)
        if found is not None:
            return Lengths(found.name, _read_numbers(found.node))
    return None


def _list_states(name: str, outputs: CellOutputs) -> Iterator[GraphOutput]:
    """Yield h and c before a step of the cell `name`, as far as the graph shows them."""
    cell, equations = outputs.cells[name].computed, outputs.equations(name)
    if equations is not None:
        output = cell_inputs.state(cell) if cell.own is None else _find_own_output(cell, Walk(cell.node.home))
        yield from (GraphOutput(cell.node.home, state) for state in (output, equations.before) if state)


def _find_own_output(cell: GraphCell, walk: Walk) -> str | None:
    """Return h before a step of a cell of the user's own: the products in the sum of the candidate take x and h."""
    own = cell.own
    taken = list(_list_taken(walk, cell.node.inputs[0]))
    if own is None or not taken:
        return None
    if not own.taken:  # x is put together from several
        return taken[0 if own.state_first else -1]
    others = [name for name in taken if walk.origin(name) != walk.origin(own.taken)]
    return others[0] if len(others) == 1 else None


def _list_taken(walk: Walk, total: str) -> Iterator[str]:
    """Yield what the products in the sum `total` take; if it is joined before one of them, its parts."""
    waiting = [total]
    for _ in range(_MAX_STEPS):
        node = walk.at(waiting.pop()) if waiting else None
        if node is None:
            return
        if node.operation == "MatMul" and node.inputs:
            joined = walk.at(node.inputs[0])
            parts = None if joined is None else _list_parts(joined)
            yield from parts or (node.inputs[0],)
        elif node.operation in (*ADDING, "BiasAdd", SPLIT):
            waiting.extend(reversed(node.inputs))
        elif node.operation in ("Slice", "StridedSlice"):
            waiting.append(node.inputs[0])


def _list_parts(joined: Node) -> tuple[str, ...]:
    """Return what `joined` concatenates or stacks; nothing if it is another operation."""
    if joined.operation == "Pack":
        return joined.inputs
    if joined.operation not in JOINING:
        return ()
    return joined.inputs[1:] if joined.operation == "Concat" else joined.inputs[:-1]


def _find_first(state: GraphOutput) -> GraphOutput:
    """Return what the state of a step is in the first one; `state` itself if the step is the first of a list."""
    place = state
    for _ in range(_MAX_STEPS):
        place = origin(place)
        if (found := loops.variable(place)) is not None:
            return found.first
        node = place.node
        turn = None if node is None else _TAKING_APART.get(node.operation)
        if node is None or turn is None or turn >= len(node.inputs):
            break
        place = place.of(node.inputs[turn])  # states that are stacked in one variable
    return state


def _list_givers(place: GraphOutput, outputs: CellOutputs) -> list[str]:
    """Return the names of what gives the numbers at `place`; nothing if they are 0.

    The walk goes back through operations that arrange numbers, joins, and out of loops to the step that gives the last
    value. It ends at outputs of cells, at variables and placeholders, and at whatever computes other numbers.
    """
    waiting, seen, names = [place], set[GraphOutput](), list[str]()
    while waiting and len(seen) < _MAX_NODES:
        place = origin(waiting.pop(0))
        if place in seen:
            continue
        seen.add(place)
        before = list(_list_before(place, outputs))
        if (output := outputs.at(place)) is not None:
            names.append(output.cell)
        elif before:
            waiting = [*before, *waiting]
        elif not _is_zero(place.node):
            names.append(place.name)
    return names


def _list_before(place: GraphOutput, outputs: CellOutputs) -> Iterator[GraphOutput]:
    """Yield where the numbers at `place`, an origin, come from; nothing if they are computed there, or given."""
    node = place.node
    last, changing = loops.last_value(place, outputs.bodies), loops.variable(place)
    if last is not None:
        yield last
    elif changing is not None:
        yield from changing
    elif node is not None and node.home is place.nodes:
        parts = _list_parts(node)
        turn = _ARRANGING.get(node.operation)
        if turn is not None and turn < len(node.inputs):
            parts = (node.inputs[turn],)
        elif node.operation in SELECTING:
            parts = node.inputs[1:]
        elif node.operation in _MERGING:
            parts = node.inputs
        elif node.operation == "IdentityN":
            parts = node.inputs[place.number : place.number + 1]
        yield from map(place.of, parts)


def _is_zero(node: Node | None) -> bool:
    if node is None:
        return False
    tensor = constant(node)
    if tensor is None or tensor.size > _MAX_NUMBERS:
        return node.operation == "ZerosLike"
    return not tensor.read().any()


def _list_conditions(name: str, outputs: CellOutputs) -> Iterator[GraphOutput]:
    """Yield the conditions that decide which states a step passes on, or whether a step of a list is computed.

    For an operation that computes all steps, it is the number of these.
    """
    node = outputs.cells[name].computed.node
    block = BLOCK_OPERATIONS.get(node.operation)
    if block is not None and block.takes_sequence:
        yield GraphOutput(node.home, node.inputs[0])
    for state in _list_states(name, outputs):
        for passing in loops.passed(state):
            if "Switch" in passing.operation and len(passing.inputs) == len(("value", "condition")):
                yield state.of(passing.inputs[1])
        following = _find_following(state)
        yield from () if following is None else _list_selections(following)


def _find_following(state: GraphOutput) -> GraphOutput | None:
    """Return what a turn of the loop makes of the variable that `state` is, or is a part of."""
    for _ in range(_MAX_STEPS):
        state = origin(state)
        if (found := loops.variable(state)) is not None:
            return found.following
        node = state.node
        turn = None if node is None else _TAKING_APART.get(node.operation)
        if node is None or turn is None or turn >= len(node.inputs):
            break
        state = state.of(node.inputs[turn])
    return None


def _list_selections(place: GraphOutput) -> Iterator[GraphOutput]:
    """Yield the conditions of the selections that give `place`, stacked or not."""
    waiting = [place]
    for _ in range(_MAX_STEPS):
        if not waiting:
            return
        place = origin(waiting.pop(0))
        node = place.node
        if node is None or node.home is not place.nodes:
            continue
        if node.operation in SELECTING:
            yield place.of(node.inputs[0])
        waiting += map(place.of, node.inputs if node.operation in _MERGING else _list_parts(node))


def _find_lengths(condition: GraphOutput) -> GraphOutput | None:
    """Return the lengths that `condition` compares the number of a step with, or None if it does something else."""
    waiting, seen = [condition], set[GraphOutput]()
    while waiting and len(seen) < _MAX_STEPS:
        place = origin(waiting.pop(0))
        node, changing = place.node, loops.variable(place)
        if place in seen:
            continue
        seen.add(place)
        if changing is not None:
            waiting.append(changing.following)
        elif node is None or node.home is not place.nodes:
            continue
        elif node.operation in _COMPARING:
            sides = [one for one in map(_skip_reduction, map(place.of, node.inputs)) if not _counts_steps(one)]
            if len(sides) == 1:
                return sides[0]
        elif node.operation in _REDUCING:  # the number of steps that a block computes
            return _skip_reduction(place)
        elif node.operation in _LOGICAL:
            waiting += map(place.of, node.inputs)
    return None


def _skip_reduction(place: GraphOutput) -> GraphOutput:
    """Return the origin of `place`, behind the largest or the smallest of its numbers."""
    place = origin(place)
    node = place.node
    return origin(place.of(node.inputs[0])) if node is not None and node.operation in _REDUCING else place


def _counts_steps(place: GraphOutput) -> bool:
    """Return whether `place` is the number of a step: a variable of the loop, one more than that, or a constant."""
    if loops.variable(place) is not None:
        return True
    node = place.node
    if node is None:
        return False
    tensor = constant(node)
    if tensor is not None:
        return not tensor.shape
    return node.operation in ADDING and any(loops.variable(origin(place.of(name))) is not None for name in node.inputs)


def _read_numbers(node: Node | None) -> tuple[int, ...] | None:
    """Return the numbers of a constant; None if `node` is not one, or a large one."""
    tensor = None if node is None else constant(node)
    if tensor is None or tensor.size > _MAX_NUMBERS:
        return None
    return tuple(map(int, tensor.read().reshape(-1)))
