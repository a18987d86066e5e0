"""Steps from node to node through a graph, in both directions, within bounds that no genuine model reaches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from lstmdump.errors import CannotReplay
from lstmdump.readers.tensorflow.graph.graph_def import PASSING, Node, Nodes

_MAX_TAKERS = 60  # of one output; in a genuine cell, an output has some ten including gradients
_MAX_STEPS = 100  # through nodes that pass their input on
_MAX_COUNTED = 5000


class Walk:
    """A walk through `nodes`, which skips the nodes that pass their input on unchanged."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self._counted = 0

    @property
    def counted(self) -> int:
        """How many steps the walk has taken so far."""
        return self._counted

    def _count_step(self) -> None:
        self._counted += 1
        if self._counted > _MAX_COUNTED:
            raise CannotReplay("its graph has more nodes around the cell than any genuine one")

    def origin(self, name: str) -> str:
        """Return the output that the input `name` comes from."""
        name = _output_name(name)
        for _ in range(_MAX_STEPS):
            self._count_step()
            node = self.nodes.node(name)
            if node is None or node.home is not self.nodes or node.operation not in PASSING or not node.inputs:
                break
            name = _output_name(node.inputs[0])
        return name

    def at(self, name: str | None) -> Node | None:
        """Return the node that the input `name` comes from."""
        return None if name is None else self.nodes.node(self.origin(name))

    def takers(self, output: str) -> Iterator[Node]:
        """Yield the nodes that take `output`, directly or through nodes that pass it on."""
        waiting, seen = [output], {output}
        while waiting:
            for node in islice(self.nodes.taking(waiting.pop(0)), _MAX_TAKERS):
                self._count_step()
                if node.operation not in PASSING:
                    yield node
                elif node.name not in seen:
                    seen.add(node.name)
                    waiting += [node.name, f"{node.name}:1"] if "Switch" in node.operation else [node.name]

    def other(self, node: Node, output: str) -> str | None:
        """Return the other input of `node` if it has two and one of them is `output`."""
        if len(node.inputs) != 2:
            return None
        first, second = map(self.origin, node.inputs)
        return second if first == output else first if second == output else None


def _output_name(name: str) -> str:
    """Return `name` as the name of an output in a graph: that of a node's first output is the node's name."""
    return name[:-2] if name.endswith(":0") else name.lstrip("^")
