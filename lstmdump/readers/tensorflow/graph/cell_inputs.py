"""Where the input of a TensorFlow 1 cell comes from: the first step first or the last, and out of which other cell.

`dynamic_rnn` spreads its input over a TensorArray, of which the loop takes a step at a time; `static_rnn` takes a list.
The backward half of a bidirectional one gets the input turned round. Measured on graphs of TensorFlow 0.12 to 2.21.
"""

from __future__ import annotations

from lstmdump.model.kinds import BLOCK_OPERATIONS
from lstmdump.readers.tensorflow.graph.cells import SPLIT, GraphCell
from lstmdump.readers.tensorflow.graph.graph_def import Node
from lstmdump.readers.tensorflow.graph.walk import Walk

_JOINING = ("Concat", "ConcatV2")
_TURNING = ("Reverse", "ReverseV2", "ReverseSequence")
_SPREADING = {"TensorArrayRead": 2, "TensorArrayReadV2": 2, "TensorArrayReadV3": 2, "TensorArrayScatter": 2,
              "TensorArrayScatterV2": 2, "TensorArrayScatterV3": 2, "TensorArrayUnpack": 1, "TensorListGetItem": 0,
              "TensorListFromTensor": 0, "Transpose": 0, "Unpack": 0}  # fmt: skip
"""By operation, which of its inputs it gives another form, or another place to wait in."""

_MASKS = ("Floor", "GreaterEqual")
_SCALING = ("Mul", "Div", "RealDiv")
_INPUT_STATE_AND_AXIS = 3
_MOST_STEPS = 20


def source(cell: GraphCell) -> str | None:
    """What CELL takes at each step beside its state: the name of an output of the same part of the graph.

    Raises:
        CannotReplay: the graph has more there than any genuine one.
    """
    walk = Walk(cell.node.home)
    at = _input(cell, walk)
    return None if at is None else _before_dropout(walk, at)


def is_turned(cell: GraphCell) -> bool | None:
    """Whether CELL gets the last step of its input first; None where the graph does not show it."""
    walk = Walk(cell.node.home)
    block = BLOCK_OPERATIONS.get(cell.operation)
    at, is_spread = _input(cell, walk), block is not None and block.takes_sequence
    for _ in range(_MOST_STEPS):
        node = walk.at(at)
        if at is None or node is None:
            return None
        if node.operation in _TURNING:
            return True
        turn = _SPREADING.get(node.operation)
        if turn is None or turn >= len(node.inputs):
            return False if is_spread else None
        place = walk.origin(at).partition(":")[2]
        if node.operation == "Unpack" and place.isdecimal() and int(place):
            return int(place) == node.number("num") - 1
        is_spread |= node.operation != "Transpose"
        at = node.inputs[turn]
        walk = walk if node.home is walk.nodes else Walk(node.home)
    return None


def _input(cell: GraphCell, walk: Walk) -> str | None:
    """What is joined with the state before the kernel's product, or what a cell of one operation takes."""
    if cell.operation != SPLIT:
        return walk.origin(cell.node.inputs[BLOCK_OPERATIONS[cell.operation].input_at])
    product = walk.at(cell.node.inputs[1])
    if product is not None and product.operation != "MatMul" and product.inputs:  # a bias is added to it
        product = walk.at(product.inputs[0])
    joined = walk.at(product.inputs[0]) if product is not None and product.operation == "MatMul" else None
    if joined is None or joined.operation not in _JOINING or len(joined.inputs) != _INPUT_STATE_AND_AXIS:
        return None
    return walk.origin(joined.inputs[0 if joined.operation == "ConcatV2" else 1])


def _before_dropout(walk: Walk, at: str) -> str:
    """What AT is before all dropouts, which do nothing but in training."""
    for _ in range(_MOST_STEPS):
        node = walk.at(at)
        pair = () if node is None else node.inputs[::-1] if node.operation == "Mul" else node.inputs[:2]
        if node is None or node.operation not in ("Mul", "SelectV2") or len(pair) != len(("mask", "scaled")):
            break
        mask, scaled = map(walk.at, pair)
        if scaled is None or scaled.operation not in _SCALING or not scaled.inputs or not _is_random(walk, mask):
            break
        at = walk.origin(scaled.inputs[0])
    return at


def _is_random(walk: Walk, mask: Node | None) -> bool:
    """Whether MASK compares random numbers with a rate, or makes whole numbers of their sum."""
    waiting = [mask] if mask is not None and mask.operation in _MASKS else []
    for node in waiting:
        if "RandomUniform" in node.operation:
            return True
        if len(waiting) < _MOST_STEPS:
            waiting += [source for name in node.inputs if (source := walk.at(name)) is not None]
    return False
