"""Models of TensorFlow Lite with wrong offsets, shapes, scales, buffers and loops."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from hostile.cases import Must, Scene
from hostile.good_keras import Sizes
from hostile.good_tensorflow import Kind
from hostile.lie_lists import Lies
from support import builders
from support import tflite_builders as tflite
from support.tflite_builders import Graph, Number

LIES = Lies()
LAYER = "lstm"
_KERNEL = "input_to_forget"


def _arrays(size: Sizes) -> dict[str, np.ndarray]:
    """Return the arrays of the operator with these gates."""
    made = builders.gates(*size)
    gates = dict(zip("ifco", tflite.GATES, strict=True))
    arrays = {f"input_to_{gate}": made[f"W_{letter}"].T for letter, gate in gates.items()}
    arrays |= {f"recurrent_to_{gate}": made[f"U_{letter}"].T for letter, gate in gates.items()}
    return arrays | {f"{gate}_gate_bias": made[f"b_{letter}"] for letter, gate in gates.items()}


def _graph(size: Sizes) -> Graph:
    graph = Graph()
    x, y = graph.tensor((1, 3, size.d), "x"), graph.tensor((1, 3, size.m), "y")
    graph.inputs, graph.outputs = [x], [y]
    tflite.add_lstm(graph, _arrays(size), x, y)
    return graph


def write(directory: Path, size: Sizes) -> Path:
    """Write a good model; return its path."""
    path = directory / "model.tflite"
    path.write_bytes(tflite.model(_graph(size)))
    return path


GOOD = Kind("tensorflow lite", write, LAYER, ["model.tflite"])


def _of_bytes(called: str, must: Must, data: Callable[[Random, Sizes], bytes]) -> None:
    def make(scene: Scene, size: Sizes) -> Path:
        path = scene.directory / "model.tflite"
        path.write_bytes(data(scene.random, size))
        return path

    LIES.add(GOOD, called, must, make)


def _of_kernel(called: str, must: Must, change: Callable[[Random], dict[int, Any]]) -> None:
    """Add a lie whose kernel of the forget gate has other fields."""

    def data(random: Random, size: Sizes) -> bytes:
        graph = _graph(size)
        next(table for table, _ in graph.tensors if table[3] == _KERNEL).update(change(random))
        return tflite.model(graph)

    _of_bytes(called, must, data)


def _patched(random: Random, size: Sizes, value: int) -> bytes:
    """Return a model with one of its offsets replaced."""
    data = bytearray(tflite.model(_graph(size)))
    struct.pack_into("<I", data, random.choice([0, *range(8, 200, 4)]), value % (1 << 32))
    return bytes(data)


def _loops(_: Random, size: Sizes) -> bytes:
    graph, other = _graph(size), Graph()
    for number, one in enumerate((graph, other)):
        one.operator("WHILE", [], [], {0: Number("i", number), 1: Number("i", 1 - number)})
    return tflite.model(graph, other)


def _renamed(random: Random, size: Sizes) -> bytes:
    graph = _graph(size)
    for table, _ in graph.tensors:
        table[3] = random.choice(["../../evil", "a\n::error::b", "\x1b[31m", "__lstmdump__", "x" * 900, "\u202e"])
    return tflite.model(graph)


_of_bytes("nothing at all", Must.READ, lambda _, size: tflite.model(_graph(size)))
_of_bytes("numbers behind the tables", Must.READ, lambda _, size: tflite.fused(_arrays(size), behind=True))
_of_bytes("loops that run each other", Must.READ, _loops)
_of_bytes("names of all kinds", Must.READ, _renamed)
_of_bytes("an offset beyond the end", Must.EITHER, lambda random, size: _patched(random, size, -1))
_of_bytes("an offset to itself", Must.EITHER, lambda random, size: _patched(random, size, 0))
_of_bytes("cut short", Must.REFUSED, lambda random, size: tflite.model(_graph(size))[: random.randint(9, 400)])
_of_bytes("only the identifier", Must.REFUSED, lambda _, __: b"\x08\0\0\0TFL3")
_of_kernel("shape of terabytes", Must.REFUSED, lambda _: {0: np.array([1 << 30, 1 << 30], "i4")})
_of_kernel("shape with a negative extent", Must.REFUSED, lambda _: {0: np.array([-1, -20], "i4")})
_of_kernel("shape of many dimensions", Must.REFUSED, lambda random: {0: np.ones(random.choice([9, 99]), "i4")})
_of_kernel("numbers of another type", Must.REFUSED, lambda random: {1: Number("b", random.choice([-1, 1, 4, 9, 99]))})
_of_kernel("numbers stored sparsely", Must.REFUSED, lambda _: {6: {}})
