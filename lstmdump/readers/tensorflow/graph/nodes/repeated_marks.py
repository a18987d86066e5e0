"""Bytes that are searched for in a graph and found in all blocks of a repetition at the same place.

An unrolled loop of 820 steps has 820 splits. All of them are the same cell if their names are in the same scope, which
is compared for all blocks at once, byte by byte of the scope, instead of node by node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lstmdump.readers.tensorflow.graph.nodes.blocks import NodeBlock, find_name


class RepeatedMark:
    """The places of a mark in the nodes of a repetition, from one node on.

    Args:
        data: bytes of the graph, which include all nodes in `block`.
        begin: the offset of `data` in the graph.
        block: the repetition.
        mark: what is searched for; its first byte is not repeated in it.
        found: the offset of the mark, which is the first in its node.
    """

    def __init__(self, data: bytes, begin: int, block: NodeBlock, mark: bytes, found: int) -> None:
        self._data = data
        self._begin = begin
        self._block = block
        self._mark = mark
        self._start = block.bounds(block.turn_at(found))[0]
        self._repeats = (block.stop - self._start) // block.size
        self._end = self._start + self._repeats * block.size

    def pass_over(self, is_done: Callable[[bytes], bool]) -> tuple[int, int] | None:
        """Return the offset after the last node with the mark, and the number of bytes from the marks to their ends.

        The result is None unless all blocks hold the mark at the same offsets in nodes that are done.

        Args:
            is_done: whether the node of a name is done, which depends on what precedes the last slash.
        """
        if self._repeats < 2:
            return None
        places = list(self._find_in_first())
        first = {self._block.turn_at(place): place for place in reversed(places)}  # in each node
        is_alike = (
            self._data.count(self._mark, self._start - self._begin, self._end - self._begin)
            == self._repeats * len(places)
            and all(self._is_equal(place, place + len(self._mark)) for place in places)
            and all(is_done(self._block.name(turn)) and self._has_equal_scope(turn, first[turn]) for turn in first)
        )
        if not is_alike:
            return None
        stops = [self._block.bounds(turn)[1] for turn in first]
        last = max(stops) + (self._repeats - 1) * self._block.size
        return max(last, self._end + 1 - len(self._mark)), self._repeats * (sum(stops) - sum(first.values()))

    def _find_in_first(self) -> Iterator[int]:
        """Yield the offsets of the mark in the first block."""
        end = self._start + self._block.size - self._begin
        place = self._data.find(self._mark, self._start - self._begin, end)
        while place >= 0:
            yield self._begin + place
            place = self._data.find(self._mark, place + 1, end)

    def _has_equal_scope(self, turn: int, mark: int) -> bool:
        """Return whether the names of the node `turn` and of those like it differ in what follows the last slash only.

        A node whose `mark` does not directly follow the name does not count.
        """
        name = self._block.name(turn)
        begin = find_name(self._block.data, self._block.bounds(turn)[0])
        last = begin + name.rfind(b"/") + 1
        ends = (self._column(place) for place in range(last, begin + len(name)))
        return mark == begin + len(name) and self._is_equal(begin, last) and all(b"/" not in end for end in ends)

    def _is_equal(self, start: int, stop: int) -> bool:
        """Return whether the bytes from `start` to `stop` are the same in all blocks."""
        columns = (self._column(place) for place in range(start, stop))
        return all(column == column[:1] * self._repeats for column in columns)

    def _column(self, place: int) -> bytes:
        """Return the byte at `place` in the first block, and those at the same place in all others."""
        return self._data[place - self._begin : self._end - self._begin : self._block.size]
