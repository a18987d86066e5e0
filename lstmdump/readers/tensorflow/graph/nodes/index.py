"""An index of the nodes of a TensorFlow graph by offset and name, made without parsing the nodes.

Graphs have tens of thousands of nodes, of which few are ever needed, so nothing else is done for each of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import DEFAULTS, limit_exceeded
from lstmdump.readers.protobuf import Buffer, as_text, varint
from lstmdump.readers.tensorflow.graph.nodes.blocks import NodeBlock, RepetitionSearch
from lstmdump.readers.tensorflow.graph.nodes.repeated_marks import RepeatedMark

_NODE_KEY = 0x0A  # the key of a node in the graph, and of the name in a node
_LENGTH_DELIMITED = 2  # the wire type of values that follow their length
_LAST_OF_HEAD = 3  # the fields of the head (name, operation, inputs) have lower numbers than all others
_SHORTEST = 2  # bytes of a node
_FIRST_ENTERED = 256  # nodes
_LONG = 1 << 16  # bytes; of longer nodes only the head is searched: the rest is the content of a constant


class NodeIndex:
    """The nodes at the start of a GraphDef.

    Args:
        data: the GraphDef.
        most: the largest number of nodes.

    Attributes:
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
        self._count = 0
        self._blocks: list[NodeBlock] = []
        self._long: list[int] = []
        self.searched = 0
        try:
            self.end = self._scan()
        except IndexError as error:
            raise CorruptModel("the graph is cut short") from error
        if self.end > len(data):
            raise CorruptModel("the graph is cut short")
        self._firsts = [block.first for block in self._blocks]
        self._starts = [block.start for block in self._blocks]
        self._runs = list(self._make_runs())
        self.searchable = sum(min(len(run), self.end) for _, run in self._runs)
        self._require_different_names()
        self._turns: dict[bytes, int] = {}
        self._not_entered = zip(self.names(), range(self._count), strict=True)

    def __len__(self) -> int:
        return self._count

    def _scan(self) -> int:
        """Record all nodes and return the end of the last one.

        Lengths of one or two bytes are decoded inline, without a call. The number of nodes is compared with the limit
        only at `last`: the bytes before it are too few to hold too many nodes.
        """
        data, position, whole, first = self._data, 0, len(self._data), _NODE_KEY
        bounds: list[int] = [0]
        names: list[Any] = []  # slices, which are converted to bytes afterwards
        repetitions = RepetitionSearch(data)
        last = min(whole, _SHORTEST * self._most)  # no count is needed before
        end = min(last, repetitions.wait)
        while position < end and data[position] == first:
            length, start = data[position + 1], position + 2
            if length > 127:
                length, start = length + ((data[start] - 1) << 7), start + 1
                if data[start - 1] > 127:
                    length, start = varint(data, position + 1)
                    if length > _LONG:
                        self._long.append(self._count + len(names))
            position = start + length
            size = data[start + 1] if length and data[start] == first else 0
            names.append(data[start + 2 : start + 2 + size] if size < 128 else self._read_long_name(start))
            bounds.append(position)
            if position >= end:
                if position >= last:
                    last = min(whole, self._find_next_count(position, len(names)))
                repeated = repetitions.find(self._count, bounds, names, last) if position < last else None
                if repeated is not None:
                    self._add(bounds, names)
                    position = self._add_block(repeated)
                    bounds, names = [position], []
                end = min(last, position + repetitions.wait)
        self._add(bounds, names)
        return position

    def _add(self, bounds: Sequence[int], names: list[Any]) -> None:
        """Add the nodes with `bounds` and `names`, if there are any."""
        if names:
            texts = names if isinstance(self._data, bytes) else list(map(bytes, names))
            self._add_block(NodeBlock(self._data, self._count, bounds, texts))

    def _add_block(self, block: NodeBlock) -> int:
        """Add the nodes in `block`, and return the end of the last."""
        self._blocks.append(block)
        self._count += len(block)
        return block.stop

    def _find_next_count(self, position: int, read: int) -> int:
        """Return the offset at which to compare the number of nodes with the limit again.

        Args:
            position: the end of the last node.
            read: the number of nodes since the last block that was added.

        Raises:
            RefusedModel: There are more nodes.
        """
        left = self._most - self._count - read
        if left < 0:
            raise limit_exceeded("nodes", f"a graph of more than {self._most:,} nodes", needed=10 * self._most)
        return position + _SHORTEST * (left + 1)

    def _read_long_name(self, start: int) -> bytes:
        length, begin = varint(self._data, start + 1)
        return bytes(self._data[begin : begin + length])

    def _require_different_names(self) -> None:
        """Check that no two nodes have the same name.

        Raises:
            CorruptModel: Two nodes do.
        """
        different = set(self.names())
        unnamed = sum(not name for name in self.names()) - 1 if b"" in different else 0
        if len(different) < self._count - unnamed:
            last = dict(zip(self.names(), range(self._count), strict=True))
            twice = next(name for turn, name in enumerate(self.names()) if name and last[name] != turn)
            raise CorruptModel(f"the graph has two nodes named {as_text(twice)}")

    def names(self) -> Iterator[bytes]:
        """Iterate over the names of all nodes, which are empty for nodes that do not begin with a name."""
        return chain.from_iterable(block.names() for block in self._blocks)

    def find(self, name: bytes) -> int | None:
        """Return the position in the graph of the node `name`, or None if there is none.

        Nodes are entered in a dictionary until it is found: where nearly all nodes are steps of a loop, only the first
        of them are ever searched for.
        """
        known = self._turns
        while (turn := known.get(name)) is None:
            more = dict(islice(self._not_entered, max(len(known), _FIRST_ENTERED)))
            if not more:
                return None
            known |= more
        return turn if name else None

    def name(self, turn: int) -> bytes:
        """Return the name of the node at position `turn`, empty if the node does not begin with a name."""
        return self._blocks[bisect_right(self._firsts, turn) - 1].name(turn)

    def bounds(self, turn: int) -> tuple[int, int]:
        """Return the start of the node at position `turn`, after its length, and its end."""
        start, stop = self._blocks[bisect_right(self._firsts, turn) - 1].bounds(turn)
        return varint(self._data, start + 1)[1], stop

    def _block_at(self, offset: int) -> NodeBlock:
        """Return the block with the node at `offset`."""
        return self._blocks[bisect_right(self._starts, offset) - 1]

    def _make_runs(self) -> Iterator[tuple[int, bytes]]:
        """Yield the bytes of all nodes, but only the heads of long ones, in runs, each with its offset."""
        if not self._long and isinstance(self._data, bytes):
            yield 0, self._data
            return
        begin = 0
        for turn in self._long:
            yield begin, bytes(self._data[begin : self._find_head_end(turn)])
            begin = self.bounds(turn)[1]
        yield begin, bytes(self._data[begin : self.end])

    def _find_head_end(self, turn: int) -> int:
        """Return the start of the attributes of a node, or its end if it has none or is damaged before them."""
        position, stop = self.bounds(turn)
        while position < stop:
            key, value = varint(self._data, position)
            if key >> 3 > _LAST_OF_HEAD:
                return position
            if key & 7 != _LENGTH_DELIMITED:
                return stop
            length, position = varint(self._data, value)
            position += length
        return stop

    def holding(self, mark: bytes, first: int = 0, done: Collection[str] = ()) -> Iterator[tuple[int, bool]]:
        """Yield the position of each node whose bytes contain `mark`, and whether the mark directly follows the name.

        The search starts at the node `first` and wraps around. Searching the bytes is much faster than parsing all
        nodes, but a mark that does not follow the name may be part of another value, so the caller must check the node.
        Nodes in a scope that the caller has added to `done` are passed over, if the mark follows their names.
        """
        begin = self.bounds(first - 1)[1] if first else 0
        yield from self._search(mark, begin, self.end, done)
        yield from self._search(mark, 0, begin, done)

    def _search(self, mark: bytes, position: int, end: int, done: Collection[str]) -> Iterator[tuple[int, bool]]:
        def is_done(name: bytes) -> bool:
            return as_text(name).rpartition("/")[0] in done

        unlike: NodeBlock | None = None  # in which not all nodes with the mark are done
        for begin, run in self._runs:
            while (start := max(position, begin)) < min(end, begin + len(run)):
                found = run.find(mark, start - begin, end - begin)
                self.searched += (min(end - begin, len(run)) if found < 0 else found) - (start - begin)
                if found < 0:
                    break
                turn = self._block_at(begin + found).turn_at(begin + found)
                name, (node, stop) = self.name(turn), self.bounds(turn)
                if begin + found < node:  # within the length of the node
                    position = begin + found + 1
                    continue
                position = stop
                follows = begin + found == node + 2 + len(name)
                if not follows or not done or not is_done(name):
                    yield turn, follows
                    continue
                block = self._block_at(begin + found)
                if block is not unlike:
                    passed = RepeatedMark(run, begin, block, mark, begin + found).pass_over(is_done)
                    if passed is None:
                        unlike = block
                    else:
                        position = passed[0]
                        self.searched += position - begin - found - passed[1]
