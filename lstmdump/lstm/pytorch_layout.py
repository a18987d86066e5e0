"""The arrays of PyTorch's nn.LSTM and nn.LSTMCell: a row for each unit of each gate, and two biases that are added.

With d inputs, m units and h numbers that are fed back, m or the projection's p:

===========  ========  ==============================================
`weight_ih`  (4m, d)   W of the gates i, f, g, o, one below the other
`weight_hh`  (4m, h)   U of the same
`bias_ih`    (4m,)     added to the next; both are there, or neither
`bias_hh`    (4m,)
`weight_hr`  (p, m)    the projection, in nn.LSTM only
===========  ========  ==============================================

In the file, nn.LSTM adds the number of the layer to each name, and `_reverse` for the one that goes backwards:
`weight_ih_l0`, `weight_ih_l0_reverse`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from lstmdump.errors import NotAnLSTM
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
from lstmdump.lstm.roles import Role
from lstmdump.model.cell_classes import KERAS_ORDER
from lstmdump.model.tensor import Array, Tensor, derived, transposed
from lstmdump.model.tree import Layer

_ROLES = {
    "weight_ih": Role.ROW_KERNEL,
    "weight_hh": Role.ROW_RECURRENT_KERNEL,
    "bias_ih": Role.ADDED_BIAS,
    "bias_hh": Role.ADDED_BIAS,
    "weight_hr": Role.ROW_PROJECTION,
}
_BIASES = ("bias_ih", "bias_hh")
_KERNEL = "weight_ih"
_NUMBER = "_l"
_WIDE = ("float64", "float32")
_NARROWEST_SUM = "float32"  # a sum of float16 numbers, as a float16, would lose the last bits of the smaller one


class PyTorchLayer(Layout):
    """A layer of nn.LSTM, in one direction."""

    bias_role = Role.ADDED_BIAS
    form: LayoutForm = "pytorch"
    has_columns = False
    has_rows = True
    has_fixed_activations = True
    framework: Framework = "PyTorch"

    def __init__(self) -> None:
        super().__init__(KERAS_ORDER, _ROLES)

    @property
    def kind(self) -> str:
        """The class of a layer for which the file states none."""
        return "LSTM"

    def fits(self, layer: Layer) -> bool:
        """Return whether there are both kernels of a layer with a number."""
        return bool(_find_ending(layer))

    def arrays(self, layer: Layer) -> dict[str, Tensor]:
        """Return the arrays, by their names without the number of the layer."""
        ending = _find_ending(layer) or ""
        arrays = {leaf: layer.weights[leaf + ending] for leaf in self.roles if leaf + ending in layer.weights}
        biases = [leaf for leaf in _BIASES if leaf in arrays]
        if len(biases) == 1:
            raise NotAnLSTM(f"{layer.name} has {biases[0]}, but not the other of the two biases")
        return arrays

    def sizes(self, layer: Layer, arrays: Mapping[str, Tensor]) -> tuple[int, int, int | None]:
        """Return what the kernel over the input and the projection show."""
        rows, input_dim = matrix_shape(layer, arrays[_KERNEL])
        if rows % len(GATES):
            raise NotAnLSTM(f"{layer.name}: {_KERNEL} has {rows} rows, which are not those of four gates")
        projection = arrays.get("weight_hr")
        width = None if projection is None else matrix_shape(layer, projection)[0]
        return input_dim, rows // len(GATES), width

    def gates(self, name: str, arrays: Mapping[str, Tensor]) -> Mapping[str, Gate]:
        """Return the rows of each gate, turned into columns, and the sum of both biases."""
        kernel, recurrent = arrays[_KERNEL], arrays["weight_hh"]
        units = kernel.shape[0] // len(GATES)

        def make_gate(letter: str) -> Gate:
            rows = gate_columns(self.order, letter, units)
            biases = [arrays[leaf].part(rows) for leaf in _BIASES if leaf in arrays]
            return Gate(
                transposed(kernel.part(rows), f"{name}/W_{letter}"),
                transposed(recurrent.part(rows), f"{name}/U_{letter}"),
                added_up(f"{name}/b_{letter}", biases) if biases else None,
            )

        return Gates(make_gate)

    def tensorflow_cell(self, lstm: LSTM) -> TensorFlowCell:  # noqa: ARG002
        """Return the one that takes the gates: no cell of TensorFlow takes arrays of rows."""
        return "gates"

    def parts(self, lstm: LSTM, letter: str) -> Mapping[str, Sequence[StoredPart]]:
        """Return the rows of the kernels, to be transposed, and those of both biases."""
        stored = {weight.name: weight.tensor for weight in lstm.weights}
        rows = gate_columns(self.order, letter, lstm.units)
        return {
            **super().parts(lstm, letter),
            "W": [(stored[_KERNEL].part(rows), ".T")],
            "U": [(stored["weight_hh"].part(rows), ".T")],
            "b": [(stored[leaf].part(rows), "") for leaf in _BIASES if leaf in stored],
        }


class PyTorchCell(PyTorchLayer):
    """nn.LSTMCell, whose arrays have no number."""

    @property
    def kind(self) -> str:
        """The class of a cell for which the file states none."""
        return "LSTMCell"

    def fits(self, layer: Layer) -> bool:
        """Return whether there are both kernels, without a number."""
        return _find_ending(layer) == ""


PYTORCH_LAYER = PyTorchLayer()
PYTORCH_CELL = PyTorchCell()


def _find_ending(layer: Layer) -> str | None:
    """Return what follows the names of the arrays, `_l0` or nothing; None if there are no two kernels."""
    for leaf in layer.weights:
        if leaf.startswith(_KERNEL):
            ending = leaf.removeprefix(_KERNEL)
            if (not ending or ending.startswith(_NUMBER)) and f"weight_hh{ending}" in layer.weights:
                return ending
    return None


def added_up(name: str, biases: Sequence[Tensor]) -> Tensor:
    """Return the sum of two biases, computed in float32 at least."""
    dtype = next((wide for wide in _WIDE if any(bias.dtype == wide for bias in biases)), _NARROWEST_SUM)
    return derived(name, biases[0].shape, dtype, partial(_add_rows, biases, dtype))


def _add_rows(biases: Sequence[Tensor], dtype: str, first: int, last: int) -> Array:
    one, other = (bias.part(slice(first, last)).read().astype(dtype) for bias in biases)
    total: Array = one + other
    return total
