"""TensorFlow's graphs: nodes with an operation, inputs and attributes; constants hold tensors. Nothing is computed.

Sources: `graph.proto`, `node_def.proto`, `attr_value.proto`, `tensor.proto`, `meta_graph.proto`, `saved_model.proto`.
"""

from __future__ import annotations

import math
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property

from lstmdump.errors import CorruptModel
from lstmdump.model import budget
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.tensor import Array, Cuts, Tensor
from lstmdump.readers.tensorflow.graph.node_index import NodeIndex
from lstmdump.readers.tensorflow.wire import decode, dtypes
from lstmdump.readers.tensorflow.wire.protobuf import Buffer, Message, as_text, fields, shortest_float32, spans

_NAME, _OPERATION, _INPUT = 1, 2, 3
_OPERATION_KEY, _INPUT_KEY = b"\x12", b"\x1a"
PASSING = frozenset({"Identity", "Enter", "RefEnter", "ReadVariableOp", "StopGradient", "Switch", "RefSwitch",
                      "RefIdentity", "Cast", "PlaceholderWithDefault"})  # fmt: skip
_MAX_STEPS = 100
_LONG = 1 << 22  # bytes of a graph
_FEW = 50  # searches through all bytes that take less time than to take all nodes apart once


class Nodes(ABC):
    """What can be asked of a graph, and of the body of a function in it."""

    @abstractmethod
    def node(self, name: str) -> Node | None:
        """The node that NAME, an input of another, stands for: `^` and the number of an output do not count."""

    @abstractmethod
    def running(self, operation: str) -> Iterator[Node]:
        """The nodes whose operation is OPERATION."""

    @abstractmethod
    def taking(self, output: str) -> Iterator[Node]:
        """The nodes that have OUTPUT, `split:2`, among their inputs."""

    def source(self, name: str) -> Node | None:
        """The node that NAME comes from, behind all that hands its input on as it is."""
        node = self.node(name)
        for _ in range(_MAX_STEPS):
            if node is None or node.operation not in PASSING or not node.inputs or node.home is not self:
                return node
            node = self.node(node.inputs[0])
        return node


class Node:
    """A node: its `name`, its `operation`, the names of its `inputs`, and its `home`, where these are.

    It is taken apart when more than its NAME is asked for, and that is known.
    """

    def __init__(self, data: Buffer, home: Nodes, name: str | None = None) -> None:
        self.home = home
        self._data = data
        self.name = self._head[0] if name is None else name

    @cached_property
    def _head(self) -> tuple[str, str, tuple[str, ...]]:
        parts: dict[int, list[str]] = {_NAME: [""], _OPERATION: [""], _INPUT: []}
        for number, value in fields(self._data):
            if number > _INPUT:  # attributes follow, which few nodes are asked for
                break
            if not isinstance(value, int):
                parts.setdefault(number, []).append(as_text(value))
        return parts[_NAME][-1], parts[_OPERATION][-1], tuple(parts[_INPUT])

    @cached_property
    def operation(self) -> str:
        """What it computes."""
        return self._head[1]

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of what it takes, in their order."""
        return self._head[2]

    @cached_property
    def attributes(self) -> dict[str, Message]:
        """Its attributes by name, an AttrValue each."""
        return {entry.text(1): entry.message(2) for entry in Message(self._data).messages(5)}

    @cached_property
    def value(self) -> Message | None:
        """The TensorProto that it holds; None where it is no constant."""
        value = self.attributes.get("value")
        return value.message(8) if self.operation == "Const" and value is not None and 8 in value else None

    def number(self, attribute: str) -> int:
        """The whole number in ATTRIBUTE; 0 where there is none."""
        found = self.attributes.get(attribute)
        return 0 if found is None else found.signed(3)


class Graph(Nodes):
    """The nodes of the GraphDef in DATA, as far as `limits` allows, each taken apart when it is asked for.

    `version` is the TensorFlow that wrote it, where that is known.

    Raises:
        CorruptModel: DATA is no GraphDef.
    """

    def __init__(self, data: Buffer, limits: Limits = DEFAULTS) -> None:
        self.limits = limits
        self._data = data if len(data) > _LONG else bytes(data)  # a copy is faster to go through
        self._index = NodeIndex(self._data, limits.nodes)
        self._nodes: dict[int, Node] = {}
        self._rest = Message(memoryview(self._data)[self._index.end :], limits.nodes)
        self.version = ""
        if 1 in self._rest:
            raise CorruptModel("a graph whose nodes do not stand together")

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self._data)

    def __len__(self) -> int:
        return len(self._index.stops)

    def library(self) -> Message:
        """The FunctionDefLibrary, which stands behind the nodes."""
        return self._rest.message(2)

    def node(self, name: str) -> Node | None:
        """The node NAME, an input of another: `^` and the number of an output do not count."""
        plain = name.lstrip("^").partition(":")[0]
        index = self._index.turns.get(plain.encode("utf-8", "surrogateescape"))
        return None if index is None else self._node(index)

    def turn(self, name: str) -> int:
        """How many nodes stand before the node NAME; all of them, where there is none."""
        return self._index.turns.get(name.encode("utf-8", "surrogateescape"), len(self))

    def names(self) -> Iterator[str]:
        """The names of all nodes."""
        return (as_text(name) for name in self._index.turns)

    def running(self, operation: str) -> Iterator[Node]:
        """The nodes whose operation is OPERATION."""
        for index, behind_name in self._index.holding(_OPERATION_KEY + _counted(operation)):
            node = self._node(index)
            if behind_name or node.operation == operation:
                yield node

    def taking(self, output: str) -> Iterator[Node]:
        """The nodes that have OUTPUT, `split:2`, among their inputs; first those behind the node that it is of."""
        if self._index.searched > _FEW * self._index.searchable:
            yield from map(self._node, self._takers.get(output, ()))
            return
        for index, _ in self._index.holding(_INPUT_KEY + _counted(output), self.turn(output.partition(":")[0])):
            node = self._node(index)
            if output in node.inputs:
                yield node

    @cached_property
    def _takers(self) -> dict[str, list[int]]:
        """The nodes that have each output among their inputs."""
        found: dict[str, list[int]] = {}
        for index in range(len(self)):
            for name in dict.fromkeys(self._taken(index).inputs):
                found.setdefault(name, []).append(index)
        return found

    def content_start(self, name: str) -> int:
        """Where the bytes begin that the node NAME, a constant, holds as the content of its tensor."""
        turn = self.turn(name)
        start, stop = self._index.start(turn), self._index.stops[turn]
        attributes = spans(self._data, 5, start, stop)
        start, stop = [one for one in attributes if Message(self._data[slice(*one)]).bytes(1) == b"value"][-1]
        for wanted in (2, 8, 4):  # the AttrValue, the TensorProto in it, and its content; of each the last one counts
            *_, (start, stop) = spans(self._data, wanted, start, stop)
        return start

    def _node(self, index: int) -> Node:
        if index not in self._nodes:
            self._nodes[index] = self._taken(index)
        return self._nodes[index]

    def _taken(self, index: int) -> Node:
        name = self._index.names[index]
        data = memoryview(self._data)[self._index.start(index) : self._index.stops[index]]
        return Node(data, self, as_text(name) if name else None)


def _counted(text: str) -> bytes:
    """TEXT after its length, a varint."""
    data = text.encode("utf-8", "surrogateescape")
    length, head = len(data), b""
    while length > 127:
        head, length = head + bytes([length & 127 | 128]), length >> 7
    return head + bytes([length]) + data


def constant(node: Node) -> Tensor | None:
    """The tensor that NODE, a constant, holds; None where it is none, or none of numbers.

    Raises:
        CorruptModel: more or less is stored than its shape says.
    """
    return None if node.value is None else tensor_in(node.value, node.name)


def scalar(node: Node) -> float | None:
    """The one number that NODE, a constant, holds; None where it is no constant or holds more. Needs no numpy."""
    message = node.value
    if message is None:
        return None
    dtype = dtypes.dtype_name(message.integer(1))
    if dtype not in _SCALARS or math.prod(dtypes.shape_of(message.message(2))) != 1:
        return None
    letter, field = _SCALARS[dtype]
    data = bytes(message.bytes(4))
    if not data and dtype in ("float32", "float64"):
        data = b"".join(message.all_bytes(field))
    elif not data:
        data = b"".join((number & 0xFFFF).to_bytes(_BYTES[letter], "little") for number in message.integers(field))
    size = struct.calcsize(letter)
    if len(data) < size:
        return 0.0
    return shortest_float32(data[:size]) if letter == "f" else float(struct.unpack(f"<{letter}", data[:size])[0])


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
) -> Tensor | None:
    """The tensor in a TensorProto, called NAME; SHAPE and DTYPE are given where the message has none itself.

    MAY_BE_SHORT: whether the last number that is stored may stand for those that are not, as it does in constants.
    """
    shape = dtypes.shape_of(message.message(2)) if shape is None else shape
    dtype = dtypes.dtype_name(message.integer(1)) if dtype is None else dtype
    size = dtypes.byte_size(dtype, shape)
    if size is None:
        return None
    content = message.bytes(4)
    if len(content) not in (0, size):
        raise CorruptModel(f"{name} is {dtype} {shape}, {size} bytes, but {len(content)} are stored")

    def fetch(cuts: Cuts) -> Array:
        budget.allow(budget.ARRAY)
        if len(content) == size:
            return decode.cut_out(content, dtype, shape, cuts)
        field = _VALUES.get(dtype)
        if field is None:
            raise CorruptModel(f"{name} holds {dtype} in a form that is not known")
        if dtype in ("float32", "float64"):
            return decode.filled_up(b"".join(message.all_bytes(field)), dtype, shape, may_be_short=may_be_short)[cuts]
        return decode.filled_up(message.integers(field), dtype, shape, may_be_short=may_be_short)[cuts]

    return Tensor(name, shape, dtype, fetch)


def variables_declared(graph: Graph) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and dtype of each variable that GRAPH declares, by name, where they are known."""
    found = {}
    for operation in ("Variable", "VariableV2", "VarHandleOp"):
        for node in graph.running(operation):
            if "shape" in node.attributes and "dtype" in node.attributes:
                shape = dtypes.known_shape(node.attributes["shape"].message(7))
                if shape is not None:
                    found[node.name] = (shape, dtypes.dtype_name(node.attributes["dtype"].integer(6)))
    return found
