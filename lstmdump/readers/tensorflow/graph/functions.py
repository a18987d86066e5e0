"""Loops whose bodies are functions, as TensorFlow 2 writes them: graphs within the graph that get variables passed.

In the body of a function, an input is named `node:output:0`, or after an argument of the function. Source:
`function.proto`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import limit_exceeded
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.protobuf import Message
from lstmdump.readers.tensorflow.graph.graph_def import Graph, Node, Nodes

LOOPS = ("While", "StatelessWhile")
_WEIGHT = 5  # nodes of a graph that take as long as one in the body of a loop, which is parsed for each loop


class Argument(NamedTuple):
    """An argument of the body of a loop.

    Attributes:
        given: The output of the outer graph that is passed at the first turn.
        following: The output in the body that takes its place at the next turn; None if the function does not show it.
    """

    given: str
    following: str | None


class FunctionBody(Nodes):
    """The nodes of a function that a loop runs; an argument stands for the node of the outer graph that was passed.

    Args:
        function: a FunctionDef.
        outer: the graph that holds the loop.
        loop: the node of the loop.

    Attributes:
        outer: the graph that holds the loop.
        loop: the node of the loop.
        arguments: the arguments of the function by name.
        results: the outputs in the body that the function returns.
    """

    def __init__(self, function: Message, outer: Graph, loop: Node) -> None:
        self.outer = outer
        self.loop = loop
        names = [argument.text(1) for argument in function.message(1).messages(2)]
        ends = {entry.text(1): _graph_name(entry.text(2)) for entry in function.messages(4)}
        self.results = [ends.get(result.text(1)) for result in function.message(1).messages(3)]
        following = dict(zip(names, self.results, strict=False))
        self.arguments = {
            name: Argument(given, following.get(name)) for name, given in zip(names, loop.inputs, strict=False)
        }
        self._nodes: dict[str, Node] = {}
        self._takers: dict[str, list[Node]] = {}
        for data in function.all_bytes(3):
            node = Node(data, self)
            node.inputs = tuple(map(_graph_name, node.inputs))
            if self._nodes.setdefault(node.name, node) is not node:
                raise CorruptModel(f"a function of the graph has two nodes named {node.name}")
            for name in node.inputs:
                self._takers.setdefault(name, []).append(node)

    def node(self, name: str) -> Node | None:
        """Return the node that the input `name` refers to."""
        plain = name.lstrip("^").partition(":")[0]
        argument = self.arguments.get(plain)
        if argument is None:
            return self._nodes.get(plain)
        if argument.following in (None, plain):
            return self.outer.source(argument.given)
        return None  # it stands for the outer node at the first turn only

    def returned(self, argument: str) -> str | None:
        """Return the output that takes the place of `argument` at the next turn of the loop; None if it stays."""
        found = self.arguments.get(argument)
        return None if found is None or found.following == argument else found.following

    def running(self, operation: str, done: Collection[str] = ()) -> Iterator[Node]:
        """Iterate over the nodes with the given operation, except for those in scopes that are `done` by then."""
        found = (node for node in self._nodes.values() if node.operation == operation)
        return (node for node in found if node.scope not in done)

    def taking(self, output: str) -> Iterator[Node]:
        """Iterate over the nodes that take `output`, for instance `split:2`."""
        return iter(self._takers.get(output, ()))


def bodies(graph: Graph) -> Iterator[FunctionBody]:
    """Yield the bodies of the loops in `graph`.

    Raises:
        CorruptModel: Two functions, or two nodes of one, have the same name.
        RefusedModel: The bodies have more nodes in total than any genuine model.
    """
    listed = graph.library().messages(1)
    functions = {one.message(1).text(1): one for one in listed}
    if len(functions) < len(listed):
        raise CorruptModel("the graph has two functions of one name")
    loops = (loop for operation in LOOPS for loop in graph.running(operation)) if functions else ()
    total, most = 0, graph.limits.nodes
    for loop in loops:
        body = loop.attributes.get("body")
        function = functions.get(body.message(10).text(1)) if body is not None else None
        if function is not None:
            total += len(function.all_bytes(3)) * _WEIGHT
            if total > most:
                words = f"a graph whose loops run more than {most // _WEIGHT:,} nodes"
                raise limit_exceeded("nodes", words, needed=10 * most)
            yield FunctionBody(function, graph, loop)


def _graph_name(name: str) -> str:
    """Return `name` as in a graph: `node` for the first output of a node, `node:2` for the third."""
    node, _, output = name.partition(":")
    place = output.rpartition(":")[2]
    return node if place in ("", "0") else f"{node}:{place}"
