"""What the searches for the equations of a cell have in common: activations, peepholes and bounds of the state."""

from __future__ import annotations

import math
from collections.abc import Collection

from lstmdump.errors import CannotReplay
from lstmdump.model.settings import ActivationName
from lstmdump.readers.tensorflow.graph.cells import ADDING, variables_behind
from lstmdump.readers.tensorflow.graph.graph_def import Node, scalar
from lstmdump.readers.tensorflow.graph.walk import Walk

ACTIVATIONS = {"Tanh": "tanh", "Sigmoid": "sigmoid", "Relu": "relu", "Relu6": "relu6", "Elu": "elu", "Selu": "selu",
               "Softplus": "softplus", "Softsign": "softsign", "Exp": "exponential"}  # fmt: skip
"""Keras's names of activations that are a single operation, by that."""

CLIPPING = ("Minimum", "Maximum", "ClipByValue")
_SIX = 6.0  # in the hard sigmoid of Keras 3
_EXACT = 1e-6  # of a number in float32
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

    def match_sigmoid(self, name: str | None) -> tuple[ActivationName, str] | None:
        """Return the sigmoid or hard sigmoid whose result `name` is, by Keras's name, and the output that it takes.

        A hard sigmoid is a·z + b, kept between 0 and 1, as in Keras 2, or relu6(z + 3) / 6, as in Keras 3.
        """
        node = self.at(name)
        if name is None or node is None or not node.inputs:
            return None
        if node.operation == "Sigmoid":
            return "sigmoid", node.inputs[0]
        inner, low, high = self.match_clipping(name)
        if (low, high) == (0.0, 1.0):
            shifted = self._match_number(inner, ADDING)
            scaled = None if shifted is None else self._match_scaling(shifted[0])
            return None if shifted is None or scaled is None else (_name_ramp(scaled[1], shifted[1]), scaled[0])
        scaled = self._match_scaling(name)
        ramp = None if scaled is None else self.at(scaled[0])
        if scaled is None or ramp is None or ramp.operation != "Relu6" or not ramp.inputs:
            return None
        if abs(_SIX * scaled[1] - 1) > _EXACT:
            return None
        shifted = self._match_number(ramp.inputs[0], ADDING)
        return (_name_ramp(scaled[1], shifted[1] / _SIX), shifted[0]) if shifted is not None else None

    def _match_scaling(self, name: str) -> tuple[str, float] | None:
        """Return the output that is multiplied with a number, or divided by one, to give `name`, and the factor."""
        divided = self._match_number(name, ("RealDiv",))
        if divided is None:
            return self._match_number(name, ("Mul",))
        factor = 1 / divided[1] if divided[1] else math.inf
        return (divided[0], factor) if math.isfinite(factor) else None

    def _match_number(self, name: str, operations: Collection[str]) -> tuple[str, float] | None:
        """Return the operands of `name`, an output of one of `operations` with a constant number as its second input.

        The number may come first, but for a division.
        """
        node = self.at(name)
        if node is None or node.operation not in operations or len(node.inputs) != 2:
            return None
        for turn in (1, 0) if node.operation != "RealDiv" else (1,):
            source = self.at(node.inputs[turn])
            number = None if source is None else scalar(source)
            if number is not None and math.isfinite(number):
                return self.origin(node.inputs[1 - turn]), number
        return None


def _name_ramp(slope: float, offset: float) -> ActivationName:
    """Return the hard sigmoid with these numbers, which are not those of every release of Keras."""
    return {"class_name": "HardSigmoid", "config": {"alpha": slope, "beta": offset}}
