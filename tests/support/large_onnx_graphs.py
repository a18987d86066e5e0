"""Large graphs of ONNX: an LSTM among many other nodes and stored tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from support import builders
from support import onnx_builders as onnx

LSTM_SHAPES = {"lstm.W": (1, 16, 3), "lstm.R": (1, 16, 4), "lstm.B": (1, 32)}
CELL_SHAPES = {"cell.weight_ih": (16, 3), "cell.weight_hh": (16, 4), "cell.bias_ih": (16,), "cell.bias_hh": (16,)}


def shapes_of_cell(called: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays of a cell of this name, by their names."""
    return {name.replace("cell", called): shape for name, shape in CELL_SHAPES.items()}


def block(number: int, gate: str = "Erf") -> tuple[list[bytes], list[bytes]]:
    """Return ten nodes as they are in a model of torch, and their four tensors, with 104 parameters."""
    at, weights = f"/layers.{number}", f"layers.{number}"
    before = f"/layers.{number - 1}/Add_1_output_0" if number else "input"
    nodes = [
        _node(at, "MatMul", [before, f"onnx::MatMul_{1000 + number}"]),
        _node(at, "Add", [f"{weights}.bias", f"{at}/MatMul_output_0"]),
        onnx.node("Constant", [], [f"{at}/Constant_output_0"], value=onnx.tensor("", np.array([0, -1, 8]))),
        _node(at, "Reshape", [f"{at}/Add_output_0", f"{at}/Constant_output_0"], allowzero=0),
        _node(at, "Conv", [f"{at}/Reshape_output_0", f"{weights}.conv.weight"], group=1, strides=[1], pads=[1, 1]),
        _node(at, gate, [f"{at}/Conv_output_0"]),
        _node(at, "Mul", [f"{at}/Conv_output_0", f"{at}/{gate}_output_0"]),
        _node(at, "Gemm", [f"{at}/Mul_output_0", f"{weights}.bias"], alpha=1.0, transB=1),
        _node(at, "Softmax", [f"{at}/Gemm_output_0"], axis=-1),
        onnx.node("Add", [before, f"{at}/Softmax_output_0"], [f"{at}/Add_1_output_0"], f"{at}/Add_1"),
    ]
    shapes = {f"onnx::MatMul_{1000 + number}": (8, 8), f"{weights}.bias": (8,), f"{weights}.conv.weight": (4, 2, 4)}
    stored = [onnx.tensor(name, np.ones(shape, np.float32)) for name, shape in shapes.items()]
    return nodes, [*stored, onnx.tensor(f"{weights}.axes", np.array([1, 2]))]


def _node(at: str, operation: str, inputs: Sequence[str], **attributes: object) -> bytes:
    return onnx.node(operation, inputs, [f"{at}/{operation}_output_0"], f"{at}/{operation}", **attributes)


def cell(steps: int, called: str = "cell", state: Sequence[str] = (), first: int = 0) -> list[bytes]:
    """Return the nodes of an LSTMCell of torch that is called in a loop, whose steps are counted from `first` on.

    `state` are h and c before, if these are not zeros.
    """
    nodes = [] if state else [onnx.constant(f"/{called}/zeros", np.zeros((1, 4)), "float32")]
    h, c = state or [f"/{called}/zeros"] * 2
    for number in range(first, first + steps):
        at = f"/{called}/{number}"
        nodes += [
            onnx.constant(f"{at}/index", number),
            onnx.node("Gather", ["input", f"{at}/index"], [f"{at}/x"], axis=0),
            onnx.node("Gemm", [f"{at}/x", f"{called}.weight_ih", f"{called}.bias_ih"], [f"{at}/of_x"], transB=1),
            onnx.node("Gemm", [h, f"{called}.weight_hh", f"{called}.bias_hh"], [f"{at}/of_h"], transB=1),
            onnx.node("Add", [f"{at}/of_x", f"{at}/of_h"], [f"{at}/sum"]),
            onnx.node("Split", [f"{at}/sum"], [f"{at}/sum_{gate}" for gate in "ifgo"], axis=1),
            *(onnx.node("Tanh" if gate == "g" else "Sigmoid", [f"{at}/sum_{gate}"], [f"{at}/{gate}"])
              for gate in "ifgo"),
            onnx.node("Mul", [f"{at}/f", c], [f"{at}/kept"]),
            onnx.node("Mul", [f"{at}/i", f"{at}/g"], [f"{at}/new"]),
            onnx.node("Add", [f"{at}/kept", f"{at}/new"], [f"{at}/c"]),
            onnx.node("Tanh", [f"{at}/c"], [f"{at}/squashed"]),
            onnx.node("Mul", [f"{at}/o", f"{at}/squashed"], [f"{at}/h"]),
        ]  # fmt: skip
        h, c = f"{at}/h", f"{at}/c"
    return nodes


def lstm() -> list[bytes]:
    """Return an LSTM node that takes a value of the first block."""
    inputs = ["/layers.0/Softmax_output_0", *LSTM_SHAPES]
    return [onnx.node("LSTM", inputs, ["/encoder/LSTM_output_0"], "/encoder/LSTM", hidden_size=4)]


def graph(blocks: int, nodes: Sequence[bytes], shapes: dict[str, tuple[int, ...]], gate: str = "Erf") -> onnx.Graph:
    """Return a graph with these `nodes`, which take arrays of these shapes, between `blocks` blocks."""
    parts = [block(number, gate) for number in range(blocks)]
    inner = [one for several, _ in parts for one in several]
    half = len(inner) // 2
    stored = [tensor for _, several in parts for tensor in several]
    stored += [onnx.tensor(name, builders.numbers(*shape, seed=5)) for name, shape in shapes.items()]
    return onnx.Graph([*inner[:half], *nodes, *inner[half:]], stored, [onnx.value("input")], [onnx.value("output")])
