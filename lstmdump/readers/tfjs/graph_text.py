"""Graphs of TensorFlow as JSON, turned into the bytes of a GraphDef, which the readers of TensorFlow's graphs take.

TensorFlow.js joins an addition to the product before it, as `_FusedMatMul`; here they are two nodes again, so that the
graph has the operations that TensorFlow has. Its loops pass the weights on from turn to turn: a `Merge` that only ever
gets its own value back passes on its first one, as an `Identity`. Only what the search for cells asks of a graph is
kept: operations, inputs, the attributes that are numbers, types and shapes, and small constants. Source of the JSON:
the rules of protocol buffers for JSON, in which integers are texts and bytes are base64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import Limits, limit_exceeded

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
_LONGEST_VARINT = 63  # bits of a number that is not negative
_NEGATIVE = 1 << 64

Content = Callable[[str], bytes]
"""Returns the bytes of a small constant by its name; none for a large one, whose numbers are read elsewhere."""


_Attributes: TypeAlias = dict[tuple[str, str, str], bytes]
"""The entries of attributes that are a single text in JSON, by their name, the kind of the value, and the text."""


def encode(topology: Mapping[str, Any], content: Content, prefix: str, called: str, limits: Limits) -> bytes:
    """Return the GraphDef that `topology`, parsed from JSON, stands for.

    Args:
        topology: the value of the key `modelTopology`.
        content: returns the numbers of small constants, as bytes.
        prefix: what is left out at the start of names.
        called: the name of the JSON file in error messages.
        limits: the limits of the model.

    Raises:
        CorruptModel: It is not a graph.
        RefusedModel: It has too many nodes.
    """
    nodes = topology.get("node")
    if not isinstance(nodes, list):
        raise CorruptModel(f"{called} holds a graph without nodes")
    if len(nodes) > limits.nodes:
        raise limit_exceeded("nodes", f"{called} holds a graph of {len(nodes):,} nodes", needed=len(nodes))
    read = {node.name: node for node in (_read_node(node, called) for node in nodes)}
    names = {name.removeprefix(prefix) for name in read}
    if len(names) < len(nodes):
        raise CorruptModel(f"{called} holds a graph with two nodes of one name")
    known: _Attributes = {}
    parts = (part for node in read.values() for part in _list_nodes(node, read, content))
    return b"".join([_field(1, _encode_node(part, prefix, known)) for part in parts])


class _Node(NamedTuple):
    name: str
    operation: str
    inputs: list[str]
    attributes: Mapping[str, Any]
    numbers: bytes = b""


def _read_node(node: object, called: str) -> _Node:
    if not isinstance(node, dict):
        raise CorruptModel(f"{called} holds a graph with a node that is not an object")
    name, operation, inputs = node.get("name"), node.get("op"), node.get("input", [])
    attributes = node.get("attr", {})
    if not (isinstance(name, str) and isinstance(operation, str) and _is_list_of_texts(inputs)):
        raise CorruptModel(f"{called} holds a graph with a node without a name, an operation or its inputs")
    if not isinstance(attributes, dict):
        raise CorruptModel(f"{called} holds a graph whose node {name} has no list of attributes")
    # Inputs with ^ only say what has to run before, and carry no value.
    return _Node(name, operation, [one for one in inputs if not one.startswith("^")], attributes)


def _list_nodes(node: _Node, graph: Mapping[str, _Node], content: Content) -> Iterator[_Node]:
    """Yield the nodes of TensorFlow that `node` stands for: several for one that is fused."""
    if node.operation in _FUSED and (steps := _list_fused(node.attributes)) is not None:
        yield from _split_fused(node, steps)
    elif node.operation == "Merge" and (first := _find_constant_input(node, graph)) is not None:
        yield node._replace(operation="Identity", inputs=[first])
    elif node.operation == "Const":
        yield node._replace(numbers=content(node.name))
    else:
        yield node


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


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


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


def _split_fused(node: _Node, steps: list[str]) -> Iterator[_Node]:
    """Yield the nodes of a product, of the addition to it, and of the activations after that, which has its name."""
    names = [*(f"{node.name}{_FUSED_PRODUCT}_{turn}" for turn in range(len(steps))), node.name]
    yield _Node(names[0], "MatMul", node.inputs[:2], node.attributes)
    # What is added may be a vector or another product, so that it is no BiasAdd.
    yield _Node(names[1], "AddV2", [names[0], *node.inputs[2:]], {})
    for before, after, step in zip(names[1:], names[2:], steps[1:], strict=False):
        yield _Node(after, step, [before], {})


def _encode_node(node: _Node, prefix: str, known: _Attributes) -> bytes:
    name, operation = _encode_text(node.name.removeprefix(prefix)), _encode_text(node.operation.removeprefix(prefix))
    inputs = [_field(3, _encode_text(one.removeprefix(prefix))) for one in node.inputs]
    attributes = _encode_attributes(node.name, node.attributes, node.numbers, known)
    return b"".join([_field(1, name), _field(2, operation), *inputs, attributes])


def _encode_attributes(name: str, attributes: Mapping[str, Any], numbers: bytes, known: _Attributes) -> bytes:
    """Return the entries of the attributes of the node `name`, without those that nothing here asks for.

    Thousands of nodes have the same few attributes, such as a type, so the entry of each is made once.
    """
    found = b""
    for key, value in attributes.items():
        if not isinstance(value, dict):
            continue
        kind, stated = next(iter(value.items())) if len(value) == 1 else ("", None)
        if not isinstance(stated, str):
            found += _encode_attribute(name, key, value, numbers)
        elif (key, kind, stated) in known:
            found += known[key, kind, stated]
        else:
            found += (entry := _encode_attribute(name, key, value, numbers))
            if len(known) < _MOST_ALIKE:
                known[key, kind, stated] = entry
    return found


def _encode_attribute(name: str, key: str, value: Mapping[str, Any], numbers: bytes) -> bytes:
    encoded = _encode_value(name, value, numbers)
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
    extents = b"".join([_field(2, _number(1, _whole(name, dim.get("size", 0)))) for dim in dims])
    return (
        _number(1, _TYPES.get(str(tensor.get("dtype")), 0))
        + _field(2, extents)
        + (_field(4, numbers) if numbers else b"")
    )


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
    length = len(data)
    return _BYTE[number << 3 | _BYTES] + (_BYTE[length] if length <= _MOST_IN_BYTE else _varint(length)) + data


def _number(number: int, value: int) -> bytes:
    return _BYTE[number << 3 | _VARINT] + _varint(value % _NEGATIVE)


def _varint(value: int) -> bytes:
    found = b""
    while value > _MOST_IN_BYTE:
        found, value = found + _BYTE[value & 127 | 128], value >> 7
    return found + _BYTE[value]
