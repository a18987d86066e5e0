from __future__ import annotations

import pytest
from support.tensorflow_builders import counted, integer, lstm_cell, node, variable

from lstmdump.readers.protobuf import fields
from lstmdump.readers.tensorflow.graph.cell_inputs import is_turned, source
from lstmdump.readers.tensorflow.graph.cells import GraphCell, cells
from lstmdump.readers.tensorflow.graph.graph_def import Graph

WEIGHTS = variable("c/kernel", (7, 16)) + variable("c/bias", (16,))


def only(data: bytes) -> GraphCell:
    (cell,) = cells(Graph(WEIGHTS + data))
    return cell


def block(operation: str, x: str) -> bytes:
    places = [x, "cs", "h", "c/kernel/read", "wci", "wcf", "wco", "c/bias/read"]
    return node("cell", operation, *(["length"] if operation.startswith("Block") else []), *places)


def test_the_input_of_a_cell_is_joined_with_its_state() -> None:
    assert source(only(lstm_cell("c", "step") + node("step", "TensorArrayReadV3"))) == "step"


def test_the_axis_comes_first_in_the_first_releases() -> None:
    later = node("c/concat", "ConcatV2", "step", "c/h_before", "c/axis")
    data = lstm_cell("c", "step").replace(later, node("c/concat", "Concat", "c/axis", "step", "c/h_before"))
    assert source(only(data)) == "step"


def test_three_joined_outputs_are_not_an_input_and_a_state() -> None:
    later = node("c/concat", "ConcatV2", "step", "c/h_before", "c/axis")
    data = lstm_cell("c", "step").replace(later, node("c/concat", "ConcatV2", "step", "more", "c/h_before", "c/axis"))
    assert source(only(data)) is None


@pytest.mark.parametrize("operation", ["LSTMBlockCell", "BlockLSTM", "BlockLSTMV2"])
def test_the_input_of_a_block_cell_is_among_its_inputs(operation: str) -> None:
    assert source(only(block(operation, "step:2"))) == "step:2"


@pytest.mark.parametrize(
    ("operation", "before", "turned"),
    [("BlockLSTM", "ReverseV2", True), ("BlockLSTMV2", "Relu", False), ("LSTMBlockCell", "Relu", None)],
)
def test_only_a_block_cell_of_all_steps_shows_their_order_itself(
    operation: str, before: str, turned: bool | None
) -> None:
    assert is_turned(only(node("before", before, "x", "axis") + block(operation, "before"))) is turned


@pytest.mark.parametrize(("operation", "turned"), [("ReverseV2", True), ("Relu", False)])
def test_a_loop_whose_body_is_a_function_takes_its_steps_from_outside(operation: str, turned: bool) -> None:
    inside = node("step", "TensorListGetItem", "steps", "at") + lstm_cell("c", "step:item:0", kernel="k", bias="b")
    signature = counted(1, "body") + b"".join(counted(2, counted(1, name)) for name in ("steps", "k", "b"))
    nodes = b"".join(counted(3, bytes(value)) for _, value in fields(inside) if not isinstance(value, int))
    outer = node("x", "Placeholder") + node("before", operation, "x", "axis")
    outer += node("list", "TensorListFromTensor", "before", "shape")
    outer += node("while", "While", "list", "c/kernel/read", "c/bias/read", body=counted(10, counted(1, "body")))
    assert is_turned(only(outer + counted(2, counted(1, counted(1, signature) + nodes)))) is turned


def test_a_cycle_of_transpositions_is_not_followed_forever() -> None:
    circle = node("a", "Transpose", "b") + node("b", "Transpose", "a")
    assert is_turned(only(lstm_cell("c", "a") + circle)) is None


def test_a_step_of_a_list_is_reversed_only_if_the_list_has_a_length() -> None:
    assert is_turned(only(lstm_cell("c", "steps:1") + node("steps", "Unpack", "x"))) is False
    assert is_turned(only(lstm_cell("c", "steps:1") + node("steps", "Unpack", "x", num=integer(3, 2)))) is True
