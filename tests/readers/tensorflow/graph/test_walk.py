from __future__ import annotations

import pytest
from support.tensorflow_builders import node

from lstmdump.errors import CannotReplay
from lstmdump.readers.tensorflow.graph.graph_def import Graph
from lstmdump.readers.tensorflow.graph.walk import Walk

LOOP = node("a", "Split") + node("enter", "Enter", "a:1") + node("b", "Switch", "enter") + node("c", "Tanh", "b:1")


def walk(data: bytes) -> Walk:
    return Walk(Graph(data))


@pytest.mark.parametrize(
    ("name", "origin"), [("b:1", "a:1"), ("a:0", "a"), ("a:3", "a:3"), ("c", "c"), ("gone:2", "gone:2")]
)
def test_the_origin_is_the_output_behind_nodes_that_pass_it_on(name: str, origin: str) -> None:
    assert walk(LOOP).origin(name) == origin


def test_takers_are_found_behind_nodes_that_pass_the_output_on() -> None:
    assert [taker.name for taker in walk(LOOP + node("d", "Mul", "a:1", "c")).takers("a:1")] == ["d", "c"]


def test_a_cycle_of_nodes_that_pass_their_input_on_ends() -> None:
    circle = walk(node("a", "Identity", "b") + node("b", "Identity", "a"))
    assert list(circle.takers("a")) == []
    assert circle.origin("a") in ("a", "b")


@pytest.mark.parametrize(
    ("inputs", "other"), [(("x", "y"), "y"), (("y", "x"), "y"), (("y", "z"), None), (("x", "y", "z"), None)]
)
def test_the_other_of_two_inputs(inputs: tuple[str, ...], other: str | None) -> None:
    found = walk(node("n", "Add", *inputs))
    (adding,) = found.nodes.running("Add")
    assert found.other(adding, "x") == other


def test_an_endless_walk_raises_an_error() -> None:
    found = walk(LOOP)
    with pytest.raises(CannotReplay, match="more nodes around the cell than any genuine one"):
        while True:
            found.origin("c")
