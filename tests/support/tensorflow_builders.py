"""Builders of tiny TensorFlow files, byte by byte from the specifications of the formats, independent of the readers.

Protocol buffers, LevelDB tables, tensor bundles, checkpoints of both formats, SavedModels and graphs.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import crc32c
import numpy as np

from support import builders

MAGIC = bytes.fromhex("57fb808b247547db")
ENDING = "/.ATTRIBUTES/VARIABLE_VALUE"
TYPES = {"float32": 1, "float64": 2, "int32": 3, "uint8": 4, "string": 7, "int64": 9, "bool": 10, "bfloat16": 14,
         "float16": 19}  # fmt: skip
Spans = Sequence[tuple[int, int]]
"""Start and length in each dimension; the length -1 stands for the whole dimension."""


# --- protocol buffers


def varint(value: int) -> bytes:
    """Encode `value` with seven bits per byte, lowest first; all bytes but the last have their top bit set."""
    value &= (1 << 64) - 1
    if value < 128:
        return bytes([value])
    return bytes([value & 127 | 128]) + varint(value >> 7)


def integer(number: int, value: int) -> bytes:
    """Encode field `number` as a varint."""
    return varint(number << 3) + varint(value)


def counted(number: int, data: bytes | str) -> bytes:
    """Encode field `number` as bytes, text or a message, preceded by the length."""
    data = data.encode() if isinstance(data, str) else data
    return varint(number << 3 | 2) + varint(len(data)) + data


def fixed32(number: int, value: int) -> bytes:
    """Encode field `number` as an unsigned integer of four bytes."""
    return varint(number << 3 | 5) + struct.pack("<I", value)


def float32(number: int, value: float) -> bytes:
    """Encode field `number` as a float of four bytes."""
    return varint(number << 3 | 5) + struct.pack("<f", value)


def shape(extents: Iterable[int]) -> bytes:
    """Return a TensorShapeProto."""
    return b"".join(counted(2, integer(1, extent) if extent else b"") for extent in extents)


# --- tables


def masked(data: bytes | np.ndarray) -> int:
    """Return the checksum of `data` as LevelDB stores it: rotated right by 15 bits, plus a constant."""
    plain = crc32c.crc32c(data)
    return ((plain >> 15 | plain << 17) + 0xA282EAD8) % (1 << 32)


def block(entries: Sequence[tuple[bytes, bytes]], restart_every: int = 16) -> bytes:
    """Encode a block: keys without the prefix shared with the previous key, then the offsets of the restarts."""
    data, restarts, before = b"", [], b""
    for turn, (key, value) in enumerate(entries):
        if turn % restart_every == 0:
            restarts.append(len(data))
            before = b""
        shared = next(
            (k for k, (a, b) in enumerate(zip(before, key, strict=False)) if a != b), min(len(before), len(key))
        )
        data += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    restarts = restarts or [0]
    return data + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def stored(content: bytes, kind: int = 0) -> bytes:
    """Return a block with its compression (0 none, 1 snappy) and its checksum."""
    return content + bytes([kind]) + struct.pack("<I", masked(content + bytes([kind])))


def framed(blocks: Sequence[tuple[bytes, bytes]], kind: int = 0) -> bytes:
    """Return a table of `blocks`, each with its key in the index."""
    data, index = b"", []
    for last, content in blocks:
        index.append((last, varint(len(data)) + varint(len(content))))
        data += stored(content, kind)
    return finished(data, block(index))


def finished(data: bytes, index: bytes) -> bytes:
    """Return a table of the stored blocks `data` and their `index`."""
    meta = block([])
    footer = varint(len(data)) + varint(len(meta)) + varint(len(data) + len(stored(meta))) + varint(len(index))
    return data + stored(meta) + stored(index) + footer.ljust(40, b"\0") + MAGIC


def table(entries: Iterable[tuple[bytes, bytes]], *, per_block: int = 1000, restart_every: int = 16) -> bytes:
    """Return a table of `entries` in the given order, with `per_block` in each block."""
    all_entries = list(entries)
    batches = [all_entries[start : start + per_block] for start in range(0, len(all_entries), per_block)]
    return framed([(batch[-1][0], block(batch, restart_every)) for batch in batches])


# --- bundles and checkpoints of the first format


def ordered(value: int) -> bytes:
    """Encode a signed integer in TensorFlow's ordered code: a one for each byte, a zero, the bits of the number."""
    if value < 0:
        return bytes(255 - byte for byte in ordered(-1 - value))
    size = next(size for size in count(1) if len(f"{value:b}") <= 7 * size - 1 or not value)
    bits = "1" * size + "0" + f"{value:b}".zfill(7 * size - 1)
    return int(bits, 2).to_bytes(size, "big")


def piece_key(name: str, spans: Spans) -> bytes:
    """Return the key of the piece of the tensor `name` at `spans`."""
    text = name.encode().replace(b"\xff", b"\xff\0").replace(b"\0", b"\0\xff")
    return b"\0" + text + b"\0\x01\x01" + bytes([len(spans)]) + b"".join(ordered(n) for span in spans for n in span)


def piece(spans: Spans) -> bytes:
    """Return a TensorSliceProto."""
    extents = [b"" if span == (0, -1) else (integer(1, span[0]) if span[0] else b"") + integer(2, span[1])
               for span in spans]  # fmt: skip
    return b"".join(counted(1, extent) for extent in extents)


@dataclass(frozen=True)
class BFloat16:
    """bfloat16 values, as the upper halves of float32 values."""

    halves: np.ndarray


Values = np.ndarray | BFloat16 | list[bytes] | bytes
"""Numbers, a list of strings, or a scalar string."""


def content(values: Values, order: str = "<") -> tuple[str, tuple[int, ...], bytes | np.ndarray, int]:
    """Return dtype, shape, bytes and checksum of `values` as a bundle stores them."""
    if isinstance(values, BFloat16):
        data = values.halves.astype(f"{order}u2").tobytes()
        return "bfloat16", values.halves.shape, data, masked(data)
    if isinstance(values, np.ndarray):
        stored = np.ascontiguousarray(values, values.dtype.newbyteorder(order))  # a copy only if needed
        octets = stored.reshape(-1).view(np.uint8)
        return values.dtype.name, values.shape, octets, masked(octets)
    strings = [values] if isinstance(values, bytes) else values
    lengths = b"".join(struct.pack(f"{order}I", len(string)) for string in strings)
    of_lengths = struct.pack(f"{order}I", masked(lengths))
    text = b"".join(strings)
    dimensions = () if isinstance(values, bytes) else (len(strings),)
    data = b"".join(varint(len(string)) for string in strings) + of_lengths + text
    return "string", dimensions, data, masked(lengths + of_lengths + text)


def entry(dtype: str, extents: Iterable[int], shard: int = 0, offset: int = 0, size: int = 0, checksum: int = 0,
          pieces: Sequence[Spans] = ()) -> bytes:  # fmt: skip
    """Return a BundleEntryProto."""
    return (integer(1, TYPES[dtype]) + counted(2, shape(extents)) + integer(3, shard) + integer(4, offset)
            + integer(5, size) + fixed32(6, checksum) + b"".join(counted(7, piece(spans)) for spans in pieces))  # fmt: skip


Entries = dict[bytes, bytes]


def write_bundle(
    prefix: Path,
    tensors: Mapping[str, Values],
    *,
    shards: int = 1,
    big_endian: bool = False,
    pieces: Mapping[str, Sequence[Spans]] | None = None,
    change: Callable[[Entries], Any] = lambda _: None,
    per_block: int = 1000,
    create: Callable[[Path], BinaryIO] = lambda path: path.open("wb"),
) -> Path:
    """Write a bundle of `tensors`, distributed over `shards` in turn; `change` may alter the entries of the index."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    entries: Entries = {}
    turns = count()

    def put(key: bytes, values: Values, files: list[BinaryIO]) -> None:
        dtype, extents, data, checksum = content(values, ">" if big_endian else "<")
        shard = next(turns) % shards
        entries[key] = entry(dtype, extents, shard, files[shard].tell(), len(data), checksum)
        files[shard].write(data)

    with ExitStack() as stack:
        names = [f"{prefix.name}.data-{shard:05d}-of-{shards:05d}" for shard in range(shards)]
        files = [stack.enter_context(create(prefix.with_name(name))) for name in names]
        for name, values in tensors.items():
            cut = (pieces or {}).get(name, ())
            for spans in cut:
                assert isinstance(values, np.ndarray)
                where = tuple(slice(start, None if length < 0 else start + length) for start, length in spans)
                put(piece_key(name, spans), values[where], files)
            if cut:
                entries[name.encode()] = entry(values.dtype.name, values.shape, pieces=cut)  # type: ignore[union-attr]
            else:
                put(name.encode(), values, files)
    entries[b""] = integer(1, shards) + (integer(2, 1) if big_endian else b"") + counted(3, integer(1, 1))
    change(entries)
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(sorted(entries.items()), per_block=per_block))
    return prefix


def write_v1(
    path: Path,
    tensors: Mapping[str, np.ndarray],
    pieces: Mapping[str, Sequence[Spans]] | None = None,
    change: Callable[[Entries], Any] = lambda _: None,
) -> Path:
    """Write a checkpoint of the first format of TensorFlow."""
    entries, listed = {}, b""
    for name, values in tensors.items():
        cut = (pieces or {}).get(name, [[(0, -1)] * values.ndim])
        listed += counted(1, counted(1, name) + counted(2, shape(values.shape)) + integer(3, TYPES[values.dtype.name])
                          + b"".join(counted(4, piece(spans)) for spans in cut))  # fmt: skip
        for spans in cut:
            where = tuple(slice(start, None if length < 0 else start + length) for start, length in spans)
            numbers = counted(5, values[where].astype("<f4").tobytes())
            entries[piece_key(name, spans)] = counted(
                2, counted(1, name) + counted(2, piece(spans)) + counted(3, numbers)
            )
    entries[b""] = counted(1, listed)
    change(entries)
    path.write_bytes(table(sorted(entries.items())))
    return path


# --- objects


@dataclass(eq=False)
class Variable:
    """A variable with its full name and its values."""

    full_name: str
    values: Values


@dataclass(eq=False)
class Object:
    """A node of an object graph: its children, and what a SavedModel stores about it."""

    children: dict[str, Object | Variable] = field(default_factory=dict)
    identifier: str = "_generic_user_object"
    metadata: str = ""
    slots: list[tuple[Variable, str, Variable]] = field(default_factory=list)
    config: dict[str, Any] | None = None


def lstm(scope: str, d: int = 3, m: int = 4, seed: int = 0) -> dict[str, Variable]:
    """Return the variables of a Keras LSTM below `scope`, by the names that the cell gives them."""
    made = builders.fused(builders.gates(d, m, seed))
    return {leaf: Variable(f"{scope}/{leaf}", values) for leaf, values in made.items()}


def layer(scope: str, d: int = 3, m: int = 4, seed: int = 0, **fields: Any) -> Object:
    """Return a Keras LSTM layer with the variables in its cell."""
    return Object({"cell": Object(dict(lstm(scope, d, m, seed)))}, **fields)


def numbered(root: Object) -> dict[Object | Variable, tuple[int, str]]:
    """Return the number of each object below `root`, breadth first as in TensorFlow, and the key of its first path."""
    found: dict[Object | Variable, tuple[int, str]] = {root: (0, "")}
    for one, (_, path) in (waiting := list(found.items())):
        if isinstance(one, Object):
            for edge, child in [*one.children.items(), *(("", slot) for _, _, slot in one.slots)]:
                if child not in found:
                    step = edge.replace(".", "..").replace("/", ".S")
                    found[child] = (len(found), f"{path}/{step}" if path else step)
                    waiting.append((child, found[child]))
    for owner in [one for one in found if isinstance(one, Object)]:
        for variable, name, slot in owner.slots:
            found[slot] = (found[slot][0], f"{found[variable][1]}/.OPTIMIZER_SLOT/{found[owner][1]}/{name}")
    return found


def _node(one: Object | Variable, known: Mapping[Object | Variable, tuple[int, str]]) -> bytes:
    if isinstance(one, Variable):
        return counted(2, counted(1, "VARIABLE_VALUE") + counted(2, one.full_name) + counted(3, known[one][1] + ENDING))
    text = _edges(one, known)
    if one.config is not None:
        text += counted(
            2, counted(1, "OBJECT_CONFIG_JSON") + counted(3, known[one][1] + "/.ATTRIBUTES/OBJECT_CONFIG_JSON")
        )
    return text


def _edges(one: Object, known: Mapping[Object | Variable, tuple[int, str]]) -> bytes:
    edges = [counted(1, integer(1, known[child][0]) + counted(2, edge)) for edge, child in one.children.items()]
    slots = [
        counted(3, integer(1, known[a][0]) + counted(2, name) + integer(3, known[b][0])) for a, name, b in one.slots
    ]
    return b"".join(edges + slots)


def write_checkpoint(prefix: Path, root: Object, **options: Any) -> Path:
    """Write a checkpoint of the objects below `root`."""
    known = numbered(root)
    graph = b"".join(counted(1, _node(one, known)) for one in known)
    tensors: dict[str, Values] = {known[one][1] + ENDING: one.values for one in known if isinstance(one, Variable)}
    tensors |= {known[one][1] + "/.ATTRIBUTES/OBJECT_CONFIG_JSON": json.dumps(one.config).encode()
                for one in known if isinstance(one, Object) and one.config is not None}  # fmt: skip
    return write_bundle(prefix, tensors | {"_CHECKPOINTABLE_OBJECT_GRAPH": graph}, **options)


def saved_object_graph(root: Object) -> bytes:
    """Return a SavedObjectGraph of the objects below `root`."""
    known = numbered(root)
    graph = b""
    for one in known:
        if isinstance(one, Variable):
            dtype, extents, _, _ = content(one.values)
            graph += counted(
                1, counted(7, integer(1, TYPES[dtype]) + counted(2, shape(extents)) + counted(6, one.full_name))
            )
        else:
            user_object = counted(1, one.identifier) + (counted(3, one.metadata) if one.metadata else b"")
            graph += counted(1, _edges(one, known) + counted(4, user_object))
    return graph


def saved_model(
    *, objects: bytes = b"", graph: bytes = b"", version: str = "2.9.3", tags: Iterable[str] = ("serve",)
) -> bytes:
    """Return a SavedModel of one meta graph."""
    return integer(1, 1) + counted(2, meta_graph(objects=objects, graph=graph, version=version, tags=tags))


def meta_graph(
    *,
    objects: bytes = b"",
    graph: bytes = b"",
    version: str = "1.4.1",
    tags: Iterable[str] = (),
    trainable: Iterable[str] | None = None,
) -> bytes:
    """Return a MetaGraphDef; `trainable` are the names of the variables in its collection of trainable ones."""
    info = b"".join(counted(4, tag) for tag in tags) + counted(5, version)
    listed = b"".join(counted(1, counted(1, f"{name}:0")) for name in trainable or ())
    collection = counted(4, counted(1, "trainable_variables") + counted(2, counted(2, listed)))
    return (counted(1, info) + counted(2, graph) + (b"" if trainable is None else collection)
            + (counted(7, objects) if objects else b""))  # fmt: skip


def write_saved_model(
    directory: Path, root: Object, *, metadata: Mapping[Object, Any] | None = None, **options: Any
) -> Path:
    """Write a SavedModel of the objects below `root`; `metadata` goes into `keras_metadata.pb`."""
    known = numbered(root)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "saved_model.pb").write_bytes(saved_model(objects=saved_object_graph(root)))
    if metadata is not None:
        nodes = [(integer(2, known[one][0]), counted(5, value if isinstance(value, str) else json.dumps(value)))
                 for one, value in metadata.items()]  # fmt: skip
        (directory / "keras_metadata.pb").write_bytes(b"".join(counted(1, number + text) for number, text in nodes))
    tensors = {known[one][1] + ENDING: one.values for one in known if isinstance(one, Variable)}
    write_bundle(directory / "variables" / "variables", tensors, **options)
    return directory


# --- graphs


def node(name: str, operation: str, *inputs: str, **attributes: bytes) -> bytes:
    """Return a node of a GraphDef; `attributes` are AttrValues."""
    text = counted(1, name) + counted(2, operation) + b"".join(counted(3, one) for one in inputs)
    return counted(
        1, text + b"".join(counted(5, counted(1, key) + counted(2, value)) for key, value in attributes.items())
    )


def tensor(values: np.ndarray) -> bytes:
    """Return a TensorProto that holds the bytes of `values`."""
    return integer(1, TYPES[values.dtype.name]) + counted(2, shape(values.shape)) + counted(4, values.tobytes())


def constant(name: str, values: np.ndarray) -> bytes:
    """Return a Const node of `values`."""
    return node(name, "Const", dtype=integer(6, TYPES[values.dtype.name]), value=counted(8, tensor(values)))


def variable(name: str, extents: Iterable[int], operation: str = "VariableV2") -> bytes:
    """Return a variable and the node that reads it."""
    declared = node(name, operation, shape=counted(7, shape(extents)), dtype=integer(6, 1))
    return declared + node(f"{name}/read", "Identity", name)


def scalar(name: str, value: float) -> bytes:
    """Return a Const node of one float32."""
    return constant(name, np.array(value, "<f4"))


def split_cell(
    scope: str,
    forget_bias: float | None = 1.0,
    *,
    adding: str = "Add",
    kernel: str = "",
    bias: str = "",
    candidate: str = "Tanh",
) -> bytes:
    """Return the nodes of a BasicLSTMCell in `scope`, from the product with the kernel to the gates.

    The product is split in four, and `forget_bias`, unless it is None, is added to the third part.
    """
    product = node(f"{scope}/mul", "MatMul", f"{scope}/concat", kernel or f"{scope}/kernel/read")
    total = node(f"{scope}/sum", "BiasAdd", f"{scope}/mul", bias or f"{scope}/bias/read")
    split = node(f"{scope}/split", "Split", f"{scope}/axis", f"{scope}/sum", num_split=integer(3, 4))
    text = product + total + split + constant(f"{scope}/axis", np.array(1, "<i4"))
    text += node(f"{scope}/j", candidate, f"{scope}/split:1") + node(f"{scope}/i", "Sigmoid", f"{scope}/split")
    if forget_bias is None:
        return text + node(f"{scope}/f", "Sigmoid", f"{scope}/split:2")
    added = node(f"{scope}/add", adding, f"{scope}/split:2", f"{scope}/y") + scalar(f"{scope}/y", forget_bias)
    return text + added + node(f"{scope}/f", "Sigmoid", f"{scope}/add")


def clipped(name: str, taken: str, low: float, high: float) -> bytes:
    """Return the nodes of `clip_by_value` of the node `taken`; the result is the node `name`."""
    below = node(f"{name}/Min", "Minimum", taken, f"{name}/high") + scalar(f"{name}/high", high)
    return below + node(name, "Maximum", f"{name}/Min", f"{name}/low") + scalar(f"{name}/low", low)


def lstm_cell(
    scope: str,
    x: str = "x",
    *,
    activations: Sequence[str] = ("Tanh", "Tanh"),
    clip: tuple[float, float] | None = None,
    kernel: str = "",
    bias: str = "",
    states: tuple[str, str] | None = None,
) -> bytes:
    """Return all nodes of an LSTMCell in `scope`; the output is the node `h`, the cell state `c`.

    Args:
        scope: The scope of the nodes.
        x: The node of the input.
        activations: The operations applied to the candidate and to the cell state.
        clip: The bounds of the cell state.
        kernel: The node of the kernel, if it is not that of the scope.
        bias: The node of the bias, if it is not that of the scope.
        states: The nodes of h and c before the step; by default, placeholders `h_before` and `c_before` of the scope.
    """
    candidate, of_state = activations
    state = f"{scope}/clip" if clip else f"{scope}/c"
    h, c = states or (f"{scope}/h_before", f"{scope}/c_before")
    return b"".join([
        *([] if states else [node(h, "Placeholder"), node(c, "Placeholder")]),
        node(f"{scope}/concat", "ConcatV2", x, h, f"{scope}/axis"),
        split_cell(scope, kernel=kernel, bias=bias, candidate=candidate),
        node(f"{scope}/kept", "Mul", f"{scope}/f", c),
        node(f"{scope}/new", "Mul", f"{scope}/i", f"{scope}/j"),
        node(f"{scope}/c", "AddV2", f"{scope}/kept", f"{scope}/new"),
        clipped(f"{scope}/clip", f"{scope}/c", *clip) if clip else b"",
        node(f"{scope}/o", "Sigmoid", f"{scope}/split:3"),
        node(f"{scope}/squashed", of_state, state),
        node(f"{scope}/h", "Mul", f"{scope}/o", f"{scope}/squashed"),
    ])  # fmt: skip


def zeros(name: str) -> bytes:
    """Return the nodes of an array of zeros of a shape that is not known before the graph runs."""
    return (
        node(f"{name}/shape", "Placeholder")
        + scalar(f"{name}/0", 0.0)
        + node(name, "Fill", f"{name}/shape", f"{name}/0")
    )


def function(name: str, arguments: Sequence[str], nodes: bytes, results: Mapping[str, str] | None = None) -> bytes:
    """Return a library of one FunctionDef, which holds the `nodes` of a graph in field 3, and returns `results`."""
    results = results or {}
    signature = counted(1, name) + b"".join(counted(2, counted(1, argument)) for argument in arguments)
    signature += b"".join(counted(3, counted(1, result)) for result in results)
    inside = b"".join(counted(3, message) for _, message in messages_in(nodes))
    ends = b"".join(counted(4, counted(1, result) + counted(2, output)) for result, output in results.items())
    return counted(2, counted(1, counted(1, signature) + inside + ends))


def loop(name: str, body: str, *inputs: str, operation: str = "While") -> bytes:
    """Return the node of a loop that runs the function `body`."""
    return node(name, operation, *inputs, body=counted(10, counted(1, body)))


def messages_in(data: bytes) -> list[tuple[int, bytes]]:
    """Return the fields of `data`, all of them messages, with their numbers."""
    found, at = [], 0

    def read() -> int:
        nonlocal at
        value = shift = 0
        while True:
            value, shift, at = value | (data[at] & 127) << shift, shift + 7, at + 1
            if data[at - 1] < 128:
                return value

    while at < len(data):
        number, length = read() >> 3, read()
        found.append((number, data[at : at + length]))
        at += length
    return found


def graph_of(*parts: bytes) -> bytes:
    """Return the GraphDef of `parts`, which are nodes and libraries: one library behind all nodes."""
    fields = messages_in(b"".join(parts))
    library = b"".join(message for number, message in fields if number == 2)
    nodes = b"".join(counted(1, message) for number, message in fields if number == 1)
    return nodes + (counted(2, library) if library else b"")


def looped_cell(
    scope: str,
    x: str = "x",
    *,
    states: tuple[str, str] = ("h_first", "c_first"),
    lengths: str = "",
    as_node: bool = False,
) -> bytes:
    """Return an LSTMCell in `scope` in a loop over the steps of `x`, as `dynamic_rnn` makes it.

    The outputs of all steps are the node `sequence` of the scope, the last states `last_h` and `last_c`. The graph must
    have the nodes `x` and those of the first states and lengths; the variables are those of the scope.

    Args:
        scope: The scope of the nodes.
        x: The sequences, (length, batch, d).
        states: h and c before the first step.
        lengths: The lengths of the sequences, behind which steps are skipped.
        as_node: Whether the loop is one node and a function, as in TensorFlow 2.
    """
    write = _write_node_loop if as_node else _write_loop
    return write(scope, x, states, lengths)


def _write_step(
    scope: str, names: Mapping[str, str], lengths: str, write: str, **weights: str
) -> tuple[bytes, str, str]:
    """Return the nodes of a step, and the nodes of h and c that it passes on; `names` are those of its variables."""
    cell = lstm_cell(scope, names["x"], states=(names["h"], names["c"]), **weights)
    chosen = {state: f"{scope}/{state}" for state in "hc"}
    if lengths:
        cell += node(f"{scope}/over", "GreaterEqual", names["time"], lengths)
        for state in "hc":
            chosen[state] = f"{scope}/next_{state}"
            cell += node(chosen[state], "Select", f"{scope}/over", names[state], f"{scope}/{state}")
        cell += node(f"{scope}/out", "Select", f"{scope}/over", names["nothing"], f"{scope}/h")
    output = f"{scope}/out" if lengths else f"{scope}/h"
    cell += node(f"{scope}/written", write, names["array"], names["time"], output, *names.get("flow", "").split())
    cell += constant(f"{scope}/1", np.array(1, "<i4")) + node(
        f"{scope}/time_after", "AddV2", names["time"], f"{scope}/1"
    )
    return cell, chosen["h"], chosen["c"]


def _write_loop(scope: str, x: str, states: tuple[str, str], lengths: str) -> bytes:
    def inside(name: str) -> str:
        return f"{scope}/while/{name}"

    text = constant(f"{scope}/0", np.array(0, "<i4")) + node(f"{scope}/out_array", "TensorArrayV3", f"{scope}/n")
    text += zeros(f"{scope}/nothing") + node(f"{scope}/in_array", "TensorArrayV3", f"{scope}/n")
    text += node(f"{scope}/scattered", "TensorArrayScatterV3", f"{scope}/in_array", f"{scope}/range", x)
    given = {"nothing": f"{scope}/nothing", "in": f"{scope}/scattered", "array": f"{scope}/out_array"}
    given |= {"lengths": lengths} if lengths else {}
    text += b"".join(node(inside(name), "Enter", source) for name, source in given.items())
    firsts = {"time": f"{scope}/0", "flow": f"{scope}/out_array:1", "h": states[0], "c": states[1]}
    for name, first in firsts.items():
        text += node(inside(f"Enter_{name}"), "Enter", first)
        text += node(inside(f"Merge_{name}"), "Merge", inside(f"Enter_{name}"), inside(f"NextIteration_{name}"))
        text += node(inside(f"Switch_{name}"), "Switch", inside(f"Merge_{name}"), inside("LoopCond"))
        text += node(inside(name), "Identity", inside(f"Switch_{name}:1"))
        text += node(inside(f"Exit_{name}"), "Exit", inside(f"Switch_{name}"))
    text += node(inside("LoopCond"), "LoopCond", inside("Less"))
    text += node(inside("x"), "TensorArrayReadV3", inside("in"), inside("time"), inside("in"))
    names = {name: inside(name) for name in ("x", "time", "flow", "h", "c", "nothing", "array")}
    step, h, c = _write_step(scope, names, inside("lengths") if lengths else "", "TensorArrayWriteV3")
    following = {"time": f"{scope}/time_after", "flow": f"{scope}/written", "h": h, "c": c}
    text += step + b"".join(
        node(inside(f"NextIteration_{name}"), "NextIteration", source) for name, source in following.items()
    )
    text += node(
        f"{scope}/sequence", "TensorArrayGatherV3", f"{scope}/out_array", f"{scope}/range", inside("Exit_flow")
    )
    return text + b"".join(node(f"{scope}/last_{state}", "Identity", inside(f"Exit_{state}")) for state in "hc")


def _write_node_loop(scope: str, x: str, states: tuple[str, str], lengths: str) -> bytes:
    arguments = ["time", "array", "h", "c", "in", "nothing", "kernel", "bias", *(["lengths"] if lengths else [])]
    text = constant(f"{scope}/0", np.array(0, "<i4")) + node(f"{scope}/reserved", "TensorListReserve")
    text += zeros(f"{scope}/nothing") + node(f"{scope}/in", "TensorListFromTensor", x)
    given = [f"{scope}/{name}" for name in ("0", "reserved")] + [*states, f"{scope}/in", f"{scope}/nothing"]
    given += [f"{scope}/kernel/read", f"{scope}/bias/read", *([lengths] if lengths else [])]
    text += loop(f"{scope}/while", f"{scope}_body", *given, operation="StatelessWhile")
    read = node("x", "TensorListGetItem", "in", "time")
    names = {name: name for name in ("x", "time", "h", "c", "nothing", "array")}
    step, h, c = _write_step(
        scope, names, "lengths" if lengths else "", "TensorListSetItem", kernel="kernel", bias="bias"
    )
    results = [f"{scope}/time_after:z:0", f"{scope}/written:output_handle:0", f"{h}:z:0", f"{c}:z:0", *arguments[4:]]
    text += node(f"{scope}/sequence", "TensorListStack", f"{scope}/while:1")
    text += b"".join(
        node(f"{scope}/last_{state}", "Identity", f"{scope}/while:{2 + at}") for at, state in enumerate("hc")
    )
    returned = {f"result_{turn}": result for turn, result in enumerate(results)}
    return text + function(f"{scope}_body", arguments, read + step, returned)


def own_cell(
    order: str = "icfo",
    *,
    names: Mapping[str, str] | None = None,
    joined: bool = True,
    fused: bool = False,
    state_first: bool = False,
    steps: int = 3,
    added: Mapping[str, float] | None = None,
    shapes: tuple[int, int] = (3, 4),
    candidate: str = "Tanh",
    squashing: str = "Tanh",
    cut: str = "split",
    peepholes: Mapping[str, str] | None = None,
    clip: tuple[float, float] | None = None,
    passes: str = "state",
) -> bytes:
    """Return the variables and the steps, one after the other, of a cell as users write it themselves.

    Args:
        order: The order of the gates in the columns of its kernels; empty if each gate has arrays of its own.
        names: The names of its variables by their roles: `W`, `U`, `b`, or `W_i`, `U_i`, `b_i`, …; no bias if there is
            none for `b`. With `fused`, W is the kernel over both.
        joined: Whether W and U are concatenated before one product, or their two products added.
        fused: Whether one variable is multiplied by the concatenated input and state.
        state_first: Whether h comes before x in what is concatenated or added.
        steps: The number of steps.
        added: The number added to a gate, by letter; by default 1.0 to f.
        shapes: The width of the input and the units.
        candidate: The activation of the candidate.
        squashing: The activation of the cell state.
        cut: How the gates are cut out of one sum: `split`, `sizes` (by their sizes), or the slices `strided` and `slice`.
        peepholes: The names of the peepholes by their gates.
        clip: The bounds of the cell state.
        passes: What the next step takes as the cell state: the clipped `state`, the `sum` before that, or the output `h`.
    """
    names = names or {"W": "own/W_xh", "U": "own/W_hh", "b": "own/bias"}
    added = {"f": 1.0} if added is None else added
    d, m = shapes
    columns = 4 * m if order else m
    sizes = {"W": (d + m if fused else d, columns), "U": (m, columns), "b": (columns,)}
    text = b"".join(variable(name, sizes[role[0]]) for role, name in names.items())
    text += b"".join(variable(name, (m,)) for name in (peepholes or {}).values())
    text += constant("axis", np.array(1, "<i4")) + constant("rows", np.array(0, "<i4")) + node("start", "Placeholder")
    states = ("start", "start")
    for step in range(steps):
        at = f"step_{step}"
        text += node(f"{at}/x", "StridedSlice", "input")
        text += _own_step(at, order, names, states, added, (candidate, squashing), cut, m, peepholes or {}, clip,
                          joined=joined, fused=fused, state_first=state_first)  # fmt: skip
        state = f"{at}/clip" if clip else f"{at}/c"
        states = (f"{at}/h", {"state": state, "sum": f"{at}/c", "h": f"{at}/h"}[passes])
    return text


def _own_step(
    at: str, order: str, names: Mapping[str, str], states: tuple[str, str], added: Mapping[str, float],
    activations: tuple[str, str], cut: str, units: int, peepholes: Mapping[str, str], clip: tuple[float, float] | None,
    *, joined: bool, fused: bool, state_first: bool,
) -> bytes:  # fmt: skip
    def pair(of_input: str, of_state: str) -> tuple[str, str]:
        return (of_state, of_input) if state_first else (of_input, of_state)

    def total(place: str, ending: str) -> bytes:
        kernel, recurrent = f"{names['W' + ending]}/read", "" if fused else f"{names['U' + ending]}/read"
        both = node(f"{place}/both", "ConcatV2", *pair(f"{at}/x", states[0]), "axis")
        if fused:
            made = both + node(f"{place}/sum", "MatMul", f"{place}/both", kernel)
        elif joined:
            rows = node(f"{place}/rows", "ConcatV2", *pair(kernel, recurrent), "rows")
            made = both + rows + node(f"{place}/sum", "MatMul", f"{place}/both", f"{place}/rows")
        else:
            products = node(f"{place}/xW", "MatMul", f"{at}/x", kernel) + node(
                f"{place}/hU", "MatMul", states[0], recurrent
            )
            made = products + node(f"{place}/sum", "Add", *pair(f"{place}/xW", f"{place}/hU"))
        bias = names.get("b" + ending)
        return made + (node(f"{place}/z", "Add", f"{place}/sum", f"{bias}/read") if bias
                       else node(f"{place}/z", "Identity", f"{place}/sum"))  # fmt: skip

    if order:
        text, parts = total(at, ""), {}
        for place, gate in enumerate(order):
            made, parts[gate] = _cut_out(at, place, units, cut)
            text += made
    else:
        text = b"".join(total(f"{at}/{gate}", f"_{gate}") for gate in "ifco")
        parts = {gate: f"{at}/{gate}/z" for gate in "ifco"}
    for gate, value in added.items():
        text += scalar(f"{at}/{gate}/added", value) + node(
            f"{at}/{gate}/more", "Add", parts[gate], f"{at}/{gate}/added"
        )
        parts[gate] = f"{at}/{gate}/more"
    state = f"{at}/clip" if clip else f"{at}/c"
    for gate, name in peepholes.items():
        text += node(f"{at}/{gate}/seen", "Mul", state if gate == "o" else states[1], f"{name}/read")
        text += node(f"{at}/{gate}/with", "AddV2", parts[gate], f"{at}/{gate}/seen")
        parts[gate] = f"{at}/{gate}/with"
    for gate in "ifo":
        text += node(f"{at}/{gate}", "Sigmoid", parts[gate])
    return text + b"".join([
        node(f"{at}/g", activations[0], parts["c"]),
        node(f"{at}/kept", "Mul", states[1], f"{at}/f"),
        node(f"{at}/new", "Mul", f"{at}/i", f"{at}/g"),
        node(f"{at}/c", "AddV2", f"{at}/kept", f"{at}/new"),
        clipped(f"{at}/clip", f"{at}/c", *clip) if clip else b"",
        node(f"{at}/squashed", activations[1], state),
        node(f"{at}/h", "Mul", f"{at}/squashed", f"{at}/o"),
    ])  # fmt: skip


def _cut_out(at: str, place: int, units: int, cut: str) -> tuple[bytes, str]:
    """Return the nodes that cut one of four gates out of `{at}/z`, and the name of the output that is the gate."""
    split = f"{at}/split:{place}" if place else f"{at}/split"
    if cut in ("split", "sizes"):
        sizes = constant(f"{at}/sizes", np.full(4, units, "<i4"))
        taken = ("axis", f"{at}/z") if cut == "split" else (f"{at}/z", f"{at}/sizes", "axis")
        text = node(f"{at}/split", "Split" if cut == "split" else "SplitV", *taken, num_split=integer(3, 4))
        return (sizes + text, split) if place == 0 else (b"", split)
    name = f"{at}/part_{place}"
    first, last = place * units, (place + 1) * units
    if cut == "slice":
        text = constant(f"{name}/begin", np.array([0, first], "<i4"))
        text += constant(f"{name}/size", np.array([-1, units], "<i4"))
        return text + node(name, "Slice", f"{at}/z", f"{name}/begin", f"{name}/size"), name
    words = {"begin": [0, first], "end": [0, last if place < 3 else 0], "strides": [1, 1]}
    text = b"".join(constant(f"{name}/{word}", np.array(value, "<i4")) for word, value in words.items())
    masks = {"begin_mask": integer(3, 1), "end_mask": integer(3, 1 if place < 3 else 3)}
    return text + node(name, "StridedSlice", f"{at}/z", *(f"{name}/{word}" for word in words), **masks), name
