"""Nodes that follow each other as in a step of a cell that was read already: unrolled, a cell has thousands of steps.

Exporters write the steps of a cell one after the other, each as a run of the same number of nodes. Between two steps
differ only the numbers in names, the lengths of these, and constants. So a run of nodes is compared with one that was
read, in a few operations on all of its bytes: the digits are taken out, and what may differ is masked. The arrays of
the cell must be in it by their very names, all of them and in the same places, so that no other cell stands where this
one did. A run that differs in any other way is read as all nodes are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from lstmdump.readers.protobuf import encode_varint, varint

_DIGITS = b"0123456789"
_SHIFTED = bytes(byte ^ 0x80 for byte in range(256))
_INPUT_KEY, _ATTRIBUTE_KEY, _METADATA_KEY = 0x0A, 0x2A, 0x4A
_CONSTANT = b"\x22\x08Constant"
_DELIMITED, _KIND = 2, 7
_LONGEST_RUN = 1_000  # nodes
_MOST_KEPT = 8 << 20  # bytes of runs that others are compared with
_MOST_FORMS = 64  # of the steps of a cell


class RepeatedSteps:
    """The steps of the cells in a graph.

    Args:
        data: The nodes of the graph, each behind its key and its length.
        bounds: Where in `data` each node begins, and where the last ends.
    """

    def __init__(self, data: bytes, bounds: Sequence[int]) -> None:
        self._data, self._bounds = data, bounds
        self._cells: dict[tuple[str, ...], _KnownSteps] = {}
        self._kept = 0

    def follow(self, turn: int, arrays: tuple[str, ...]) -> Iterator[int]:
        """Yield which nodes take, in steps that follow, the place of the node `turn`, which was read, in its step.

        `arrays` are the names of the arrays of the cell.
        """
        if arrays not in self._cells:
            self._cells[arrays] = _KnownSteps(arrays, turn)
            return
        known = self._cells[arrays]
        length, known.last = turn - known.last, turn
        if not 0 < length <= _LONGEST_RUN or not self._learn(known, turn + 1 - length, turn + 1):
            return
        while known.last + 1 + length < len(self._bounds) and known.has(
            self._run(known.last + 1, known.last + 1 + length)
        ):
            known.last += length
            yield known.last

    def _run(self, begin: int, end: int) -> bytes:
        return self._data[self._bounds[begin] : self._bounds[end]]

    def _learn(self, known: _KnownSteps, begin: int, end: int) -> bool:
        """Keep the run of nodes from `begin` to `end`; return whether others can be compared with it."""
        first, *others = self._bounds[begin : end + 1]
        self._kept += others[-1] - first
        return self._kept <= _MOST_KEPT and known.learn(self._run(begin, end), [0, *(one - first for one in others)])


class _KnownSteps:
    """Runs of nodes that are steps of a cell, the last of which ends with the node `last`."""

    def __init__(self, arrays: Iterable[str], last: int) -> None:
        names = [name.encode("utf-8", "surrogateescape") for name in arrays]
        self._inputs = [bytes([_INPUT_KEY]) + encode_varint(len(name)) + name for name in names]
        self._forms: dict[int, list[tuple[int, int]]] = {}  # by the number of bytes without digits
        self._left = _MOST_FORMS
        self.last = last

    def learn(self, run: bytes, bounds: Sequence[int]) -> bool:
        """Keep a run, whose nodes have these bounds; return whether it takes all arrays of the cell."""
        if not self._left or not all(one in run for one in self._inputs):
            return False
        self._left -= 1
        marked = self._mark_arrays(run)
        plain, mask = marked.translate(None, _DIGITS), _mask(run, marked, bounds)
        self._forms.setdefault(len(plain), []).append((int.from_bytes(plain, "little"), int.from_bytes(mask, "little")))
        return True

    def has(self, run: bytes) -> bool:
        """Return whether `run` is like one that is known."""
        plain = self._mark_arrays(run).translate(None, _DIGITS)
        forms = self._forms.get(len(plain))
        value = int.from_bytes(plain, "little") if forms else 0
        return any(not (value ^ known) & mask for known, mask in forms or ())

    def _mark_arrays(self, run: bytes) -> bytes:
        """Return `run` with other bytes in place of the inputs that are arrays, whose digits and lengths then count."""
        for one in self._inputs:
            run = run.replace(one, one.translate(_SHIFTED))
        return run


def _mask(run: bytes, marked: bytes, bounds: Sequence[int]) -> bytes:
    """Return for each byte of `marked` that is not a digit 255, or 0 for one that may differ between two steps."""
    made, last = [], 0
    for start, stop in _list_lengths(run, bounds):
        if run[start] == marked[start]:
            made.append(b"\xff" * _count_others(marked[last:start]) + b"\0" * _count_others(marked[start:stop]))
            last = stop
    return b"".join(made) + b"\xff" * _count_others(marked[last:])


def _count_others(part: bytes) -> int:
    return len(part.translate(None, _DIGITS))


def _list_lengths(run: bytes, bounds: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield where lengths stand in the nodes of `run`, and the values of constants."""
    for start, stop in pairwise(bounds):
        _, at = varint(run, start + 1)
        yield start + 1, at
        is_constant = _CONSTANT in run[start:stop]
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
