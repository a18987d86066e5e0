"""What a further operator or step of a TensorFlow Lite model costs, in calls of functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from support.call_counts import count_more
from support.tflite_builders import Graph, add_lstm, lstm_arrays, model

import lstmdump

OPERATORS = 200
STEPS = 40


def with_others(count: int) -> bytes:
    """Return a model of an LSTM operator, and `count` additions, products and activations beside it."""
    graph = Graph()
    x, y = graph.tensor((1, 5, 3), "x"), graph.tensor((1, 5, 4), "y")
    add_lstm(graph, lstm_arrays(3, 4), x, y)
    other = graph.tensor((1, 4), "image")
    graph.inputs, graph.outputs = [x, other], [y]
    for number in range(count // 4):
        kernel = graph.constant(np.full((4, 4), number, "f4"), f"model/dense_{number}/MatMul")
        product, squashed, scaled, added = (
            graph.tensor((1, 4), f"model/dense_{number}/{name}") for name in ("BiasAdd", "Sigmoid", "mul", "add")
        )
        graph.operator("FULLY_CONNECTED", [other, kernel, -1], [product])
        graph.operator("LOGISTIC", [product], [squashed])
        graph.operator("MUL", [product, squashed], [scaled])
        graph.operator("ADD", [scaled, other], [added])
        other = added
    return model(graph)


def unrolled(steps: int) -> bytes:
    """Return a model of an LSTM that is operators of their own for each of its `steps`."""
    graph, random = Graph(), np.random.default_rng(0)
    x = graph.tensor((steps, 1, 3), "x")
    parts = [graph.tensor((1, 3), f"x_{step}") for step in range(steps)]
    graph.operator("UNPACK", [x], parts)
    kernels = [graph.constant(random.standard_normal((16, width)).astype("f4"), f"k{width}") for width in (3, 4)]
    bias = graph.constant(random.standard_normal(16).astype("f4"), "bias")
    axis = graph.constant(np.array(1, "i4"), "axis")
    h, c = (graph.constant(np.zeros((1, 4), "f4"), name) for name in ("h", "c"))

    def add(name: str, inputs: list[int], width: int = 4) -> int:
        made = graph.tensor((1, width), f"enc/{name}_{len(graph.tensors)}")
        graph.operator(name, inputs, [made])
        return made

    for part in parts:
        products = [
            add("FULLY_CONNECTED", [part, kernels[0], bias], 16),
            add("FULLY_CONNECTED", [h, kernels[1], -1], 16),
        ]
        gates = [graph.tensor((1, 4), f"enc/split_{len(graph.tensors)}") for _ in range(4)]
        graph.operator("SPLIT", [axis, add("ADD", products, 16)], gates)
        i, f, o = (add("LOGISTIC", [gates[place]]) for place in (0, 1, 3))
        added = add("MUL", [i, add("TANH", [gates[2]])])
        c = add("ADD", [add("MUL", [f, c]), added])
        h = add("MUL", [o, add("TANH", [c])])
    graph.inputs, graph.outputs = [x], [h]
    return model(graph)


@pytest.mark.parametrize(("make", "size", "most"), [(with_others, OPERATORS, 110), (unrolled, STEPS, 2000)])
def test_a_further_operator_or_step_costs_few_calls(
    make: Callable[[int], bytes], size: int, most: int, tmp_path: Path
) -> None:
    @cache
    def write(count: int) -> Path:
        path = tmp_path / f"{count}.tflite"
        path.write_bytes(make(count))
        return path

    def describe(count: int) -> None:
        with lstmdump.open(write(count)) as found:
            assert [lstm.units for lstm in found.lstms] == [4]

    for count in (size, 2 * size, size):
        describe(count)  # all is imported before calls are counted
    assert count_more(describe, size) < most
