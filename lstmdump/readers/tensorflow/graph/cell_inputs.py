"""The input of a TensorFlow 1 cell: the output that it comes from, and whether its steps are reversed.

`dynamic_rnn` stores its input in a TensorArray, from which the loop takes one step at a time; `static_rnn` takes a
list. The backward half of a bidirectional layer gets the input reversed. Measured on graphs of TensorFlow 0.12 to 2.21.
"""

from __future__ import annotations

from lstmdump.model.cell_classes import BLOCK_OPERATIONS
from lstmdump.readers.tensorflow.graph.cells import JOINING, SPLIT, GraphCell
from lstmdump.readers.tensorflow.graph.graph_def import Node, scalar
from lstmdump.readers.tensorflow.graph.walk import Walk

_REVERSING = ("Reverse", "ReverseV2", "ReverseSequence")
_SPREADING = {"TensorArrayRead": 2, "TensorArrayReadV2": 2, "TensorArrayReadV3": 2, "TensorArrayScatter": 2,
              "TensorArrayScatterV2": 2, "TensorArrayScatterV3": 2, "TensorArrayUnpack": 1, "TensorListGetItem": 0,
              "TensorListFromTensor": 0, "Transpose": 0, "Unpack": 0}  # fmt: skip
"""The position of the input that each operation stores, splits into steps, or transposes."""

_FEATURES = (2, -1)  # the axis
_MASKS = ("Floor", "GreaterEqual")
_SCALING = ("Mul", "Div", "RealDiv")
_STATE_AFTER_INPUT = 2  # the inputs of a block cell are x, c and h
_MAX_STEPS = 20


def source(cell: GraphCell) -> str | None:
    """Return the output that `cell` takes as input at each step, or None if the graph does not show it.

    Raises:
        CannotReplay: The graph has more nodes there than any genuine one.
    """
    walk = Walk(cell.node.home)
    at = _find_input(cell, walk)
    return None if at is None else skip_dropout(walk, at)


def is_turned(cell: GraphCell) -> bool | None:
    """Return whether `cell` gets the last step of its input first, or None if the graph does not show it.

    The input is followed back to the whole sequence that the steps are taken from, and then to a reversal, if any. In
    an unrolled list (`Unpack`), the order is reversed if the first step of the cell takes the last element. The steps
    of cells found by their equations may be in any order: there, if a step takes an earlier element than that before.
    """
    walk, turned = Walk(cell.node.home), False
    block = BLOCK_OPERATIONS.get(cell.operation)
    at, is_spread = _find_input(cell, walk), block is not None and block.takes_sequence
    for _ in range(_MAX_STEPS):
        node = walk.at(at)
        if at is None or node is None:
            break
        turn = 0 if is_reversal(node) else _SPREADING.get(node.operation)
        if turn is None or turn >= len(node.inputs):
            return turned or (False if is_spread else None)
        place = walk.origin(at).partition(":")[2]
        if node.operation == "Unpack" and cell.own is not None:
            first, second = (_find_element(walk, one, node.name) for one in cell.own.in_turn or ("", ""))
            return None if first is None or second is None or first == second else (first > second) != turned
        if node.operation == "Unpack" and place.isdecimal() and int(place):
            return (int(place) == node.number("num") - 1) != turned
        turned ^= is_reversal(node)
        is_spread |= node.operation != "Transpose"
        at = node.inputs[turn]
        walk = walk if node.home is walk.nodes else Walk(node.home)
    return turned or None


def _find_element(walk: Walk, taken: str, unpack: str) -> int | None:
    """Return which element of the list that `unpack` makes is at `taken`, behind dropouts; None if it is none."""
    name, _, place = skip_dropout(walk, walk.origin(taken)).partition(":")
    return int(place or 0) if name == unpack and (place or "0").isdecimal() else None


def is_reversal(node: Node) -> bool:
    """Return whether `node` reverses a sequence, along the axis of the steps or of the batch, not of the features."""
    if node.operation != "ReverseV2" or len(node.inputs) != len(("tensor", "axis")):
        return node.operation in _REVERSING
    axis = node.home.source(node.inputs[1])
    return axis is None or scalar(axis) not in _FEATURES


def state(cell: GraphCell) -> str | None:
    """Return the input of a node that is h, the output of the step before, or None if the graph does not show it.

    Raises:
        CannotReplay: The graph has more nodes there than any genuine one.
    """
    if cell.operation == SPLIT:
        joined = _list_joined(cell, Walk(cell.node.home))
        return joined[-1] if len(joined) > 1 else None
    block = BLOCK_OPERATIONS.get(cell.operation)
    return None if block is None else cell.node.inputs[block.input_at + _STATE_AFTER_INPUT]


def _find_input(cell: GraphCell, walk: Walk) -> str | None:
    """Return the input that is joined with the state before the product with the kernel, or that a block cell takes."""
    if cell.own is not None:
        return walk.origin(cell.own.taken) if cell.own.taken else None
    if cell.operation != SPLIT:
        return walk.origin(cell.node.inputs[BLOCK_OPERATIONS[cell.operation].input_at])
    joined = _list_joined(cell, walk)
    return walk.origin(joined[0]) if len(joined) == len(("input", "state")) else None


def _list_joined(cell: GraphCell, walk: Walk) -> tuple[str, ...]:
    """Return what is joined before the product with the kernel: the input, or several, and the state."""
    product = walk.at(cell.node.inputs[1])
    if product is not None and product.operation != "MatMul" and product.inputs:  # a bias is added to it
        product = walk.at(product.inputs[0])
    joined = walk.at(product.inputs[0]) if product is not None and product.operation == "MatMul" else None
    if joined is None or joined.operation not in JOINING:
        return ()
    return joined.inputs[1:] if joined.operation == "Concat" else joined.inputs[:-1]


def skip_dropout(walk: Walk, at: str) -> str:
    """Return the output behind `at` and any dropouts, which have no effect outside of training."""
    for _ in range(_MAX_STEPS):
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
    """Return whether `mask` is that of a dropout: random numbers compared with a rate, or added to it and rounded."""
    waiting = [mask] if mask is not None and mask.operation in _MASKS else []
    for node in waiting:
        if "RandomUniform" in node.operation:
            return True
        if len(waiting) < _MAX_STEPS:
            waiting += [source for name in node.inputs if (source := walk.at(name)) is not None]
    return False
