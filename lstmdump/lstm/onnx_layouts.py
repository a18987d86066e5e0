"""The LSTMs of ONNX: nodes that are a layer, and cells that are spread over many nodes.

Each direction of a node has W (4m, d), R (4m, m) and B (8m,), two biases after each other. Its gates are in the order
i o f c, those of its peepholes P (3m,) in the order i o f. The arrays of a cell are those of the program that was
exported, often of torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from lstmdump.lstm.cell import GATES, LSTM, Gate, Gates
from lstmdump.lstm.gate_layouts import (
    Framework,
    Layout,
    LayoutForm,
    StoredPart,
    TensorFlowCell,
    gate_columns,
    matrix_shape,
)
from lstmdump.lstm.pytorch_layout import added_up
from lstmdump.lstm.roles import Role
from lstmdump.model.cell_classes import KERAS_ORDER
from lstmdump.model.tensor import Tensor, transposed
from lstmdump.model.tree import Layer

_ROLES = {"W": Role.ROW_KERNEL, "R": Role.ROW_RECURRENT_KERNEL, "B": Role.DOUBLED_BIAS,
          "P": Role.PEEPHOLES}  # fmt: skip
_CELL_ROLES = {"weight_ih": Role.ROW_KERNEL, "weight_hh": Role.ROW_RECURRENT_KERNEL, "bias_ih": Role.ADDED_BIAS,
               "bias_hh": Role.ADDED_BIAS}  # fmt: skip
_ORDER = "iofc"
_NOTE = "has two biases, which are added up: that of the input, Wb, and that of the state, Rb"


class OnnxLayer(Layout):
    """A direction of an LSTM node of ONNX. All operators of this name have these arrays, whatever their version."""

    kind = "LSTM"
    bias_role = Role.DOUBLED_BIAS
    form: LayoutForm = "onnx node"
    has_columns = False
    has_rows = True
    framework: Framework = "ONNX"

    def __init__(self) -> None:
        super().__init__(_ORDER, _ROLES)

    def fits(self, layer: Layer) -> bool:
        """Return whether the arrays have ONNX's letters."""
        return "W" in layer.weights and "R" in layer.weights

    def arrays(self, layer: Layer) -> dict[str, Tensor]:
        """Return the arrays by ONNX's letters."""
        return {letter: layer.weights[letter] for letter in _ROLES if letter in layer.weights}

    def sizes(self, layer: Layer, arrays: Mapping[str, Tensor]) -> tuple[int, int, None]:
        """Return the columns of W and R."""
        return matrix_shape(layer, arrays["W"])[1], matrix_shape(layer, arrays["R"])[1], None

    def gates(self, name: str, arrays: Mapping[str, Tensor]) -> Mapping[str, Gate]:
        """Return the rows of each gate, transposed, and the sum of its two biases."""

        def make_gate(letter: str) -> Gate:
            parts = _cut(arrays, letter)
            return Gate(
                transposed(parts["W"][0], f"{name}/W_{letter}"),
                transposed(parts["U"][0], f"{name}/U_{letter}"),
                _sum(f"{name}/b_{letter}", parts["b"]),
                parts["V"][0].renamed(f"{name}/V_{letter}") if parts["V"] else None,
            )

        return Gates(make_gate)

    def parts(self, lstm: LSTM, letter: str) -> Mapping[str, Sequence[StoredPart]]:
        """Return the rows of a gate, which are transposed, both biases, and a peephole."""
        return _turn(_cut({weight.name: weight.tensor for weight in lstm.weights}, letter))

    def notes(self, arrays: Mapping[str, Tensor], forget_bias: float | None) -> tuple[str, ...]:  # noqa: ARG002
        """Say that there are two biases."""
        return (_NOTE,) if "B" in arrays else ()

    def tensorflow_cell(self, lstm: LSTM) -> TensorFlowCell:  # noqa: ARG002
        """Return the one that takes the gates: no cell of TensorFlow takes arrays of rows."""
        return "gates"


class OnnxCell(Layout):
    """A cell spread over nodes of a graph, with the gates in rows: `weight_ih` (4m, d) and `weight_hh` (4m, m).

    It may have two biases (4m,), which are added up. The graph states the order of the gates.
    """

    kind = "LSTMCell"
    bias_role = Role.ADDED_BIAS
    form: LayoutForm = "onnx cell"
    has_columns = False
    has_rows = True
    framework: Framework = "ONNX"

    def __init__(self, order: str) -> None:
        super().__init__(order, _CELL_ROLES)

    def fits(self, layer: Layer) -> bool:
        """Return whether the arrays have these names and the reader states the order of the gates."""
        return bool(layer.stated.gate_order) and "weight_ih" in layer.weights and "weight_hh" in layer.weights

    def of(self, layer: Layer) -> Layout:
        """Return this layout with the order of the gates of a layer."""
        stated = layer.stated.gate_order
        return self if stated in (None, self.order) else _in_order(stated)

    def arrays(self, layer: Layer) -> dict[str, Tensor]:
        """Return the arrays by these names."""
        return {leaf: layer.weights[leaf] for leaf in _CELL_ROLES if leaf in layer.weights}

    def sizes(self, layer: Layer, arrays: Mapping[str, Tensor]) -> tuple[int, int, None]:
        """Return the columns of the kernels."""
        return matrix_shape(layer, arrays["weight_ih"])[1], matrix_shape(layer, arrays["weight_hh"])[1], None

    def gates(self, name: str, arrays: Mapping[str, Tensor]) -> Mapping[str, Gate]:
        """Return the rows of each gate, transposed, and the sum of its biases."""

        def make_gate(letter: str) -> Gate:
            parts = self._cut(arrays, letter)
            return Gate(
                transposed(parts["W"][0], f"{name}/W_{letter}"),
                transposed(parts["U"][0], f"{name}/U_{letter}"),
                _sum(f"{name}/b_{letter}", parts["b"]),
            )

        return Gates(make_gate)

    def parts(self, lstm: LSTM, letter: str) -> Mapping[str, Sequence[StoredPart]]:
        """Return the rows of a gate, which are transposed, and its biases."""
        return _turn(self._cut({weight.name: weight.tensor for weight in lstm.weights}, letter))

    def forget_bias(self, layer: Layer) -> float | None:
        """Return what the graph adds to b_f."""
        return layer.stated.forget_bias

    def tensorflow_cell(self, lstm: LSTM) -> TensorFlowCell:  # noqa: ARG002
        """Return the one that takes the gates: no cell of TensorFlow takes arrays of rows."""
        return "gates"

    def _cut(self, arrays: Mapping[str, Tensor], letter: str) -> dict[str, list[Tensor]]:
        rows = gate_columns(self.order, letter, arrays["weight_hh"].shape[1])
        biases = [arrays[leaf].part(rows) for leaf in ("bias_ih", "bias_hh") if leaf in arrays]
        return {"W": [arrays["weight_ih"].part(rows)], "U": [arrays["weight_hh"].part(rows)], "b": biases, "V": []}


ONNX_NODE = OnnxLayer()
ONNX_CELL = OnnxCell(KERAS_ORDER)


@lru_cache(maxsize=64)  # there are 24 orders
def _in_order(order: str | None) -> Layout:
    return OnnxCell(order or KERAS_ORDER)


def _turn(parts: Mapping[str, Sequence[Tensor]]) -> dict[str, list[StoredPart]]:
    """Return `parts`, of which the kernels are transposed."""
    turned = {"W": ".T", "U": ".T"}
    return {array: [(tensor, turned.get(array, "")) for tensor in tensors] for array, tensors in parts.items()}


def _cut(arrays: Mapping[str, Tensor], letter: str) -> dict[str, list[Tensor]]:
    """Return the blocks of stored arrays that W, U, b and V of a gate are made of."""
    units = arrays["R"].shape[1]
    rows, bias, peepholes = gate_columns(_ORDER, letter, units), arrays.get("B"), arrays.get("P")
    half = len(GATES) * units
    return {
        "W": [arrays["W"].part(rows)],
        "U": [arrays["R"].part(rows)],
        "b": [] if bias is None else [bias.part(slice(start + rows.start, start + rows.stop)) for start in (0, half)],
        "V": [] if peepholes is None or letter == "c" else [peepholes.part(rows)],
    }


def _sum(name: str, biases: Sequence[Tensor]) -> Tensor | None:
    """Return the sum of the biases of a gate, or the only one; None if there is none."""
    if len(biases) > 1:
        return added_up(name, biases)
    return biases[0].renamed(name) if biases else None
