"""Builders of tiny ONNX models, byte by byte from `onnx.proto`, independent of the readers.

Sizes: d inputs, m units; a node has one direction or two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from support import builders
from support.tensorflow_builders import counted, float32, integer, varint

TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11,
         "bfloat16": 16}  # fmt: skip
FIELDS = {"float32": 4, "int32": 5, "float16": 5, "bfloat16": 5, "bool": 5, "int64": 7, "float64": 10}
"""The field of each type in which numbers are stored if not as bytes."""

OPSET = 14


def tensor(name: str, values: np.ndarray, *, dtype: str = "", listed: bool = False) -> bytes:
    """Return a TensorProto with the numbers as bytes, or `listed` in the field of their type.

    bfloat16 numbers are given as uint16, with `dtype`.
    """
    dtype = dtype or values.dtype.name
    head = b"".join(integer(1, extent) for extent in values.shape) + integer(2, TYPES[dtype])
    return head + (_list(values, dtype) if listed else b"") + counted(8, name) + (b"" if listed else _raw(values))


def _raw(values: np.ndarray) -> bytes:
    return counted(9, np.ascontiguousarray(values).tobytes())


def _list(values: np.ndarray, dtype: str) -> bytes:
    flat = np.ascontiguousarray(values).reshape(-1)
    if dtype in ("float32", "float64"):
        return counted(FIELDS[dtype], flat.tobytes())
    bits = flat.view(np.uint16) if dtype == "float16" else flat
    return counted(FIELDS[dtype], b"".join(varint(int(value)) for value in bits))


def external(name: str, extents: Iterable[int], dtype: str = "float32", **entries: object) -> bytes:
    """Return a TensorProto whose numbers are in another file: `location`, and perhaps `offset` and `length`."""
    head = b"".join(integer(1, extent) for extent in extents) + integer(2, TYPES[dtype]) + counted(8, name)
    return (
        head
        + b"".join(counted(13, counted(1, key) + counted(2, str(value))) for key, value in entries.items())
        + (integer(14, 1))
    )


def attribute(name: str, value: Any) -> bytes:
    """Return an AttributeProto: of an integer, a number, a text, a tensor or graph in bytes, or a list of the first."""
    head = counted(1, name)
    if isinstance(value, bytes):
        return head + counted(5, value) + integer(20, 4)
    if isinstance(value, Graph):
        return head + counted(6, value.encode()) + integer(20, 5)
    if isinstance(value, str):
        return head + counted(4, value) + integer(20, 3)
    if isinstance(value, float):
        return head + float32(2, value) + integer(20, 1)
    if isinstance(value, int):
        return head + integer(3, value) + integer(20, 2)
    if all(isinstance(one, str) for one in value):
        return head + b"".join(counted(9, one) for one in value) + integer(20, 8)
    if any(isinstance(one, float) for one in value):
        return head + b"".join(float32(7, one) for one in value) + integer(20, 6)
    return head + b"".join(integer(8, one) for one in value) + integer(20, 7)


def node(
    operation: str, inputs: Sequence[str], outputs: Sequence[str], name: str = "", domain: str = "", **attributes: Any
) -> bytes:
    """Return a NodeProto."""
    parts = [*(counted(1, one) for one in inputs), *(counted(2, one) for one in outputs)]
    parts += [counted(3, name)] if name else []
    parts += [counted(4, operation), *(counted(5, attribute(key, value)) for key, value in attributes.items())]
    return b"".join(parts) + (counted(7, domain) if domain else b"")


def constant(name: str, values: Any, dtype: str = "int64") -> bytes:
    """Return a node that gives a constant of this name."""
    return node("Constant", [], [name], value=tensor("", np.asarray(values, dtype)))


def value(name: str, extents: Sequence[int | str] | None = None, dtype: str = "float32") -> bytes:
    """Return a ValueInfoProto; an extent may be a word."""
    shape = b"" if extents is None else counted(2, b"".join(
        counted(1, integer(1, one) if isinstance(one, int) else counted(2, one)) for one in extents
    ))  # fmt: skip
    return counted(1, name) + counted(2, counted(1, integer(1, TYPES[dtype]) + shape))


class Graph:
    """A GraphProto of these nodes and stored tensors, in bytes, and its inputs and outputs."""

    def __init__(
        self,
        nodes: Sequence[bytes],
        stored: Sequence[bytes] = (),
        inputs: Sequence[bytes] = (),
        outputs: Sequence[bytes] = (),
    ) -> None:
        self.parts = ((1, nodes), (5, stored), (11, inputs), (12, outputs))

    def with_nodes(self, nodes: Sequence[bytes]) -> Graph:
        """Return the graph with `nodes` before its own."""
        (_, own), *others = self.parts
        return Graph([*nodes, *own], *(several for _, several in others))

    def named(self, alias: str, name: str) -> Graph:
        """Return the graph with another name for the value `name`."""
        return self.with_nodes([node("Identity", [name], [alias])])

    def encode(self) -> bytes:
        """Return its bytes."""
        (_, nodes), *others = self.parts
        rest = b"".join(counted(number, one) for number, several in others for one in several)
        return b"".join(counted(1, one) for one in nodes) + counted(2, "graph") + rest


def model(graph: Graph, *, producer: str = "hand", version: str = "1.0", opset: int = OPSET) -> bytes:
    """Return a ModelProto."""
    head = integer(1, 8) + counted(2, producer) + counted(3, version)
    return head + counted(7, graph.encode()) + counted(8, integer(2, opset))


def write(path: Path, graph: Graph, **options: Any) -> Path:
    """Write a model of `graph`; the options are those of `model`."""
    path.write_bytes(model(graph, **options))
    return path


def arrays(d: int = 3, m: int = 4, directions: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
    """Return W (directions, 4m, d), R (directions, 4m, m), B (directions, 8m) and P (directions, 3m), all different."""
    shapes = {"W": (4 * m, d), "R": (4 * m, m), "B": (8 * m,), "P": (3 * m,)}
    return {letter: builders.numbers(directions, *shape, seed=seed * 10 + number)
            for number, (letter, shape) in enumerate(shapes.items())}  # fmt: skip


def lstm(
    made: Mapping[str, np.ndarray] | None = None,
    *,
    name: str = "rnn",
    letters: str = "WRB",
    states: tuple[np.ndarray, np.ndarray] | None = None,
    lengths: Sequence[int] | None = None,
    **attributes: Any,
) -> Graph:
    """Return a graph with one LSTM node that has the arrays `letters` of `made`."""
    made = arrays() if made is None else made
    given = {"initial_h": None if states is None else states[0], "initial_c": None if states is None else states[1],
             "lengths": None if lengths is None else np.asarray(lengths, np.int32)}  # fmt: skip
    known = {letter: made[letter] for letter in letters} | {key: one for key, one in given.items() if one is not None}
    inputs = ["X", *(key if key in known else "" for key in ("W", "R", "B", "lengths", "initial_h", "initial_c", "P"))]
    while not inputs[-1]:
        inputs.pop()
    outputs = ["Y", "Y_h", "Y_c"]
    one = node("LSTM", inputs, outputs, name, **{"hidden_size": made["R"].shape[2], **attributes})
    stored = [tensor(key, values) for key, values in known.items()]
    return Graph([one], stored, [value("X", ["steps", "batch", made["W"].shape[2]])], [value(one) for one in outputs])


def gates(made: Mapping[str, np.ndarray], direction: int = 0) -> dict[str, np.ndarray]:
    """Return W (d, m), U (m, m) and b (m,) of each gate out of W, R and B, by hand: the order is i o f c."""
    found = {}
    m = made["R"].shape[2]
    for place, letter in enumerate("iofc"):
        rows = slice(place * m, (place + 1) * m)
        found[f"W_{letter}"] = made["W"][direction, rows].T
        found[f"U_{letter}"] = made["R"][direction, rows].T
        of_input, of_state = np.split(made["B"][direction], 2)
        found[f"b_{letter}"] = of_input[rows] + of_state[rows]
    return found
