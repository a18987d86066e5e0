"""The operators that are a whole LSTM: which input is which array.

==============================  ====  =========================================================================
UNIDIRECTIONAL_SEQUENCE_LSTM    44    all steps; inputs as below, one direction
BIDIRECTIONAL_SEQUENCE_LSTM     52    all steps; the arrays of the forward half, then those of the backward half
LSTM, kernel `FULL`             16    one step; the inputs of UNIDIRECTIONAL_SEQUENCE_LSTM
LSTM, kernel `BASIC`            16    one step; one array for all gates, in the order i, c, f, o
==============================  ====  =========================================================================

Source: `tensorflow/lite/kernels` in TensorFlow 2.21, and what its interpreter computes.
"""

from __future__ import annotations

from collections.abc import Iterator

from lstmdump.errors import CorruptModel
from lstmdump.model.settings import LayerSettings
from lstmdump.model.tensor import Tensor
from lstmdump.readers.tflite import schema
from lstmdump.readers.tflite.cell import LiteCell
from lstmdump.readers.tflite.constants import StoredConstants, TensorPlace
from lstmdump.readers.tflite.schema import LiteOperator, Subgraph

_GATES = ("input", "forget", "cell", "output")
_WEIGHTS = tuple(f"input_to_{gate}" for gate in _GATES)
_RECURRENT = tuple(f"recurrent_to_{gate}" for gate in _GATES)
_PEEPHOLES = tuple(f"cell_to_{gate}" for gate in ("input", "forget", "output"))
_BIASES = tuple(f"{gate}_gate_bias" for gate in _GATES)
_PROJECTION = ("projection", "projection_bias")
_LEAVES = (*_WEIGHTS, *_RECURRENT, *_PEEPHOLES, *_BIASES, *_PROJECTION)
_NORMALIZATION = tuple(f"{gate}_layer_norm" for gate in _GATES)
_FIRST, _STATES, _FIRST_NORMALIZATION = 1, 18, 20
_OF_BACKWARD, _STATES_OF_BOTH, _AUXILIARY, _AUXILIARY_WEIGHTS = 18, 35, 39, 40
_BASIC = 1  # the kernel
_ACTIVATIONS = {0: "linear", 1: "relu", 3: "relu6", 4: "tanh"}
_FUSED = frozenset({schema.LSTM, schema.UNIDIRECTIONAL_SEQUENCE_LSTM, schema.BIDIRECTIONAL_SEQUENCE_LSTM})
_FLOATS = ("float32", "float16")

COUPLED = "CoupledInputForgetGateLSTMCell"
"""The class of an LSTM without an input gate, whose i is 1 - f."""


def cells(graph: Subgraph, operator: LiteOperator, constants: StoredConstants) -> Iterator[LiteCell]:
    """Yield the LSTMs that an operator is: one, both halves of a Bidirectional, or none.

    Raises:
        CorruptModel: It lacks arrays that an LSTM has.
    """
    if operator.code not in _FUSED:
        return
    if operator.code == schema.BIDIRECTIONAL_SEQUENCE_LSTM:
        yield from _read_both(graph, operator, constants)
    elif operator.code == schema.LSTM and operator.option(3) == _BASIC:
        yield _read_basic(graph, operator, constants)
    else:
        yield _read_one(graph, operator, constants)


def _read_one(graph: Subgraph, operator: LiteOperator, constants: StoredConstants) -> LiteCell:
    is_sequence = operator.code == schema.UNIDIRECTIONAL_SEQUENCE_LSTM
    leaves = dict(enumerate(_LEAVES, _FIRST))
    leaves |= dict(enumerate(_NORMALIZATION, _FIRST_NORMALIZATION))
    arrays = _read_arrays(graph, operator, constants, leaves)
    settings = _read_settings(graph, operator, clips=(1, 2), time_major=3 if is_sequence else None)
    if is_sequence and operator.option(5):
        settings = settings._replace(cannot_replay="its recurrent kernels are diagonals")
    source = TensorPlace(graph, operator.input(0))
    return LiteCell(
        _choose_kind(arrays),
        arrays,
        _with_arrays(settings, arrays),
        sequence=source if is_sequence else None,
        outputs=tuple([TensorPlace(graph, index) for index in operator.outputs[:1]]),
        names=_list_names(graph, operator, arrays),
        first_states=_list_states(graph, operator, _STATES),
    )


def _read_both(graph: Subgraph, operator: LiteOperator, constants: StoredConstants) -> Iterator[LiteCell]:
    """Yield the forward and the backward half of a BIDIRECTIONAL_SEQUENCE_LSTM."""
    settings = _read_settings(graph, operator, clips=(1, 2), time_major=4, time_major_default=1)
    if operator.input(_AUXILIARY) != schema.MISSING:
        weights = any(operator.input(place) != schema.MISSING for place in range(_AUXILIARY_WEIGHTS, 48))
        what = "with weights of its own" if weights else "which the backward half takes"
        settings = settings._replace(cannot_replay=f"it has an auxiliary input, {what}")
    for half, start in (("forward", 0), ("backward", 1)):
        leaves = dict(enumerate(_LEAVES, _FIRST + start * (_OF_BACKWARD - _FIRST)))
        arrays = _read_arrays(graph, operator, constants, leaves)
        output = operator.outputs[0 if operator.option(3) else start :][:1]
        yield LiteCell(
            _choose_kind(arrays),
            arrays,
            _with_arrays(settings, arrays)._replace(direction=half, go_backwards=half == "backward"),
            sequence=TensorPlace(graph, operator.input(0)),
            outputs=tuple([TensorPlace(graph, index) for index in output]),
            names=_list_names(graph, operator, arrays),
            half=half,
            first_states=_list_states(graph, operator, _STATES_OF_BOTH + 2 * start),
        )


def _read_basic(graph: Subgraph, operator: LiteOperator, constants: StoredConstants) -> LiteCell:
    """Return the cell of the kernel `BASIC`, which applies tanh and sigmoid, and does not clip, whatever is stated."""
    arrays = _read_arrays(graph, operator, constants, {2: "weights", 3: "biases"})
    if len(arrays) != 2:
        raise CorruptModel("an LSTM operator has no constant weights and biases")
    settings = LayerSettings(is_described=True, activation="tanh", recurrent_activation="sigmoid")
    states = (operator.input(1), operator.input(4))
    return LiteCell(
        "LSTM",
        arrays,
        settings,
        order="icfo",
        outputs=tuple([TensorPlace(graph, index) for index in operator.outputs[:1]]),
        names=_list_names(graph, operator, arrays),
        first_states=tuple([TensorPlace(graph, index) for index in states if index != schema.MISSING]),
    )


def _read_arrays(
    graph: Subgraph, operator: LiteOperator, constants: StoredConstants, leaves: dict[int, str]
) -> dict[str, Tensor]:
    """Return the arrays of an operator by their names; an input that is there, but not stored, is an error."""
    found: dict[str, Tensor] = {}
    for place, leaf in leaves.items():
        index = operator.input(place)
        if index == schema.MISSING:
            continue
        tensor = constants.tensor(TensorPlace(graph, index))
        if tensor is None:
            name = graph.tensor(index).name or f"tensor {index}"
            raise CorruptModel(f"an LSTM operator takes {name} as {leaf}, which holds no numbers")
        found[leaf] = tensor
    return found


def _choose_kind(arrays: dict[str, Tensor]) -> str:
    """Return the class of the cell with these arrays: without an input gate, i is 1 - f."""
    missing = [leaf for leaf in (*_WEIGHTS, *_RECURRENT) if leaf not in arrays]
    if missing == [_WEIGHTS[0], _RECURRENT[0]]:
        return COUPLED
    if missing:
        raise CorruptModel(f"an LSTM operator has no {', '.join(missing)}")
    return "LSTM"


def _read_settings(
    graph: Subgraph,
    operator: LiteOperator,
    *,
    clips: tuple[int, int],
    time_major: int | None,
    time_major_default: int = 0,
) -> LayerSettings:
    """Return the settings that the options of an operator state."""
    activation = operator.option(0)
    cell_clip, projection_clip = (_read_bound(operator.real(field)) for field in clips)
    known = _ACTIVATIONS.get(activation)
    return LayerSettings(
        is_described=True,
        activation=known,
        recurrent_activation="sigmoid",
        go_backwards=False,
        time_major=None if time_major is None else bool(operator.option(time_major, time_major_default)),
        cell_clip=cell_clip,
        projection_clip=projection_clip,
        cannot_replay=None if known else f"its activation is number {activation} of TensorFlow Lite, which is unknown",
        computes_in_integers=_computes_in_integers(graph, operator),
    )


def _computes_in_integers(graph: Subgraph, operator: LiteOperator) -> bool:
    """Return whether the runtime rounds the inputs and states of an operator to integers.

    It does if the operator takes integers, or integer weights for an input of floating-point numbers.
    """
    given = graph.tensor(operator.input(0)).dtype if operator.input(0) != schema.MISSING else "float32"
    weights = operator.input(_FIRST + 1)
    kept = graph.tensor(weights).dtype if weights != schema.MISSING else "float32"
    return given not in _FLOATS or kept not in _FLOATS


def _read_bound(value: float) -> float | None:
    """Return a bound; 0 stands for none."""
    return value if value > 0 else None


def _with_arrays(settings: LayerSettings, arrays: dict[str, Tensor]) -> LayerSettings:
    """Return `settings` of a cell with `arrays`, of which a projection bias cannot be replayed."""
    if "projection_bias" not in arrays or settings.cannot_replay is not None:
        return settings
    return settings._replace(cannot_replay="it adds a bias to its projected output")


def _list_states(graph: Subgraph, operator: LiteOperator, first: int) -> tuple[TensorPlace, ...]:
    indices = (operator.input(first), operator.input(first + 1))
    return tuple([TensorPlace(graph, index) for index in indices if index != schema.MISSING])


def _list_names(graph: Subgraph, operator: LiteOperator, arrays: dict[str, Tensor]) -> tuple[str, ...]:
    outputs = [graph.tensor(index).name for index in operator.outputs if index != schema.MISSING]
    return (*(tensor.name for tensor in arrays.values()), *outputs)
