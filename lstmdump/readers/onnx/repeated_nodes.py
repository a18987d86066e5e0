"""Nodes that follow each other as in a step of a cell that was read already: unrolled, a cell has thousands of steps.

Exporters write the steps of a cell one after the other, each as a run of the same number of nodes. Between two steps
differ only the numbers in names, the lengths of these, and constants. So a run of nodes is compared with one that was
read, in a few operations on all of its bytes: the digits are taken out, and what may differ is masked. The arrays of
the cell must be in it by their very names. A run that differs in any other way is read as all nodes are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from lstmdump.readers.protobuf import encode_varint, varint

_DIGITS = b"0123456789"
_INPUT_KEY, _OPERATION_KEY, _ATTRIBUTE_KEY = 0x0A, 0x22, 0x2A
_METADATA_KEY = 0x4A
_DELIMITED, _KIND = 2, 7
_LONGEST_RUN = 1_000  # nodes
_MOST_FORMS = 64  # of runs that are compared
_SHORT = 0x80  # smaller numbers take one byte


class RepeatedSteps:
    """The steps of a cell in a graph.

    Args:
        data: The nodes of the graph, each behind its key and its length.
        bounds: Where in `data` each node begins, and where the last ends.
        arrays: The names of the arrays of the cell.
    """

    def __init__(self, data: bytes, bounds: Sequence[int], arrays: Iterable[str]) -> None:
        self._data, self._bounds = data, bounds
        names = [name.encode("utf-8", "surrogateescape") for name in arrays]
        self._marks = [bytes([_INPUT_KEY]) + encode_varint(len(name)) + name for name in names]
        self._last: int | None = None
        self._forms: dict[int, list[tuple[int, int, list[bytes]]]] = {}  # by the number of bytes without digits
        self._count = 0

    def follow(self, turn: int) -> Iterator[int]:
        """Yield which nodes take, in steps that follow, the place of the node `turn`, which was read, in its step."""
        begin = turn if self._last is None else self._last
        self._last = turn
        length = turn - begin
        if not 0 < length <= _LONGEST_RUN or not self._learn(begin + 1, turn + 1):
            return
        while self._last + 1 + length < len(self._bounds) and self._is_known(self._last + 1, self._last + 1 + length):
            self._last += length
            yield self._last

    def _learn(self, begin: int, end: int) -> bool:
        """Remember the run of nodes from `begin` to `end`; return whether others can be compared with it."""
        run = self._data[self._bounds[begin] : self._bounds[end]]
        marks = [mark for mark in self._marks if mark in run]
        if not marks or self._count >= _MOST_FORMS:
            return False
        self._count += 1
        plain = run.translate(None, _DIGITS)
        mask = _mask(run, [bound - self._bounds[begin] for bound in self._bounds[begin : end + 1]])
        value, kept = int.from_bytes(plain, "little"), int.from_bytes(mask, "little")
        self._forms.setdefault(len(plain), []).append((value, kept, marks))
        return True

    def _is_known(self, begin: int, end: int) -> bool:
        """Return whether the run of nodes from `begin` to `end` is like one that was read."""
        run = self._data[self._bounds[begin] : self._bounds[end]]
        plain = run.translate(None, _DIGITS)
        forms = self._forms.get(len(plain))
        if forms is None:
            return False
        value = int.from_bytes(plain, "little")
        return any(not (value ^ known) & kept and all(mark in run for mark in marks) for known, kept, marks in forms)


def _mask(run: bytes, bounds: Sequence[int]) -> bytes:
    """Return for each byte of `run` that is not a digit 255, or 0 for one that may differ between two steps."""
    made, last = [], 0
    for start, stop in _list_lengths(run, bounds):
        made.append(b"\xff" * _count_others(run[last:start]) + b"\0" * _count_others(run[start:stop]))
        last = stop
    return b"".join(made) + b"\xff" * _count_others(run[last:])


def _count_others(part: bytes) -> int:
    return len(part.translate(None, _DIGITS))


def _list_lengths(run: bytes, bounds: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield where lengths stand in the nodes of `run`, and the values of constants."""
    for start, stop in pairwise(bounds):
        _, at = varint(run, start + 1)
        yield start + 1, at
        is_constant = b"\x22\x08Constant" in run[start:stop]
        yield from _list_lengths_of_fields(run, at, stop, is_constant=is_constant)


def _list_lengths_of_fields(run: bytes, at: int, stop: int, *, is_constant: bool) -> Iterator[tuple[int, int]]:
    while at < stop:
        key, begin = varint(run, at)
        length, at = varint(run, begin)
        if key & _KIND != _DELIMITED:
            return  # which no node has: the rest has to be equal
        after = at + length
        if key == _ATTRIBUTE_KEY and is_constant:
            yield begin, after
        elif key == _METADATA_KEY:
            yield begin, at
            yield from _list_lengths_of_fields(run, at, after, is_constant=False)
        else:
            yield begin, at
        at = after
