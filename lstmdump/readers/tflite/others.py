"""What a model holds beside its LSTMs: other recurrent layers, by what they are, and the weights of all operators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lstmdump.model.settings import LayerSettings
from lstmdump.model.tensor import Tensor
from lstmdump.readers.tflite import schema
from lstmdump.readers.tflite.cell import LiteCell
from lstmdump.readers.tflite.constants import StoredConstants, TensorPlace
from lstmdump.readers.tflite.expressions import SubgraphExpressions
from lstmdump.readers.tflite.schema import LiteOperator, Subgraph

_RNN_OPERATORS = frozenset({schema.RNN, schema.UNIDIRECTIONAL_SEQUENCE_RNN, schema.BIDIRECTIONAL_SEQUENCE_RNN})
_GATES_OF_GRU = 3
_ACTIVATIONS = frozenset({schema.TANH, schema.RELU, schema.LOGISTIC})
_MATRICES = frozenset({schema.FULLY_CONNECTED, schema.CONV_2D, schema.DEPTHWISE_CONV_2D, schema.TRANSPOSE_CONV,
                       schema.CONV_3D, schema.CONV_3D_TRANSPOSE, schema.BATCH_MATMUL, schema.SVDF,
                       schema.EMBEDDING_LOOKUP, schema.EMBEDDING_LOOKUP_SPARSE, schema.GATHER, schema.PRELU,
                       schema.LSTM, schema.UNIDIRECTIONAL_SEQUENCE_LSTM, schema.BIDIRECTIONAL_SEQUENCE_LSTM,
                       *_RNN_OPERATORS})  # fmt: skip
_STATES = {schema.LSTM: (1, 4, 18, 19), schema.UNIDIRECTIONAL_SEQUENCE_LSTM: (18, 19),
           schema.BIDIRECTIONAL_SEQUENCE_LSTM: (35, 36, 37, 38), schema.RNN: (4,), schema.SVDF: (4,),
           schema.UNIDIRECTIONAL_SEQUENCE_RNN: (4,), schema.BIDIRECTIONAL_SEQUENCE_RNN: (4, 8)}  # fmt: skip
"""The inputs of operators that are states, and not weights."""
_ELEMENTWISE = frozenset({schema.ADD, schema.SUB, schema.MUL, schema.DIV})
_NUMBERS = ("float32", "float16", "float64", "bfloat16")
_NAMES = {
    schema.ADD: "ADD", schema.SUB: "SUB", schema.MUL: "MUL", schema.DIV: "DIV", schema.CUSTOM: "CUSTOM",
    schema.FULLY_CONNECTED: "FULLY_CONNECTED", schema.CONV_2D: "CONV_2D",
    schema.DEPTHWISE_CONV_2D: "DEPTHWISE_CONV_2D", schema.TRANSPOSE_CONV: "TRANSPOSE_CONV", schema.CONV_3D: "CONV_3D",
    schema.CONV_3D_TRANSPOSE: "CONV_3D_TRANSPOSE", schema.BATCH_MATMUL: "BATCH_MATMUL", schema.SVDF: "SVDF",
    schema.EMBEDDING_LOOKUP: "EMBEDDING_LOOKUP", schema.GATHER: "GATHER", schema.PRELU: "PRELU", schema.RNN: "RNN",
    schema.EMBEDDING_LOOKUP_SPARSE: "EMBEDDING_LOOKUP_SPARSE", schema.LSTM: "LSTM",
    schema.UNIDIRECTIONAL_SEQUENCE_LSTM: "UNIDIRECTIONAL_SEQUENCE_LSTM",
    schema.BIDIRECTIONAL_SEQUENCE_LSTM: "BIDIRECTIONAL_SEQUENCE_LSTM",
    schema.UNIDIRECTIONAL_SEQUENCE_RNN: "UNIDIRECTIONAL_SEQUENCE_RNN",
    schema.BIDIRECTIONAL_SEQUENCE_RNN: "BIDIRECTIONAL_SEQUENCE_RNN",
}  # fmt: skip


def cells(graph: Subgraph, constants: StoredConstants) -> Iterator[LiteCell]:
    """Yield the recurrent layers of a subgraph that are not LSTMs, by their operators or by the loop they are in."""
    for operator in graph.operators:
        if operator.code in _RNN_OPERATORS:
            arrays = dict(_list_weights(graph, operator, constants))
            yield LiteCell("SimpleRNN", arrays, LayerSettings(), names=tuple([one.name for one in arrays.values()]))
    if graph.number in constants.loops:
        yield from _find_in_loop(graph, constants)


def _find_in_loop(graph: Subgraph, constants: StoredConstants) -> Iterator[LiteCell]:
    """Yield the cell in the body of a loop: products are cut into three parts in a GRU; a SimpleRNN cuts nothing."""
    found = SubgraphExpressions(graph, constants)
    for operator in graph.operators:
        kind = _recognise(found, operator)
        if kind is not None:
            names = [graph.tensor(index).name for index in (*operator.inputs, *operator.outputs) if index >= 0]
            kernels = enumerate(tensor for _, _, tensor in weights(graph, constants))
            arrays = {f"array {number}": tensor for number, tensor in kernels}
            yield LiteCell(kind, arrays, LayerSettings(), names=tuple(names))
            return


def _recognise(found: SubgraphExpressions, operator: LiteOperator) -> str | None:
    """Return the class of the cell in a loop, if `operator` cuts its sum, or activates it."""
    graph, is_split = found.graph, operator.code == schema.SPLIT and len(operator.outputs) == _GATES_OF_GRU
    index = operator.input(1 if is_split else 0)
    if index == schema.MISSING or not (is_split or operator.code in _ACTIVATIONS):
        return None
    total = found.sum(index)
    taken = [] if total is None else [one.taken for one in total.products]
    if is_split:
        return "GRU" if taken and any(_takes_state(graph, other) for other in graph.operators) else None
    is_returned = any(_is_state(graph, one) and _is_returned(graph, one, operator.outputs) for one in taken)
    return "SimpleRNN" if is_returned else None


def _takes_state(graph: Subgraph, operator: LiteOperator) -> bool:
    return operator.code == schema.FULLY_CONNECTED and _is_state(graph, operator.input(0))


def _is_state(graph: Subgraph, index: int) -> bool:
    """Return whether a tensor is an argument of the body that a turn changes."""
    return index in graph.inputs and index not in graph.outputs


def _is_returned(graph: Subgraph, argument: int, results: tuple[int, ...]) -> bool:
    place = graph.inputs.index(argument)
    return any(one in results for one in graph.outputs[place : place + 1])


def weights(graph: Subgraph, constants: StoredConstants) -> Iterator[tuple[LiteOperator, str, Tensor]]:
    """Yield the constants that operators of a subgraph compute with, each with its operator and its number there."""
    for operator in graph.operators:
        if operator.code in _MATRICES or operator.code in _ELEMENTWISE or operator.code == schema.CUSTOM:
            for leaf, tensor in _list_weights(graph, operator, constants):
                yield operator, leaf, tensor


def describe(operator: LiteOperator) -> str:
    """Return the name of an operator that has weights."""
    return operator.custom or _NAMES.get(operator.code, str(operator.code))


def _list_weights(graph: Subgraph, operator: LiteOperator, constants: StoredConstants) -> Iterator[tuple[str, Tensor]]:
    states, is_elementwise = _STATES.get(operator.code, ()), operator.code in _ELEMENTWISE
    for place, index in enumerate(operator.inputs):
        if index == schema.MISSING or place in states:
            continue
        found = constants.find(TensorPlace(graph, index))
        if found is None:
            continue
        facts = found.facts
        if not facts.shape or (is_elementwise and facts.shape == (1,)):
            continue
        if facts.dtype in _NUMBERS or facts.quantization is not None:
            tensor = constants.tensor(TensorPlace(graph, index))
            if tensor is not None:
                yield str(place), tensor


def unassigned(flat: schema.FlatModel, constants: StoredConstants) -> Mapping[str, None]:
    """Return the names of the variables that a model reads, but nothing assigns a constant to, in order."""
    names: dict[str, None] = {}
    for graph in flat.subgraphs:
        for operator in graph.operators:
            is_read = operator.code == schema.READ_VARIABLE and operator.inputs and operator.outputs
            if is_read and constants.find(TensorPlace(graph, operator.outputs[0])) is None:
                name = constants.variable_name(TensorPlace(graph, operator.inputs[0]))
                names[name or "a variable"] = None
    return names
