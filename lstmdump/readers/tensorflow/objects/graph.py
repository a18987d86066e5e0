"""TensorFlow's object graphs: the saved Python objects, the attributes that connect them, and their variables.

A checkpoint holds a TrackableObjectGraph, a SavedModel a SavedObjectGraph: nodes with named edges, of which the first
is the root. The key of a variable in the bundle is only one of the paths to it, so variables are identified by their
nodes and not by their keys. Sources: `trackable_object_graph.proto`, `saved_object_graph.proto`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import DEFAULTS, Limits, limit_exceeded
from lstmdump.readers.protobuf import (
    Buffer,
    Message,
    Value,
    as_bytes,
    as_integer,
    as_text,
    fields,
    fields_up_to,
    merge,
    merged_fields,
    varint,
)
from lstmdump.readers.tensorflow.wire.dtypes import dtype_name, known_shape_in

KEY_ENDING = "/.ATTRIBUTES/VARIABLE_VALUE"
_NODE, _NAME = 0x08, 0x12  # the keys of the fields of an edge
_USER_OBJECT, _SAVED_VARIABLE = 4, 7
_KINDS = frozenset({_USER_OBJECT, 5, 6, _SAVED_VARIABLE, 8, 9, 10, 12})  # of a SavedObject, which is of one
_VALUE, _CONFIG = "VARIABLE_VALUE", "OBJECT_CONFIG_JSON"


class Variable:
    """A variable of the graph.

    A SavedModel states the shape and the dtype, a checkpoint the key. The shape is also None if the variable may hold
    arrays of several shapes.
    """

    __slots__ = ("dtype", "full_name", "key", "shape")

    def __init__(
        self, full_name: str, key: str | None = None, shape: tuple[int, ...] | None = None, dtype: str | None = None
    ) -> None:
        self.full_name = full_name
        self.key = key
        self.shape = shape
        self.dtype = dtype


class ObjectNode:
    """A saved object.

    Attributes:
        children: the edges: name, and number of the node.
        variable: the variable, if the object is one.
        identifier: the kind of the object in a SavedModel: `_tf_keras_layer`, `optimizer`, …
        metadata: the JSON of Keras for the object, if any; in TensorFlow 1.13, the key under which it is stored.
        has_slots: whether the object is an optimizer with slots.
    """

    __slots__ = ("children", "has_slots", "identifier", "metadata", "variable")

    def __init__(self, children: list[tuple[str, int]]) -> None:
        self.children = children
        self.variable: Variable | None = None
        self.identifier = ""
        self.metadata = ""
        self.has_slots = False


class ObjectGraph:
    """A graph of nodes.

    Args:
        nodes: the nodes, the root first.
        slots: the numbers of the nodes that are slots of an optimizer.
        limits: the limits of the model.

    Raises:
        CorruptModel: There are no nodes, or an edge leads to a node that does not exist.
    """

    def __init__(self, nodes: list[ObjectNode], slots: set[int] | None = None, limits: Limits = DEFAULTS) -> None:
        self.limits = limits
        if not nodes:
            raise CorruptModel("an object graph without objects")
        if any(child >= len(nodes) for node in nodes for _, child in node.children):
            raise CorruptModel("an object graph with edges to nodes that do not exist")
        self.nodes = nodes
        self.slots = slots or set()
        self._edges: dict[int, dict[str, int]] = {}

    def walk_to(self, path: Iterable[str]) -> int | None:
        """Return the node at the end of `path`, the names of edges from the root on, or None if there is none."""
        here: int | None = 0
        for edge in path:
            if here is None:
                return None
            here = self.edges(here).get(edge)
        return here

    def edges(self, number: int) -> Mapping[str, int]:
        """Return the nodes that the edges of the node `number` lead to, by the names of the edges."""
        if number not in self._edges:
            self._edges[number] = dict(self.nodes[number].children)
        return self._edges[number]


def of_checkpoint(data: Buffer, limits: Limits = DEFAULTS) -> ObjectGraph:
    """Parse `data`, the TrackableObjectGraph of a checkpoint, within `limits`."""
    slots: set[int] = set()
    nodes = []
    for node, others in _iterate_nodes(data, slots, limits.nodes):
        for number, value in others:
            if number == 2:
                _add_attribute(node, as_bytes(value))
        nodes.append(node)
    return ObjectGraph(nodes, slots, limits)


def _add_attribute(node: ObjectNode, data: Buffer) -> None:
    """Add to `node` what is stored for it: the key of a variable, or that of Keras's JSON."""
    attribute = dict(fields(data))
    name, key = (as_text(as_bytes(attribute.get(number, b""))) for number in (1, 3))
    if name == _VALUE:
        node.variable = Variable(as_text(as_bytes(attribute.get(2, b""))), key)
    elif name == _CONFIG:
        node.metadata = key


def of_saved_model(data: Buffer, limits: Limits = DEFAULTS) -> ObjectGraph:
    """Parse `data`, the SavedObjectGraph of a SavedModel, within `limits`; it does not hold the keys of variables."""
    slots: set[int] = set()
    nodes = []
    for node, others in _iterate_nodes(data, slots, limits.nodes):
        kind, value = _find_kind(others)
        if kind == _USER_OBJECT:
            user_object = dict(fields(value))
            node.identifier, node.metadata = (as_text(as_bytes(user_object.get(number, b""))) for number in (1, 3))
        elif kind == _SAVED_VARIABLE:
            node.variable = _decode_variable(merged_fields(value, 2))
        nodes.append(node)
    return ObjectGraph(nodes, slots, limits)


def _find_kind(parts: Iterable[tuple[int, Value]]) -> tuple[int, Buffer]:
    """Return the number and the value of that of the fields `parts` which says what an object is; 0 if none does.

    Raises:
        CorruptModel: Several fields do.
    """
    found = [(number, as_bytes(value)) for number, value in parts if number in _KINDS]
    if len(found) > 1:
        if any(number != found[0][0] for number, _ in found):
            raise CorruptModel("an object of the graph that is of two kinds")
        return found[0][0], merge([value for _, value in found])
    return found[0] if found else (0, b"")


def _decode_variable(saved: dict[int, Value]) -> Variable:
    shape = known_shape_in(as_bytes(saved.get(2, b"")))
    return Variable(as_text(as_bytes(saved.get(6, b""))), None, shape, dtype_name(as_integer(saved.get(1, 0))))


def _iterate_nodes(data: Buffer, slots: set[int], most: int) -> Iterator[tuple[ObjectNode, list[tuple[int, Value]]]]:
    """Yield the nodes in `data` with their edges, each with its other fields, by number; add slots to `slots`.

    Raises:
        RefusedModel: There are more than `most` nodes or edges.
    """
    edges = 0
    for value in Message(data, most).all_bytes(1):
        node, others = ObjectNode([]), []
        for number, part in fields_up_to(most, bytes(value)):
            if number == 1:
                node.children.append(_decode_edge(as_bytes(part)))
                continue
            if number == 3:
                node.has_slots = True
                slots.add(Message(as_bytes(part)).integer(3))
            others.append((number, part))
        edges += len(node.children)
        if edges > most:
            raise limit_exceeded("nodes", f"an object graph of more than {most:,} edges", needed=10 * most)
        yield node, others


def _decode_edge(data: Buffer) -> tuple[str, int]:
    """Return the name of an edge, and the number of the node that it leads to."""
    # TensorFlow writes the number first, then the name, which is short: this form is decoded directly.
    if len(data) > 3 and data[0] == _NODE:
        number, start = (data[1], 2) if data[1] < 0x80 else varint(data, 1)
        name = data[start + 2 :]
        if len(name) < 0x80 and data[start : start + 2] == bytes((_NAME, len(name))):
            return as_text(name), number
    found = dict(fields(data))
    return as_text(as_bytes(found.get(2, b""))), as_integer(found.get(1, 0))


def of_keys(keys: Iterable[str], limits: Limits = DEFAULTS) -> ObjectGraph:
    """Return the graph of the paths in `keys`, for a checkpoint whose own graph cannot be read."""
    # Every step of a key becomes an edge, and keys that begin with the same steps share their nodes, as in a trie.
    nodes = [ObjectNode([])]
    places: dict[tuple[int, str], int] = {}
    for key in keys:
        here = 0
        for edge in path_of_key(key) or ():
            if (here, edge) not in places:
                places[here, edge] = len(nodes)
                nodes[here].children.append((edge, len(nodes)))
                nodes.append(ObjectNode([]))
            here = places[here, edge]
        if here:
            nodes[here].variable = Variable("", key)
    return ObjectGraph(nodes, limits=limits)


def path_of_key(key: str) -> list[str] | None:
    """Return the names of the edges in `key`, or None if it is the key of a slot, or not of a variable."""
    if not key.endswith(KEY_ENDING) or "/.OPTIMIZER_SLOT/" in key:
        return None
    edges = key.removesuffix(KEY_ENDING).split("/")
    return [_unescape(edge) for edge in edges] if "." in key[: -len(KEY_ENDING)] else edges


def _unescape(edge: str) -> str:
    """Return the original name of an edge, in which `/` is stored as `.S` and `.` as `..`."""
    return "".join(_unescape_characters(edge)) if "." in edge else edge


def _unescape_characters(edge: str) -> Iterator[str]:
    position = 0
    while position < len(edge):
        pair = edge[position : position + 2]
        yield {"..": ".", ".S": "/"}.get(pair, edge[position])
        position += 2 if pair in ("..", ".S") else 1
