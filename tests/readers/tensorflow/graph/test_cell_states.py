from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from support.tensorflow_builders import (
    constant,
    graph_of,
    integer,
    looped_cell,
    lstm_cell,
    node,
    own_cell,
    scalar,
    variable,
    zeros,
)

from lstmdump.readers.tensorflow.graph import cell_states
from lstmdump.readers.tensorflow.graph.cell_outputs import CellOutputs, KnownCell
from lstmdump.readers.tensorflow.graph.cell_search import all_cells
from lstmdump.readers.tensorflow.graph.cell_states import Lengths
from lstmdump.readers.tensorflow.graph.graph_def import Graph, variables_declared

WAYS = pytest.mark.parametrize("as_node", [False, True], ids=["nodes", "function"])
PLACEHOLDERS = node("h_first", "Placeholder") + node("c_first", "Placeholder")


def weights(*scopes: str) -> bytes:
    return b"".join(variable(f"{scope}/kernel", (7, 16)) + variable(f"{scope}/bias", (16,)) for scope in scopes)


def outputs(data: bytes, *scopes: str) -> CellOutputs:
    """Return the outputs of the cells in a graph, by the scope of the first variable of each."""
    graph = Graph(graph_of(weights(*scopes), data))
    shapes = {name: shape for name, (shape, _) in variables_declared(graph).items()}
    found = all_cells(graph, lambda name: name in scopes, shapes)
    cells = {next(iter(cell.variables.values()))[0].rpartition("/")[0]: cell for cell in found}
    return CellOutputs({name: KnownCell(cell, cell.variables) for name, cell in cells.items()})


def states(data: bytes, *scopes: str) -> tuple[str, ...] | None:
    """Return what gives the first states of the last of `scopes`."""
    return cell_states.first_states(scopes[-1], outputs(data, *scopes))


def lengths(data: bytes, scope: str = "rnn") -> Lengths | None:
    return cell_states.lengths(scope, outputs(data, scope))


# --- states before the first step


@WAYS
def test_zeros_give_nothing(as_node: bool) -> None:
    data = zeros("h_first") + constant("c_first", np.zeros((2, 4), "f4")) + looped_cell("rnn", as_node=as_node)
    assert states(data, "rnn") == ()


@WAYS
def test_placeholders_are_named_that_of_h_first(as_node: bool) -> None:
    assert states(PLACEHOLDERS + looped_cell("rnn", as_node=as_node), "rnn") == ("h_first", "c_first")


def test_states_that_are_not_0_in_the_graph_are_named() -> None:
    data = zeros("h_first") + constant("c_first", np.eye(4, dtype="f4")) + looped_cell("rnn")
    assert states(data, "rnn") == ("c_first",)


def test_a_placeholder_with_a_default_of_0_may_be_given_other_states() -> None:
    data = zeros("zero") + b"".join(node(f"{state}_first", "PlaceholderWithDefault", "zero") for state in "hc")
    assert states(data + looped_cell("rnn"), "rnn") == ("h_first", "c_first")


@pytest.mark.parametrize(
    "arranged",
    [
        node("h_first", "Tile", "learned/read", "n"),
        node("h_first", "StridedSlice", "both") + node("both", "Pack", "learned/read", "zero"),
        node("h_first", "Unpack", "both") + node("both", "ConcatV2", "zero", "learned/read", "axis"),
        node("h_first", "Reshape", "wide") + node("wide", "BroadcastTo", "learned/read", "n"),
        node("h_first", "Select", "reset", "zero", "learned/read"),
    ],
)
def test_a_variable_is_named_behind_operations_that_arrange_its_numbers(arranged: bytes) -> None:
    data = variable("learned", (1, 4)) + zeros("zero") + zeros("c_first") + arranged
    assert states(data + looped_cell("rnn"), "rnn") == ("learned",)


def test_what_is_computed_is_named_by_its_node() -> None:
    data = zeros("c_first") + node("h_first", "Tanh", "image") + node("image", "Placeholder")
    assert states(data + looped_cell("rnn"), "rnn") == ("h_first",)


@pytest.mark.parametrize("lengths", ["", "lengths"])
@WAYS
def test_the_last_states_of_another_loop_are_those_of_its_cell(lengths: str, as_node: bool) -> None:
    data = node("lengths", "Placeholder") + zeros("h_first") + zeros("c_first")
    data += looped_cell("enc", as_node=as_node, lengths=lengths)
    data += looped_cell("dec", "y", states=("enc/last_h", "enc/last_c"), as_node=as_node)
    assert states(data, "enc", "dec") == ("enc",)


def test_the_last_states_of_both_halves_are_concatenated() -> None:
    data = zeros("h_first") + zeros("c_first") + looped_cell("fw") + looped_cell("bw")
    for state in "hc":
        data += node(f"both_{state}", "ConcatV2", f"fw/last_{state}", f"bw/last_{state}", "axis")
    data += looped_cell("dec", states=("both_h", "both_c"))
    assert states(data, "fw", "bw", "dec") == ("fw", "bw")


def steps(scope: str, number: int, h: str, c: str) -> bytes:
    """Return steps one after the other, `scope/0/h`, …, that share the variables of `scope`."""
    text = b""
    for step in range(number):
        names = {"kernel": f"{scope}/kernel/read", "bias": f"{scope}/bias/read"}
        text += lstm_cell(f"{scope}/{step}", f"{scope}_{step}", states=(h, c), **names)
        h, c = f"{scope}/{step}/h", f"{scope}/{step}/c"
    return text


def test_the_last_states_of_a_list_are_those_of_its_cell() -> None:
    data = zeros("zero") + steps("enc", 3, "zero", "zero") + steps("dec", 3, "enc/2/h", "enc/2/c")
    assert states(data, "enc", "dec") == ("enc",)


def test_a_function_of_the_last_states_is_named_by_its_node() -> None:
    data = zeros("zero") + steps("enc", 3, "zero", "zero") + node("more", "Relu", "enc/2/h")
    assert states(data + steps("dec", 3, "more", "enc/2/c"), "enc", "dec") == ("more", "enc")


def test_the_states_of_a_block_are_its_inputs() -> None:
    block = node(
        "rnn/block", "BlockLSTM", "n", "x", "c_first", "h_first", "rnn/kernel/read", *["none"] * 3, "rnn/bias/read"
    )
    assert states(PLACEHOLDERS + block, "rnn") == ("h_first", "c_first")


@pytest.mark.parametrize("state_first", [False, True])
@pytest.mark.parametrize(("joined", "fused"), [(False, False), (True, False), (True, True)])
def test_the_states_of_a_cell_of_ones_own_are_found_by_its_equations(
    joined: bool, fused: bool, state_first: bool
) -> None:
    names = {"W": "own/W", "b": "own/b"} | ({} if fused else {"U": "own/U"})
    data = own_cell(names=names, joined=joined, fused=fused, state_first=state_first)
    assert cell_states.first_states("own", outputs(data)) == ("start",)


def test_a_cell_with_other_equations_has_no_known_states() -> None:
    other = lstm_cell("rnn", activations=("Rint", "Rint"))
    assert (states(other, "rnn"), lengths(other)) == (None, None)


def test_a_node_that_takes_itself_ends_the_walk() -> None:
    data = node("h_first", "Pack", "h_first", "h_first") + zeros("c_first") + looped_cell("rnn")
    assert states(data, "rnn") == ()


def test_states_from_very_many_nodes_take_a_bounded_walk() -> None:
    names = [f"n{number}" for number in range(5000)]
    many = b"".join(node(name, "Rint", "x") for name in names)
    found = states(node("h_first", "Pack", *names) + many + zeros("c_first") + looped_cell("rnn"), "rnn")
    assert found == tuple(names[:16])


# --- lengths


@WAYS
def test_the_lengths_are_those_that_a_step_is_compared_with(as_node: bool) -> None:
    data = PLACEHOLDERS + node("lengths", "Placeholder") + looped_cell("rnn", lengths="lengths", as_node=as_node)
    assert lengths(data) == Lengths("lengths", None)


@WAYS
def test_constant_lengths_are_read(as_node: bool) -> None:
    data = PLACEHOLDERS + constant("five", np.array([5, 3], "<i4")) + node("lengths", "Cast", "five")
    assert lengths(data + looped_cell("rnn", lengths="lengths", as_node=as_node)) == Lengths("five", (5, 3))


@WAYS
def test_a_loop_without_lengths_has_none(as_node: bool) -> None:
    assert lengths(PLACEHOLDERS + looped_cell("rnn", as_node=as_node)) is None


def test_the_same_end_for_all_sequences_is_no_length() -> None:
    data = PLACEHOLDERS + constant("end", np.array(5, "<i4")) + looped_cell("rnn", lengths="end")
    assert lengths(data) is None


def test_a_selection_by_something_else_is_no_length() -> None:
    data = PLACEHOLDERS + node("lengths", "Placeholder") + looped_cell("rnn", lengths="lengths")
    assert lengths(data.replace(b"GreaterEqual", b"NotAnCompare")) is None


def in_condition(comparison: bytes) -> bytes:
    text = node("lengths", "Placeholder") + comparison + scalar("0", 0.0) + zeros("zero")
    switched = [node(f"if_{state}", "Switch", "zero", "condition") for state in "hc"]
    return text + b"".join(switched) + lstm_cell("rnn", states=("if_h", "if_c"))


@pytest.mark.parametrize("reduced", [node("most", "Max", "lengths", "axes"), node("most", "Identity", "lengths")])
def test_the_condition_around_a_step_of_a_list_compares_the_lengths(reduced: bytes) -> None:
    assert lengths(in_condition(reduced + node("condition", "LessEqual", "most", "0"))) == Lengths("lengths", None)


def test_a_condition_that_compares_nothing_is_no_length() -> None:
    assert lengths(in_condition(node("condition", "Placeholder"))) is None


@pytest.mark.parametrize(
    ("number", "expected"),
    [(node("n", "Max", "lengths", "axes"), Lengths("lengths", None)), (constant("n", np.array(9, "<i8")), None)],
)
def test_a_block_computes_as_many_steps_as_the_longest_sequence_has(number: bytes, expected: Lengths | None) -> None:
    inputs: Sequence[str] = ["n", "x", "c_first", "h_first", "rnn/kernel/read", *["none"] * 3, "rnn/bias/read"]
    block = node("rnn/block", "BlockLSTM", *inputs, cell_clip=integer(1, 0))
    assert lengths(PLACEHOLDERS + node("lengths", "Placeholder") + number + block) == expected


def test_finished_sequences_are_carried_from_step_to_step() -> None:
    data = PLACEHOLDERS + node("lengths", "Placeholder") + looped_cell("rnn", lengths="lengths")
    carried = [
        node("done/Enter", "Enter", "never"),
        node("done", "Merge", "done/Enter", "done/NextIteration"),
        node("done/NextIteration", "NextIteration", "done/or"),
        node("done/or", "LogicalOr", "done", "done/now"),
        node("done/now", "GreaterEqual", "rnn/time_after", "rnn/while/lengths"),
    ]
    raw = node("rnn/over", "Identity", "done")
    whole = data.replace(node("rnn/over", "GreaterEqual", "rnn/while/time", "rnn/while/lengths"), raw)
    assert whole != data
    assert lengths(whole + b"".join(carried)) == Lengths("lengths", None)
