"""Values of a graph, followed back through nodes that pass them on, and through the turns of loops.

Source: the operators `Loop` and `Scan` of ONNX. The body of a loop takes the number of the turn and a condition, then
values that it gives back for the next turn; that of a scan takes and gives back values first, then steps of sequences.
"""

from __future__ import annotations

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.onnx.constants import Constants, Value
from lstmdump.readers.onnx.graph import OnnxGraph, OnnxNode

_PASSING = frozenset({"Dropout", "Identity"})
_MAX_STEPS = 50
_CARRIED_FROM = 2  # in the inputs of the body of a loop: behind the number of the turn and the condition


class At(NamedTuple):
    """A value: its name, and the graph whose value it is."""

    graph: OnnxGraph
    name: str

    @property
    def maker(self) -> OnnxNode | None:
        """The node that gives it, if it is one of its graph."""
        return self.graph.makers.get(self.name)


class OnnxValues:
    """A walk over the values of a model.

    Args:
        constants: The arrays that do not depend on the input.
    """

    def __init__(self, constants: Constants) -> None:
        self._constants = constants
        self._origins: dict[At, At] = {}

    def origin(self, at: At) -> At:
        """Return the value behind `at`, before all nodes and loops that pass it on unchanged."""
        if at not in self._origins:
            self._origins[at] = self._find_origin(at)
        return self._origins[at]

    def _find_origin(self, at: At) -> At:
        for _ in range(_MAX_STEPS):
            home = at.graph.home_of(at.name)
            if home is None:
                return at
            at = At(home, at.name)
            node = at.maker
            if node is not None and node.operation in _PASSING and node.input(0):
                at = At(home, node.input(0))
            elif node is None and (carried := self._carried(at)) is not None and self._is_same(at, carried[1]):
                at = carried[0]
            else:
                return at
        return at

    def constant(self, at: At) -> Value | None:
        """Return the array at `at`, if it does not depend on the input of the model."""
        at = self.origin(at)
        return self._constants.find(at.name, at.graph)

    def number(self, at: At) -> float | None:
        """Return the number at `at`, if it is a constant with one element and without axes, or with one of extent 1."""
        at = self.origin(at)
        return at.graph.number(at.name)

    def source(self, node: OnnxNode, place: int) -> At:
        """Return the value behind the one that `node` takes at `place`."""
        return self.origin(At(node.home, node.input(place)))

    def next_turn(self, at: At) -> At | None:
        """Return the value that takes the place of `at` at the next turn of the loop whose body has it as an input."""
        carried = self._carried(at)
        return None if carried is None else self.origin(carried[1])

    def first_turn(self, at: At) -> At:
        """Return the value of `at` at the first turn, if it is an input of the body of a loop; else `at` itself."""
        carried = self._carried(at)
        return at if carried is None else self.origin(carried[0])

    def _carried(self, at: At) -> tuple[At, At] | None:
        """Return the first value of an input of the body of a loop, and the one for the next turn."""
        around, graph = at.graph.around, at.graph
        if around is None or at.name not in graph.arguments:
            return None
        place = graph.arguments.index(at.name)
        if around.operation == "Loop" and place >= _CARRIED_FROM:
            back = place - 1
        elif around.operation == "Scan" and place < len(around.inputs) - around.integer("num_scan_inputs"):
            back = place
        else:
            return None
        if back >= len(graph.outputs) or place >= len(around.inputs):
            return None
        return At(around.home, around.input(place)), At(graph, graph.outputs[back])

    def _is_same(self, at: At, following: At) -> bool:
        """Return whether a loop passes `at` on unchanged: the value `following` for the next turn is `at` itself."""
        for _ in range(_MAX_STEPS):
            if following == at:
                return True
            node = following.maker
            if node is None or node.operation not in _PASSING:
                return False
            following = At(following.graph, node.input(0))
        return False
