"""What the searches for the equations of a cell have in common: activations, peepholes and bounds of the state."""

from __future__ import annotations

from lstmdump.errors import CannotReplay
from lstmdump.readers.tensorflow.graph.cells import variables_behind
from lstmdump.readers.tensorflow.graph.graph_def import Node, scalar
from lstmdump.readers.tensorflow.graph.walk import Walk

ACTIVATIONS = {"Tanh": "tanh", "Sigmoid": "sigmoid", "Relu": "relu", "Relu6": "relu6", "Elu": "elu", "Selu": "selu",
               "Softplus": "softplus", "Softsign": "softsign", "Exp": "exponential"}  # fmt: skip
"""Keras's names of activations that are a single operation, by that."""

CLIPPING = ("Minimum", "Maximum", "ClipByValue")
_NEXT = ("Concat", "ConcatV2", "Merge", "Mul", "NextIteration", "Select", "SelectV2")  # take a state to the next step


class CellWalk(Walk):
    """A walk around the nodes of a cell."""

    def match_peephole(self, node: Node) -> tuple[tuple[str, ...], str] | None:
        """Return the variable, or its pieces, and the state whose product `node` is; None if it is something else."""
        if node.operation == "Mul" and len(node.inputs) == 2:
            for turn in (0, 1):
                if names := variables_behind(self.nodes, node.inputs[turn]):
                    return names, self.origin(node.inputs[1 - turn])
        return None

    def is_fed_back(self, output: str) -> bool:
        """Return whether the next step, of a loop or of a list, takes `output` itself and not the clipped one."""
        return any(node.operation in _NEXT for node in self.takers(output))

    def read_bound(self, name: str, what: str) -> float | None:
        """Return x if `name` is clipped to [-x, x], or None if it is not clipped.

        Raises:
            CannotReplay: `name`, which is the `what` of the cell, is clipped to anything else.
        """
        _, low, high = self.match_clipping(name)
        if low is None and high is None:
            return None
        if low is None or high is None or low != -high or high < 0:
            raise CannotReplay(f"its {what} is clipped, but not between -x and x: from {low} to {high}")
        return high

    def match_clipping(self, name: str) -> tuple[str, float | None, float | None]:
        """Return the output that is clipped to give `name`, and the constant lower and upper bounds, None if absent."""
        low = high = None
        for _ in CLIPPING:
            node = self.at(name)
            if node is None or node.operation not in CLIPPING:
                break
            limits = [None if (at := self.at(one)) is None else scalar(at) for one in node.inputs]
            if node.operation == "ClipByValue" and len(limits) == 3:
                name, low, high = self.origin(node.inputs[0]), limits[1], limits[2]
            elif len(limits) == 2 and (limits[0] is None) != (limits[1] is None):
                turn = 0 if limits[0] is None else 1
                low, high = (low, limits[1 - turn]) if node.operation == "Minimum" else (limits[1 - turn], high)
                name = self.origin(node.inputs[turn])
            else:
                break
        return name, low, high
