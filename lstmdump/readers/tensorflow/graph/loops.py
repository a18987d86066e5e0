"""Steps through the loops of a graph: what a variable of a loop is before the first turn, and what a turn makes of it.

TensorFlow 1 writes a loop as nodes of the graph: `Merge` takes the first value from outside, through `Enter`, and those
of the later turns through `NextIteration`; `Exit` gives the last one to the outside. TensorFlow 2 writes it as one node
and a function: the arguments of the function are the variables, its results what a turn makes of them, and the outputs
of the node the last values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.tensorflow.graph.functions import LOOPS, FunctionBody
from lstmdump.readers.tensorflow.graph.graph_def import PASSING, Node, Nodes

_MERGING = ("Merge", "RefMerge")
_DEFAULT = "PlaceholderWithDefault"  # passes on its default, but may be given another value
_MAX_STEPS = 100  # through nodes that pass their input on


class GraphOutput(NamedTuple):
    """An output in a graph, or in the body of a loop."""

    nodes: Nodes
    name: str

    @property
    def node(self) -> Node | None:
        """The node that has the output; that of the outer graph if it is an argument of the body."""
        return self.nodes.node(self.name)

    @property
    def number(self) -> int:
        """The number of the output among those of its node."""
        number = self.name.partition(":")[2]
        return int(number) if number.isdecimal() else 0

    def of(self, name: str) -> GraphOutput:
        """Return the place of the input `name` of a node in the same graph."""
        return GraphOutput(self.nodes, name)


class LoopVariable(NamedTuple):
    """A variable of a loop: its first value, and the value that a turn gives to the next."""

    first: GraphOutput
    following: GraphOutput


def origin(place: GraphOutput) -> GraphOutput:
    """Return the output that `place` comes from, behind nodes that pass their input on, and outside of a body.

    A placeholder with a default is an origin. So is a variable of a loop, which changes with each turn.
    """
    for _ in range(_MAX_STEPS):
        place = place.of(_plain_name(place.name))
        if isinstance(place.nodes, FunctionBody) and place.name in place.nodes.arguments:
            if (outer := _constant_argument(place.nodes, place.name)) is None:
                return place
            place = outer
            continue
        node = place.node
        if node is None or node.operation not in PASSING or node.operation == _DEFAULT or not node.inputs:
            break
        place = place.of(node.inputs[0])
    return place


def passed(place: GraphOutput) -> Iterator[Node]:
    """Yield the nodes between `place` and its origin, in the same graph."""
    for _ in range(_MAX_STEPS):
        node = place.node
        if node is None or node.home is not place.nodes or node.operation not in PASSING or not node.inputs:
            return
        yield node
        place = place.of(node.inputs[0])


def variable(place: GraphOutput) -> LoopVariable | None:
    """Return the variable of a loop that the origin `place` is, or None if it is something else."""
    nodes, node = place.nodes, place.node
    if isinstance(nodes, FunctionBody) and place.name in nodes.arguments:
        following = nodes.returned(place.name)
        first = GraphOutput(nodes.outer, nodes.arguments[place.name].given)
        return None if following is None else LoopVariable(first, place.of(following))
    if node is None or node.operation not in _MERGING:
        return None
    sources = {name: nodes.node(name) for name in node.inputs}
    turns = [
        one for one in sources.values() if one is not None and one.operation in ("NextIteration", "RefNextIteration")
    ]
    firsts = [name for name, one in sources.items() if one is not None and one not in turns]
    if not turns or not turns[0].inputs or len(firsts) != 1:
        return None
    return LoopVariable(place.of(firsts[0]), place.of(turns[0].inputs[0]))


def last_value(place: GraphOutput, bodies: Iterable[FunctionBody]) -> GraphOutput | None:
    """Return what the last turn of a loop made of the variable whose last value `place`, an origin, is.

    Args:
        place: An output of the graph.
        bodies: The bodies of the loops that are one node.
    """
    node = place.node
    if node is None or not node.inputs:
        return None
    if node.operation in LOOPS:
        body = next((body for body in bodies if body.loop is node), None)
        results = [] if body is None else body.results[place.number : place.number + 1]
        return next((GraphOutput(body, name) for name in results if body is not None and name is not None), None)
    if node.operation not in ("Exit", "RefExit"):
        return None
    found = variable(origin(place.of(node.inputs[0])))
    return None if found is None else found.following


def _constant_argument(body: FunctionBody, name: str) -> GraphOutput | None:
    """Return what the loop gives to the argument `name` of `body`, if no turn is known to change it."""
    return GraphOutput(body.outer, body.arguments[name].given) if body.returned(name) is None else None


def _plain_name(name: str) -> str:
    """Return `name` without the number 0, that of the first output of a node."""
    return name[:-2] if name.endswith(":0") else name.lstrip("^")
