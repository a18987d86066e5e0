from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from support.tensorflow_builders import (
    constant,
    graph_of,
    integer,
    looped_cell,
    lstm_cell,
    node,
    scalar,
    variable,
    zeros,
)

from lstmdump.readers.tensorflow.graph import cell_sources
from lstmdump.readers.tensorflow.graph.cell_outputs import CellOutputs, KnownCell
from lstmdump.readers.tensorflow.graph.cells import cells
from lstmdump.readers.tensorflow.graph.graph_def import Graph

WAYS = pytest.mark.parametrize("as_node", [False, True], ids=["nodes", "function"])
STATES = zeros("h_first") + zeros("c_first")
AXES = b"".join(constant(f"axis_{name}", np.array(axis, "<i4")) for name, axis in (*enumerate(range(3)), ("last", -1)))


def givers(data: bytes, name: str = "b", others: tuple[str, ...] = ("a",)) -> list[tuple[str, bool]]:
    """Return the cells whose outputs the cell `name` takes, and whether the steps are reversed in between."""
    names = (*others, name)
    weights = b"".join(variable(f"{one}/kernel", (7, 16)) + variable(f"{one}/bias", (16,)) for one in names)
    found = {cell.variables["kernel"][0].rpartition("/")[0]: cell for cell in cells(Graph(graph_of(weights, data)))}
    assert set(found) == set(names)
    outputs = CellOutputs({one: KnownCell(cell, cell.variables) for one, cell in found.items()})
    return [tuple(giver) for giver in cell_sources.find(name, outputs)]


def behind(*between: bytes, as_node: bool = False, lengths: str = "", taken: str = "taken") -> bytes:
    """Return a loop over the node `taken`, which the nodes `between` make of `a/sequence`, the outputs of a loop."""
    first = looped_cell("a", as_node=as_node, lengths=lengths)
    second = looped_cell("b", taken, as_node=as_node, lengths=lengths)
    return STATES + node("lengths", "Placeholder") + AXES + first + b"".join(between) + second


@pytest.mark.parametrize("lengths", ["", "lengths"])
@WAYS
def test_a_loop_takes_the_outputs_of_the_one_before(lengths: str, as_node: bool) -> None:
    assert givers(behind(as_node=as_node, lengths=lengths, taken="a/sequence")) == [("a", False)]


def test_the_first_loop_takes_no_outputs() -> None:
    assert givers(behind(taken="a/sequence"), "a", ("b",)) == []


TRANSPOSED = node("t", "Transpose", "a/sequence", "perm")
RANDOM = node("random", "RandomUniform", "shape") + scalar("rate", 0.5) + node("mask", "GreaterEqual", "random", "rate")


@pytest.mark.parametrize(
    "between",
    [
        TRANSPOSED + node("taken", "Transpose", "t", "perm"),
        TRANSPOSED + node("same", "Identity", "t") + node("taken", "Transpose", "same", "perm"),
        RANDOM + node("more", "Mul", "a/sequence", "rate") + node("taken", "SelectV2", "mask", "more", "zero"),
        node("turned", "ReverseV2", "a/sequence", "axis_0") + node("taken", "ReverseV2", "turned", "axis_0"),
    ],
    ids=["transposed", "identity", "dropout", "reversed twice"],
)
@WAYS
def test_what_changes_no_number_is_passed(between: bytes, as_node: bool) -> None:
    assert givers(behind(between, as_node=as_node)) == [("a", False)]


@pytest.mark.parametrize(
    "between",
    [
        TRANSPOSED + node("taken", "Identity", "t"),
        node("taken", "Relu", "a/sequence"),
        node("taken", "AddV2", "a/sequence", "x"),
        node("taken", "ConcatV2", "a/sequence", "x", "axis_2"),
        node("taken", "ReverseV2", "a/sequence", "axis_2"),
        node("taken", "StridedSlice", "a/sequence"),
        node("taken", "Placeholder"),
    ],
    ids=["batch and time exchanged", "activation", "sum", "with x", "mirrored", "cut", "placeholder"],
)
def test_what_changes_numbers_or_their_order_is_another_input(between: bytes) -> None:
    assert givers(behind(between)) == []


@pytest.mark.parametrize("operation", ["ReverseV2", "ReverseSequence", "Reverse"])
def test_a_reversal_is_reported(operation: str) -> None:
    assert givers(behind(node("taken", operation, "a/sequence", "axis_0"))) == [("a", True)]


@pytest.mark.parametrize("axis", ["axis_2", "axis_last"])
def test_outputs_that_are_concatenated_along_the_features_are_all_taken(axis: str) -> None:
    between = node("turned", "ReverseSequence", "bw/sequence", "lengths")
    between += node("taken", "ConcatV2", "fw/sequence", "turned", axis)
    data = STATES + AXES + looped_cell("fw") + looped_cell("bw") + between + looped_cell("b", "taken")
    assert givers(data, others=("fw", "bw")) == [("fw", False), ("bw", True)]


@pytest.mark.parametrize("axis", ["axis_0", "axis_1", "unknown"])
def test_outputs_that_are_concatenated_along_another_axis_are_another_input(axis: str) -> None:
    data = STATES + AXES + looped_cell("fw") + looped_cell("bw") + looped_cell("b", "taken")
    assert givers(data + node("taken", "ConcatV2", "fw/sequence", "bw/sequence", axis), others=("fw", "bw")) == []


# --- lists


def steps(scope: str, inputs: list[str]) -> bytes:
    text, states = b"", ("h_first", "c_first")
    for number, x in enumerate(inputs):
        at = f"{scope}/{number}"
        text += lstm_cell(at, x, states=states, kernel=f"{scope}/kernel/read", bias=f"{scope}/bias/read")
        states = (f"{at}/h", f"{at}/c")
    return text


ONE = STATES + steps("a", ["x0", "x1", "x2"])
OUTPUTS = [f"a/{number}/h" for number in range(3)]


def packed(names: list[str], axis: int) -> bytes:
    return node("packed", "Pack", *names, axis=integer(3, axis))


def test_a_list_takes_the_outputs_of_the_steps_of_another() -> None:
    assert givers(ONE + steps("b", OUTPUTS)) == [("a", False)]


def test_a_list_that_takes_the_steps_in_reverse_is_not_connected() -> None:
    assert givers(ONE + steps("b", OUTPUTS[::-1])) == []


@pytest.mark.parametrize(("axis", "between"), [(0, b""), (1, node("taken", "Transpose", "packed", "perm"))])
def test_a_loop_takes_a_list_that_is_packed(axis: int, between: bytes) -> None:
    taken = "taken" if between else "packed"
    assert givers(ONE + packed(OUTPUTS, axis) + between + looped_cell("b", taken)) == [("a", False)]


@pytest.mark.parametrize(
    ("names", "axis"), [(OUTPUTS, 1), (OUTPUTS[::-1], 0), ([*OUTPUTS[:2], "x2"], 0), (OUTPUTS[:1] * 3, 0)]
)
def test_a_list_that_is_packed_otherwise_is_another_input(names: list[str], axis: int) -> None:
    assert givers(ONE + packed(names, axis) + looped_cell("b", "packed")) == []


def unpacked(axis: int) -> bytes:
    return node("unpacked", "Unpack", "a/sequence", num=integer(3, 3), axis=integer(3, axis))


@pytest.mark.parametrize(
    ("axis", "inputs", "expected"),
    [
        (0, ["unpacked", "unpacked:1", "unpacked:2"], [("a", False)]),
        (0, ["unpacked:2", "unpacked:1", "unpacked"], [("a", True)]),
        (0, ["unpacked:1"], []),
        (1, ["unpacked", "unpacked:1", "unpacked:2"], []),
    ],
)
def test_a_list_takes_the_outputs_of_a_loop_apart(axis: int, inputs: list[str], expected: list[object]) -> None:
    assert givers(STATES + looped_cell("a") + unpacked(axis) + steps("b", inputs)) == expected


# --- blocks


def block(scope: str, x: str) -> bytes:
    inputs = ["n", x, "c_first", "h_first", f"{scope}/kernel/read", *["none"] * 3, f"{scope}/bias/read"]
    return node(f"{scope}/block", "BlockLSTM", *inputs)


def test_blocks_take_and_give_sequences() -> None:
    data = STATES + block("a", "x") + block("m", "a/block:6") + looped_cell("b", "m/block:6")
    assert givers(data, "m", ("a", "b")) == [("a", False)]
    assert givers(data, "b", ("a", "m")) == [("m", False)]


def test_the_cell_states_of_a_block_are_another_input() -> None:
    assert givers(STATES + block("a", "x") + looped_cell("b", "a/block:1")) == []


def test_very_many_transpositions_are_not_passed() -> None:
    names = ["a/sequence", *(f"t{number}" for number in range(200))]
    many = b"".join(node(name, "Transpose", before, "perm") for before, name in pairwise(names))
    assert givers(behind(many, taken="t199")) == []


def test_concatenations_in_one_another_are_passed_up_to_a_depth() -> None:
    names = ["a/sequence", *(f"both{number}" for number in range(30))]
    many = b"".join(node(name, "ConcatV2", before, before, "axis_2") for before, name in pairwise(names))
    assert givers(behind(many, taken="both29")) == []


def test_selections_in_one_another_are_not_followed() -> None:
    names = ["rnn", *(f"s{number}" for number in range(3000))]
    many = b"".join(node(name, "Select", "over", before, before) for before, name in pairwise(names))
    assert givers(STATES + many + looped_cell("a") + steps("b", ["s2999"])) == []
