"""The sigmoid of a gate: what it is called, and what it takes."""

from __future__ import annotations

import math

import pytest
from support.tensorflow_builders import node, scalar

from lstmdump.readers.tensorflow.graph.cell_walk import CellWalk
from lstmdump.readers.tensorflow.graph.graph_def import Graph

NUMBERS = b"".join(scalar(name, value) for name, value in {"zero": 0.0, "half": 0.5, "one": 1.0, "fifth": 0.2, "three": 3.0,
                                                            "six": 6.0, "nan": math.nan}.items())  # fmt: skip
CLIPPED = node("low", "Minimum", "sum", "one") + node("gate", "Maximum", "low", "zero")


def sigmoid_in(nodes: bytes) -> tuple[object, str] | None:
    return CellWalk(Graph(NUMBERS + nodes)).match_sigmoid("gate")


def ramp(alpha: float, beta: float) -> tuple[object, str]:
    return {"class_name": "HardSigmoid", "config": {"alpha": alpha, "beta": beta}}, "z"


def test_a_sigmoid_is_a_sigmoid() -> None:
    assert sigmoid_in(node("gate", "Sigmoid", "z")) == ("sigmoid", "z")


@pytest.mark.parametrize("swapped", [False, True])
def test_the_hard_sigmoid_of_keras_2_is_a_sum_kept_between_0_and_1(swapped: bool) -> None:
    order = -1 if swapped else 1
    terms = node("scaled", "Mul", *("z", "fifth")[::order]) + node("sum", "AddV2", *("scaled", "half")[::order])
    assert sigmoid_in(terms + CLIPPED) == ramp(0.2, 0.5)


def test_the_hard_sigmoid_of_keras_3_is_a_sixth_of_a_relu6() -> None:
    terms = node("sum", "AddV2", "z", "three") + node("kept", "Relu6", "sum")
    assert sigmoid_in(terms + node("gate", "RealDiv", "kept", "six")) == ramp(1 / 6, 0.5)


@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param(node("gate", "Tanh", "z"), id="another activation"),
        pytest.param(node("gate", "Sigmoid"), id="a sigmoid of nothing"),
        pytest.param(node("sum", "AddV2", "z", "half") + CLIPPED, id="a slope of 1"),
        pytest.param(node("scaled", "Mul", "z", "nan") + node("sum", "AddV2", "scaled", "half") + CLIPPED, id="not a number"),
        pytest.param(node("scaled", "RealDiv", "z", "zero") + node("sum", "AddV2", "scaled", "half") + CLIPPED, id="by 0"),
        pytest.param(node("scaled", "RealDiv", "fifth", "z") + node("sum", "AddV2", "scaled", "half") + CLIPPED, id="a quotient"),
        pytest.param(node("scaled", "Mul", "z", "fifth") + node("sum", "AddV2", "scaled", "half") + node("low", "Minimum", "sum", "six")
                     + node("gate", "Maximum", "low", "zero"), id="another bound"),
        pytest.param(node("sum", "AddV2", "z", "three") + node("kept", "Relu6", "sum") + node("gate", "Mul", "kept", "half"), id="a half"),
        pytest.param(node("kept", "Relu6") + node("gate", "RealDiv", "kept", "six"), id="a relu6 of nothing"),
    ],
)  # fmt: skip
def test_anything_else_is_no_sigmoid(nodes: bytes) -> None:
    assert sigmoid_in(nodes) is None
