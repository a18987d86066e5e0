"""An index of the nodes of a TensorFlow graph that reads each node: what a faster one is compared with."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import DEFAULTS, limit_exceeded
from lstmdump.readers.protobuf import Buffer, as_text, varint

_NODE_KEY = 0x0A  # the key of a node in the graph, and of the name in a node
_LENGTH_DELIMITED = 2  # the wire type of values that follow their length
_LAST_OF_HEAD = 3  # the fields of the head (name, operation, inputs) have lower numbers than all others
_SHORTEST = 2  # bytes of a node
_LONG = 1 << 16  # bytes; of longer nodes only the head is searched: the rest is the content of a constant


class PlainNodeIndex:
    """The nodes at the start of a GraphDef.

    Args:
        data: the GraphDef.
        most: the largest number of nodes.

    Attributes:
        stops: the end of each node.
        names: the name of each node, empty if the node does not begin with a name.
        turns: the position of each node in the graph, by name.
        end: the end of the last node.
        searchable: the number of bytes in a full search.
        searched: the number of bytes searched so far.

    Raises:
        CorruptModel: The last node is cut short, or two nodes have the same name.
        RefusedModel: There are more nodes.
    """

    def __init__(self, data: Buffer, most: int = DEFAULTS.nodes) -> None:
        self._data = data
        self._most = most
        self._long: list[int] = []
        self.searched = 0
        self.stops: list[int] = []
        self.names: list[bytes] = []
        try:
            self.end = self._scan()
            if not isinstance(data, bytes):
                self.names = list(map(bytes, self.names))
        except IndexError as error:
            raise CorruptModel("the graph is cut short") from error
        if self.end > len(data):
            raise CorruptModel("the graph is cut short")
        self._runs = list(self._make_runs())
        self.searchable = sum(min(len(run), self.end) for _, run in self._runs)
        self.turns = dict(zip(self.names, range(len(self.names)), strict=True))
        self.turns.pop(b"", None)
        if len(self.turns) < len(self.names) - self.names.count(b""):
            twice = next(name for turn, name in enumerate(self.names) if name and self.turns[name] != turn)
            raise CorruptModel(f"the graph has two nodes named {as_text(twice)}")

    def _scan(self) -> int:
        """Record all nodes and return the end of the last one.

        Lengths of one or two bytes are decoded inline, without a call. The number of nodes is compared with the limit
        only at `end`: the bytes before it are too few to hold too many nodes.
        """
        data, position, whole, first = self._data, 0, len(self._data), _NODE_KEY
        stops = self.stops
        names: list[Any] = self.names  # slices, which are converted to bytes afterwards
        end = min(whole, _SHORTEST * self._most)  # no count is needed before
        while position < end and data[position] == first:
            length, start = data[position + 1], position + 2
            if length > 127:
                length, start = length + ((data[start] - 1) << 7), start + 1
                if data[start - 1] > 127:
                    length, start = varint(data, position + 1)
            position = start + length
            size = data[start + 1] if length and data[start] == first else 0
            names.append(data[start + 2 : start + 2 + size] if size < 128 else self._read_long_name(start))
            if length > _LONG:
                self._long.append(len(stops))
            stops.append(position)
            if position >= end:
                if len(stops) > self._most:
                    raise limit_exceeded("nodes", f"a graph of more than {self._most:,} nodes", needed=10 * self._most)
                end = min(whole, position + _SHORTEST * (self._most + 1 - len(stops)))
        return position

    def _read_long_name(self, start: int) -> bytes:
        length, begin = varint(self._data, start + 1)
        return bytes(self._data[begin : begin + length])

    def _make_runs(self) -> Iterator[tuple[int, bytes]]:
        """Yield the bytes of all nodes, but only the heads of long ones, in runs, each with its offset."""
        if not self._long and isinstance(self._data, bytes):
            yield 0, self._data
            return
        begin = 0
        for turn in self._long:
            yield begin, bytes(self._data[begin : self._find_head_end(turn)])
            begin = self.stops[turn]
        yield begin, bytes(self._data[begin : self.end])

    def _find_head_end(self, turn: int) -> int:
        """Return the start of the attributes of a node, or its end if it has none or is damaged before them."""
        position, stop = self.start(turn), self.stops[turn]
        while position < stop:
            key, value = varint(self._data, position)
            if key >> 3 > _LAST_OF_HEAD:
                return position
            if key & 7 != _LENGTH_DELIMITED:
                return stop
            length, position = varint(self._data, value)
            position += length
        return stop

    def start(self, turn: int) -> int:
        """Return the start of the node at position `turn`, after its length."""
        return varint(self._data, (self.stops[turn - 1] if turn else 0) + 1)[1]

    def holding(self, mark: bytes, first: int = 0) -> Iterator[tuple[int, bool]]:
        """Yield the position of each node whose bytes contain `mark`, and whether the mark directly follows the name.

        The search starts at the node `first` and wraps around. Searching the bytes is much faster than parsing all
        nodes, but a mark that does not follow the name may be part of another value, so the caller must check the node.
        """
        begin = self.stops[first - 1] if first else 0
        yield from self._search(mark, begin, self.end)
        yield from self._search(mark, 0, begin)

    def _search(self, mark: bytes, position: int, end: int) -> Iterator[tuple[int, bool]]:
        for begin, run in self._runs:
            while (start := max(position, begin)) < min(end, begin + len(run)):
                found = run.find(mark, start - begin, end - begin)
                self.searched += (min(end - begin, len(run)) if found < 0 else found) - (start - begin)
                if found < 0:
                    break
                turn = bisect_right(self.stops, begin + found)
                node = self.start(turn)
                if begin + found < node:  # within the length of the node
                    position = begin + found + 1
                    continue
                yield turn, begin + found == node + 2 + len(self.names[turn])
                position = self.stops[turn]
