"""The arrays of LSTMs in TensorFlow Lite: a row for each unit, in arrays for each gate or for all of them.

With d inputs, m units and h numbers that are fed back, m or the projection's p:

===========================  ==================================================================  =====
an operator that is an LSTM  `input_to_input` (m, d), `recurrent_to_input`       ifco
                             (m, h), `cell_to_input` (m,), `input_gate_bias` (m,), and
                             so for forget, cell and output; `projection` (p, m)
two products                 `input_weights` (4m, d), `recurrent_weights` (4m, h), `bias` (4m,)  any
one product                  `weights` (4m, d+h), columns of x first; `bias` or `biases` (4m,)   any
===========================  ==================================================================  =====

The names in the first line are those of the operator's inputs. Of the others, the reader gives the order of the gates,
which the graph shows. Integers stand for other numbers; gates are these numbers, in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    with_peepholes,
)
from lstmdump.lstm.roles import Role
from lstmdump.model.cell_classes import KERAS_ORDER, TF1_ORDER
from lstmdump.model.tensor import Tensor, transposed
from lstmdump.model.tree import Layer

_OF_GATE = {"i": "input", "f": "forget", "c": "cell", "o": "output"}
_PEEPHOLES = {f"cell_to_{_OF_GATE[letter]}": letter for letter in "ifo"}
_PROJECTION = "projection"
_INPUT, _RECURRENT, _BOTH = "input_weights", "recurrent_weights", "weights"
_BIASES = ("bias", "biases")
_GATE_ROLES = {
    **{f"input_to_{gate}": Role.ROW_GATE_KERNEL for gate in _OF_GATE.values()},
    **{f"recurrent_to_{gate}": Role.ROW_GATE_RECURRENT_KERNEL for gate in _OF_GATE.values()},
    **dict.fromkeys(_PEEPHOLES, Role.PEEPHOLE),
    **{f"{gate}_gate_bias": Role.GATE_BIAS for gate in _OF_GATE.values()},
    _PROJECTION: Role.ROW_PROJECTION,
    "projection_bias": Role.PROJECTION_BIAS,
    **{f"{gate}_layer_norm": Role.NORMALIZATION for gate in _OF_GATE.values()},
}
_ROW_ROLES = {
    _INPUT: Role.ROW_KERNEL,
    _RECURRENT: Role.ROW_RECURRENT_KERNEL,
    _BOTH: Role.ROW_FUSED_KERNEL,
    **dict.fromkeys(_BIASES, Role.BIAS),
}
_NORMALIZED = ("the gates are normalized with these coefficients before they are applied; W and U alone do not give "
               "them")  # fmt: skip


class _OfTensorFlowLite(Layout):
    """What all these layouts have in common."""

    has_columns = False
    holds_integers = True
    framework: Framework = "TensorFlow Lite"

    @property
    def kind(self) -> str:
        """The class of a layer for which the file states none."""
        return "LSTM"

    def arrays(self, layer: Layer) -> dict[str, Tensor]:
        """Return the arrays in the order of the operator's inputs."""
        return {leaf: layer.weights[leaf] for leaf in self.roles if leaf in layer.weights}

    def tensorflow_cell(self, lstm: LSTM) -> TensorFlowCell:  # noqa: ARG002
        """Return the one that takes the gates: no cell of TensorFlow takes arrays of rows."""
        return "gates"

    def forget_bias(self, layer: Layer) -> float | None:
        """Return what the operators add, as far as they show it."""
        return layer.stated.forget_bias


class TFLiteGateArrays(_OfTensorFlowLite):
    """Arrays for each gate: those of an operator that is an LSTM, or of products for each gate."""

    bias_role = Role.GATE_BIAS
    form: LayoutForm = "tflite gate arrays"

    def __init__(self) -> None:
        super().__init__(KERAS_ORDER, _GATE_ROLES)

    def fits(self, layer: Layer) -> bool:
        """Return whether there is a kernel of the output gate, which every such operator has."""
        return "input_to_output" in layer.weights

    def arrays(self, layer: Layer) -> dict[str, Tensor]:
        """Return the arrays; of the kernels and of the biases, all four must be there, or no bias."""
        arrays = super().arrays(layer)
        for array, may_be_missing in (("input_to_{}", False), ("recurrent_to_{}", False),
                                      ("{}_gate_bias", True)):  # fmt: skip
            names = [array.format(gate) for gate in _OF_GATE.values()]
            lost = [name for name in names if name not in arrays]
            if lost and not (may_be_missing and len(lost) == len(names)):
                raise NotAnLSTM(f"{layer.name} has no {', '.join(lost)}, which an LSTM of TensorFlow Lite has")
        return arrays

    def sizes(self, layer: Layer, arrays: Mapping[str, Tensor]) -> tuple[int, int, int | None]:
        """Return what the kernel of the output gate and the projection show."""
        units, input_dim = matrix_shape(layer, arrays["input_to_output"])
        projection = arrays.get(_PROJECTION)
        return input_dim, units, None if projection is None else matrix_shape(layer, projection)[0]

    def gates(self, name: str, arrays: Mapping[str, Tensor]) -> Mapping[str, Gate]:
        """Return the arrays of each gate, the kernels transposed."""

        def make_gate(letter: str) -> Gate:
            gate = _OF_GATE[letter]
            bias = arrays.get(f"{gate}_gate_bias")
            return Gate(
                transposed(arrays[f"input_to_{gate}"].restored(), f"{name}/W_{letter}"),
                transposed(arrays[f"recurrent_to_{gate}"].restored(), f"{name}/U_{letter}"),
                None if bias is None else bias.restored().renamed(f"{name}/b_{letter}"),
            )

        peepholes = {letter: arrays[leaf].restored() for leaf, letter in _PEEPHOLES.items() if leaf in arrays}
        return with_peepholes(name, Gates(make_gate), peepholes)

    def parts(self, lstm: LSTM, letter: str) -> Mapping[str, Sequence[StoredPart]]:
        """Return the arrays of a gate, the kernels to be transposed."""
        stored, gate = {weight.name: weight.tensor for weight in lstm.weights}, _OF_GATE[letter]
        names = {"W": f"input_to_{gate}", "U": f"recurrent_to_{gate}", "b": f"{gate}_gate_bias",
                 "V": f"cell_to_{gate}"}  # fmt: skip
        turned = {"W": ".T", "U": ".T"}
        return {array: [(stored[leaf], turned.get(array, ""))] if leaf in stored else []
                for array, leaf in names.items()}  # fmt: skip

    def notes(self, arrays: Mapping[str, Tensor], forget_bias: float | None) -> tuple[str, ...]:  # noqa: ARG002
        """Say that gates are normalized."""
        is_normalized = any(self.roles[leaf] is Role.NORMALIZATION for leaf in arrays)
        return (_NORMALIZED,) if is_normalized else ()


class TFLiteRows(_OfTensorFlowLite):
    """Arrays of all gates, one below the other: two kernels, or one over x and h."""

    bias_role = Role.BIAS
    has_rows = True

    def __init__(self, order: str, form: LayoutForm) -> None:
        super().__init__(order, _ROW_ROLES)
        self._form: LayoutForm = form

    @property
    def form(self) -> LayoutForm:
        """The form: with two kernels, or one."""
        return self._form

    def fits(self, layer: Layer) -> bool:
        """Return whether there are the arrays of this form alone, and the reader states the order of the gates."""
        kernels = {_INPUT, _RECURRENT} if self.form == "tflite two kernels" else {_BOTH}
        return bool(layer.stated.gate_order) and kernels <= set(layer.weights) <= kernels | {*_BIASES}

    def of(self, layer: Layer) -> Layout:
        """Return this layout with the order of the gates that the reader states."""
        stated = layer.stated.gate_order
        return self if stated in (None, self.order) else TFLiteRows(stated, self.form)

    def sizes(self, layer: Layer, arrays: Mapping[str, Tensor]) -> tuple[int, int, None]:
        """Return what the kernels show."""
        kernel = arrays[_INPUT] if _INPUT in arrays else arrays[_BOTH]
        rows, columns = matrix_shape(layer, kernel)
        units = rows // len(GATES)
        input_dim = columns if _INPUT in arrays else columns - units
        if rows % len(GATES) or input_dim < 1:
            raise NotAnLSTM(f"{layer.name}: {kernel.name} is {kernel.shape}, which is not a kernel of four gates")
        return input_dim, units, None

    def gates(self, name: str, arrays: Mapping[str, Tensor]) -> Mapping[str, Gate]:
        """Return the rows of each gate, turned into columns."""
        bias = next((arrays[leaf] for leaf in _BIASES if leaf in arrays), None)

        def make_gate(letter: str) -> Gate:
            kernel, recurrent = self._cut(arrays, letter)
            rows = gate_columns(self.order, letter, kernel.shape[0])
            return Gate(
                transposed(kernel.restored(), f"{name}/W_{letter}"),
                transposed(recurrent.restored(), f"{name}/U_{letter}"),
                None if bias is None else bias.part(rows).restored().renamed(f"{name}/b_{letter}"),
            )

        return Gates(make_gate)

    def parts(self, lstm: LSTM, letter: str) -> Mapping[str, Sequence[StoredPart]]:
        """Return the rows of the kernels, to be transposed, and those of the bias."""
        stored = {weight.name: weight.tensor for weight in lstm.weights}
        kernel, recurrent = self._cut(stored, letter)
        rows = gate_columns(self.order, letter, lstm.units)
        biases = [stored[leaf].part(rows) for leaf in _BIASES if leaf in stored]
        return {"W": [(kernel, ".T")], "U": [(recurrent, ".T")], "b": [(bias, "") for bias in biases], "V": []}

    def _cut(self, arrays: Mapping[str, Tensor], letter: str) -> tuple[Tensor, Tensor]:
        """Return the rows of a gate in the kernel over x and in that over h."""
        if _INPUT in arrays:
            kernel, recurrent = arrays[_INPUT], arrays[_RECURRENT]
            rows = gate_columns(self.order, letter, kernel.shape[0] // len(GATES))
            return kernel.part(rows), recurrent.part(rows)
        whole = arrays[_BOTH]
        units = whole.shape[0] // len(GATES)
        rows, width = gate_columns(self.order, letter, units), whole.shape[1] - units
        return whole.part(rows, slice(0, width)), whole.part(rows, slice(width, None))


TFLITE_GATE_ARRAYS = TFLiteGateArrays()
TFLITE_TWO_KERNELS = TFLiteRows(KERAS_ORDER, "tflite two kernels")
TFLITE_FUSED_KERNEL = TFLiteRows(TF1_ORDER, "tflite fused kernel")
