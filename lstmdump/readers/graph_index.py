"""Where each node of a TensorFlow graph lies and what it is called, found without taking a node apart.

Graphs have tens of thousands of nodes, of which few are ever looked at: so this is all that is done for each.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from lstmdump.errors import CorruptModel
from lstmdump.readers.protobuf import as_text, varint

_FIRST = 0x0A  # the key of a node in the graph, and of the name in a node


class NodeIndex:
    """The nodes at the start of DATA, a GraphDef.

    Attributes:
        stops: where each node ends.
        names: their names, empty where a node does not begin with one.
        turns: how many nodes stand before each, by its name.
        end: where the last one ends.
        searched: how many bytes have been searched through so far.

    Raises:
        CorruptModel: the last one is cut short, or two have one name.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.searched = 0
        self.stops: list[int] = []
        self.names: list[bytes] = []
        try:
            self.end = self._go_through()
        except IndexError as error:
            raise CorruptModel("a graph that is cut short") from error
        if self.end > len(data):
            raise CorruptModel("a graph that is cut short")
        self.turns = dict(zip(self.names, range(len(self.names)), strict=True))
        self.turns.pop(b"", None)
        if len(self.turns) < len(self.names) - self.names.count(b""):
            twice = next(name for turn, name in enumerate(self.names) if name and self.turns[name] != turn)
            raise CorruptModel(f"a graph with two nodes called {as_text(twice)}")

    def _go_through(self) -> int:
        """Note all nodes, and give the end of the last. For a length of one byte or two, nothing is called."""
        data, position, end, first = self._data, 0, len(self._data), _FIRST
        stops, names = self.stops, self.names
        while position < end and data[position] == first:
            length, start = data[position + 1], position + 2
            if length > 127:
                length, start = length + ((data[start] - 1) << 7), start + 1
                if data[start - 1] > 127:
                    length, start = varint(data, position + 1)
            position = start + length
            size = data[start + 1] if length and data[start] == first else 0
            names.append(data[start + 2 : start + 2 + size] if size < 128 else self._long_name(start))
            stops.append(position)
        return position

    def _long_name(self, start: int) -> bytes:
        length, begin = varint(self._data, start + 1)
        return self._data[begin : begin + length]

    def start(self, turn: int) -> int:
        """Where the node begins that stands at TURN, behind its length."""
        return varint(self._data, (self.stops[turn - 1] if turn else 0) + 1)[1]

    def holding(self, mark: bytes, first: int = 0) -> Iterator[tuple[int, bool]]:
        """The turns of the nodes in whose bytes MARK stands, each once, and whether it stands right behind the name.

        The search begins with the node FIRST and ends with the one before it. To search through the bytes is much
        faster than to take all nodes apart.
        """
        begin = self.stops[first - 1] if first else 0
        yield from self._within(mark, begin, self.end)
        yield from self._within(mark, 0, begin)

    def _within(self, mark: bytes, position: int, end: int) -> Iterator[tuple[int, bool]]:
        while position < end:
            found = self._data.find(mark, position, end)
            self.searched += (end if found < 0 else found) - position
            if found < 0:
                return
            turn = bisect_right(self.stops, found)
            start = self.start(turn)
            if found < start:  # in the node's length
                position = found + 1
                continue
            yield turn, found == start + 2 + len(self.names[turn])
            position = self.stops[turn]
