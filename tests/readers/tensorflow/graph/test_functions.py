from __future__ import annotations

import numpy as np
import pytest
from support.tensorflow_builders import constant, function, loop, node, split_cell, variable

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.readers.tensorflow.graph import functions as graph_functions
from lstmdump.readers.tensorflow.graph.cells import cells, joining_axes
from lstmdump.readers.tensorflow.graph.graph_def import Graph


@pytest.mark.parametrize("operation", ["While", "StatelessWhile"])
def test_the_cell_in_the_body_of_a_loop_takes_the_variables_passed_to_it(operation: str) -> None:
    body = split_cell("c", 0.25, kernel="k_arg", bias="b_arg")
    outer = variable("rnn/kernel", (7, 16)) + variable("rnn/bias", (16,))
    outer += loop("while", "body", "rnn/kernel/read", "rnn/bias/read", operation=operation)
    (cell,) = cells(Graph(outer + function("body", ["k_arg", "b_arg"], body)))
    assert cell.variables == {"kernel": ("rnn/kernel",), "bias": ("rnn/bias",)}
    assert cell.forget_bias == 0.25


def test_a_loop_without_a_body_is_skipped() -> None:
    assert list(graph_functions.bodies(Graph(loop("while", "gone") + node("bare", "While")))) == []


@pytest.mark.parametrize(
    ("functions", "words"),
    [
        (function("f", [], node("a", "Tanh")) + function("f", [], b""), "the graph has two functions of one name"),
        (function("f", [], node("a", "Tanh") * 2), "a function of the graph has two nodes named a"),
    ],
)
def test_two_functions_or_nodes_of_one_name_are_damage(functions: bytes, words: str) -> None:
    with pytest.raises(CorruptModel, match=words):
        list(graph_functions.bodies(Graph(loop("while", "f") + functions)))


def test_an_output_in_a_body_is_named_as_in_a_graph() -> None:
    inside = constant("a", np.zeros(1, "f4")) + node("b", "Tanh", "a:output:0") + node("c", "Tanh", "s:output:2")
    (body,) = graph_functions.bodies(Graph(loop("while", "f") + function("f", [], inside)))
    assert ([one.name for one in body.taking("a")], [one.name for one in body.taking("s:2")]) == (["b"], ["c"])
    assert [one.name for one in body.running("Tanh")] == ["b", "c"]


def test_an_argument_that_changes_from_turn_to_turn_is_not_the_node_given_at_the_first() -> None:
    inside = node("b", "Tanh", "state")
    ends = {"state_out": "b:y:0", "kernel_out": "kernel"}
    outer = constant("zero", np.zeros(1, "f4")) + variable("w", (1, 1)) + loop("while", "f", "zero", "w/read")
    (body,) = graph_functions.bodies(Graph(outer + function("f", ["state", "kernel"], inside, ends)))
    assert (body.returned("state"), body.node("state")) == ("b", None)
    assert (body.returned("kernel"), getattr(body.node("kernel"), "name", "")) == (None, "w")


def test_too_many_loops_over_one_long_function_are_refused() -> None:
    inside = b"".join(node(f"n{k}", "Tanh") for k in range(2000))
    loops = b"".join(loop(f"while{k}", "f") for k in range(120))
    graph = Graph(loops + function("f", [], inside))
    with pytest.raises(RefusedModel, match="loops run more than 200,000 nodes; --limit nodes=10000000 allows it"):
        for _ in graph_functions.bodies(graph):
            pass


def test_pieces_of_a_kernel_are_joined_in_the_body_along_its_axis() -> None:
    body = node("joined", "ConcatV2", "first", "second", "at:output:0") + constant("at", np.array(1, "<i4"))
    body += split_cell("c", kernel="joined:output:0", bias="b_arg")
    outer = variable("k/part_0", (7, 8)) + variable("k/part_1", (7, 8)) + variable("rnn/bias", (16,))
    outer += loop("while", "body", "k/part_0/read", "k/part_1/read", "rnn/bias/read")
    graph = Graph(outer + function("body", ["first", "second", "b_arg"], body))
    assert [cell.variables["kernel"] for cell in cells(graph)] == [("k/part_0", "k/part_1")]
    assert joining_axes(graph) == {"k/part_0": 1, "k/part_1": 1}
