"""The forms in which files store the gates of an LSTM: each is one object, and all that depends on it asks that.

Orders and layouts by source (each measured against the framework's own output):

====================  ==============================================================  =====
Keras 1, 0.x          twelve arrays, a W, U and b per gate                            icfo
Keras 1, `gpu`        W (d, 4m), U (m, 4m), b (4m,), though the twelve are icfo       ifco
Keras 2, 3            kernel (d, 4m), recurrent_kernel (m, 4m), bias (4m,)            ifco
CuDNNLSTM             the same shapes, each gate's block transposed; bias (8m,)       ifco
TensorFlow 1 cells    one kernel (d+h, 4m), the input's rows first; bias (4m,)        icfo
BlockLSTMV2           the same                                                        ifco
a cell of the user's  one of the first, the third and the last form                   any
PyTorch               weight_ih (4m, d), weight_hh (4m, h), two biases (4m,)          ifco
a node of ONNX        W (4m, d), R (4m, m), B (8m,), two biases after each other      iofc
TensorFlow Lite       the transposes of the first, third and last form                any
====================  ==============================================================  =====

Those of TensorFlow 1 and of the user are in `tf1_cells`, those of PyTorch in `pytorch_layout`, those of ONNX in
`onnx_layouts`, those of TensorFlow Lite in `tflite_layout`, the others here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal, TypeAlias

from lstmdump.errors import NotAnLSTM
from lstmdump.lstm.cell import LSTM, Gate, Gates, LSTMWeight
from lstmdump.lstm.roles import Role
from lstmdump.model.cell_classes import KERAS_ORDER, class_named
from lstmdump.model.tensor import UNKNOWN_DTYPE, Array, Tensor, derived
from lstmdump.model.tree import Layer

KERAS_1_ORDER = "icfo"

TensorFlowCell: TypeAlias = Literal["keras", "keras-1", "cudnn", "keras-peephole", "tf1", "block", "block-v2", "gates"]
"""What `sandbox.tensorflow_server` calls the cells of TensorFlow that it runs.

All but the last take arrays as they are stored; "gates" takes the W, U, b and V of each gate, and P, of any layout.
"""

Framework: TypeAlias = Literal["Keras", "TensorFlow 1", "PyTorch", "ONNX", "TensorFlow Lite"]
"""A framework whose cells are stored in a layout."""

LayoutForm: TypeAlias = Literal["gate arrays", "two kernels", "cudnn", "fused kernel", "own gate arrays",
                                "own two kernels", "pytorch", "onnx node", "onnx cell", "tflite gate arrays",
                                "tflite two kernels", "tflite fused kernel"]  # fmt: skip
"""What the arrays of a layout look like."""

StoredPart: TypeAlias = tuple[Tensor, str]
"""A part of a stored array, and what makes a gate's array of it, in numpy's words: nothing, or `.T`."""

_FLOATS = frozenset({"float16", "float32", "float64", "bfloat16"})
_TWO_KERNEL_NAMES = (("kernel", "recurrent_kernel", "bias"), ("W", "U", "b"))
_KERAS_PEEPHOLES = {"input_gate_peephole_weights": "i", "forget_gate_peephole_weights": "f",
                    "output_gate_peephole_weights": "o"}  # fmt: skip
_CUDNN_NOTE = ("stored in CuDNN's layout: each gate's block is transposed, and the bias is stored twice, to be added "
               "up; gates are given in the form of an LSTM")  # fmt: skip


class Layout(ABC):
    """A form in which a file stores the gates of an LSTM.

    There is one object per form, in `find.list_layouts`. A new one is a subclass that has all that is abstract here.

    Attributes:
        order: The order of the gates in the file: `ifco`, `icfo`, or any other in a cell of the user's own.
        roles: By the name of an array in this layout, its role.
        has_columns: Whether the gates stand side by side in the columns of shared arrays.
        has_rows: Whether they stand one below the other in the rows of shared arrays.
        has_fixed_activations: Whether only cells with tanh and sigmoid are stored so, if the file states nothing else.
        holds_integers: Whether the numbers may be stored as integers that stand for them.
        framework: The framework whose cells are stored so.
    """

    has_columns = True
    has_rows = False
    has_fixed_activations = False
    holds_integers = False
    framework: Framework = "Keras"

    def __init__(self, order: str, roles: Mapping[str, Role]) -> None:
        self.order = order
        self.roles = roles

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.order!r})"

    @property
    def is_of_tensorflow_1(self) -> bool:
        """Whether it is that of cells which add a forget bias when they run, and return (c, h)."""
        return self.framework == "TensorFlow 1"

    @property
    @abstractmethod
    def kind(self) -> str:
        """The class of a layer for which the file states none."""

    @property
    @abstractmethod
    def bias_role(self) -> Role:
        """The role of the bias, or of one gate's."""

    @property
    @abstractmethod
    def form(self) -> LayoutForm:
        """What the arrays look like, whatever the order; `report.explain` has words for each."""

    @abstractmethod
    def fits(self, layer: Layer) -> bool:
        """Return whether the class of `layer` and the names of its arrays are those of this layout."""

    def of(self, layer: Layer) -> Layout:  # noqa: ARG002
        """Return this layout for a layer that fits: with another order of the gates if the file states that."""
        return self

    @abstractmethod
    def arrays(self, layer: Layer) -> dict[str, Tensor]:
        """Return the arrays of a layer that fits which make up the LSTM, by their names in this layout.

        Raises:
            NotAnLSTM: One is missing.
        """

    @abstractmethod
    def sizes(self, layer: Layer, arrays: Mapping[str, Tensor]) -> tuple[int, int, int | None]:
        """Return what the kernels show: the width of the input, the units, and the width of a projection, if any.

        Raises:
            NotAnLSTM: They cannot be those of an LSTM.
        """

    @abstractmethod
    def gates(self, name: str, arrays: Mapping[str, Tensor]) -> Mapping[str, Gate]:
        """Return the gates of the layer `name` in the form that all layouts have, not yet read."""

    @abstractmethod
    def tensorflow_cell(self, lstm: LSTM) -> TensorFlowCell:
        """Return which cell of TensorFlow takes the arrays of `lstm` as they are stored."""

    def parts(self, lstm: LSTM, letter: str) -> Mapping[str, Sequence[StoredPart]]:
        """Return what W, U, b and V of a gate are made of; of several parts the sum. Reads nothing."""
        arrays = lstm.gates[letter]._asdict().items()
        return {array: [] if tensor is None else [(tensor, "")] for array, tensor in arrays}

    def forget_bias(self, layer: Layer) -> float | None:  # noqa: ARG002 - some layouts ask the layer
        """Return what the cell adds to b_f at run time; None where that is not known."""
        return 0.0

    def notes(self, arrays: Mapping[str, Tensor], forget_bias: float | None) -> tuple[str, ...]:  # noqa: ARG002
        """Return what is to be said of a layer that is stored so."""
        return ()

    def read(self, layer: Layer, producer: str = "") -> LSTM:
        """Return the LSTM that a layer which fits, in a model written by `producer`, is.

        Raises:
            NotAnLSTM: An array is missing, or has another shape or type.
        """
        arrays = self.arrays(layer)
        input_dim, units, projection = self.sizes(layer, arrays)
        _require_numbers(layer, arrays, may_be_quantized=self.holds_integers)
        forget_bias = self.forget_bias(layer)
        return LSTM(
            layer.name,
            layer.kind or self.kind,
            input_dim,
            units,
            tuple([LSTMWeight(self.roles[leaf], leaf, tensor) for leaf, tensor in arrays.items()]),
            self,
            self.gates(layer.name, arrays),
            forget_bias,
            projection,
            (*self.notes(arrays, forget_bias), *([] if layer.stated.shows_equations else _note_extras(layer, arrays))),
            layer.stated,
            kind_stated=layer.kind is not None,
            producer=producer,
        )


class GateArrays(Layout):
    """Keras 1 and 0.x: arrays `W_i`, `U_i`, `b_i`, and so for c, f and o."""

    kind = "LSTM"
    bias_role = Role.GATE_BIAS
    form: LayoutForm = "gate arrays"
    has_columns = False

    def __init__(self, order: str) -> None:
        roles = {"W": Role.GATE_KERNEL, "U": Role.GATE_RECURRENT_KERNEL, "b": self.bias_role}
        super().__init__(order, {f"{array}_{gate}": role for gate in order for array, role in roles.items()})

    def fits(self, layer: Layer) -> bool:
        """Return whether there is a kernel of the input gate."""
        return "W_i" in layer.weights

    def arrays(self, layer: Layer) -> dict[str, Tensor]:
        """Return the twelve arrays, gate by gate."""
        arrays = {name: layer.weights[name] for name in self.roles if name in layer.weights}
        if len(arrays) != len(self.roles):
            lost = ", ".join(name for name in self.roles if name not in arrays)
            raise NotAnLSTM(f"{layer.name} has the arrays of an LSTM of Keras 1, but not {lost}")
        return arrays

    def sizes(self, layer: Layer, arrays: Mapping[str, Tensor]) -> tuple[int, int, None]:
        """Return rows and columns of one kernel."""
        return *matrix_shape(layer, arrays["W_i"]), None

    def gates(self, name: str, arrays: Mapping[str, Tensor]) -> Mapping[str, Gate]:
        """Return the arrays of each gate under the names that all layouts have."""

        def make_gate(letter: str) -> Gate:
            kernel, recurrent, bias = (arrays[f"{array}_{letter}"] for array in "WUb")
            return Gate(
                kernel.renamed(f"{name}/W_{letter}"),
                recurrent.renamed(f"{name}/U_{letter}"),
                bias.renamed(f"{name}/b_{letter}"),
            )

        return Gates(make_gate)

    def tensorflow_cell(self, lstm: LSTM) -> TensorFlowCell:  # noqa: ARG002
        """Return that of Keras 2, which converts the twelve arrays."""
        return "keras-1"


class TwoKernels(Layout):
    """Keras 2 and 3, and Keras 1 with `consume_less='gpu'`: a kernel (d, 4m), a recurrent kernel (m, 4m), a bias.

    There may be peepholes, those of tf.keras.experimental.PeepholeLSTMCell in TensorFlow 1.14 and later.
    """

    kind = "LSTM"
    bias_role = Role.BIAS
    form: LayoutForm = "two kernels"
    peephole_gates: Mapping[str, str] = _KERAS_PEEPHOLES
    """The gate of each peephole, by what that is called."""

    def __init__(self, order: str) -> None:
        roles = {"kernel": Role.KERNEL, "recurrent_kernel": Role.RECURRENT_KERNEL, "bias": self.bias_role}
        super().__init__(order, roles | dict.fromkeys(self.peephole_gates, Role.PEEPHOLE))

    def fits(self, layer: Layer) -> bool:
        """Return whether there are two kernels, by the names of any release."""
        return _find_names(layer) is not None

    def arrays(self, layer: Layer) -> dict[str, Tensor]:
        """Return the arrays, by the names that they have in Keras 2."""
        stored = zip(_TWO_KERNEL_NAMES[0], _find_names(layer) or (), strict=False)
        arrays = {leaf: layer.weights[name] for leaf, name in stored if name in layer.weights}
        return arrays | {leaf: layer.weights[leaf] for leaf in self.peephole_gates if leaf in layer.weights}

    def sizes(self, layer: Layer, arrays: Mapping[str, Tensor]) -> tuple[int, int, None]:
        """Return the rows of both kernels."""
        input_dim, _ = matrix_shape(layer, arrays["kernel"])
        units, _ = matrix_shape(layer, arrays["recurrent_kernel"])
        return input_dim, units, None

    def gates(self, name: str, arrays: Mapping[str, Tensor]) -> Mapping[str, Gate]:
        """Return the columns of each gate."""
        gate_of = self.peephole_gates
        peepholes = {gate_of[leaf]: tensor for leaf, tensor in arrays.items() if leaf in gate_of}
        gates = self.cut(name, arrays["kernel"], arrays["recurrent_kernel"], arrays.get("bias"))
        return with_peepholes(name, gates, peepholes)

    def cut(self, name: str, kernel: Tensor, recurrent: Tensor, bias: Tensor | None) -> Mapping[str, Gate]:
        """Return the gates without peepholes."""
        units = recurrent.shape[0]

        def make_gate(letter: str) -> Gate:
            columns = gate_columns(self.order, letter, units)
            return Gate(
                kernel.part(slice(None), columns, name=f"{name}/W_{letter}"),
                recurrent.part(slice(None), columns, name=f"{name}/U_{letter}"),
                None if bias is None else bias.part(columns, name=f"{name}/b_{letter}"),
            )

        return Gates(make_gate)

    def tensorflow_cell(self, lstm: LSTM) -> TensorFlowCell:
        """Return that of Keras; the one with peepholes is tf.keras's."""
        return "keras-peephole" if lstm.peepholes else "keras"


class CuDNN(TwoKernels):
    """CuDNNLSTM: the same names and shapes, but CuDNN's own order of the numbers, and two biases.

    CuDNN keeps each gate's block as (m, d) in memory, which Keras stores under the shape (d, m); its recurrent blocks
    are transposed; and it adds two biases, those of the input (the first 4m) and of the state.
    Source: `_convert_rnn_weights` in Keras 2.2.4, `engine/saving.py`, reproduced bit for bit.
    """

    kind = "CuDNNLSTM"
    bias_role = Role.DOUBLED_BIAS
    form: LayoutForm = "cudnn"
    has_fixed_activations = True

    def fits(self, layer: Layer) -> bool:
        """Return whether the bias is 8·m, the one mark of this layout; a class that is known must agree with it."""
        if not super().fits(layer):
            return False
        kind = class_named(layer.kind)
        return kind.is_cudnn or (not kind.must_fit and self._has_doubled_bias(layer))

    def _has_doubled_bias(self, layer: Layer) -> bool:
        arrays = self.arrays(layer)
        return "bias" in arrays and arrays["bias"].shape == tuple(8 * m for m in arrays["recurrent_kernel"].shape[:1])

    def cut(self, name: str, kernel: Tensor, recurrent: Tensor, bias: Tensor | None) -> Mapping[str, Gate]:
        """Return the gates without peepholes, in the form of an LSTM."""
        units = recurrent.shape[0]

        def make_gate(letter: str) -> Gate:
            columns = gate_columns(self.order, letter, units)
            w, u = kernel.part(slice(None), columns), recurrent.part(slice(None), columns)

            def read_recurrent_rows(first: int, last: int) -> Array:
                rows: Array = u.part(slice(None), slice(first, last)).read().T
                return rows

            return Gate(
                derived(f"{name}/W_{letter}", w.shape, w.dtype, partial(_read_kernel_rows, w)),
                derived(f"{name}/U_{letter}", u.shape, u.dtype, read_recurrent_rows),
                None if bias is None else _add_biases(f"{name}/b_{letter}", bias, columns, units),
            )

        return Gates(make_gate)

    def parts(self, lstm: LSTM, letter: str) -> Mapping[str, Sequence[StoredPart]]:
        """Return the blocks as `cut` turns them, and both biases."""
        stored = {weight.name: weight.tensor for weight in lstm.weights}
        columns = gate_columns(self.order, letter, lstm.units)
        return {
            **super().parts(lstm, letter),
            "W": [(stored["kernel"].part(slice(None), columns), f".reshape({lstm.units}, {lstm.input_dim}).T")],
            "U": [(stored["recurrent_kernel"].part(slice(None), columns), ".T")],
            "b": [(bias, "") for bias in _bias_parts(stored["bias"], columns, lstm.units)] if lstm.use_bias else [],
        }

    def notes(self, arrays: Mapping[str, Tensor], forget_bias: float | None) -> tuple[str, ...]:  # noqa: ARG002
        """Say that the numbers are in another order."""
        return (_CUDNN_NOTE,)

    def tensorflow_cell(self, lstm: LSTM) -> TensorFlowCell:
        """Return that of Keras 2, which turns the blocks."""
        return "keras-peephole" if lstm.peepholes else "cudnn"


GATE_ARRAYS = GateArrays(KERAS_1_ORDER)
TWO_KERNELS = TwoKernels(KERAS_ORDER)
CUDNN = CuDNN(KERAS_ORDER)


def _find_names(layer: Layer) -> tuple[str, str, str] | None:
    """Return what the two kernels and the bias are called in a layer; None where there are no two kernels."""
    for names in _TWO_KERNEL_NAMES:
        kernel, recurrent, _ = names
        if kernel in layer.weights and recurrent in layer.weights:
            return names
    return None


def with_peepholes(name: str, gates: Mapping[str, Gate], peepholes: Mapping[str, Tensor]) -> Mapping[str, Gate]:
    """Return the gates of a layer with its peepholes, (m,) each, by the letter of the gate that they belong to."""

    def make_gate(letter: str) -> Gate:
        peephole = peepholes.get(letter)
        return gates[letter]._replace(V=None if peephole is None else peephole.renamed(f"{name}/V_{letter}"))

    return Gates(make_gate) if peepholes else gates


def gate_columns(order: str, letter: str, units: int) -> slice:
    """Return the columns of a gate, where all gates stand side by side in this order."""
    start = order.index(letter) * units
    return slice(start, start + units)


def _read_kernel_rows(block: Tensor, first: int, last: int) -> Array:
    """Read rows of a kernel (d, m) whose `block` is its transpose (m, d) in memory, stored under the shape (d, m).

    Only the columns `first` to `last` of that transpose are read, each as the rows of `block` that it is spread over.
    """
    width, units = block.shape
    if first == 0 and last == width:
        whole: Array = block.read().reshape(-1).reshape(block.shape, order="F")
        return whole

    def read_column(unit: int) -> Array:
        start, stop = unit * width + first, unit * width + last
        row = start // units
        around: Array = block.part(slice(row, -(-stop // units))).read().reshape(-1)
        return around[start - row * units : stop - row * units]

    column = read_column(0)
    rows: Array = column.repeat(units).reshape(len(column), units)
    for unit in range(1, units):
        rows[:, unit] = read_column(unit)
    return rows


def _bias_parts(bias: Tensor, columns: slice, units: int) -> tuple[Tensor, Tensor]:
    """Return the biases of one gate: that of the input and that of the state."""
    of_input, of_state = bias.part(slice(0, 4 * units)), bias.part(slice(4 * units, None))
    return of_input.part(columns), of_state.part(columns)


def _add_biases(name: str, bias: Tensor, columns: slice, units: int) -> Tensor:
    parts = _bias_parts(bias, columns, units)

    def add_rows(first: int, last: int) -> Array:
        one, other = (part.part(slice(first, last)).read() for part in parts)
        return one + other

    return derived(name, parts[0].shape, bias.dtype, add_rows)


def matrix_shape(layer: Layer, tensor: Tensor) -> tuple[int, int]:
    """Return the shape of `tensor`, a kernel of `layer`.

    Raises:
        NotAnLSTM: It is not a matrix, or is empty.
    """
    if len(tensor.shape) != 2 or 0 in tensor.shape:
        raise NotAnLSTM(f"{layer.name}: {tensor.name} is {tensor.shape}, not a matrix")
    return tensor.shape[0], tensor.shape[1]


def _require_numbers(layer: Layer, arrays: Mapping[str, Tensor], *, may_be_quantized: bool) -> None:
    for name, tensor in arrays.items():
        if tensor.dtype not in (*_FLOATS, UNKNOWN_DTYPE) and not (tensor.is_quantized and may_be_quantized):
            raise NotAnLSTM(f"{layer.name}: {name} holds {tensor.dtype}, not floating-point numbers")


def _note_extras(layer: Layer, used: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Name the arrays of a layer that are not used."""
    if len(used) == len(layer.weights):
        return ()
    names = {tensor.name for tensor in used.values()}
    extra = [leaf for leaf, tensor in layer.weights.items() if tensor.name not in names]
    if not extra:
        return ()
    return (f"also holds {', '.join(extra)}, which an LSTM does not have; the class may compute more",)
