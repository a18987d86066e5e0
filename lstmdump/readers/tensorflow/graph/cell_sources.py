"""The cells whose outputs a cell of a graph takes as its input: in the same step, or from a loop before its own.

A loop writes h of each step into an array of tensors, which becomes one tensor behind the loop; the next loop takes it
apart again. In between may be transpositions, which exchange batch and time, reversals, dropouts, and concatenations of
the outputs of both halves of a bidirectional network. Measured on graphs of TensorFlow 1.12 and 2.21.
"""

from __future__ import annotations

from lstmdump.model.cell_classes import BLOCK_OPERATIONS
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.tensorflow.graph import cell_inputs, loops
from lstmdump.readers.tensorflow.graph.cell_outputs import SELECTING, CellOutputs
from lstmdump.readers.tensorflow.graph.graph_def import Node, scalar
from lstmdump.readers.tensorflow.graph.loops import GraphOutput, origin
from lstmdump.readers.tensorflow.graph.walk import Walk

_READING = {"TensorArrayRead": 2, "TensorArrayReadV2": 2, "TensorArrayReadV3": 2, "TensorListGetItem": 0}
_SPREADING = {"TensorArrayScatter": 2, "TensorArrayScatterV2": 2, "TensorArrayScatterV3": 2, "TensorArrayUnpack": 1,
              "TensorListFromTensor": 0}  # fmt: skip
_COLLECTING = {"TensorArrayGather": 2, "TensorArrayGatherV2": 2, "TensorArrayGatherV3": 2, "TensorArrayPack": 1,
               "TensorListStack": 0}  # fmt: skip
_WRITING = {"TensorArrayWrite": 2, "TensorArrayWriteV2": 2, "TensorArrayWriteV3": 2, "TensorListSetItem": 2}
"""The position of the array, the tensor, the array and the step that these operations take."""

_MAX_STEPS = 100
_MAX_DEPTH = 2  # of concatenations in one another
_MAX_PARTS = 16  # of one concatenation
_FEATURES = (2, -1)  # the axis


class SequenceGiver(NamedTuple):
    """A cell whose outputs another one takes, and whether their steps are reversed in between."""

    cell: str
    is_turned: bool


class _Way(NamedTuple):
    """What was done to a sequence on the way back from the cell that takes it."""

    is_turned: bool = False
    is_transposed: bool = False


def find(name: str, outputs: CellOutputs) -> tuple[SequenceGiver, ...]:
    """Return the cells whose outputs, concatenated in this order, the cell `name` of `outputs` takes at each step.

    Returns:
        The cells; none if it takes something else, or the graph does not show it.

    Raises:
        CannotReplay: The graph has more nodes there than any genuine one.
    """
    computed = outputs.cells[name].computed
    taken = cell_inputs.source(computed)
    if taken is None:
        return ()
    step = GraphOutput(computed.node.home, taken)
    before = _find_output(step, outputs)
    if before is not None:
        return (SequenceGiver(before, is_turned=False),)
    block = BLOCK_OPERATIONS.get(computed.operation)
    if block is not None and block.takes_sequence:
        return _go_back(step, _Way(), outputs)
    sequence = _find_sequence(step)
    return () if sequence is None else _go_back(*sequence, outputs)


def _find_sequence(step: GraphOutput) -> tuple[GraphOutput, _Way] | None:
    """Return the sequence, step by step along its first axis, that `step` is taken from; None if there is none."""
    node = step.node
    if node is None:
        return None
    if node.operation == "Unpack":
        last = node.number("num") - 1
        if step.number not in (0, last):
            return None
        return step.of(node.inputs[0]), _Way(is_turned=step.number == last > 0, is_transposed=node.number("axis") == 1)
    array = _take(step, node, _READING)
    spread = None if array is None else origin(array)
    tensor = None if spread is None or spread.node is None else _take(spread, spread.node, _SPREADING)
    return None if tensor is None else (tensor, _Way())


def _take(place: GraphOutput, node: Node, positions: dict[str, int]) -> GraphOutput | None:
    """Return the input of `node` at the position for its operation; None if there is none."""
    position = positions.get(node.operation)
    return place.of(node.inputs[position]) if position is not None and position < len(node.inputs) else None


def _go_back(place: GraphOutput, way: _Way, outputs: CellOutputs, depth: int = 0) -> tuple[SequenceGiver, ...]:
    """Return the cells whose outputs, step by step, are concatenated to give `place`, with `way` behind it."""
    for _ in range(_MAX_STEPS):
        place = origin(place)
        place = origin(place.of(cell_inputs.skip_dropout(Walk(place.nodes), place.name)))
        node = place.node
        if node is None or not node.inputs:
            break
        if node.operation == "Transpose":
            way = way._replace(is_transposed=not way.is_transposed)
        elif cell_inputs.is_reversal(node):
            way = way._replace(is_turned=not way.is_turned)
        elif node.operation == "ConcatV2":
            return _go_back_to_each(place, node, way, outputs, depth)
        else:
            return _find_giver(place, node, way, outputs)
        place = place.of(node.inputs[0])
    return ()


def _go_back_to_each(
    place: GraphOutput, node: Node, way: _Way, outputs: CellOutputs, depth: int
) -> tuple[SequenceGiver, ...]:
    axis = origin(place.of(node.inputs[-1])).node
    if axis is None or scalar(axis) not in _FEATURES or depth == _MAX_DEPTH or len(node.inputs) > _MAX_PARTS:
        return ()
    parts = [_go_back(place.of(name), way, outputs, depth + 1) for name in node.inputs[:-1]]
    return tuple(giver for part in parts for giver in part) if all(parts) else ()


def _find_giver(place: GraphOutput, node: Node, way: _Way, outputs: CellOutputs) -> tuple[SequenceGiver, ...]:
    """Return the cell whose outputs of all steps are at `place`, the output of `node`."""
    if node.operation == "Pack":
        way = way._replace(is_transposed=way.is_transposed != (node.number("axis") == 1))
        cell = _find_packed(place, node, outputs)
    elif node.operation in BLOCK_OPERATIONS:
        cell = _find_output(place, outputs)
    else:
        written = _find_written(place, node, outputs)
        cell = None if written is None else _find_output(written, outputs)
    return () if cell is None or way.is_transposed else (SequenceGiver(cell, way.is_turned),)


def _find_packed(place: GraphOutput, node: Node, outputs: CellOutputs) -> str | None:
    """Return the cell whose outputs in the steps of a list `node` packs, from the first to the last."""
    steps = [outputs.at(place.of(name)) for name in node.inputs]
    first = _find_output(place.of(node.inputs[0]), outputs)
    is_whole = len(set(node.inputs)) == len(steps) and all(step is not None and step == steps[0] for step in steps)
    return first if is_whole else None


def _find_written(place: GraphOutput, node: Node, outputs: CellOutputs) -> GraphOutput | None:
    """Return what each step of a loop writes into the array that `node` makes a tensor of."""
    array = _take(place, node, _COLLECTING)
    last = None if array is None else loops.last_value(origin(array), outputs.bodies)
    written = None if last is None else origin(last)
    return None if written is None or written.node is None else _take(written, written.node, _WRITING)


def _find_output(place: GraphOutput, outputs: CellOutputs) -> str | None:
    """Return the cell whose output h' is at `place`, or is selected there unless the step is skipped."""
    place = origin(place)
    node = place.node
    names = node.inputs[1:] if node is not None and node.operation in SELECTING else (place.name,)
    found = [outputs.at_known_step(place.of(name)) for name in names]
    cells = [output.cell for output in found if output is not None and not output.is_state]
    return cells[0] if len(cells) == 1 else None
