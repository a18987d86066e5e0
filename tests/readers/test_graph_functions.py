from __future__ import annotations

import numpy as np
import pytest
from tensorflow_builders import constant, counted, integer, node, scalar, variable

from lstmdump.readers.graph_cells import GraphCell, cells, joining_axes
from lstmdump.readers.graph_def import Graph


def body(name: str, arguments: list[str], *nodes: bytes) -> bytes:
    """A FunctionDef: its signature with the names of its arguments, and NODES as a GraphDef has them."""
    signature = counted(1, name) + b"".join(counted(2, counted(1, argument)) for argument in arguments)
    data = b"".join(nodes)
    text = counted(1, signature)
    position = 0
    while position < len(data):  # the same nodes, as field 3 instead of field 1
        length = (
            data[position + 1] if data[position + 1] < 128 else data[position + 1] - 128 + (data[position + 2] << 7)
        )
        start = position + (2 if data[position + 1] < 128 else 3)
        text += counted(3, data[start : start + length])
        position = start + length
    return counted(1, text)


def cell(kernel: str = "kernel_argument", bias: str = "bias_argument", forget_bias: float = 0.3) -> list[bytes]:
    """What a cell computes within a function, where inputs are called `node:output:0`."""
    return [
        node("mul", "MatMul", "concat:output:0", kernel),
        node("sum", "BiasAdd", "mul:product:0", bias),
        node("split", "Split", "axis:output:0", "sum:output:0", num_split=integer(3, 4)),
        node("j", "Tanh", "split:output:1"),
        node("add", "AddV2", "split:output:2", "y:output:0"),
        scalar("y", forget_bias),
        node("f", "Sigmoid", "add:z:0"),
    ]


def loop(*inputs: str, function: str = "steps", operation: str = "While") -> bytes:
    return node("rnn/while", operation, *inputs, body=counted(10, counted(1, function)))


def found(*outer: bytes, library: bytes) -> list[GraphCell]:
    return list(cells(Graph(b"".join(outer) + counted(2, library))))


VARIABLES = variable("rnn/lstm_cell/kernel", (7, 16)) + variable("rnn/lstm_cell/bias", (16,))
READS = ("rnn/time", "rnn/lstm_cell/kernel/read", "rnn/lstm_cell/bias/read")
ARGUMENTS = ["time", "kernel_argument", "bias_argument"]


@pytest.mark.parametrize("operation", ["While", "StatelessWhile"])
def test_the_cell_in_the_body_of_a_loop_takes_the_variables_that_are_handed_in(operation: str) -> None:
    (one,) = found(VARIABLES, loop(*READS, operation=operation), library=body("steps", ARGUMENTS, *cell()))
    assert one.variables == {"kernel": ("rnn/lstm_cell/kernel",), "bias": ("rnn/lstm_cell/bias",)}


def test_the_forget_bias_is_found_in_the_body_of_a_loop() -> None:
    (one,) = found(VARIABLES, loop(*READS), library=body("steps", ARGUMENTS, *cell(forget_bias=2.5)))
    assert one.forget_bias == 2.5


def test_a_function_that_no_loop_runs_is_not_looked_into() -> None:
    assert found(VARIABLES, loop(*READS), library=body("others", ARGUMENTS, *cell())) == []


def test_a_loop_without_a_library_has_no_body() -> None:
    assert list(cells(Graph(VARIABLES + loop(*READS)))) == []


def test_pieces_of_a_kernel_are_joined_within_the_body() -> None:
    pieces = variable("rnn/k/part_0", (4, 16)) + variable("rnn/k/part_1", (3, 16))
    joining = [
        node("joined", "ConcatV2", "first", "second", "at:output:0"),
        constant("at", np.array(0, "<i4")),
        *cell(kernel="joined:output:0"),
    ]
    library = body("steps", ["first", "second", "bias_argument"], *joining)
    inputs = ("rnn/k/part_0/read", "rnn/k/part_1/read", "rnn/lstm_cell/bias/read")
    graph = Graph(VARIABLES + pieces + loop(*inputs) + counted(2, library))
    assert [one.variables["kernel"] for one in cells(graph)] == [("rnn/k/part_0", "rnn/k/part_1")]
    assert joining_axes(graph) == {"rnn/k/part_0": 0, "rnn/k/part_1": 0}
