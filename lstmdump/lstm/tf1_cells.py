"""The cells of TensorFlow 1: one kernel over input and state, and a forget bias that is added when they run.

The cells of the user's own have it, too, but may have two kernels, or arrays for each gate, and any order of the gates.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from lstmdump.errors import CannotReplay, NotAnLSTM
from lstmdump.lstm.cell import GATES, LSTM, Gate, Gates
from lstmdump.lstm.gate_layouts import (
    KERAS_1_ORDER,
    Framework,
    GateArrays,
    Layout,
    LayoutForm,
    TensorFlowCell,
    TwoKernels,
    gate_columns,
    with_peepholes,
)
from lstmdump.lstm.roles import Role
from lstmdump.model.cell_classes import KERAS_ORDER, TF1_ORDER, class_named
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Layer

_NORMALIZED_PARTS = ("input", "transform", "forget", "output", "state")
_PEEPHOLES: Mapping[str, str] = MappingProxyType({f"w_{letter}_diag": letter for letter in "ifo"})
_ROLES = {
    "kernel": Role.FUSED_KERNEL,
    "bias": Role.BIAS,
    "projection/kernel": Role.PROJECTION,
    **dict.fromkeys(_PEEPHOLES, Role.PEEPHOLE),
    **{f"{part}/{array}": Role.NORMALIZATION for part in _NORMALIZED_PARTS for array in ("gamma", "beta")},
}
_CELLS: Mapping[str | None, TensorFlowCell] = {"BlockLSTM": "block", "BlockLSTMV2": "block-v2"}
_NO_FORGET_BIAS = ("the cell adds a forget bias to b_f at run time, which this file does not store (TensorFlow's "
                   "default is 1.0)")  # fmt: skip
_NORMALIZED = ("the gates are normalized with gamma and beta before they are applied; W and U alone do not give "
               "them")  # fmt: skip
_NOT_SHOWN = ("the file does not show the order of the gates, nor whether a forget bias is added at run time: {} is "
              "assumed, the order of TensorFlow's own cells; only the graph (.meta) would show it")  # fmt: skip
_NO_CELL = "TensorFlow has no cell that takes arrays in this form"
_NO_OTHERS: Mapping[str, Role] = MappingProxyType({})


class FusedKernel(Layout):
    """One kernel (d+h, 4m) over input and state, the rows of the input first; a bias; perhaps a projection.

    h is m, or the width of the projection.
    """

    kind = "LSTMCell"
    bias_role = Role.BIAS
    form: LayoutForm = "fused kernel"
    has_fixed_activations = True
    framework: Framework = "TensorFlow 1"

    def __init__(self, order: str) -> None:
        super().__init__(order, _ROLES)

    def fits(self, layer: Layer) -> bool:
        """Return whether there is a kernel, and the class has the gates in this order, or the file states an order."""
        if "kernel" not in layer.weights or "recurrent_kernel" in layer.weights:
            return False
        return bool(layer.stated.gate_order) or class_named(layer.kind).fused_order == self.order

    def of(self, layer: Layer) -> Layout:
        """Return this layout with the order of the gates that the file states."""
        stated = layer.stated.gate_order
        return self if stated in (None, self.order) else _in_order(FusedKernel, stated)

    def arrays(self, layer: Layer) -> dict[str, Tensor]:
        """Return the arrays by their names in TensorFlow 1.2 and later."""
        return {leaf: layer.weights[leaf] for leaf in self.roles if leaf in layer.weights}

    def sizes(self, layer: Layer, arrays: Mapping[str, Tensor]) -> tuple[int, int, int | None]:
        """Return what the kernel and the projection show."""
        kernel, projection = arrays["kernel"], arrays.get("projection/kernel")
        if len(kernel.shape) != 2 or (projection is not None and len(projection.shape) != 2):
            raise NotAnLSTM(f"{layer.name}: {kernel.name} is {kernel.shape}, not a matrix")
        input_dim, units, width = _read_sizes(kernel, projection)
        if kernel.shape[1] % len(GATES) or not units or input_dim < 1:
            raise NotAnLSTM(
                f"{layer.name}: {kernel.name} is {kernel.shape}, but a kernel over input and state is (d+h, 4·m)"
            )
        return input_dim, units, width

    def gates(self, name: str, arrays: Mapping[str, Tensor]) -> Mapping[str, Gate]:
        """Return the columns of each gate, and of these the rows of the input and of the state."""
        kernel, bias = arrays["kernel"], arrays.get("bias")
        d, m, _ = _read_sizes(kernel, arrays.get("projection/kernel"))

        def make_gate(letter: str) -> Gate:
            columns = gate_columns(self.order, letter, m)
            return Gate(
                kernel.part(slice(0, d), columns, name=f"{name}/W_{letter}"),
                kernel.part(slice(d, None), columns, name=f"{name}/U_{letter}"),
                None if bias is None else bias.part(columns, name=f"{name}/b_{letter}"),
            )

        peepholes = {letter: arrays[leaf] for leaf, letter in _PEEPHOLES.items() if leaf in arrays}
        return with_peepholes(name, Gates(make_gate), peepholes)

    def tensorflow_cell(self, lstm: LSTM) -> TensorFlowCell:
        """Return the operation that is the cell, if there is one; none of them has a projection."""
        operation = class_named(lstm.kind).block_operation if lstm.projection is None else None
        if lstm.gate_order not in (TF1_ORDER, class_named(lstm.kind).fused_order):
            raise CannotReplay(_NO_CELL)
        return _CELLS.get(operation, "tf1")

    def forget_bias(self, layer: Layer) -> float | None:
        """Return what the reader knows of it, from a graph or from the class."""
        return layer.stated.forget_bias

    def notes(self, arrays: Mapping[str, Tensor], forget_bias: float | None) -> tuple[str, ...]:
        """Say that the forget bias is missing, and that gates are normalized."""
        is_normalized = any(self.roles[leaf] is Role.NORMALIZATION for leaf in arrays)
        return (*([_NO_FORGET_BIAS] if forget_bias is None else []), *([_NORMALIZED] if is_normalized else []))


class OwnTwoKernels(TwoKernels):
    """A cell of the user's own in TensorFlow 1 with a kernel (d, 4m), a recurrent kernel (m, 4m) and a bias (4m,).

    It may have arrays for the normalization of its gates, of any name.
    """

    kind = "LSTMCell"
    form: LayoutForm = "own two kernels"
    peephole_gates = _PEEPHOLES
    has_fixed_activations = True
    framework: Framework = "TensorFlow 1"

    def __init__(self, order: str, others: Mapping[str, Role] = _NO_OTHERS) -> None:
        super().__init__(order)
        self.roles = {**self.roles, **others}
        self._others = others

    def fits(self, layer: Layer) -> bool:
        """Return whether there are two kernels and the reader states the order of the gates."""
        return bool(layer.stated.gate_order) and "kernel" in layer.weights and "recurrent_kernel" in layer.weights

    def of(self, layer: Layer) -> Layout:
        """Return this layout with the order of the gates, and the other arrays, of a layer."""
        order, columns = layer.stated.gate_order or self.order, layer.weights["kernel"].shape[1:]
        extents = {(columns[0] // len(GATES),): Role.NORMALIZATION, columns: Role.NORMALIZATION_OF_ALL}
        others = {
            leaf: extents[tensor.shape]
            for leaf, tensor in layer.weights.items()
            if leaf not in self.roles and not layer.stated.shows_equations and tensor.shape in extents
        }
        if others:
            return OwnTwoKernels(order, others)
        return self if order == self.order else _in_order(OwnTwoKernels, order)

    def arrays(self, layer: Layer) -> dict[str, Tensor]:
        """Return the arrays, and those for the normalization."""
        return super().arrays(layer) | {leaf: layer.weights[leaf] for leaf in self._others}

    def tensorflow_cell(self, lstm: LSTM) -> TensorFlowCell:  # noqa: ARG002
        """Raise: no cell of TensorFlow takes these arrays."""
        raise CannotReplay(_NO_CELL)

    def forget_bias(self, layer: Layer) -> float | None:
        """Return what the reader knows of it from a graph."""
        return layer.stated.forget_bias

    def notes(self, arrays: Mapping[str, Tensor], forget_bias: float | None) -> tuple[str, ...]:  # noqa: ARG002
        """Say that the forget bias and the order are missing, and that gates are normalized."""
        missing = [] if forget_bias is not None else [_NOT_SHOWN.format(" ".join(self.order))]
        return (*missing, *([_NORMALIZED] if self._others else []))


class OwnGateArrays(GateArrays):
    """A cell of the user's own in TensorFlow 1 with arrays for each gate: `W_i` (d, m), `U_i` (m, m), `b_i` (m,).

    It may have peepholes.
    """

    kind = "LSTMCell"
    form: LayoutForm = "own gate arrays"
    has_fixed_activations = True
    framework: Framework = "TensorFlow 1"

    def __init__(self, order: str) -> None:
        super().__init__(order)
        self.roles = {**self.roles, **dict.fromkeys(_PEEPHOLES, Role.PEEPHOLE)}

    def fits(self, layer: Layer) -> bool:
        """Return whether the reader states that each gate has arrays of its own."""
        return layer.stated.gate_order == "" and "W_i" in layer.weights

    def arrays(self, layer: Layer) -> dict[str, Tensor]:
        """Return the arrays gate by gate: twelve, or eight without biases; then the peepholes."""
        return {name: layer.weights[name] for name in self.roles if name in layer.weights}

    def gates(self, name: str, arrays: Mapping[str, Tensor]) -> Mapping[str, Gate]:
        """Return the arrays of each gate under the names that all layouts have."""

        def make_gate(letter: str) -> Gate:
            bias = arrays.get(f"b_{letter}")
            return Gate(
                arrays[f"W_{letter}"].renamed(f"{name}/W_{letter}"),
                arrays[f"U_{letter}"].renamed(f"{name}/U_{letter}"),
                None if bias is None else bias.renamed(f"{name}/b_{letter}"),
            )

        peepholes = {letter: arrays[leaf] for leaf, letter in _PEEPHOLES.items() if leaf in arrays}
        return with_peepholes(name, Gates(make_gate), peepholes)

    def tensorflow_cell(self, lstm: LSTM) -> TensorFlowCell:  # noqa: ARG002
        """Raise: no cell of TensorFlow takes these arrays."""
        raise CannotReplay(_NO_CELL)

    def forget_bias(self, layer: Layer) -> float | None:
        """Return what the reader knows of it from a graph."""
        return layer.stated.forget_bias


@lru_cache(maxsize=64)  # there are 24 orders
def _in_order(kind: type[FusedKernel | OwnTwoKernels], order: str | None) -> Layout:
    """Return the layout of a class with this order of the gates."""
    return kind(order or TF1_ORDER)


TF1_CELL = FusedKernel(TF1_ORDER)
BLOCK_LSTM_V2 = FusedKernel(KERAS_ORDER)
OWN_TWO_KERNELS = OwnTwoKernels(TF1_ORDER)
OWN_GATE_ARRAYS = OwnGateArrays(KERAS_1_ORDER)


def _read_sizes(kernel: Tensor, projection: Tensor | None) -> tuple[int, int, int | None]:
    units = kernel.shape[1] // len(GATES)
    width = None if projection is None else projection.shape[1]
    return kernel.shape[0] - (units if width is None else width), units, width
