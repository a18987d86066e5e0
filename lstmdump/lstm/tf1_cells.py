"""The cells of TensorFlow 1: one kernel over input and state, and a forget bias that is added when they run."""

from __future__ import annotations

from collections.abc import Mapping

from lstmdump.errors import NotAnLSTM
from lstmdump.lstm.cell import GATES, LSTM, Gate, Gates
from lstmdump.lstm.gate_layouts import Layout, LayoutForm, TensorFlowCell, gate_columns, with_peepholes
from lstmdump.lstm.roles import Role
from lstmdump.model.cell_classes import KERAS_ORDER, TF1_ORDER, class_named
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Layer

_NORMALIZED_PARTS = ("input", "transform", "forget", "output", "state")
_ROLES = {
    "kernel": Role.FUSED_KERNEL,
    "bias": Role.BIAS,
    "projection/kernel": Role.PROJECTION,
    **{f"w_{letter}_diag": Role.PEEPHOLE for letter in "ifo"},
    **{f"{part}/{array}": Role.NORMALIZATION for part in _NORMALIZED_PARTS for array in ("gamma", "beta")},
}
_CELLS: Mapping[str | None, TensorFlowCell] = {"BlockLSTM": "block", "BlockLSTMV2": "block-v2"}
_NO_FORGET_BIAS = ("the cell adds a forget bias to b_f at run time, which this file does not store (TensorFlow's "
                   "default is 1.0)")  # fmt: skip
_NORMALIZED = ("the gates are normalized with gamma and beta before they are applied; W and U alone do not give "
               "them")  # fmt: skip


class FusedKernel(Layout):
    """One kernel (d+h, 4m) over input and state, the rows of the input first; a bias; perhaps a projection.

    h is m, or the width of the projection.
    """

    kind = "LSTMCell"
    bias_role = Role.BIAS
    form: LayoutForm = "fused kernel"
    has_fixed_activations = True
    is_of_tensorflow_1 = True

    def __init__(self, order: str) -> None:
        super().__init__(order, _ROLES)

    def fits(self, layer: Layer) -> bool:
        """Return whether there is a kernel, and the class has the gates in this order."""
        return "kernel" in layer.weights and class_named(layer.kind).fused_order == self.order

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

        peepholes = {letter: arrays[leaf] for letter in "ifo" if (leaf := f"w_{letter}_diag") in arrays}
        return with_peepholes(name, Gates(make_gate), peepholes)

    def tensorflow_cell(self, lstm: LSTM) -> TensorFlowCell:
        """Return the operation that is the cell, if there is one; none of them has a projection."""
        operation = class_named(lstm.kind).block_operation if lstm.projection is None else None
        return _CELLS.get(operation, "tf1")

    def forget_bias(self, layer: Layer) -> float | None:
        """Return what the reader knows of it, from a graph or from the class."""
        return layer.stated.forget_bias

    def notes(self, arrays: Mapping[str, Tensor], forget_bias: float | None) -> tuple[str, ...]:
        """Say that the forget bias is missing, and that gates are normalized."""
        is_normalized = any(self.roles[leaf] is Role.NORMALIZATION for leaf in arrays)
        return (*([_NO_FORGET_BIAS] if forget_bias is None else []), *([_NORMALIZED] if is_normalized else []))


TF1_CELL = FusedKernel(TF1_ORDER)
BLOCK_LSTM_V2 = FusedKernel(KERAS_ORDER)


def _read_sizes(kernel: Tensor, projection: Tensor | None) -> tuple[int, int, int | None]:
    units = kernel.shape[1] // len(GATES)
    width = None if projection is None else projection.shape[1]
    return kernel.shape[0] - (units if width is None else width), units, width
