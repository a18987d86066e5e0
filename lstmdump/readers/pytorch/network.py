"""The network within each nn.LSTM: its layers take the outputs of those with the number before, of both directions.

What a model does with the output of an nn.LSTM is in a program and not in the file, so that each nn.LSTM, and each
nn.LSTMCell, has an input and an output of its own here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.network import (
    INPUT,
    NetworkCall,
    NetworkDescription,
    NetworkInput,
    NetworkLayer,
    NetworkOutput,
    NetworkTensor,
)
from lstmdump.model.tree import LayerPath

_GATES = 4
_WHOLE = "input", "output"  # of an nn.LSTM that is the whole model, and has no name
_PLAIN: Mapping[str, Any] = {"return_sequences": True}
_REVERSED: Mapping[str, Any] = {"return_sequences": True, "go_backwards": True}


class LayerShape(NamedTuple):
    """A layer of a module: its number, or -1 of a cell; its direction; and the shapes of its arrays by their names."""

    path: LayerPath
    number: int
    is_reverse: bool
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def widths(self) -> tuple[int, int] | None:
        """The widths of its input and of its output; None if it is not an LSTM."""
        kernel, recurrent = self.shapes.get("weight_ih", ()), self.shapes.get("weight_hh", ())
        projection = self.shapes.get("weight_hr", ())
        units = projection[-1:] or recurrent[-1:]
        if len(kernel) != 2 or len(recurrent) != 2 or len(projection) not in (0, 2) or not units:
            return None
        is_lstm = kernel[0] == recurrent[0] == _GATES * units[0] and kernel[1] > 0 < units[0]
        return (kernel[1], recurrent[1]) if is_lstm and recurrent[1] == (projection or recurrent[1:])[0] else None


def describe(modules: Mapping[LayerPath, Sequence[LayerShape]]) -> NetworkDescription | None:
    """Return the networks within `modules`, as one with an input and an output for each of them.

    The layers of a module are in the order of their numbers. None if there is no LSTM, or one whose layers do not fit.
    """
    builder = _Builder()
    for path, layers in modules.items():
        if layers[0].widths is not None and not builder.add(path, layers):
            return None
    return builder.network() if builder.inputs else None


class _Builder:
    """Puts networks together."""

    def __init__(self) -> None:
        self._layers: list[NetworkLayer] = []
        self._calls: list[NetworkCall] = []
        self.inputs: list[NetworkInput] = []
        self._outputs: list[NetworkOutput] = []

    def network(self) -> NetworkDescription:
        """Return the network."""
        return NetworkDescription(tuple(self._layers), tuple(self._calls), tuple(self.inputs), tuple(self._outputs))

    def add(self, path: LayerPath, layers: Sequence[LayerShape]) -> bool:
        """Add a module; return whether its layers fit together."""
        width = (layers[0].widths or (0, 0))[0]
        name, output = ("/".join(path), "/".join(path)) if path else _WHOLE
        tensor = self._call(NetworkLayer((name,), INPUT, {}))
        self.inputs.append(NetworkInput(name, tensor, (None, width)))
        numbers = sorted({one.number for one in layers})
        if numbers not in ([-1], list(range(len(numbers)))):
            return False
        for number in numbers:
            pair = [one for one in layers if one.number == number]
            widths = [one.widths for one in pair]
            if pair[0].is_reverse or any(found is None or found[0] != width for found in widths):
                return False
            width = sum(found[1] for found in widths if found is not None)
            tensor = self._call(_make_layer(pair), tensor)
        self._outputs.append(NetworkOutput(output, tensor))
        return True

    def _call(self, layer: NetworkLayer, *inputs: NetworkTensor) -> NetworkTensor:
        self._layers.append(layer)
        self._calls.append(NetworkCall(len(self._layers) - 1, inputs))
        return NetworkTensor(len(self._calls) - 1)


def _make_layer(pair: Sequence[LayerShape]) -> NetworkLayer:
    """Return the layer of one number: an LSTM, or one in each direction, whose outputs are concatenated."""
    forward, *backward = pair
    one = NetworkLayer(forward.path, "LSTM", _PLAIN)
    if not backward:
        return one
    other = NetworkLayer(backward[0].path, "LSTM", _REVERSED)
    path = (*forward.path[:-1], f"{forward.path[-1]}+{backward[0].path[-1]}")
    return NetworkLayer(path, "Bidirectional", {"merge_mode": "concat"}, inner={"forward": one, "backward": other})
