"""Graphs of TensorFlow as JSON, turned into the bytes of a GraphDef, which the readers of TensorFlow's graphs take.

TensorFlow.js joins an addition to the product before it, as `_FusedMatMul`; here they are two nodes again, so that the
graph has the operations that TensorFlow has. Its loops pass the weights on from turn to turn: a `Merge` that only ever
gets its own value back passes on its first one, as an `Identity`. Only what the search for cells asks of a graph is
kept: operations, inputs, the attributes that are numbers, types and shapes, and small constants. Source of the JSON:
the rules of protocol buffers for JSON, in which integers are texts and bytes are base64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.model.named_tuple import NamedTuple

_VARINT, _BYTES = 0, 2  # wire types
_MOST_IN_BYTE = 127  # of a varint
_FUSED = ("_FusedMatMul",)
_FUSED_PRODUCT = "/_product"
"""The end of the name of a product that stood in a fused node."""

_ACTIVATIONS = frozenset({"Relu", "Relu6", "Elu", "Sigmoid", "Tanh"})
_TYPES = {"DT_FLOAT": 1, "DT_DOUBLE": 2, "DT_INT32": 3, "DT_UINT8": 4, "DT_INT16": 5, "DT_INT8": 6, "DT_STRING": 7,
          "DT_COMPLEX64": 8, "DT_INT64": 9, "DT_BOOL": 10, "DT_HALF": 19, "DT_VARIANT": 21}  # fmt: skip
_PASSING = frozenset({"NextIteration", "Identity", "Switch"})
_TURNS = 2  # inputs of a Merge: the first value, and that of the turn before
_MOST_STEPS = 20  # through nodes that pass a variable of a loop on
_BYTE = [bytes([value]) for value in range(256)]
_MOST_ALIKE = 1 << 12  # attributes that are kept
_NODE, _NAME, _OPERATION, _INPUT = b"\x0a", b"\x0a", b"\x12", b"\x1a"  # keys: fields 1, and 1, 2 and 3 of a node
_LONGEST_VARINT = 63  # bits of a number that is not negative
_NEGATIVE = 1 << 64

Content = Callable[[str], bytes]
"""Returns the bytes of a small constant by its name; none for a large one, whose numbers are read elsewhere."""


_Attributes: TypeAlias = dict[tuple[str, str, Any], bytes]
"""The entries of attributes that are one text or truth value in JSON, by name, kind of value, and the value."""


def encode(
    topology: Mapping[str, Any],
    content: Content,
    prefix: str,
    called: str,
    limits: Limits,
    copies: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """Return the GraphDef that `topology`, parsed from JSON, stands for.

    Args:
        topology: the value of the key `modelTopology`.
        content: returns the numbers of small constants, as bytes.
        prefix: what is left out at the start of names.
        called: the name of the JSON file in error messages.
        limits: the limits of the model.
        copies: constants that are left out, each with the name of the one in its place.

    Raises:
        CorruptModel: It is not a graph.
        RefusedModel: It has too many nodes.
    """
    nodes = topology.get("node")
    if not isinstance(nodes, list):
        raise CorruptModel(f"{called} holds a graph without nodes")
    if len(nodes) > limits.nodes:
        raise limit_exceeded("nodes", f"{called} holds a graph of {len(nodes):,} nodes", needed=len(nodes))
    all_read = [_read_node(node, called) for node in nodes]
    kept = [node for node in all_read if node.name not in copies] if copies else all_read
    read = {node.name: node for node in kept}
    names = _Names(prefix, copies)
    if len({names[name] for name in read}) < len(kept):
        raise CorruptModel(f"{called} holds a graph with two nodes of one name")
    known: _Attributes = {}
    encoded: list[bytes] = []
    for node in read.values():
        for part in _list_nodes(node, read, content):
            encoded += _NODE, _measure(data := _encode_node(part, names, known)), data
    return b"".join(encoded)


class _Node(NamedTuple):
    name: str
    operation: str
    inputs: list[str]
    attributes: Mapping[str, Any]
    numbers: bytes = b""


class _Names(dict[str, bytes]):
    """The names of nodes, operations and inputs, each in bytes after its length when it is first met.

    The names are without `prefix`, and those of `copies` are those of what they are copies of.
    """

    def __init__(self, prefix: str, copies: Mapping[str, str]) -> None:
        super().__init__()
        self._prefix = prefix
        self._copies = copies

    def __missing__(self, name: str) -> bytes:
        data = _encode_text(self._copies.get(name, name).removeprefix(self._prefix))
        self[name] = encoded = _measure(data) + data
        return encoded


def _read_node(node: object, called: str) -> _Node:
    if not isinstance(node, dict):
        raise CorruptModel(f"{called} holds a graph with a node that is not an object")
    name, operation, inputs = node.get("name"), node.get("op"), node.get("input", [])
    attributes = node.get("attr", {})
    try:
        joined = "".join(inputs) if isinstance(inputs, list) else None
    except TypeError:  # one is not a text
        joined = None
    if joined is None or not (isinstance(name, str) and isinstance(operation, str)):
        raise CorruptModel(f"{called} holds a graph with a node without a name, an operation or its inputs")
    if not isinstance(attributes, dict):
        raise CorruptModel(f"{called} holds a graph whose node {name} has no list of attributes")
    if "^" in joined:  # inputs with ^ only say what has to run before, and carry no value
        inputs = [one for one in inputs if not one.startswith("^")]
    return _Node(name, operation, inputs, attributes)


def _list_nodes(node: _Node, graph: Mapping[str, _Node], content: Content) -> Iterable[_Node]:
    """Return the nodes of TensorFlow that `node` stands for: several for one that is fused."""
    if node.operation == "Const":
        return (_Node(node.name, node.operation, node.inputs, node.attributes, content(node.name)),)
    if node.operation == "Merge" and (first := _find_constant_input(node, graph)) is not None:
        return (_Node(node.name, "Identity", [first], node.attributes),)
    if node.operation in _FUSED and (steps := _list_fused(node.attributes)) is not None:
        return _split_fused(node, steps)
    return (node,)


def _find_constant_input(merge: _Node, graph: Mapping[str, _Node]) -> str | None:
    """Return the first value of a variable of a loop that each turn only passes on; None if it changes."""
    if len(merge.inputs) != _TURNS:
        return None
    first, name = merge.inputs
    if (turn := graph.get(name)) is None or turn.operation != "NextIteration":
        return None
    for _ in range(_MOST_STEPS):
        node = graph.get(name.partition(":")[0])
        if node is merge:
            return first
        if node is None or node.operation not in _PASSING or not node.inputs:
            return None
        name = node.inputs[0]
    return None


def _list_fused(attributes: Mapping[str, Any]) -> list[str] | None:
    """Return the operations that are fused to a product, or None if one of them is not known here."""
    import binascii  # base64 takes longer to import

    try:
        texts = attributes["fused_ops"]["list"]["s"]
        steps = [binascii.a2b_base64(text).decode("ascii") for text in texts]
    except (KeyError, TypeError, ValueError):
        return None
    is_known = steps[:1] == ["BiasAdd"] and all(step in _ACTIVATIONS for step in steps[1:])
    return steps if is_known else None


def _split_fused(node: _Node, steps: list[str]) -> Iterable[_Node]:
    """Yield the nodes of a product, of the addition to it, and of the activations after that, which has its name."""
    names = [*(f"{node.name}{_FUSED_PRODUCT}_{turn}" for turn in range(len(steps))), node.name]
    yield _Node(names[0], "MatMul", node.inputs[:2], node.attributes)
    # What is added may be a vector or another product, so that it is no BiasAdd.
    yield _Node(names[1], "AddV2", [names[0], *node.inputs[2:]], {})
    for before, after, step in zip(names[1:], names[2:], steps[1:], strict=False):
        yield _Node(after, step, [before], {})


def _encode_node(node: _Node, names: _Names, known: _Attributes) -> bytes:
    inputs = [_INPUT + names[one] for one in node.inputs]
    attributes = _encode_attributes(node, known)
    return b"".join([_NAME, names[node.name], _OPERATION, names[node.operation], *inputs, *attributes])


def _encode_attributes(node: _Node, known: _Attributes) -> list[bytes]:
    """Return the entries of the attributes of `node`, without those that nothing here asks for.

    Thousands of nodes have the same few attributes, such as a type, so the entry of each is made once.
    """
    found = []
    for key, value in node.attributes.items():
        if not isinstance(value, dict):
            continue
        kind, stated = next(iter(value.items())) if len(value) == 1 else ("", None)
        is_one = isinstance(stated, (str, bool))
        entry = known.get((key, kind, stated)) if is_one else None
        if entry is None:
            entry = _encode_attribute(node, key, value)
            if is_one and len(known) < _MOST_ALIKE:
                known[key, kind, stated] = entry
        found.append(entry)
    return found


def _encode_attribute(node: _Node, key: str, value: Mapping[str, Any]) -> bytes:
    encoded = _encode_value(node.name, value, node.numbers)
    return b"" if encoded is None else _field(5, _field(1, _encode_text(key)) + _field(2, encoded))


def _encode_value(name: str, value: Mapping[str, Any], numbers: bytes) -> bytes | None:
    """Return an AttrValue, or None for one that is a list, a function or a text."""
    if "i" in value:
        return _number(3, _whole(name, value["i"]))
    if "b" in value:
        return _number(5, int(value["b"] is True))
    if "type" in value:
        return _number(6, _TYPES.get(str(value["type"]), 0))
    if isinstance(value.get("tensor"), dict):
        return _field(8, _encode_tensor(name, value["tensor"], numbers))
    return None


def _encode_tensor(name: str, tensor: Mapping[str, Any], numbers: bytes) -> bytes:
    shape = tensor.get("tensorShape", {})
    dims = shape.get("dim", []) if isinstance(shape, dict) else []
    if not isinstance(dims, list) or not all(isinstance(dim, dict) for dim in dims):
        raise CorruptModel(f"{name} has a shape that is not valid")
    extents = [_field(2, _number(1, _whole(name, dim.get("size", 0)))) for dim in dims]
    head = _number(1, _TYPES.get(str(tensor.get("dtype")), 0)) + _field(2, b"".join(extents))
    return head + _field(4, numbers) if numbers else head


def _whole(name: str, value: object) -> int:
    """Return a number that JSON states as a number or, as protocol buffers do, as a text."""
    try:
        number = int(value) if isinstance(value, (int, str)) else None
    except ValueError:
        number = None
    if number is None or number.bit_length() > _LONGEST_VARINT:
        raise CorruptModel(f"{name} states {value!r}, which is not a whole number")
    return number


def _encode_text(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _field(number: int, data: bytes) -> bytes:
    return _BYTE[number << 3 | _BYTES] + _measure(data) + data


def _measure(data: bytes) -> bytes:
    """Return the length of `data` as it is written before them."""
    length = len(data)
    return _BYTE[length] if length <= _MOST_IN_BYTE else _varint(length)


def _number(number: int, value: int) -> bytes:
    return _BYTE[number << 3 | _VARINT] + _varint(value % _NEGATIVE)


def _varint(value: int) -> bytes:
    found = b""
    while value > _MOST_IN_BYTE:
        found, value = found + _BYTE[value & 127 | 128], value >> 7
    return found + _BYTE[value]
