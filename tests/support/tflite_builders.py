"""Builders of tiny TensorFlow Lite models, byte by byte from the specifications of FlatBuffers and of the schema.

Independent of the reader: tables are written as dictionaries from the number of a field to its value.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9,
         "resource": 13, "int4": 17}  # fmt: skip
CODES = {"ADD": 0, "CONCATENATION": 2, "DEQUANTIZE": 6, "FULLY_CONNECTED": 9, "LOGISTIC": 14, "LSTM": 16, "MUL": 18,
         "RELU": 19, "RESHAPE": 22, "TANH": 28, "CUSTOM": 32, "UNIDIRECTIONAL_SEQUENCE_RNN": 35, "GATHER": 36,
         "TRANSPOSE": 39, "SUB": 41, "UNIDIRECTIONAL_SEQUENCE_LSTM": 44, "SPLIT": 49,
         "BIDIRECTIONAL_SEQUENCE_LSTM": 52, "MAXIMUM": 55, "MINIMUM": 57, "LESS": 58, "SLICE": 65, "REVERSE_V2": 105, "UNPACK": 88, "WHILE": 119, "VAR_HANDLE": 142,
         "READ_VARIABLE": 143, "ASSIGN_VARIABLE": 144}  # fmt: skip
_OPTIONS = {"FULLY_CONNECTED": 8, "CONCATENATION": 10, "ADD": 11, "LSTM": 14, "MUL": 21, "GATHER": 23,
            "UNIDIRECTIONAL_SEQUENCE_RNN": 31, "SPLIT": 35, "UNPACK": 64, "BIDIRECTIONAL_SEQUENCE_LSTM": 69,
            "UNIDIRECTIONAL_SEQUENCE_LSTM": 71, "REVERSE_V2": 81, "WHILE": 93, "VAR_HANDLE": 111}  # fmt: skip
"""The number of the type of an operator's options in the union of all of them."""
_OLD_CODES = 127
_ALIGNMENT = 16

Table: TypeAlias = Mapping[int, Any]
"""A table: a `Number`, text, bytes, an array, a table or a list of tables, by the number of the field."""


@dataclass(frozen=True)
class Number:
    """A number in a table, with the letter of its type in `struct`."""

    code: str
    value: float


def flatbuffer(root: Table, identifier: bytes = b"TFL3") -> bytes:
    """Return a file whose first table is `root`."""
    data = bytearray(4) + identifier
    struct.pack_into("<I", data, 0, _write_table(data, root))
    return bytes(data)


def _write_table(data: bytearray, table: Table) -> int:
    """Append a table behind its vtable, and what it refers to behind both; return where it begins."""
    count = max(table, default=-1) + 1
    offsets, inline = [0] * count, bytearray(4)
    for number, value in sorted(table.items()):
        size = struct.calcsize(value.code) if isinstance(value, Number) else 4
        inline += bytes(-len(inline) % size)
        offsets[number] = len(inline)
        inline += struct.pack(f"<{value.code}", value.value) if isinstance(value, Number) else bytes(4)
    vtable = struct.pack(f"<HH{count}H", 4 + 2 * count, len(inline), *offsets)
    data += bytes((8 - (len(data) + len(vtable)) % 8) % 8)
    start = len(data) + len(vtable)
    struct.pack_into("<i", inline, 0, len(vtable))
    data += vtable + inline
    for number, value in sorted(table.items()):
        if not isinstance(value, Number):
            at = start + offsets[number]
            struct.pack_into("<I", data, at, _write_value(data, value) - at)
    return start


def _write_value(data: bytearray, value: object) -> int:
    """Append text, bytes, an array, a table or a list of tables; return where it begins."""
    if isinstance(value, Mapping):
        return _write_table(data, value)
    if isinstance(value, str):
        value = value.encode() + b"\0"
        return _write_vector(data, value, len(value) - 1)
    if isinstance(value, bytes):
        return _write_vector(data, value, len(value))
    if isinstance(value, np.ndarray):
        return _write_vector(data, value.astype(value.dtype.newbyteorder("<")).tobytes(), len(value))
    tables: Sequence[Table] = value  # type: ignore[assignment]
    start = _write_vector(data, bytes(4 * len(tables)), len(tables))
    for place, table in enumerate(tables):
        at = start + 4 + 4 * place
        struct.pack_into("<I", data, at, _write_table(data, table) - at)
    return start


def _write_vector(data: bytearray, content: bytes, count: int) -> int:
    data += bytes(-(len(data) + 4) % _ALIGNMENT)
    start = len(data)
    data += struct.pack("<I", count) + content
    data += bytes(-len(data) % 4)
    return start


@dataclass
class Scales:
    """The quantization of a tensor."""

    scales: Sequence[float]
    zero_points: Sequence[int] = ()
    dimension: int = 0


@dataclass
class Graph:
    """A subgraph. Tensors and operators are added; `model` makes a file of several graphs.

    Attributes:
        tensors: The tables of the tensors; those with numbers have them instead of a buffer.
        operators: The name, inputs, outputs and options of each operator.
    """

    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    name: str = "main"
    tensors: list[tuple[dict[int, Any], bytes | None]] = field(default_factory=list)
    operators: list[tuple[str, Sequence[int], Sequence[int], Table, Table]] = field(default_factory=list)

    def tensor(
        self,
        shape: Sequence[int],
        name: str = "",
        *,
        dtype: str = "float32",
        data: bytes | None = None,
        quantization: Scales | None = None,
        is_variable: bool = False,
    ) -> int:
        """Add a tensor, with numbers if `data` are given; return its index."""
        table: dict[int, Any] = {0: np.array(shape, "i4"), 1: Number("b", TYPES[dtype]), 3: name}
        if quantization is not None:
            table[4] = {2: np.array(quantization.scales, "f4"), 6: Number("i", quantization.dimension)}
            if len(quantization.zero_points):
                table[4][3] = np.array(quantization.zero_points, "i8")
        if is_variable:
            table[5] = Number("B", 1)
        self.tensors.append((table, data))
        return len(self.tensors) - 1

    def constant(self, values: np.ndarray, name: str = "", quantization: Scales | None = None) -> int:
        """Add a tensor that holds `values`; return its index."""
        dtype = values.dtype.name
        return self.tensor(values.shape, name, dtype=dtype, data=values.tobytes(), quantization=quantization)

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Table = {},  # noqa: B006 - not changed
        others: Table = {},  # noqa: B006
    ) -> None:
        """Add an operator; `others` are further fields of its table."""
        self.operators.append((name, inputs, outputs, options, others))


def model(*graphs: Graph, description: str = "made by a test", behind: bool = False) -> bytes:
    """Return a model of `graphs`; with `behind`, the numbers are behind the FlatBuffer, as in files above 2 GB."""
    names = sorted({operator[0] for graph in graphs for operator in graph.operators})
    stored = [data for graph in graphs for _, data in graph.tensors if data is not None]
    return _with_data_behind(graphs, names, stored, description) if behind else flatbuffer(
        _model_table(graphs, names, [{}, *({0: data} for data in stored)], description)
    )  # fmt: skip


def _with_data_behind(graphs: Sequence[Graph], names: Sequence[str], stored: Sequence[bytes], text: str) -> bytes:
    """Return a model with its numbers behind the FlatBuffer, whose size does not depend on the offsets in it."""
    start = len(flatbuffer(_model_table(graphs, names, [{}, *(_external(2, 2) for _ in stored)], text)))
    offsets = [start + sum(map(len, stored[:place])) for place in range(len(stored))]
    buffers = [_external(offset, len(data)) for offset, data in zip(offsets, stored, strict=True)]
    return flatbuffer(_model_table(graphs, names, [{}, *buffers], text)) + b"".join(stored)


def _external(offset: int, size: int) -> Table:
    return {1: Number("Q", offset), 2: Number("Q", size)}


def _model_table(graphs: Sequence[Graph], names: Sequence[str], buffers: Sequence[Table], text: str) -> Table:
    number, subgraphs = 1, []
    for graph in graphs:
        tensors = []
        for table, data in graph.tensors:
            tensors.append({**table, 2: Number("I", number if data is not None else 0)})
            number += data is not None
        subgraphs.append({
            0: tensors, 1: np.array(graph.inputs, "i4"), 2: np.array(graph.outputs, "i4"),
            3: [_operator_table(names, *operator) for operator in graph.operators], 4: graph.name,
        })  # fmt: skip
    return {0: Number("I", 3), 1: [_code_table(name) for name in names], 2: subgraphs, 3: text, 4: list(buffers)}


def _code_table(name: str) -> Table:
    if name not in CODES:
        return {0: Number("b", CODES["CUSTOM"]), 1: name, 2: Number("i", 1), 3: Number("i", CODES["CUSTOM"])}
    code = CODES[name]
    return {0: Number("b", min(code, _OLD_CODES)), 2: Number("i", 1), 3: Number("i", code)}


def _operator_table(
    names: Sequence[str], name: str, inputs: Sequence[int], outputs: Sequence[int], options: Table, others: Table
) -> Table:
    table: dict[int, Any] = {0: Number("I", names.index(name)), 1: np.array(inputs, "i4"), 2: np.array(outputs, "i4")}
    if name in _OPTIONS:
        table |= {3: Number("B", _OPTIONS[name]), 4: options}
    return table | dict(others)


GATES = ("input", "forget", "cell", "output")


def lstm_arrays(
    d: int, m: int, *, peepholes: bool = False, projection: int | None = None, bias: bool = True, seed: int = 0
) -> dict[str, np.ndarray]:
    """Return random arrays of an LSTM operator, by the names of its inputs."""
    random = np.random.default_rng(seed)
    h = m if projection is None else projection

    def draw(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) * 0.5).astype("f4")

    arrays = {f"input_to_{gate}": draw(m, d) for gate in GATES}
    arrays |= {f"recurrent_to_{gate}": draw(m, h) for gate in GATES}
    if peepholes:
        arrays |= {f"cell_to_{gate}": draw(m) for gate in ("input", "forget", "output")}
    if bias:
        arrays |= {f"{gate}_gate_bias": draw(m) for gate in GATES}
    return arrays if projection is None else arrays | {"projection": draw(projection, m)}


LEAVES = (
    *(f"input_to_{gate}" for gate in GATES), *(f"recurrent_to_{gate}" for gate in GATES),
    *(f"cell_to_{gate}" for gate in ("input", "forget", "output")), *(f"{gate}_gate_bias" for gate in GATES),
    "projection", "projection_bias",
)  # fmt: skip
"""The names of the inputs 1 to 17 of an LSTM operator."""
NORMALIZATION = tuple(f"{gate}_layer_norm" for gate in GATES)


def add_lstm(
    graph: Graph,
    arrays: Mapping[str, np.ndarray],
    x: int,
    y: int,
    *,
    name: str = "UNIDIRECTIONAL_SEQUENCE_LSTM",
    batch: int = 1,
    options: Table | None = None,
    states: Sequence[int] | None = None,
) -> None:
    """Add an operator with `arrays` that makes `y` of `x`; its options are tanh and no bounds unless others are given."""
    m = arrays["input_to_output"].shape[0]
    h = arrays["recurrent_to_output"].shape[1]
    if states is None:
        states = [graph.tensor((batch, width), is_variable=True) for width in (h, m)]
    given = [graph.constant(arrays[leaf], leaf) if leaf in arrays else -1 for leaf in LEAVES]
    coefficients = [graph.constant(arrays[leaf], leaf) if leaf in arrays else -1 for leaf in NORMALIZATION]
    inputs = [x, *given, *states, *coefficients]
    graph.operator(name, inputs, [y], options or {0: Number("b", 4)})


def fused(
    arrays: Mapping[str, np.ndarray], *, steps: int = 5, options: Table | None = None, behind: bool = False
) -> bytes:
    """Return a model of one UNIDIRECTIONAL_SEQUENCE_LSTM."""
    graph = Graph()
    d, width = arrays["input_to_output"].shape[1], arrays["recurrent_to_output"].shape[1]
    x, y = graph.tensor((1, steps, d), "x"), graph.tensor((1, steps, width), "y")
    graph.inputs, graph.outputs = [x], [y]
    add_lstm(graph, arrays, x, y, options=options)
    return model(graph, behind=behind)


def both_directions(d: int, m: int, *, steps: int = 5, seed: int = 0, options: Table | None = None) -> bytes:
    """Return a model of one BIDIRECTIONAL_SEQUENCE_LSTM, whose time-major input is (steps, 1, d)."""
    graph = Graph()
    x, *y = graph.tensor((steps, 1, d), "x"), graph.tensor((steps, 1, m), "f"), graph.tensor((steps, 1, m), "b")
    graph.inputs, graph.outputs = [x], y
    halves = [lstm_arrays(d, m, seed=seed + half) for half in range(2)]
    given = [
        graph.constant(arrays[leaf], f"{half}_{leaf}") if leaf in arrays else -1
        for half, arrays in zip(("fw", "bw"), halves, strict=True)
        for leaf in LEAVES
    ]
    states = [graph.tensor((1, m), is_variable=True) for _ in range(4)]
    default = {0: Number("b", 4), 4: Number("B", 1)}
    graph.operator("BIDIRECTIONAL_SEQUENCE_LSTM", [x, *given, *states, *[-1] * 9], y, options or default)
    return model(graph)


def basic(d: int, m: int, *, seed: int = 0) -> bytes:
    """Return a model of one LSTM operator of the kernel BASIC, whose inputs are x, h and c."""
    graph, random = Graph(), np.random.default_rng(seed)
    x, h, c = (graph.tensor((1, width), name) for name, width in (("x", d), ("h", m), ("c", m)))
    weights = graph.constant((random.standard_normal((4 * m, d + m)) * 0.5).astype("f4"), "weights")
    biases = graph.constant(random.standard_normal(4 * m).astype("f4"), "biases")
    results = [graph.tensor((1, width)) for width in (m, m, d + m, 4 * m)]
    graph.inputs, graph.outputs = [x, h, c], results[:2]
    graph.operator("LSTM", [x, h, weights, biases, c], results, {0: Number("b", 4), 3: Number("b", 1)})
    return model(graph)
