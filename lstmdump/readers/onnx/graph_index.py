"""A graph of many nodes, of which only those are read that are asked for.

Graphs have tens of thousands of nodes, of which few belong to an LSTM. The nodes follow each other at the beginning of
the graph, each behind its length: that gives their positions, and nothing else is done for each of them. Nodes of an
operator, and those that give or take a value, are found by a search for the bytes that their fields have; what is found
so is then read, and counts only if it says the same.

The search knows keys and lengths of fields in the form that all programs write: in as few bytes as possible. A graph
in which the operator LSTM may have others is read as a whole, so that no such layer is hidden from the search.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import Limits
from lstmdump.readers.onnx.data_files import DataFiles
from lstmdump.readers.onnx.graph import INITIALIZER, INPUT, NODE, OUTPUT, OnnxGraph, OnnxNode, adds_products

if TYPE_CHECKING:
    from lstmdump.readers.onnx.graph import Makers
from lstmdump.readers.onnx.model_file import ModelFile, Span, read_field
from lstmdump.readers.onnx.repeated_nodes import RepeatedSteps
from lstmdump.readers.onnx.stored_tensors import StoredTensors
from lstmdump.readers.protobuf import encode_varint, varint

_MOST_HELD = 8 << 20  # bytes of a graph that are held at once
_STEP = 1 << 20  # bytes that are read at once where nodes are only the beginning
_MOST_OF_NODES = 64 << 20  # bytes
_INPUT_KEY, _OUTPUT_KEY, _OPERATION_KEY = b"\x0a", b"\x12", b"\x22"  # of a node
_NODE_KEY, _INITIALIZER_KEY = 0x0A, 0x2A
_KEYS = {0x5A: INPUT, 0x62: OUTPUT}
_PASSED = frozenset({0x12, 0x52, 0x6A, 0x72, 0x7A})  # the name of the graph, its description, types of values and such
_OF_INTEREST = (NODE, INITIALIZER, INPUT, OUTPUT)
_SHORT = 0x80  # smaller numbers take one byte
_NEAR = 1 << 16  # bytes before a node in which most of the values that it takes are made
_BEHIND_OUTPUTS = (0x1A, 0x22)  # the keys of the name and of the operator
_SEARCHED = re.compile(rb"\x22(?:\x03(?:GRU|RNN|Min)|\x04(?:LSTM|Loop|Scan|Clip)|\x02If|\x07Sigmoid|\x0bHardSigmoid)")
_MARKS = frozenset({b"\x22\x03GRU", b"\x22\x03RNN", b"\x22\x03Min", b"\x22\x04LSTM", b"\x22\x04Loop", b"\x22\x04Scan",
                    b"\x22\x04Clip", b"\x22\x02If", b"\x22\x07Sigmoid", b"\x22\x0bHardSigmoid"})  # fmt: skip
_LSTMS = re.compile(rb"\x22[\x05-\x7f]\w{0,120}(LSTM)")
_HIDDEN_LSTM = re.compile(rb"\0.?LSTM", re.DOTALL)
_MOST_LOOKUPS = 800  # each may search all nodes
_MANY = 1_000  # values with LSTM in their names
_HEAD = struct.Struct("<I")


class NotIndexable(Exception):
    """The parts of a graph are in an order that no program writes, or are damaged: it has to be read as a whole."""


class IndexedGraph(OnnxGraph):
    """The graph of a model, with the attributes and methods of `OnnxGraph`.

    Raises:
        NotIndexable: It has to be read as a whole.
    """

    def __init__(self, file: ModelFile, span: Span, beside: DataFiles, limits: Limits) -> None:
        self.beside, self.limits, self.around, self.outer, self.depth = beside, limits, None, None, 0
        self._file, self._base = file, span[0]
        self._data, self._bounds = self._hold_nodes(span)
        self._lstms = self._find_lstms()
        self._read: dict[int, OnnxNode] = {}
        self._turns: dict[int, int] = {}  # of the nodes that were read, by their identity
        self._steps = RepeatedSteps(self._data, self._bounds)
        self._passed: set[int] = set()
        self._lookups = 0
        self._last = 0  # the beginning of the node that was read last
        self.stored = StoredTensors(file, beside, limits)
        spans: dict[int, list[Span]] = {INPUT: [], OUTPUT: []}
        self._read_rest(span, spans)
        self._set_values(file, spans[INPUT], spans[OUTPUT])
        self.makers = _Makers(self)

    def _hold_nodes(self, span: Span) -> tuple[bytes, list[int]]:
        """Return bytes of the graph that hold all nodes, and where each of these begins, and the last ends."""
        start, stop = span
        held = min(stop, start + _MOST_HELD) if stop - start <= _MOST_HELD else start + _STEP
        bounds = [0]
        data = self._file.hold((start, held))
        while not walk(data, bounds, _NODE_KEY) and held < stop:
            held = min(stop, max(held + _STEP, start + bounds[-1] + _STEP))
            if held - start > _MOST_OF_NODES:
                raise NotIndexable
            data = self._file.hold((start, held))
            if bounds[-1] > len(data):
                raise NotIndexable
        if bounds[-1] > stop - start:
            raise NotIndexable
        self._file.count(len(bounds))
        return data, bounds

    def _find_lstms(self) -> list[int]:
        """Return where "LSTM" stands in the nodes; only in operators, if it stands in many places.

        Raises:
            NotIndexable: One may be an operator whose key or length is in more bytes than needed: the last is 0.
        """
        data, end, places, at = self._data, self._bounds[-1], [], -1
        while (at := data.find(b"LSTM", at + 1, end)) >= 0:
            if 0 in data[at - 2 : at]:
                raise NotIndexable
            places.append(at)
            if len(places) > _MANY:
                if _HIDDEN_LSTM.search(data, at, end) is not None:
                    raise NotIndexable
                return [match.start(1) for match in _LSTMS.finditer(data, 0, end)]
        return places

    def _read_rest(self, span: Span, spans: dict[int, list[Span]]) -> None:
        """Read what follows the nodes."""
        position = span[0] + self._bounds[-1]
        if span[0] + len(self._data) == span[1]:
            self._read_parts(self._data, self._base, position - self._base, spans)
            return
        for number, value, start, window, base in self._file.walk_heads((position, span[1])):
            if number == NODE:
                raise NotIndexable
            if number == INITIALIZER and isinstance(value, tuple):
                self.stored.add_all(window, [start - base, value[1] - base], base)
            elif number in spans and isinstance(value, tuple):
                spans[number].append(value)
            elif number in spans or number == INITIALIZER:
                raise NotIndexable

    def _read_parts(self, data: bytes, base: int, position: int, spans: dict[int, list[Span]]) -> None:
        """Read what follows the nodes in `data`, which is at `base` in the file, from `position` on."""
        end = len(data)
        while position < end:
            key, bounds = data[position], [position]
            if key != _INITIALIZER_KEY and key not in _KEYS and key not in _PASSED:
                number, _, position = read_field(data, position, end, base)
                if number in _OF_INTEREST:
                    raise NotIndexable
                self._file.count(1)
                continue
            walk(data, bounds, key)
            position = bounds[-1]
            self._file.count(len(bounds) - 1)
            if position > end or len(bounds) == 1:
                raise NotIndexable
            if key == _INITIALIZER_KEY:
                self.stored.add_all(data, bounds, base)
            elif key in _KEYS:
                spans[_KEYS[key]] += [(base + _skip_length(data, start), base + stop)
                                      for start, stop in pairwise(bounds)]  # fmt: skip

    @cached_property
    def nodes(self) -> list[OnnxNode]:  # type: ignore[override]
        """All nodes, which takes long."""
        return [self.node(turn) for turn in range(len(self._bounds) - 1)]

    def node(self, turn: int) -> OnnxNode:
        """Return the node at position `turn`."""
        self._last = self._bounds[turn]
        if turn not in self._read:
            start, stop = _skip_length(self._data, self._bounds[turn]), self._bounds[turn + 1]
            self._read[turn] = node = OnnxNode(self._file, (self._base + start, self._base + stop), self)
            self._turns[id(node)] = turn
        return self._read[turn]

    @cached_property
    def _found(self) -> dict[bytes, list[int]]:
        """The positions of the nodes that may have an operator of `_SEARCHED`, by its key, length and name."""
        found: dict[bytes, list[int]] = {}
        for match in _SEARCHED.finditer(self._data, 0, self._bounds[-1]):
            turns, turn = found.setdefault(match[0], []), bisect_right(self._bounds, match.start()) - 1
            if turns[-1:] != [turn]:
                turns.append(turn)
        return found

    def _list_turns(self, operation: str) -> Iterable[int]:
        """Return the positions of the nodes that may have this operator."""
        mark = _OPERATION_KEY + _encode(operation)
        return self._found.get(mark, ()) if mark in _MARKS else self._search(mark)

    def nodes_with(self, operations: Collection[str]) -> Iterator[OnnxNode]:
        """Yield the nodes with one of `operations`."""
        turns = sorted({turn for one in operations for turn in self._list_turns(one)})
        return (node for node in map(self.node, turns) if node.operation in operations)

    def has_any(self, operations: Collection[str]) -> bool:
        """Return whether there is a node with one of `operations`."""
        return any(self.node(turn).operation == one for one in operations for turn in self._list_turns(one))

    def foreign_lstms(self) -> Iterator[OnnxNode]:
        """Yield the nodes with an LSTM of another domain than that of ONNX."""
        data, places = self._data, []
        for at in self._lstms:
            key = data.rfind(_OPERATION_KEY, max(0, at - _SHORT), at)
            if key >= 0 and key + 2 < at < key + data[key + 1]:
                places.append(key)
        turns = dict.fromkeys(bisect_right(self._bounds, place) - 1 for place in places)
        return (node for node in map(self.node, turns) if "." in node.operation and "LSTM" in node.operation)

    def sums(self) -> Iterator[OnnxNode]:
        """Yield the nodes that add two products, or what passes these on."""
        return filter(adds_products, (self.node(turn) for turn in self._sums if turn not in self._passed))

    @cached_property
    def _sums(self) -> list[int]:
        """The positions of the nodes that may add two products: their inputs are read where exporters write them."""
        made = set(self._list_outputs("Mul", 2)) | set(self._list_outputs("Identity", 1))
        data, found = self._data, []
        for turn in self._list_turns("Add") if made else ():
            at, stop = self._place_fields(turn)
            for _ in range(2):
                if at + 1 >= stop or data[at] != _INPUT_KEY[0] or data[at + 1] >= _SHORT:
                    found.append(turn)
                    break
                after = at + 2 + data[at + 1]
                if data[at + 2 : after] not in made:
                    break
                at = after
            else:
                found.append(turn)
        return found

    def pass_over_steps(self, total: OnnxNode, arrays: tuple[str, ...]) -> None:
        """Do not yield in `sums` those of further steps of a cell, with these arrays, that are like those read before.

        Args:
            total: The sum of a step that was read.
            arrays: The names of the arrays of the cell.
        """
        self._passed.update(self._steps.follow(self._turns[id(total)], arrays))

    def _place_fields(self, turn: int) -> tuple[int, int]:
        """Return where the fields of the node at position `turn` begin and end."""
        data, start = self._data, self._bounds[turn]
        if data[start + 1] < _SHORT:
            return start + 2, self._bounds[turn + 1]
        return (start + 3 if data[start + 2] < _SHORT else _skip_length(data, start)), self._bounds[turn + 1]

    def _list_outputs(self, operation: str, inputs: int) -> Iterator[bytes]:
        """Yield the outputs of the nodes with this operator, of which most have so many inputs and one output."""
        data = self._data
        for turn in self._list_turns(operation):
            at, end = self._place_fields(turn)
            stop = end - 3  # where another field still fits in
            for _ in range(inputs):
                if at < stop and data[at] == _INPUT_KEY[0] and data[at + 1] < _SHORT:
                    at += 2 + data[at + 1]
            size = data[at + 1] if at < stop and data[at] == _OUTPUT_KEY[0] else _SHORT
            if size < _SHORT and at + 2 + size < stop and data[at + 2 + size] in _BEHIND_OUTPUTS:
                yield data[at + 2 : at + 2 + size]
            else:
                yield from (name.encode("utf-8", "surrogateescape") for name in self.node(turn).outputs)

    def find_maker(self, name: str) -> OnnxNode | None:
        """Return the node that gives the value `name`; of several, the last before the node that was read last."""
        if self._has_many_lookups():
            return self._all_makers.get(name)
        mark = _OUTPUT_KEY + _encode(name)
        begin = self._last
        for turn in self._search_back(mark, begin):
            if name in self.node(turn).outputs:
                return self.node(turn)
        return next((node for node in map(self.node, self._search(mark)) if name in node.outputs), None)

    def find_takers(self, name: str) -> Iterator[OnnxNode]:
        """Yield the nodes that take the value `name`, and have an output: first those behind the one that gives it."""
        if self._has_many_lookups():
            yield from self.takers.get(name, ())
            return
        mark, maker = _INPUT_KEY + _encode(name), self.makers.get(name)
        begin = 0 if maker is None else self._bounds[self._turns[id(maker)]]
        for node in map(self.node, chain(self._search(mark, begin), self._search(mark, 0, begin))):
            if name in node.inputs and node.outputs:
                yield node

    def _has_many_lookups(self) -> bool:
        """Count a search, and return whether there were so many that to read all nodes takes less time."""
        self._lookups += 1
        return self._lookups > _MOST_LOOKUPS

    @cached_property
    def _all_makers(self) -> Makers:
        return self._index_makers()

    def require_one_maker(self, name: str) -> None:
        """Check that the value `name` is not given twice.

        Raises:
            CorruptModel: It is.
        """
        makers = [turn for turn in self._search(_OUTPUT_KEY + _encode(name)) if name in self.node(turn).outputs]
        if len(makers) + (name in self.stored) > 1:
            raise CorruptModel(f"two nodes or tensors of the graph give the value {name}")

    def _search(self, mark: bytes, begin: int = 0, end: int | None = None) -> Iterator[int]:
        """Yield the positions of the nodes whose bytes, from `begin` to `end`, contain `mark`."""
        end = self._bounds[-1] if end is None else end
        at = self._data.find(mark, begin, end)
        while at >= 0:
            turn = bisect_right(self._bounds, at) - 1
            yield turn
            at = self._data.find(mark, max(at + 1, self._bounds[turn + 1]), end)

    def _search_back(self, mark: bytes, end: int) -> Iterator[int]:
        """Yield the positions of the nodes shortly before `end` whose bytes contain `mark`, the last first."""
        begin = max(0, end - _NEAR)
        while (at := self._data.rfind(mark, begin, end)) >= 0:
            turn = bisect_right(self._bounds, at) - 1
            yield turn
            end = self._bounds[turn]


class _Makers:
    """The nodes that give values, by the names of these."""

    def __init__(self, graph: IndexedGraph) -> None:
        self._graph = graph
        self._known: dict[str, OnnxNode | None] = {}

    def get(self, name: str) -> OnnxNode | None:
        """Return the node that gives `name`, or None."""
        if name not in self._known:
            is_node = bool(name) and name not in self._graph.stored
            self._known[name] = self._graph.find_maker(name) if is_node else None
        return self._known[name]

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None


class _Lengths(dict[int, int]):
    """The length of a record, with its key and its length itself, by its first four bytes."""

    def __init__(self, key: int) -> None:
        super().__init__()
        self._key = key

    def __missing__(self, head: int) -> int:
        key, *lengths = head.to_bytes(4, "little")
        if key != self._key:
            raise KeyError
        size, used = varint(bytes(lengths), 0) if min(lengths) < _SHORT else (0, 4)
        if used > 3:
            raise KeyError
        self[head] = found = 1 + used + size
        return found


def walk(data: bytes, bounds: list[int], key: int) -> bool:
    """Add to `bounds` the end of each of the records with `key` that follow each other from the last bound on.

    Return whether something else follows the last of them in `data`, or nothing.
    """
    lengths, append, unpack = _Lengths(key), bounds.append, _HEAD.unpack_from
    position, end = bounds[-1], len(data)
    while position < end:
        try:
            while True:
                (head,) = unpack(data, position)
                position += lengths[head]
                append(position)
        except (KeyError, struct.error):
            pass
        if position >= end or data[position] != key:
            break
        try:
            length, after = varint(data, position + 1)
        except CorruptModel:
            return False
        position = after + length
        append(position)
    return position < end


def _skip_length(data: bytes, start: int) -> int:
    """Return the index in `data` behind the key and the length at `start`."""
    return varint(data, start + 1)[1]


def _encode(name: str) -> bytes:
    text = name.encode("utf-8", "surrogateescape")
    return encode_varint(len(text)) + text
