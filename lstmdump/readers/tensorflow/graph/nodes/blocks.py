"""Nodes of a graph one after another, and the repetition of a block of them.

TensorFlow 1 writes the steps of an unrolled loop as blocks of some 20 nodes each, which differ only in the digits of
names. Nodes are stored one after another, each behind its length. So a block certainly consists of nodes if all bytes
that say where its nodes and their names begin and end are equal to those of the block before, which was read node by
node. To compare these bytes takes a twentieth of the time of reading the nodes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from struct import Struct

from lstmdump.readers.protobuf import Buffer

_SHORTEST_WAIT, _LONGEST_WAIT = 1 << 12, 1 << 16  # bytes from one search to the next
_LARGEST = 1 << 16  # bytes of a block, so that none of its nodes is one of the long ones, which `NodeIndex` lists
_ALIKE = 8  # nodes of the same sizes in a row that make a repetition likely


class NodeBlock:
    """A block of nodes, and its repetitions: blocks of nodes of the same sizes, with names of the same sizes.

    Args:
        data: the GraphDef.
        first: the position of the first node in the graph.
        bounds: the offsets at which the nodes of the first block begin, and the end of its last node.
        names: the names of the nodes of the first block.
        count: the number of nodes in all blocks, of which the last may be incomplete; that of the first block if 0.

    Attributes:
        data: the GraphDef.
        first: the position of the first node in the graph.
        start: the offset of the first node.
        stop: the end of the last node.
        size: the number of bytes of one block.
    """

    def __init__(self, data: Buffer, first: int, bounds: Sequence[int], names: Sequence[bytes], count: int = 0) -> None:
        self.first = first
        self.start = bounds[0]
        self.size = bounds[-1] - bounds[0]
        self.data = data
        self._bounds = bounds
        self._names = names
        self._count = count or len(names)
        self.stop = self.bounds(first + self._count - 1)[1]

    def __len__(self) -> int:
        return self._count

    def bounds(self, turn: int) -> tuple[int, int]:
        """Return the start and the end of the node at position `turn` in the graph."""
        block, place = divmod(turn - self.first, len(self._names))
        return self._bounds[place] + block * self.size, self._bounds[place + 1] + block * self.size

    def name(self, turn: int) -> bytes:
        """Return the name of the node at position `turn` in the graph."""
        block, place = divmod(turn - self.first, len(self._names))
        if block == 0:
            return self._names[place]
        start = find_name(self.data, self.bounds(turn)[0])
        return bytes(self.data[start : start + len(self._names[place])])

    def turn_at(self, offset: int) -> int:
        """Return the position in the graph of the node at `offset`."""
        block, rest = divmod(offset - self.start, self.size)
        return self.first + block * len(self._names) + bisect_right(self._bounds, self.start + rest) - 1

    def names(self) -> Iterable[bytes]:
        """Return the names of all nodes, in order."""
        if self._count == len(self._names):
            return self._names
        form = Struct("".join(f"{head}x{name}s{rest}x" for head, name, rest in self._measure_nodes()))
        blocks, rest = divmod(self._count, len(self._names))
        complete = form.iter_unpack(memoryview(self.data)[self.start : self.start + blocks * self.size])
        last = self.first + self._count
        return chain(chain.from_iterable(complete), map(self.name, range(last - rest, last)))

    def find_repeats(self, end: int) -> NodeBlock | None:
        """Return the repetitions of this block, a single one, that follow it and end before `end`; None if none do.

        All nodes must have names.
        """
        nodes, view, start = list(self._measure_nodes()), memoryview(self.data), self.stop
        if min(rest for _, _, rest in nodes) < 0:  # after a damaged name, which ends in the next node
            return None
        form = Struct("".join(f"{head}s{name + rest}x" for head, name, rest in nodes))
        (expected,) = form.iter_unpack(view[self.start : start])
        count = 0
        for heads in form.iter_unpack(view[start : start + (end - 1 - start) // self.size * self.size]):
            if heads != expected:
                count += next(place for place, head in enumerate(heads) if head != expected[place])
                break
            count += len(heads)
        if count < len(expected):
            return None
        bounds = [offset + self.size for offset in self._bounds]
        names = [
            bytes(view[offset + head : offset + head + name])
            for offset, (head, name, _) in zip(bounds, nodes, strict=False)
        ]
        return NodeBlock(self.data, self.first + len(self), bounds, names, count)

    def _measure_nodes(self) -> Iterator[tuple[int, int, int]]:
        """Yield the number of bytes before, in and after the name of each node in a block."""
        for (start, stop), name in zip(pairwise(self._bounds), self._names, strict=True):
            head = find_name(self.data, start) - start
            yield head, len(name), stop - start - head - len(name)


class RepetitionSearch:
    """The search for repetitions while the nodes of a graph are read.

    A search takes less time than reading the nodes since the search before, as it considers no longer blocks.

    Args:
        data: the GraphDef.

    Attributes:
        wait: the number of bytes to read before the next search.
    """

    def __init__(self, data: Buffer) -> None:
        self.wait = _SHORTEST_WAIT
        self._data = data
        self._searched = 0  # nodes at the last search
        self._length = 0  # nodes of the last block that was repeated

    def find(self, first: int, bounds: Sequence[int], names: Sequence[Buffer], end: int) -> NodeBlock | None:
        """Return the repetitions of the last nodes that follow them and end before `end`; None if none do.

        Args:
            first: the position in the graph of the first node read since the last repetition.
            bounds: the offsets of the nodes read since then, and the end of the last one.
            names: the names of these nodes.
            end: the offset before which a repetition must end.
        """
        for length in self._guess_lengths(bounds):
            texts = [bytes(name) for name in names[-length:]]
            block = NodeBlock(self._data, first + len(names) - length, bounds[-1 - length :], texts)
            found = block.find_repeats(end) if block.size <= _LARGEST and all(texts) else None
            if found is not None:
                self._length, self._searched = length, 0
                self.wait = found.size + found.size // _ALIKE
                return found
        self._searched = len(names)
        self.wait = min(2 * self.wait, _LONGEST_WAIT)
        return None

    def _guess_lengths(self, bounds: Sequence[int]) -> Iterator[int]:
        """Yield numbers of nodes, up to those read since the last search, of which the next may be a repetition."""
        most = len(bounds) - 1 - self._searched
        if 0 < self._length <= most:
            yield self._length
        sizes = bytes((stop - start) & 0xFF for start, stop in pairwise(bounds[-1 - most - _ALIKE :]))
        found = sizes.rfind(sizes[-_ALIKE:], 0, -1)
        if found >= 0:
            yield len(sizes) - _ALIKE - found


def find_name(data: Buffer, start: int) -> int:
    """Return the offset of the name of the node at `start`, which begins with one."""
    position = start + 1
    while data[position] > 127:
        position += 1
    position += 2  # after the length of the node, and the key of the name
    while data[position] > 127:
        position += 1
    return position + 1
