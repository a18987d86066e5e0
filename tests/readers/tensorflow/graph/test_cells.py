from __future__ import annotations

import numpy as np
import pytest
from support.tensorflow_builders import constant, counted, float32, integer, node, scalar, split_cell, variable

from lstmdump.readers.tensorflow.graph.cells import GraphCell, cells, joining_axes
from lstmdump.readers.tensorflow.graph.graph_def import Graph


def only(data: bytes) -> GraphCell:
    (cell,) = cells(Graph(data))
    return cell


def weights(scope: str, d: int = 3, m: int = 4) -> bytes:
    return variable(f"{scope}/kernel", (d + m, 4 * m)) + variable(f"{scope}/bias", (4 * m,))


@pytest.mark.parametrize("adding", ["Add", "AddV2"])
@pytest.mark.parametrize("forget_bias", [1.0, 0.25, 0.0, -2.0])
def test_the_constant_added_to_the_third_part_is_the_forget_bias(forget_bias: float, adding: str) -> None:
    cell = only(weights("rnn/cell") + split_cell("rnn/cell", forget_bias, adding=adding))
    assert cell.variables == {"kernel": ("rnn/cell/kernel",), "bias": ("rnn/cell/bias",)}
    assert (cell.operation, cell.forget_bias, cell.known_order) == ("Split", forget_bias, True)


def test_a_third_part_that_goes_straight_into_a_sigmoid_has_no_forget_bias() -> None:
    assert only(weights("cell") + split_cell("cell", None)).forget_bias == 0.0


def test_an_unused_third_part_leaves_the_forget_bias_unknown() -> None:
    data = weights("cell") + split_cell("cell", None).replace(b"split:2", b"split:3")
    cell = only(data)
    assert (cell.forget_bias, cell.known_order) == (None, False)


def test_a_forget_bias_that_is_not_a_constant_is_unknown() -> None:
    data = weights("cell") + split_cell("cell", 1.0)
    constant_node, placeholder = scalar("cell/y", 1.0), node("cell/y", "Placeholder")
    assert only(data).forget_bias == 1.0
    assert only(data.replace(constant_node, placeholder)).forget_bias is None


@pytest.mark.parametrize(("operation", "known"), [("Relu", True), ("Elu", True), ("Selu", True), ("Rint", False)])
def test_a_candidate_without_an_activation_leaves_the_order_unknown(operation: str, known: bool) -> None:
    data = weights("cell") + split_cell("cell", candidate=operation)
    assert only(data).known_order is known


def test_variables_are_traced_through_the_entry_of_a_loop() -> None:
    entering = node("cell/k", "Enter", "cell/kernel/read") + node("cell/b", "Enter", "cell/bias/read")
    data = weights("cell") + entering + split_cell("cell", 0.7, kernel="cell/k", bias="cell/b")
    cell = only(data)
    assert (cell.variables["kernel"], cell.variables["bias"]) == (("cell/kernel",), ("cell/bias",))
    assert cell.forget_bias == 0.7


def test_variables_are_traced_through_read_operations() -> None:
    data = b"".join(
        node(f"c/{leaf}", "VarHandleOp") + node(f"c/{leaf}/Read", "ReadVariableOp", f"c/{leaf}")
        for leaf in ("kernel", "bias")
    )
    cell = only(data + split_cell("c", kernel="c/kernel/Read", bias="c/bias/Read"))
    assert cell.variables["kernel"] == ("c/kernel",)


def test_the_variables_of_a_frozen_graph_are_constants() -> None:
    data = constant("c/kernel", np.zeros((7, 16), "f4")) + constant("c/bias", np.zeros(16, "f4"))
    assert only(data + split_cell("c", kernel="c/kernel", bias="c/bias")).variables["bias"] == ("c/bias",)


@pytest.mark.parametrize("operation", ["ConcatV2", "Concat"])
def test_a_partitioned_kernel_has_the_names_of_its_pieces(operation: str) -> None:
    pieces = b"".join(variable(f"c/kernel/part_{k}", (7, 8)) for k in range(2)) + variable("c/bias", (16,))
    inputs = ["c/kernel/part_0/read", "c/kernel/part_1/read"]
    inputs = ["axis", *inputs] if operation == "Concat" else [*inputs, "axis"]
    data = pieces + constant("axis", np.array(1, "i4")) + node("c/whole", operation, *inputs)
    graph = Graph(data + split_cell("c", kernel="c/whole"))
    assert [cell.variables["kernel"] for cell in cells(graph)] == [("c/kernel/part_0", "c/kernel/part_1")]
    assert joining_axes(graph) == {"c/kernel/part_0": 1, "c/kernel/part_1": 1}


def test_pieces_that_nothing_joins_have_no_axis() -> None:
    assert joining_axes(Graph(variable("k/part_0", (7, 8)))) == {}


@pytest.mark.parametrize("axis", [-1.0, 0.5, float("inf"), float("nan"), 2.0**60])
def test_pieces_joined_along_an_impossible_axis_are_ignored(axis: float) -> None:
    data = variable("k/part_0", (7, 8)) + variable("k/part_1", (7, 8)) + scalar("axis", axis)
    assert joining_axes(Graph(data + node("k", "ConcatV2", "k/part_0/read", "k/part_1/read", "axis"))) == {}


def test_an_unrolled_cell_is_yielded_once() -> None:
    steps = [split_cell(f"rnn/step_{k}", kernel="c/kernel/read", bias="c/bias/read") for k in range(3)]
    assert only(weights("c") + b"".join(steps)).forget_bias == 1.0


def test_two_cells_are_both_yielded() -> None:
    data = weights("a") + split_cell("a", 0.5) + weights("b") + split_cell("b", 0.25)
    assert [(cell.variables["kernel"], cell.forget_bias) for cell in cells(Graph(data))] == [
        (("a/kernel",), 0.5),
        (("b/kernel",), 0.25),
    ]


@pytest.mark.parametrize("parts", [2, 3])
def test_a_split_into_other_than_four_parts_is_not_an_lstm(parts: int) -> None:
    data = weights("c") + split_cell("c").replace(integer(3, 4), integer(3, parts))
    assert list(cells(Graph(data))) == []


def test_a_split_of_something_else_is_not_an_lstm() -> None:
    data = node("x", "Placeholder") + scalar("axis", 1) + node("s", "Split", "axis", "x", num_split=integer(3, 4))
    assert list(cells(Graph(data))) == []


def block(operation: str, **attributes: bytes) -> bytes:
    places = ["seq_len_max", "x", "cs_prev", "h_prev", "w", "wci", "wcf", "wco", "b"]
    inputs = places[1:] if operation == "LSTMBlockCell" else places
    return b"".join(variable(name, (4,)) for name in places[4:]) + node("cell", operation, *inputs, **attributes)


@pytest.mark.parametrize("operation", ["LSTMBlockCell", "BlockLSTM", "BlockLSTMV2"])
def test_the_variables_of_a_block_cell_are_among_its_inputs(operation: str) -> None:
    cell = only(block(operation, forget_bias=float32(4, 0.3)))
    assert cell[:4] == (operation, {"kernel": ("w",), "bias": ("b",)}, 0.3, True)
    assert cell.node.name == "cell"


@pytest.mark.parametrize(("operation", "added"), [("LSTMBlockCell", 1.0), ("BlockLSTM", 1.0), ("BlockLSTMV2", 0.0)])
def test_a_block_cell_without_the_attribute_has_the_default_forget_bias(operation: str, added: float) -> None:
    assert only(block(operation)).forget_bias == added


@pytest.mark.parametrize("sees_state", [0, 1])
def test_a_block_cell_has_peepholes_if_its_attribute_is_set(sees_state: int) -> None:
    cell = only(block("BlockLSTM", use_peephole=integer(5, sees_state)))
    peepholes = {"w_i_diag": ("wci",), "w_f_diag": ("wcf",), "w_o_diag": ("wco",)}
    assert {leaf: cell.variables.get(leaf) for leaf in peepholes} == (
        peepholes if sees_state else dict.fromkeys(peepholes)
    )


def test_a_block_cell_with_too_few_inputs_is_ignored() -> None:
    assert list(cells(Graph(node("cell", "BlockLSTM", "a", "b")))) == []


def test_a_block_cell_with_a_computed_kernel_is_ignored() -> None:
    data = block("BlockLSTM").replace(b"VariableV2", b"MatrixInve")
    assert list(cells(Graph(data))) == []


def test_a_sum_of_three_terms_is_not_a_forget_bias() -> None:
    data = weights("c") + split_cell("c", None).replace(b"\x0a\x03c/f\x12\x07Sigmoid", b"\x0a\x03c/f\x12\x07Unknown")
    data += node("c/add", "Add", *(["c/split:2"] * 3), "c/y") + scalar("c/y", 1.0)
    assert only(data).forget_bias is None


def test_the_last_of_two_operations_of_a_node_counts() -> None:
    """The last of repeated fields counts, but a search for bytes finds the first."""
    both = counted(1, counted(1, "lstm") + counted(2, "BlockLSTM") + counted(2, "Const"))
    assert list(cells(Graph(both))) == []
