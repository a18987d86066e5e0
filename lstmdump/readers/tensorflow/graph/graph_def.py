"""TensorFlow's graphs: nodes with an operation, inputs and attributes; constants hold tensors. Nothing is executed.

Sources: `graph.proto`, `node_def.proto`, `attr_value.proto`, `tensor.proto`, `meta_graph.proto`, `saved_model.proto`.
"""

from __future__ import annotations

import math
import struct
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Collection, Iterator
from functools import cached_property

from lstmdump.errors import CorruptModel
from lstmdump.model import budget
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.tensor import Array, Cuts, Tensor
from lstmdump.readers.protobuf import Buffer, Message, as_text, fields, shortest_float32, spans
from lstmdump.readers.tensorflow.graph.graph_file import GraphFile, StoredContent
from lstmdump.readers.tensorflow.graph.nodes.index import NodeIndex
from lstmdump.readers.tensorflow.wire import decode, dtypes

_NAME, _OPERATION, _INPUT = 1, 2, 3
_OPERATION_KEY, _INPUT_KEY = b"\x12", b"\x1a"
PASSING = frozenset({"Identity", "Enter", "RefEnter", "ReadVariableOp", "StopGradient", "Switch", "RefSwitch",
                      "RefIdentity", "Cast", "PlaceholderWithDefault"})  # fmt: skip
_MAX_STEPS = 100
_MAX_COPIED = 1 << 22  # bytes of a graph
_MAX_SEARCHES = 50  # searches through all bytes take less time than parsing all nodes once


class Nodes(ABC):
    """The nodes of a graph, or of the body of a function in it."""

    @abstractmethod
    def node(self, name: str) -> Node | None:
        """Return the node that the input `name` refers to; `^` and the number of the output are ignored."""

    @abstractmethod
    def running(self, operation: str, done: Collection[str] = ()) -> Iterator[Node]:
        """Iterate over the nodes with the given operation, except for those in scopes that are `done` by then."""

    @abstractmethod
    def taking(self, output: str) -> Iterator[Node]:
        """Iterate over the nodes that take `output`, for instance `split:2`."""

    def content_of(self, node: Node) -> StoredContent | None:  # noqa: ARG002 - only a graph in a file has some
        """Return the content of the constant `node` in the file, if it has not been read."""
        return None

    def returned(self, argument: str) -> str | None:  # noqa: ARG002 - the body of a loop has some
        """Return the output that takes the place of `argument` at the next turn of the loop whose body this is."""
        return None

    def source(self, name: str) -> Node | None:
        """Return the node that the input `name` comes from, behind all nodes that pass their input on unchanged."""
        node = self.node(name)
        for _ in range(_MAX_STEPS):
            if node is None or node.operation not in PASSING or not node.inputs or node.home is not self:
                return node
            node = self.node(node.inputs[0])
        return node


class Node:
    """A node of a graph, which is parsed when more than its name is requested.

    Attributes:
        name: the name of the node.
        home: the graph or function body that the node and its inputs are in.
        start: the offset in its graph.
    """

    def __init__(self, data: Buffer, home: Nodes, name: str | None = None, start: int = 0) -> None:
        self.home = home
        self.start = start
        self._data = data
        self.name = self._head[0] if name is None else name

    @cached_property
    def _head(self) -> tuple[str, str, tuple[str, ...]]:
        parts: dict[int, list[str]] = {_NAME: [""], _OPERATION: [""], _INPUT: []}
        highest = 0
        for number, value in fields(self._data):
            if number <= _INPUT:  # attributes follow, which are needed for few nodes
                if highest > _INPUT:
                    raise CorruptModel("a node of the graph whose name, operation or inputs follow its attributes")
                if not isinstance(value, int):
                    parts.setdefault(number, []).append(as_text(value))
            highest = number
        return parts[_NAME][-1], parts[_OPERATION][-1], tuple(parts[_INPUT])

    @property
    def scope(self) -> str:
        """The scope that the node is in: all but the last step of its name."""
        return self.name.rpartition("/")[0]

    @property
    def stop(self) -> int:
        """The offset in its graph of what follows."""
        return self.start + len(self._data)

    @cached_property
    def operation(self) -> str:
        """The name of the operation."""
        return self._head[1]

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs, in order."""
        return self._head[2]

    @cached_property
    def attributes(self) -> dict[str, Message]:
        """The attributes by name, each an AttrValue."""
        return {entry.text(1): entry.choice(2) for entry in Message(self._data).messages(5)}

    @cached_property
    def value(self) -> Message | None:
        """The TensorProto of a constant, or None for other nodes."""
        value = self.attributes.get("value")
        return value.message(8) if self.operation == "Const" and value is not None and 8 in value else None

    def number(self, attribute: str) -> int:
        """Return the integer in `attribute`, or 0 if it is absent."""
        found = self.attributes.get(attribute)
        return 0 if found is None else found.signed(3)


class Graph(Nodes):
    """The nodes of the GraphDef in `data`, each parsed on demand.

    Args:
        data: the GraphDef.
        limits: as the attribute.
        stored: the file of which `data` are the bytes, if some of them have not been read.

    Attributes:
        limits: how far the graph is trusted.
        version: the version of TensorFlow that wrote the graph, or "" if it is unknown.
        trainable: the names of the variables that training changes; None if no meta graph lists them.

    Raises:
        CorruptModel: `data` is not a GraphDef.
        RefusedModel: The graph has too many nodes.
    """

    def __init__(self, data: Buffer, limits: Limits = DEFAULTS, stored: GraphFile | None = None) -> None:
        self.limits = limits
        self._stored = stored
        self._starts = [] if stored is None else sorted(stored.contents)
        self._data = data if len(data) > _MAX_COPIED else bytes(data)  # searching a copy in bytes is faster
        self._index = NodeIndex(self._data, limits.nodes)
        self._nodes: dict[int, Node] = {}
        self._rest = Message(memoryview(self._data)[self._index.end :], limits.nodes)
        self.version = ""
        self.trainable: frozenset[str] | None = None
        if 1 in self._rest:
            raise CorruptModel("the nodes of the graph are not stored together")

    @property
    def size(self) -> int:
        """The size in bytes."""
        return len(self._data)

    def __len__(self) -> int:
        return len(self._index)

    def holds_functions(self) -> bool:
        """Return whether there may be functions, which the bodies of loops are."""
        return 2 in self._rest

    def library(self) -> Message:
        """Return the FunctionDefLibrary, which follows the nodes."""
        return self._rest.message(2)

    def node(self, name: str) -> Node | None:
        """Return the node that the input `name` refers to; `^` and the number of the output are ignored."""
        plain = name.lstrip("^").partition(":")[0]
        index = self._index.find(plain.encode("utf-8", "surrogateescape"))
        return None if index is None else self._get_node(index)

    def turn(self, name: str) -> int:
        """Return the position of the node `name` in the graph, or the number of nodes if it does not exist."""
        turn = self._index.find(name.encode("utf-8", "surrogateescape"))
        return len(self) if turn is None else turn

    def running(self, operation: str, done: Collection[str] = ()) -> Iterator[Node]:
        """Iterate over the nodes with the given operation, except for those in scopes that are `done` by then."""
        for index, behind_name in self._index.holding(_OPERATION_KEY + _encode_text(operation), done=done):
            node = self._get_node(index)
            if behind_name or (node.operation == operation and node.scope not in done):
                yield node

    def taking(self, output: str) -> Iterator[Node]:
        """Iterate over the nodes that take `output`, for instance `split:2`, starting after the node it belongs to.

        The bytes of the graph are searched for the encoded input. After many searches all nodes are parsed instead.
        """
        if self._index.searched > _MAX_SEARCHES * self._index.searchable:
            yield from map(self._get_node, self._takers.get(output, ()))
            return
        for index, _ in self._index.holding(_INPUT_KEY + _encode_text(output), self.turn(output.partition(":")[0])):
            node = self._get_node(index)
            if output in node.inputs:
                yield node

    @cached_property
    def _takers(self) -> dict[str, list[int]]:
        """The positions of the nodes that take each output."""
        found: dict[str, list[int]] = {}
        for index in range(len(self)):
            for name in dict.fromkeys(self._parse_node(index).inputs):
                found.setdefault(name, []).append(index)
        return found

    def content_of(self, node: Node) -> StoredContent | None:
        """Return the content of the constant `node` in the file, if it has not been read."""
        turn = bisect_left(self._starts, node.start)
        if self._stored is None or turn == len(self._starts) or self._starts[turn] >= node.stop:
            return None
        attributes = spans(self._data, 5, node.start, node.stop)
        found = [one for one in attributes if Message(self._data[slice(*one)]).bytes(1) == b"value"][-1:]
        for number in (2, 8, 4):  # the AttrValue, its TensorProto and the content of that, each in one part or several
            found = [inner for outer in found for inner in spans(self._data, number, *outer)]
        is_left_out = bool(found) and self._stored.contents.get(found[-1][0]) == found[-1][1]
        return StoredContent(self._stored, found[-1][0]) if is_left_out else None

    def _get_node(self, index: int) -> Node:
        if index not in self._nodes:
            self._nodes[index] = self._parse_node(index)
        return self._nodes[index]

    def _parse_node(self, index: int) -> Node:
        name, bounds = self._index.name(index), self._index.bounds(index)
        data = memoryview(self._data)[slice(*bounds)]
        return Node(data, self, as_text(name) if name else None, bounds[0])


def _encode_text(text: str) -> bytes:
    """Return `text`, in bytes, after its length as a varint."""
    data = text.encode("utf-8", "surrogateescape")
    length, head = len(data), b""
    while length > 127:
        head, length = head + bytes([length & 127 | 128]), length >> 7
    return head + bytes([length]) + data


def constant(node: Node) -> Tensor | None:
    """Return the tensor of a constant; None if `node` is not a constant or does not hold numbers.

    Raises:
        CorruptModel: The number of stored bytes does not match the shape.
    """
    if node.value is None:
        return None
    return tensor_in(node.value, node.name, stored=node.home.content_of(node))


def scalar(node: Node) -> float | None:
    """Return the number of a constant with one element, without numpy; None if `node` is anything else."""
    message = node.value
    if message is None or node.home.content_of(node) is not None:
        return None
    dtype = dtypes.dtype_name(message.integer(1))
    if dtype not in _SCALARS or math.prod(dtypes.shape_of(message.message(2))) != 1:
        return None
    letter, field = _SCALARS[dtype]
    data = bytes(message.bytes(4))
    if not data and dtype in ("float32", "float64"):
        data = b"".join(message.all_bytes(field))
    elif not data:
        width = _BYTES[letter]
        data = b"".join((number % (1 << 8 * width)).to_bytes(width, "little") for number in message.integers(field))
    size = struct.calcsize(letter)
    if len(data) < size:
        return 0.0
    return shortest_float32(data[:size]) if letter == "f" else float(struct.unpack(f"<{letter}", data[:size])[0])


def integers(node: Node) -> tuple[int, ...] | None:
    """Return the numbers of a constant, a vector of few int32, without numpy; None if `node` is anything else."""
    message = node.value
    shape = () if message is None else dtypes.shape_of(message.message(2))
    if message is None or dtypes.dtype_name(message.integer(1)) != "int32" or len(shape) != 1 or shape[0] > _FEW:
        return None
    content, listed = bytes(message.bytes(4)), message.integers(7)[: shape[0]]
    if len(content) == 4 * shape[0]:
        return struct.unpack(f"<{shape[0]}i", content)
    return (*listed, *(listed[-1:] or [0]) * (shape[0] - len(listed)))


_FEW = 8
_SCALARS = {"float32": ("f", 5), "float64": ("d", 6), "float16": ("e", 13), "int32": ("i", 7)}
_BYTES = {"e": 2, "i": 4}
_VALUES = {"float32": 5, "float64": 6, "int32": 7, "int64": 10, "bool": 11, "float16": 13, "bfloat16": 13, "uint8": 7,
           "int8": 7, "int16": 7, "uint16": 7, "uint32": 16, "uint64": 17}  # fmt: skip


def tensor_in(
    message: Message,
    name: str,
    shape: tuple[int, ...] | None = None,
    dtype: str | None = None,
    *,
    may_be_short: bool = True,
    stored: StoredContent | None = None,
) -> Tensor | None:
    """Return the tensor in a TensorProto, or None if it does not hold numbers.

    `shape` and `dtype` replace those of the message, which may lack them. The last stored number may stand for the
    missing ones, as in constants, only if `may_be_short`. The bytes of a content that is `stored` in a file are read
    from there.
    """
    shape = dtypes.shape_of(message.message(2)) if shape is None else shape
    dtype = dtypes.dtype_name(message.integer(1)) if dtype is None else dtype
    size = dtypes.byte_size(dtype, shape)
    if size is None:
        return None
    content = message.bytes(4)
    if len(content) not in (0, size):
        raise CorruptModel(f"{name} is {dtype} {shape}, {size} bytes, but {len(content)} are stored")
    if stored is not None:
        return stored.tensor(name, shape, dtype)

    def fetch(cuts: Cuts) -> Array:
        budget.allow(budget.ARRAY)
        if len(content) == size:
            return decode.cut_out(content, dtype, shape, cuts)
        field = _VALUES.get(dtype)
        if field is None:
            raise CorruptModel(f"{name} holds {dtype} values in an unknown form")
        if dtype in ("float32", "float64"):
            return decode.filled_up(b"".join(message.all_bytes(field)), dtype, shape, may_be_short=may_be_short)[cuts]
        return decode.filled_up(message.integers(field), dtype, shape, may_be_short=may_be_short)[cuts]

    return Tensor(name, shape, dtype, fetch)


def variables_declared(graph: Graph) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shape and dtype, by name, of the variables that `graph` declares with a known shape."""
    found = {}
    for operation in ("Variable", "VariableV2", "VarHandleOp"):
        for node in graph.running(operation):
            if "shape" in node.attributes and "dtype" in node.attributes:
                shape = dtypes.known_shape(node.attributes["shape"].message(7))
                if shape is not None:
                    found[node.name] = (shape, dtypes.dtype_name(node.attributes["dtype"].integer(6)))
    return found
