"""Graphs as JSON: what becomes of fused nodes and of loops, and damaged graphs."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from support.call_counts import count_more

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import DEFAULTS
from lstmdump.readers.tensorflow.graph.graph_def import Graph, scalar
from lstmdump.readers.tfjs import graph_text

OPERATIONS = ("AddV2", "Enter", "Identity", "MatMul", "Merge", "Mul", "NextIteration", "Relu", "Switch", "Tanh",
              "_FusedMatMul")  # fmt: skip
NODES = 200
MOST_CALLS = 40
"""Calls of functions for a further node, of which half have three attributes and half have one."""


def node(name: str, operation: str, *inputs: str, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "op": operation, "input": list(inputs), "attr": attributes}


def graph_of(*nodes: dict[str, Any], numbers: bytes = b"", prefix: str = "") -> Graph:
    return Graph(graph_text.encode({"node": [*nodes]}, lambda _: numbers, prefix, "model.json", DEFAULTS))


def operations_of(graph: Graph) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {node.name: (node.operation, node.inputs) for operation in OPERATIONS for node in graph.running(operation)}


def fused(*operations: str) -> dict[str, Any]:
    return {"fused_ops": {"list": {"s": [base64.b64encode(name.encode()).decode() for name in operations]}}}


def test_a_fused_product_is_a_product_and_an_addition() -> None:
    assert operations_of(graph_of(node("y", "_FusedMatMul", "x", "w", "b", **fused("BiasAdd")))) == {
        "y/_product_0": ("MatMul", ("x", "w")),
        "y": ("AddV2", ("y/_product_0", "b")),
    }


def test_an_activation_that_is_fused_comes_last() -> None:
    assert operations_of(graph_of(node("y", "_FusedMatMul", "x", "w", "b", **fused("BiasAdd", "Relu"))))["y"] == (
        "Relu",
        ("y/_product_1",),
    )


def test_a_fused_operation_that_is_not_known_stays_as_it_is() -> None:
    made = graph_of(node("y", "_FusedMatMul", "x", "w", "b", **fused("BiasAdd", "LeakyRelu")))
    assert operations_of(made)["y"][0] == "_FusedMatMul"


def loop(turn: str) -> Graph:
    return graph_of(
        node("first", "Enter", "w"),
        node("merge", "Merge", "first", "next"),
        node("switch", "Switch", "merge", "condition"),
        node("changed", "Mul", "switch:1", "switch:1"),
        node("next", "NextIteration", turn),
    )


def test_a_variable_of_a_loop_that_does_not_change_is_its_first_value() -> None:
    assert operations_of(loop("switch:1"))["merge"] == ("Identity", ("first",))


def test_a_variable_of_a_loop_that_changes_stays_one() -> None:
    assert operations_of(loop("changed"))["merge"] == ("Merge", ("first", "next"))


def test_inputs_that_carry_no_value_are_left_out() -> None:
    assert operations_of(graph_of(node("y", "Tanh", "x", "^before")))["y"] == ("Tanh", ("x",))


def test_the_prefix_of_all_names_is_left_out() -> None:
    assert operations_of(graph_of(node("a/y", "Tanh", "a/x:1"), prefix="a/")) == {"y": ("Tanh", ("x:1",))}


def test_a_small_constant_has_its_number() -> None:
    kind = {"value": {"tensor": {"dtype": "DT_FLOAT", "tensorShape": {}}}, "dtype": {"type": "DT_FLOAT"}}
    one = graph_of(node("one", "Const", **kind), numbers=b"\0\0\x80\x3f").node("one")  # 1.0 in float32
    assert one is not None
    assert scalar(one) == 1.0


@pytest.mark.parametrize(
    "nodes",
    [
        [3],
        [{}],
        [{"name": "a", "op": 3}],
        [{"name": "a", "op": "Tanh", "input": "x"}],
        [{"name": "a", "op": "Tanh", "attr": []}],
        [node("a", "Tanh"), node("a", "Tanh")],
        [node("a", "Split", num_split={"i": "four"})],
        [node("a", "Split", num_split={"i": 2**70})],
        [node("a", "Const", value={"tensor": {"tensorShape": {"dim": [3]}}})],
    ],
)
def test_a_damaged_graph_is_corrupt(nodes: list[Any]) -> None:
    with pytest.raises(CorruptModel):
        graph_text.encode({"node": nodes}, lambda _: b"", "", "model.json", DEFAULTS)


def test_a_graph_of_too_many_nodes_is_refused() -> None:
    with pytest.raises(RefusedModel, match="--limit nodes=3"):
        graph_text.encode(
            {"node": [node(f"n{turn}", "Tanh") for turn in range(3)]},
            lambda _: b"",
            "",
            "m",
            DEFAULTS._replace(nodes=2),
        )


def test_a_further_node_costs_few_calls() -> None:
    dtype, shape = {"type": "DT_FLOAT"}, {"dim": [{"size": "4"}]}

    def encode(count: int) -> Graph:
        kinds: list[dict[str, Any]] = [{"T": dtype, "N": {"i": "2"}, "transpose_a": {"b": False}}, {"T": dtype}]
        nodes = [node(f"model/node_{turn}", "AddV2", "x", "y", **kinds[turn % 2]) for turn in range(count)]
        constant = node("x", "Const", value={"tensor": {"dtype": "DT_FLOAT", "tensorShape": shape}}, dtype=dtype)
        return graph_of(*nodes, constant)

    encode(NODES)
    assert count_more(encode, NODES) < MOST_CALLS
